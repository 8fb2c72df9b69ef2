"""Promise: the compile cache cannot hurt.

Never stale, never corrupt, never an import failure; missing or unwritable means slower, not broken.
"""

import os
import platform
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # as a script there is no conftest

from helpers import finish_script, say, start_script

import fastsep
from fastsep._kernels import jit

PACKAGE = Path(fastsep.__file__).parent
IMAGE = np.array([[3, 5, 0], [1, 9, 2], [7, 7, 4]], np.uint8)
DIAGONAL = [[6, -3, 2], [6, -5, 2], [0, -3, 0]]  # of the image: pixel (i + 1, j + 1) - pixel (i, j)
ANTIDIAGONAL = [[-4, 9, 2], [-2, 5, 2], [0, 3, 0]]
posix = pytest.mark.skipif(not hasattr(os, "getuid"), reason="owners and modes as POSIX has them")


def diagonal(dtype="int16"):
    return fastsep.roberts_pos_diag(IMAGE, dtype=dtype).tolist()


def entries(folder):
    return sorted(folder.glob("*.kernel"))


@pytest.fixture
def folder(tmp_path, monkeypatch, restart):
    """An empty cache in use."""
    path = tmp_path / "cache"
    monkeypatch.setenv("FASTSEP_CACHE_DIR", str(path))
    restart()
    return path


# ---- from process to process


def run(*arguments, package=PACKAGE.parent, **environment):
    """Run this file as a script on some copy of the package; its output by words."""
    status, output = finish_script(start_script(__file__, *arguments, PYTHONPATH=str(package), **environment))
    assert status == 0, output
    return output.split()


def test_a_second_process_loads_what_the_first_compiled_without_numba(tmp_path):
    first = run("bits", FASTSEP_CACHE_DIR=str(tmp_path))
    files = {path: path.stat().st_mtime_ns for path in entries(tmp_path)}
    assert len(files) == 3
    second = run("bits", FASTSEP_CACHE_DIR=str(tmp_path))
    assert first[0] == "numba"
    assert second[0] == "alone"
    assert first[1:] == second[1:]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == files


def bits():
    rng = np.random.default_rng(3)
    image = rng.random((50, 70), np.float32)
    results = [fastsep.gaussian(image, 2), fastsep.sobel(image), fastsep.box(image, 21)]
    say("numba" if "numba" in sys.modules else "alone", *(result.tobytes().hex() for result in results))


def test_kernels_are_compiled_even_where_numba_is_told_not_to(tmp_path):
    compiled = run("bits", FASTSEP_CACHE_DIR=str(tmp_path / "one"), NUMBA_DISABLE_JIT="1")
    usual = run("bits", FASTSEP_CACHE_DIR=str(tmp_path / "other"))
    assert compiled == usual


def test_another_version_of_the_package_keeps_its_own_kernels(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    for path in (old, new):
        shutil.copytree(PACKAGE, path / "fastsep", ignore=shutil.ignore_patterns("__pycache__"))
    # A version that subtracts the other way round.
    with open(new / "fastsep" / "_kernels" / "emit.py", "a") as file:
        file.write("\n_sub = Emitter.sub\nEmitter.sub = lambda self, a, b: _sub(self, b, a)\n")
    cache = tmp_path / "cache"
    for turn, found in enumerate(("numba", "alone")):
        for path, sign in ((old, 1), (new, -1)):
            number, *rest = run("version", package=path, FASTSEP_CACHE_DIR=str(cache))
            assert rest == [found, str(path / "fastsep")], turn
            assert int(number) == 6 * sign
    assert len(entries(cache)) == 2


def version():
    number = diagonal()[0][0]
    say(number, "numba" if "numba" in sys.modules else "alone", Path(fastsep.__file__).parent)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="levels of x86")
def test_another_cpu_keeps_its_own_kernels(tmp_path):
    common = {"NUMBA_CPU_FEATURES": "", "FASTSEP_CACHE_DIR": str(tmp_path)}
    for found in ("numba", "alone"):
        for level in ("x86-64-v2", "x86-64-v3"):
            assert run("version", NUMBA_CPU_NAME=level, **common)[:2] == ["6", found]
    assert len(entries(tmp_path)) == 2


