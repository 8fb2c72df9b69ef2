"""Promise: the compile cache cannot hurt.

Never stale, never corrupt, never an import failure; missing or unwritable means slower, not broken.
"""

import compileall
import os
import shutil
import sys
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # as a script there is no conftest

from helpers import LEVELS, finish_script, quick_call, say, skip_without, start_script

import fastsep
from fastsep._engine.levels import for_level
from fastsep._kernels import cache, fingerprint, jit

PACKAGE = Path(fastsep.__file__).parent
IMAGE = np.array([[3, 5, 0], [1, 9, 2], [7, 7, 4]], np.uint8)
DIAGONAL = [[6, -3, 2], [6, -5, 2], [0, -3, 0]]  # of the image: pixel (i + 1, j + 1) - pixel (i, j)
ANTIDIAGONAL = [[-4, 9, 2], [-2, 5, 2], [0, 3, 0]]


def diagonal(dtype="int16"):
    return fastsep.roberts_pos_diag(IMAGE, dtype=dtype).tolist()


def entries(folder):
    return sorted(folder.glob("*.kernel"))


@pytest.fixture
def empty(tmp_path, monkeypatch, restart):
    """An empty cache in use."""
    path = tmp_path / "cache"
    monkeypatch.setenv("FASTSEP_CACHE_DIR", str(path))
    restart()
    return path


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A cache that holds the kernel of `quick_call`, compiled by another process."""
    path = tmp_path_factory.mktemp("compiled")
    assert run("quick", FASTSEP_CACHE_DIR=str(path)) == ["numba", "right"]
    return path


@pytest.fixture
def folder(empty, compiled):
    """A cache in use that holds the kernel of `quick_call`."""
    empty.mkdir(0o755)
    (path,) = entries(compiled)
    shutil.copy(path, empty)
    return empty


def archive(path):
    """The package in `path`, moved into a zip archive."""
    found = shutil.make_archive(path, "zip", path)
    shutil.rmtree(path)
    return Path(found)


def compiled_only(path):
    """The package in `path`, its sources replaced by what Python compiles them to."""
    compileall.compile_dir(path, quiet=1, legacy=True)
    for source in path.rglob("*.py"):
        source.unlink()
    return path


SHIPPED = {"sources": lambda path: path, "zip": archive, "compiled": compiled_only}


# ---- from process to process


def run(*arguments, package=PACKAGE.parent, **environment):
    """Run this file as a script on some copy of the package; its output by words."""
    status, output = finish_script(start_script(__file__, *arguments, PYTHONPATH=str(package), **environment))
    assert status == 0, output
    return output.split()


def test_a_second_process_loads_what_the_first_compiled_without_numba(tmp_path):
    first = run("bits", FASTSEP_CACHE_DIR=str(tmp_path))
    files = {path: path.stat().st_mtime_ns for path in entries(tmp_path)}
    assert len(files) == 2
    second = run("bits", FASTSEP_CACHE_DIR=str(tmp_path))
    assert first[0] == "numba"
    assert second[0] == "alone"
    assert first[1:] == second[1:]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == files


def bits():
    rng = np.random.default_rng(3)
    image = rng.random((50, 70), np.float32)
    right, result = quick_call(), fastsep.sobel(image)
    say("numba" if "numba" in sys.modules else "alone", right, result.tobytes().hex())


def quick():
    right = quick_call()
    say("numba" if "numba" in sys.modules else "alone", "right" if right else "wrong")


@pytest.mark.slow
def test_kernels_are_compiled_even_where_numba_is_told_not_to(tmp_path):
    assert run("version", FASTSEP_CACHE_DIR=str(tmp_path), NUMBA_DISABLE_JIT="1")[:2] == ["6", "numba"]
    assert run("version", FASTSEP_CACHE_DIR=str(tmp_path))[:2] == ["6", "alone"]


@pytest.mark.slow
@pytest.mark.parametrize("ship", SHIPPED.values(), ids=SHIPPED)
def test_another_version_of_the_package_keeps_its_own_kernels(ship, tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    for path in (old, new):
        shutil.copytree(PACKAGE, path / "fastsep", ignore=shutil.ignore_patterns("__pycache__"))
    # A version that subtracts the other way round.
    with open(new / "fastsep" / "_kernels" / "simd" / "emitter.py", "a") as file:
        file.write("\n_sub = Emitter.sub\nEmitter.sub = lambda self, a, b: _sub(self, b, a)\n")
    folder = tmp_path / "cache"
    places = [(ship(path), sign) for path, sign in ((old, 1), (new, -1))]
    for turn, found in enumerate(("numba", "alone")):
        for path, sign in places:
            number, *rest = run("version", package=path, FASTSEP_CACHE_DIR=str(folder))
            assert rest == [found, str(path / "fastsep")], turn
            assert int(number) == 6 * sign
    assert len(entries(folder)) == 2


def version():
    number = diagonal()[0][0]
    say(number, "numba" if "numba" in sys.modules else "alone", Path(fastsep.__file__).parent)


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS[:1])
def test_another_cpu_keeps_its_own_kernels(level, folder, restart):
    """A level in this process and a process for that level share theirs, which are the same to the last bit."""
    skip_without(level)
    own = entries(folder)
    compiled = restart()
    with for_level(level):
        assert quick_call()
    assert len(compiled) == 1
    (made,) = set(entries(folder)) - set(own)
    here = sections(made)
    options = {"NUMBA_CPU_NAME": level, "NUMBA_CPU_FEATURES": "", "FASTSEP_CACHE_DIR": str(folder)}
    assert run("quick", **options) == ["alone", "right"]
    made.unlink()
    assert run("quick", **options) == ["numba", "right"]
    assert sections(made) == here
    assert quick_call()
    assert len(compiled) == 1


def sections(entry):
    """The machine code and the constants in an entry; names in it depend on what else its process has compiled."""
    code = entry.read_bytes().split(b"\n", 4)[-1]
    found = [
        (each.name(), each.data())
        for each in llvm.ObjectFileRef.from_data(code).sections()
        if each.is_text() or (each.name() or b"").startswith((b".rodata", b".lrodata"))
    ]
    assert sum(len(data) for _, data in found) > 500
    return found


@pytest.mark.slow
def test_eight_processes_at_once_on_an_empty_cache(tmp_path):
    folder = tmp_path / "cache"
    own = ("int16", "uint16", "float32", "float64")
    environment = {"PYTHONPATH": str(PACKAGE.parent), "FASTSEP_CACHE_DIR": str(folder)}
    # All need one kernel, and every two of them another one.
    processes = [start_script(__file__, "race", own[number % 4], **environment) for number in range(8)]
    for process in processes:
        status, output = finish_script(process)
        assert status == 0, output
        assert output.split()[-1] == "right"
    assert len(entries(folder)) == 5
    assert len(list(folder.iterdir())) == 5  # and no temporary file
    for dtype in own:
        assert run("race", dtype, FASTSEP_CACHE_DIR=str(folder)) == ["alone", "right"]


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
    quick_call("float64")
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


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_entry_is_compiled_again_and_healed(damage, folder, restart):
    (path,) = entries(folder)
    DAMAGE[damage](path)
    compiled = restart()
    assert quick_call()
    assert len(compiled) == 1
    compiled = restart()
    assert quick_call()
    assert not compiled


@pytest.mark.slow
def test_a_name_that_is_not_in_the_code_is_compiled_again(folder, restart):
    quick_call()
    ((*key, _),) = jit._addresses
    version = fingerprint.fingerprint(jit.target())
    _, code = cache.read(version, tuple(key))
    cache.write(version, tuple(key), "name", code)
    compiled = restart()
    assert quick_call()
    assert len(compiled) == 1


@pytest.mark.slow
def test_a_folder_in_place_of_an_entry(folder, restart):
    (path,) = entries(folder)
    path.unlink()
    path.mkdir()
    compiled = restart()
    assert quick_call()
    assert len(compiled) == 1
    assert list(folder.iterdir()) == [path]  # no temporary file


def test_a_folder_that_vanishes_costs_a_compilation(folder, restart):
    quick_call()
    shutil.rmtree(folder)
    assert quick_call("float64")
    compiled = restart()
    assert quick_call()
    assert len(compiled) == 1
    assert len(entries(folder)) == 1


def refuse(*arguments, **options):
    raise PermissionError(13, "Permission denied")


def test_a_read_only_folder_is_read(folder, restart, monkeypatch):
    (path,) = entries(folder)
    # Modes do not stop the superuser, so the calls that write are refused as well.
    folder.chmod(0o500)
    monkeypatch.setattr(cache.os, "replace", refuse)
    try:
        compiled = restart()
        assert quick_call()
        assert not compiled
        assert quick_call("float64")
        assert len(compiled) == 1
        assert list(folder.iterdir()) == [path]
    finally:
        folder.chmod(0o700)


def test_a_full_disk_leaves_nothing_behind(empty, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.os, "replace", full)
    assert quick_call()
    assert list(empty.iterdir()) == []


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
