"""Files that are written whole or not at all, with the permissions that they had."""

import os
import stat
import sys
import threading

import pytest

from fastsep._cli.files import replacing

posix = pytest.mark.skipif(sys.platform == "win32", reason="permissions and links of POSIX")


@pytest.fixture
def file(tmp_path):
    return tmp_path / "picture.png"


def write(path, content=b"new"):
    with replacing(path) as stream:
        stream.write(content)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_nothing_is_seen_before_all_is_written(file):
    file.write_bytes(b"old")
    with replacing(file) as stream:
        stream.write(b"new")
        stream.flush()
        assert file.read_bytes() == b"old"
    assert file.read_bytes() == b"new"
    assert names(file.parent) == [file.name]


@pytest.mark.parametrize("error", [OSError, ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("before", [None, b"old"])
@pytest.mark.parametrize("when", ["written", "moved"])
def test_a_failure_leaves_what_was_there(file, monkeypatch, error, before, when):
    if before is not None:
        file.write_bytes(before)
    left = names(file.parent)

    def fail(*_):
        raise error

    def write_half():
        with replacing(file) as stream:
            stream.write(b"half")
            if when == "written":
                fail()

    if when == "moved":
        monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(error):
        write_half()
    assert names(file.parent) == left
    assert before is None or file.read_bytes() == before


def test_the_temporary_file_lies_beside_its_place_and_ends_as_the_name_does(file):
    with replacing(file):
        (name,) = names(file.parent)
    assert name.startswith(".")
    assert name.endswith(".png")


def test_every_writer_has_a_file_of_its_own(file):
    # As two processes of one number write, in containers that share a folder.
    with replacing(file) as one, replacing(file) as other, replacing(file.with_name("b.png")) as third:
        for stream, content in ((one, b"one"), (other, b"other"), (third, b"third")):
            stream.write(content)
        assert len(names(file.parent)) == 3
    assert file.read_bytes() == b"one"  # the one that is ready last
    assert file.with_name("b.png").read_bytes() == b"third"


@posix
@pytest.mark.parametrize("kind", ["file", "link", "dangling link"])
def test_what_lies_under_the_temporary_name_is_neither_followed_nor_overwritten(file, monkeypatch, kind):
    monkeypatch.setattr("secrets.token_hex", lambda _: "guessed")
    victim, trap = file.with_name("victim"), file.with_name(".guessed.png")
    victim.write_bytes(b"precious")
    if kind == "file":
        trap.write_bytes(b"precious")
    else:
        trap.symlink_to(victim if kind == "link" else file.with_name("nowhere"))
    before = names(file.parent)
    with pytest.raises(FileExistsError):
        write(file)
    assert names(file.parent) == before
    assert victim.read_bytes() == b"precious"


@posix
@pytest.mark.parametrize("access", [0o600, 0o640, 0o644, 0o664, 0o666, 0o755])
def test_a_file_that_is_overwritten_keeps_its_mode(file, access):
    file.write_bytes(b"old")
    file.chmod(access)
    with replacing(file) as stream:
        # Nobody reads the new content earlier who could not read the old.
        assert os.fstat(stream.fileno()).st_mode & 0o777 & ~access == 0
    assert mode(file) == access


@posix
@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_a_new_file_has_the_mode_of_new_files(file, umask):
    before = os.umask(umask)
    try:
        write(file)
    finally:
        os.umask(before)
    assert mode(file) == 0o666 & ~umask


@posix
def test_the_umask_of_the_process_is_not_touched(file, monkeypatch):
    # Other threads would make files that anybody may write to.
    monkeypatch.setattr(os, "umask", None)
    write(file)
    write(file)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
def test_a_file_that_root_overwrites_keeps_its_owner(file):
    file.write_bytes(b"old")
    os.chown(file, 12345, 12346)
    file.chmod(0o640)
    write(file)
    status = file.stat()
    assert (status.st_uid, status.st_gid, mode(file)) == (12345, 12346, 0o640)


@posix
def test_file_systems_without_owners_and_permissions_are_written_to(file, monkeypatch):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    file.write_bytes(b"old")
    file.chmod(0o600)
    monkeypatch.setattr(os, "fchown", refuse)
    monkeypatch.setattr(os, "fchmod", refuse)
    write(file)
    assert file.read_bytes() == b"new"
    assert mode(file) == 0o600


@posix
def test_a_link_stays_and_the_file_behind_it_is_written(tmp_path):
    (tmp_path / "far").mkdir()
    target, link, other = tmp_path / "far" / "a.dat", tmp_path / "link.png", tmp_path / "other.png"
    link.symlink_to(other)
    other.symlink_to(os.path.join("far", "a.dat"))
    for content in (b"made", b"overwritten"):  # first it dangles
        write(link, content)
        assert link.is_symlink()
        assert other.is_symlink()
        assert target.read_bytes() == content
    assert names(tmp_path) == ["far", "link.png", "other.png"]
    assert names(tmp_path / "far") == ["a.dat"]


def test_threads_that_write_one_file_leave_one_of_their_contents(file):
    contents = [bytes([65 + n]) * 100_000 for n in range(8)]
    threads = [threading.Thread(target=write, args=(file, content)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert file.read_bytes() in contents
    assert names(file.parent) == [file.name]