def test_eight_processes_at_once_on_an_empty_cache(tmp_path):
    cache = tmp_path / "cache"
    own = ("int16", "uint16", "float32", "float64")
    environment = {"PYTHONPATH": str(PACKAGE.parent), "FASTSEP_CACHE_DIR": str(cache)}
    # All need one kernel, and every two of them another one.
    processes = [start_script(__file__, "race", own[number % 4], **environment) for number in range(8)]
    for process in processes:
        status, output = finish_script(process)
        assert status == 0, output
        assert output.split()[-1] == "right"
    assert len(entries(cache)) == 5
    assert len(list(cache.iterdir())) == 5  # and no temporary file
    for dtype in own:
        assert run("race", dtype, FASTSEP_CACHE_DIR=str(cache)) == ["alone", "right"]


def race(dtype):
    assert fastsep.roberts_neg_diag(IMAGE, dtype="int16").tolist() == ANTIDIAGONAL
    unit = 255 if dtype.startswith("float") else 1
    low = 0 if dtype == "uint16" else -255
    expected = np.clip(DIAGONAL, low, None) / unit
    np.testing.assert_allclose(np.array(diagonal(dtype), float), expected, rtol=1e-6)
    say("numba" if "numba" in sys.modules else "alone", "right")


# ---- damage


def flip(path, position):
    data = bytearray(path.read_bytes())
    data[position] ^= 0x10
    path.write_bytes(data)


def cut(path, size):
    path.write_bytes(path.read_bytes()[:size])


def swap(path):
    """Put a whole and valid entry there, of another kernel."""
    fastsep.roberts_neg_diag(IMAGE, dtype="int16")
    (other,) = (entry for entry in entries(path.parent) if entry != path)
    shutil.copy(other, path)


