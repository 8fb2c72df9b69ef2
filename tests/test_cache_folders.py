"""Which folders compiled kernels are kept in, and whose files are trusted."""

import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # as a script there is no conftest

from helpers import finish_script, quick_call, say, slow, start_script

import fastsep
from fastsep._kernels import cache, jit

PACKAGE = Path(fastsep.__file__).parent
KEY, NAME, CODE = ("kernel", "float32"), "name", b"code"
posix = pytest.mark.skipif(not hasattr(os, "getuid"), reason="owners and modes as POSIX has them")
superuser = pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only the superuser may")
SOMEBODY = 12345  # a user without a name and a home


@pytest.fixture
def places(tmp_path, monkeypatch, restart, caplog):
    """Folders that stand for the three, none of them there yet; FASTSEP_CACHE_DIR is set by the test."""
    monkeypatch.setattr(cache, "HERE", str(tmp_path / "package"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    monkeypatch.delenv("FASTSEP_CACHE_DIR", raising=False)
    restart()
    return {
        "named": tmp_path / "named",
        "beside": tmp_path / "package" / "__pycache__" / "kernels",
        "own": tmp_path / "user" / "fastsep",
    }


def used():
    cache.folders.cache_clear()
    return list(cache.folders().used)


def warnings_of(caplog):
    return [record.getMessage() for record in caplog.records if record.name == "fastsep"]


def read_only(monkeypatch, *paths):
    """Let folders be such that the system lets nobody write there; modes do not stop the superuser."""
    access = os.access
    monkeypatch.setattr(
        cache.os, "access", lambda path, mode: not (path in paths and mode & os.W_OK) and access(path, mode)
    )


# ---- which


def test_the_named_folder_comes_before_the_package_and_that_before_the_users_own(places, monkeypatch):
    assert used() == [(places["beside"], True)]
    monkeypatch.setenv("FASTSEP_CACHE_DIR", str(places["named"]))
    assert used() == [(places["named"], True)]
    places["beside"].rmdir()
    places["beside"].write_text("no folder")
    monkeypatch.delenv("FASTSEP_CACHE_DIR")
    assert used() == [(places["own"], True)]


def test_what_can_be_read_only_is_read_and_new_kernels_go_to_the_next_folder(places, monkeypatch):
    used()
    cache.write("one", KEY, NAME, CODE)
    read_only(monkeypatch, places["beside"])
    assert used() == [(places["beside"], False), (places["own"], True)]
    cache.write("two", KEY, NAME, CODE)
    assert cache.read("one", KEY) == cache.read("two", KEY) == (NAME, CODE)
    assert [len(list(places[place].iterdir())) for place in ("beside", "own")] == [1, 1]
    info = fastsep.show_config()["cache"]
    assert f"{places['beside']} (read-only" in info
    assert f"{places['own']} (usable)" in info


def test_no_folder_at_all(tmp_path, restart, monkeypatch):
    no_folder = tmp_path / "file"
    no_folder.write_text("")
    for name in ("FASTSEP_CACHE_DIR", "XDG_CACHE_HOME", "HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(no_folder))
    monkeypatch.setattr(cache, "HERE", str(no_folder))
    for _ in range(2):
        compiled = restart()
        quick_call()
        assert len(compiled) == 1
    assert cache.folders().used == ()
    assert cache.folders().writable is None
    assert "none" in fastsep.show_config()["cache"]
    assert list(tmp_path.iterdir()) == [no_folder]


@pytest.fixture
def homeless(monkeypatch):
    """A user without HOME whose number the system does not know, as in `docker run -u 12345`."""
    pwd = pytest.importorskip("pwd", reason="a database of users as POSIX has it")

    def unknown(number):
        raise KeyError(number)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.delenv("HOME")
    monkeypatch.delenv("XDG_CACHE_HOME")


def test_a_user_without_a_home_keeps_kernels_where_the_setting_says(places, homeless, monkeypatch):
    places["beside"].parent.mkdir(parents=True)
    places["beside"].write_text("no folder")
    assert used() == []
    assert "none" in fastsep.show_config()["cache"]
    monkeypatch.setenv("FASTSEP_CACHE_DIR", str(places["named"]))
    assert used() == [(places["named"], True)]


@pytest.mark.parametrize(("name", "problem"), [("file", "it is a file"), ("file/in", "it lies in a file")])
def test_a_file_is_no_folder(name, problem, places, tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FASTSEP_CACHE_DIR", str(tmp_path / name))
    assert used() == [(places["beside"], True)]
    (line,) = warnings_of(caplog)
    assert line == f"FASTSEP_CACHE_DIR={tmp_path / name} is not used: {problem}"


def test_a_tilde_is_the_home_folder(places, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("FASTSEP_CACHE_DIR", "~/k")
    monkeypatch.chdir(tmp_path)
    assert used() == [(tmp_path / "k", True)]
    assert not (tmp_path / "~").exists()


def test_a_tilde_without_a_home_is_no_folder(places, homeless, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("FASTSEP_CACHE_DIR", "~/k")
    monkeypatch.chdir(tmp_path)
    assert used() == [(places["beside"], True)]
    assert not (tmp_path / "~").exists()
    (line,) = warnings_of(caplog)
    assert "FASTSEP_CACHE_DIR=~/k" in line


def test_a_relative_folder_stays_where_the_process_started(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    output = run("wander", str(tmp_path), str(elsewhere), FASTSEP_CACHE_DIR="PLACE")
    assert output == [str(tmp_path / "PLACE")] * 2  # of the process, and of its child
    assert not (elsewhere / "PLACE").exists()


def wander(start, elsewhere):
    """The setting takes effect at the import, which a script of this file has behind it: so in a child."""
    import subprocess

    show = "from fastsep._kernels import cache; print(cache.folders().used[0].path, flush=True)"
    code = f"import os, subprocess, sys, fastsep; os.chdir({elsewhere!r}); {show}; "
    code += f"subprocess.run([sys.executable, '-c', {show!r}], check=True)"
    environment = os.environ | {"FASTSEP_CACHE_DIR": "PLACE"}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=start, env=environment)


def test_a_relative_cache_home_is_ignored_as_its_standard_says(places, tmp_path, monkeypatch):
    places["beside"].parent.mkdir(parents=True)
    places["beside"].write_text("no folder")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert used() == [(tmp_path / ".cache" / "fastsep", True)]


def test_a_frozen_application_keeps_nothing_where_it_is_unpacked(places, monkeypatch):
    monkeypatch.setattr(cache, "__file__", str(places["beside"] / "no such file.pyc"))
    assert used() == [(places["own"], True)]


# ---- an unusable setting is said


def no_folder(path):
    path.write_text("")


def of_others(path):
    path.mkdir()
    path.chmod(0o777)


@posix
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        pytest.param(no_folder, "it is a file", marks=pytest.mark.slow),
        (of_others, "other users may write to it"),
    ],
)
def test_a_named_folder_that_is_not_used_is_said_once(make, reason, places, restart, monkeypatch, caplog):
    make(places["named"])
    monkeypatch.setenv("FASTSEP_CACHE_DIR", str(places["named"]))
    restart()
    quick_call()
    quick_call("float64")
    (line,) = warnings_of(caplog)
    assert line == f"FASTSEP_CACHE_DIR={places['named']} is not used: {reason}"
    assert line in fastsep.show_config()["cache"]
    assert len(list(places["beside"].iterdir())) == 2


def test_a_folder_that_is_used_is_not_spoken_of(places, monkeypatch, caplog):
    monkeypatch.setenv("FASTSEP_CACHE_DIR", str(places["named"]))
    used()
    assert not caplog.records
    assert "FASTSEP_CACHE_DIR" not in fastsep.show_config()["cache"]


# ---- trust


@pytest.mark.parametrize(
    ("owner", "mode", "user", "trusted"),
    [
        (0, 0o755, 1000, True),  # what the superuser compiled serves everybody
        (1000, 0o755, 1000, True),
        (1000, 0o700, 1000, True),
        (0, 0o600, 1000, True),  # whether it can be read is another question
        (1001, 0o755, 1000, False),
        (1000, 0o755, 0, False),  # the superuser does not run a user's code
        (0, 0o775, 1000, False),
        (0, 0o757, 1000, False),
        (1000, 0o722, 1000, False),
        (1000, 0o1777, 1000, False),
        (1001, 0o777, None, True),  # a system without such users
    ],
)
def test_machine_code_is_trusted_that_only_this_user_or_the_superuser_can_have_written(owner, mode, user, trusted):
    for kind in (stat.S_IFDIR, stat.S_IFREG):
        assert (cache.distrust(owner, kind | mode, user) is None) == trusted


@posix
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o722])
def test_a_folder_that_others_may_write_is_not_used(mode, places, monkeypatch):
    places["named"].mkdir()
    places["named"].chmod(mode)
    monkeypatch.setenv("FASTSEP_CACHE_DIR", str(places["named"]))
    assert used() == [(places["beside"], True)]


@posix
def test_an_entry_that_others_may_write_is_not_used(places):
    cache.write("one", KEY, NAME, CODE)
    (path,) = places["beside"].iterdir()
    path.chmod(0o666)
    assert cache.read("one", KEY) is None
    cache.write("one", KEY, NAME, CODE)
    assert not path.stat().st_mode & 0o022  # replaced
    assert cache.read("one", KEY) == (NAME, CODE)


@superuser
def test_what_belongs_to_somebody_else_is_not_used(places, monkeypatch):
    cache.write("one", KEY, NAME, CODE)
    (path,) = places["beside"].iterdir()
    os.chown(path, SOMEBODY, SOMEBODY)
    assert cache.read("one", KEY) is None
    os.chown(places["beside"], SOMEBODY, SOMEBODY)
    assert used() == [(places["own"], True)]


@posix
@pytest.mark.parametrize(
    ("umask", "folder", "entry"), [(0o022, 0o755, 0o644), (0o077, 0o700, 0o600), (0o000, 0o755, 0o644)]
)
def test_others_may_read_what_the_umask_allows_and_never_write(umask, folder, entry, places):
    before = os.umask(umask)
    try:
        used()
        cache.write("one", KEY, NAME, CODE)
    finally:
        os.umask(before)
    (path,) = places["beside"].iterdir()
    assert stat.S_IMODE(places["beside"].stat().st_mode) == folder
    assert stat.S_IMODE(path.stat().st_mode) == entry


@posix
def test_the_users_own_folder_is_for_nobody_else(places, monkeypatch):
    read_only(monkeypatch, places["beside"])
    used()
    assert stat.S_IMODE(places["own"].stat().st_mode) == 0o700


# ---- compiled by the superuser, run by somebody else


def run(*arguments, **environment):
    """Run this file as a script; its output by words."""
    status, output = finish_script(start_script(__file__, *arguments, PYTHONPATH=str(PACKAGE.parent), **environment))
    assert status == 0, output
    return output.split()


@pytest.fixture
def shared():
    """A folder that everybody can reach, unlike `tmp_path`."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@superuser
@pytest.mark.parametrize("mode", [0o700, *slow(0o755)])
def test_what_the_superuser_compiled_serves_whoever_can_read_it(mode, shared):
    own = shared / "own"
    own.mkdir()
    os.chown(own, SOMEBODY, SOMEBODY)
    named = shared / "named"
    found = run("visit", str(mode), FASTSEP_CACHE_DIR=str(named), XDG_CACHE_HOME=str(own))
    if mode == 0o755:
        assert found == ["loaded", str(named), "-", str(own / "fastsep"), "w"]
    else:
        assert found[-3:] == ["compiled", str(own / "fastsep"), "w"]  # after a line that says why


def visit(mode):
    quick_call()
    named = cache.folders().used[0].path
    named.chmod(int(mode))
    cache.HERE = "/nowhere"
    os.setgid(SOMEBODY)
    os.setuid(SOMEBODY)
    cache.folders.cache_clear()
    ((*key, _),) = jit._addresses
    jit._addresses.clear()
    found = jit.is_cached(*key)
    words = [word for path, writable in cache.folders().used for word in (path, "w" if writable else "-")]
    say("loaded" if found else "compiled", *words)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