DAMAGE = {
    "empty": lambda path: cut(path, 0),
    "one line": lambda path: cut(path, 17),
    "no code": lambda path: cut(path, 150),
    "half": lambda path: cut(path, path.stat().st_size // 2),
    "last byte lost": lambda path: cut(path, path.stat().st_size - 1),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "magic": lambda path: flip(path, 3),
    "checksum": lambda path: flip(path, 30),
    "key": lambda path: flip(path, 90),
    "code": lambda path: flip(path, path.stat().st_size // 2),
    "end": lambda path: flip(path, -1),
    "garbage": lambda path: path.write_bytes(os.urandom(5000)),
    "another kernel": swap,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_entry_is_compiled_again_and_healed(damage, folder, restart):
    assert diagonal() == DIAGONAL
    (path,) = entries(folder)
    DAMAGE[damage](path)
    compiled = restart()
    assert diagonal() == DIAGONAL
    assert len(compiled) == 1
    compiled = restart()
    assert diagonal() == DIAGONAL
    assert not compiled


def test_a_name_that_is_not_in_the_code_is_compiled_again(folder, restart):
    diagonal()
    (path,) = entries(folder)
    key = next(iter(jit._addresses))
    _, code = jit._read(path, key)
    jit._write(path, key, "name", code)
    compiled = restart()
    assert diagonal() == DIAGONAL
    assert len(compiled) == 1


def test_a_folder_in_place_of_an_entry(folder, restart):
    diagonal()
    (path,) = entries(folder)
    path.unlink()
    path.mkdir()
    compiled = restart()
    assert diagonal() == DIAGONAL
    assert len(compiled) == 1
    assert list(folder.iterdir()) == [path]  # no temporary file


def test_a_folder_that_vanishes_costs_a_compilation(folder, restart):
    diagonal()
    shutil.rmtree(folder)
    assert fastsep.roberts_neg_diag(IMAGE, dtype="int16").tolist() == ANTIDIAGONAL
    compiled = restart()
    assert diagonal() == DIAGONAL
    assert len(compiled) == 1
    assert len(entries(folder)) == 1


# ---- folders


def refuse(*arguments, **options):
    raise PermissionError(13, "Permission denied")


def test_a_read_only_folder_is_read(folder, restart, monkeypatch):
    diagonal()
    (path,) = entries(folder)
    # Modes do not stop the superuser, so the calls that write are refused as well.
    folder.chmod(0o500)
    monkeypatch.setattr(jit.tempfile, "mkstemp", refuse)
    try:
        compiled = restart()
        assert diagonal() == DIAGONAL
        assert not compiled
        assert fastsep.roberts_neg_diag(IMAGE, dtype="int16").tolist() == ANTIDIAGONAL
        assert len(compiled) == 1
        assert list(folder.iterdir()) == [path]
    finally:
        folder.chmod(0o700)


def test_a_full_disk_leaves_nothing_behind(folder, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(jit.os, "replace", full)
    assert diagonal() == DIAGONAL
    assert list(folder.iterdir()) == []


def test_the_next_folder_serves_where_one_cannot_be_made(tmp_path, restart, monkeypatch):
    no_folder = tmp_path / "file"
    no_folder.write_text("")
    monkeypatch.setenv("FASTSEP_CACHE_DIR", str(no_folder))
    monkeypatch.setattr(jit, "__file__", str(no_folder / "jit.py"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    restart()
    assert diagonal() == DIAGONAL
    assert jit.cache_folder() == tmp_path / "user" / "fastsep"
    assert len(entries(tmp_path / "user" / "fastsep")) == 1


def test_no_folder_at_all(tmp_path, restart, monkeypatch):
    no_folder = tmp_path / "file"
    no_folder.write_text("")
    for name in ("FASTSEP_CACHE_DIR", "XDG_CACHE_HOME", "HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(no_folder))
    monkeypatch.setattr(jit, "__file__", str(no_folder / "jit.py"))
    for _ in range(2):
        compiled = restart()
        assert diagonal() == DIAGONAL
        assert len(compiled) == 1
    assert jit.cache_folder() is None
    assert not jit.cache_writable()
    assert "none" in fastsep.show_config()["cache"]
    assert list(tmp_path.iterdir()) == [no_folder]


@posix
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o722])
def test_a_folder_that_others_may_write_is_not_used(mode, tmp_path, restart, monkeypatch):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(mode)
    monkeypatch.setenv("FASTSEP_CACHE_DIR", str(shared))
    monkeypatch.setattr(jit, "__file__", str(tmp_path / "jit.py"))
    restart()
    assert diagonal() == DIAGONAL
    assert list(shared.iterdir()) == []
    assert len(entries(tmp_path / "__pycache__" / "kernels")) == 1


@posix
def test_an_entry_that_others_may_write_is_not_used(folder, restart):
    diagonal()
    (path,) = entries(folder)
    path.chmod(0o666)
    compiled = restart()
    assert diagonal() == DIAGONAL
    assert len(compiled) == 1
    assert not path.stat().st_mode & 0o077  # replaced


@posix
@pytest.mark.skipif(hasattr(os, "getuid") and os.getuid() != 0, reason="only the superuser gives files away")
def test_what_belongs_to_somebody_else_is_not_used(folder, restart, tmp_path, monkeypatch):
    diagonal()
    (path,) = entries(folder)
    os.chown(path, 12345, 12345)
    compiled = restart()
    assert diagonal() == DIAGONAL
    assert len(compiled) == 1
    os.chown(folder, 12345, 12345)
    monkeypatch.setattr(jit, "__file__", str(tmp_path / "jit.py"))
    restart()
    assert jit.cache_folder() == tmp_path / "__pycache__" / "kernels"


def test_a_new_folder_is_for_this_user_only(folder):
    diagonal()
    if hasattr(os, "getuid"):
        assert folder.stat().st_mode & 0o777 == 0o700
        assert not entries(folder)[0].stat().st_mode & 0o077
    assert len(entries(folder)) == 1


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
