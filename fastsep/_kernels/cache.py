"""Where compiled kernels are kept, and whose files are trusted.

An entry is a file named by a hash of the fingerprint and the kernel's key. It holds a checksum, that key and the object
code. It is written to a temporary file and renamed, so readers and racing writers see a whole file or none; whatever is
wrong with an entry means that the kernel is compiled again.

Machine code is run unseen, so folders and entries have to belong to this user or the superuser, and nobody else may
write to them. Others may read them: what the superuser compiled while an image was built serves every user.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from fastsep._kernels.fingerprint import HERE, digest

VARIABLE = "FASTSEP_CACHE_DIR"
MAGIC = b"fastsep kernel 2"
SUFFIX = ".kernel"
#: Modes of new folders, less the umask: others may read what is shared, and nobody else may write.
SHARED, PRIVATE = 0o755, 0o700


class Folder(NamedTuple):
    path: Path
    writable: bool


@dataclass(frozen=True, slots=True)
class Folders:
    """Where entries are looked for, in this order."""

    used: tuple[Folder, ...]
    refused: str | None  # why the folder that FASTSEP_CACHE_DIR names is passed over

    @property
    def writable(self) -> Path | None:
        """Where new entries go: the last folder in use, if that can be written."""
        return self.used[-1].path if self.used and self.used[-1].writable else None


# --- folders -------------------------------------------------------------------------------------


@cache
def folders() -> Folders:
    """FASTSEP_CACHE_DIR, else beside the sources, else the user's cache: up to the first that can be written.

    Those before it can be read only, and are. Without any, every process compiles for itself.
    """
    used: list[Folder] = []
    named = os.environ.get(VARIABLE)
    refused = None
    if named:
        path = _absolute(named)
        problem = "there is no such folder" if path is None else _add(used, path, SHARED)
        if problem is not None:
            refused = f"{VARIABLE}={named} is not used: {problem}"
            _warn(refused)
    for path, mode in ((_beside(), SHARED), (_own(), PRIVATE)):
        if path is not None and not (used and used[-1].writable):
            _add(used, path, mode)
    return Folders(tuple(used), refused)


def _absolute(path: str) -> Path | None:
    """The folder that a setting names; None: it is relative to a home folder nobody knows, or to a deleted one."""
    expanded = os.path.expanduser(path)
    try:
        return None if expanded.startswith("~") else Path(os.path.abspath(expanded))
    except OSError:
        return None


def _beside() -> Path | None:
    """A folder beside the sources, if they are files: a frozen application is unpacked elsewhere each time."""
    return Path(HERE) / "__pycache__" / "kernels" if os.path.isfile(__file__) else None


def _own() -> Path | None:
    user = os.environ.get("XDG_CACHE_HOME", "")
    # The standard of freedesktop.org: a relative one is to be ignored.
    parent = Path(user) if os.path.isabs(user) else _absolute("~/.cache")
    return parent and parent / "fastsep"


def _add(used: list[Folder], path: Path, mode: int) -> str | None:
    """Add a folder, made if need be, to those in use; else say why it is none."""
    try:
        path.mkdir(mode, parents=True, exist_ok=True)
        found = path.stat()
    except FileExistsError:
        return "it is a file"
    except NotADirectoryError:
        return "it lies in a file"
    except OSError as error:
        return error.strerror or str(error)
    problem = distrust(found.st_uid, found.st_mode, _user())
    if problem is None and not os.access(path, os.R_OK | os.X_OK):
        problem = "it cannot be read"
    if problem is None:
        used.append(Folder(path, os.access(path, os.W_OK)))
    return problem


def distrust(owner: int, mode: int, user: int | None) -> str | None:
    """Why somebody else may have put machine code there, by owner and mode of a folder or an entry.

    None: nobody but the superuser and `user` can have, or the system has no such users.
    """
    if user is None:
        return None
    if owner not in (0, user):
        return "it belongs to another user"
    return "other users may write to it" if mode & 0o022 else None


def _user() -> int | None:
    return os.getuid() if hasattr(os, "getuid") else None


def _warn(line: str) -> None:
    from fastsep._kernels.log import log

    log.warning(line)  # not by `warnings`: where those are errors, a filter would fail for want of a cache


# --- entries -------------------------------------------------------------------------------------


def read(fingerprint: str | None, key: tuple[str, ...]) -> tuple[str, bytes] | None:
    """Name and object code of a kernel; None if no folder has it, whole and trusted."""
    if fingerprint is not None:
        for folder in folders().used:
            with contextlib.suppress(OSError, ValueError):
                return _parse(_content(folder.path / _name(fingerprint, key)), key)
    return None


def write(fingerprint: str | None, key: tuple[str, ...], name: str, code: bytes) -> None:
    """Keep a kernel for the next process, if there is a place for it. Raises OSError if that fails."""
    folder = folders().writable
    if fingerprint is None or folder is None:
        return
    body = repr(key).encode() + b"\n" + name.encode() + b"\n" + code
    path = folder / _name(fingerprint, key)
    temporary = folder / f".{os.urandom(8).hex()}{SUFFIX}"
    try:
        # Readable by whom the umask allows, writable by nobody else under any.
        with open(temporary, "xb", opener=lambda path, flags: os.open(path, flags, 0o644)) as file:
            file.write(MAGIC + b"\n" + digest(body).encode() + b"\n" + body)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def entries() -> list[Path]:
    """All kernels in the folders in use, also those of other versions and other CPUs."""
    return [path for path in _files() if not path.name.startswith(".")]


def clear() -> list[Path]:
    """Delete what can be deleted of `entries`, and return what is left."""
    for path in _files():  # with what interrupted processes have left
        with contextlib.suppress(OSError):
            path.unlink()
    return entries()


def _files() -> list[Path]:
    found = [sorted(folder.path.glob(f"*{SUFFIX}")) for folder in folders().used]
    return [path for paths in found for path in paths if path.is_file()]


def _name(fingerprint: str, key: tuple[str, ...]) -> str:
    return f"{key[0]}-{digest(repr((fingerprint, key)).encode())}{SUFFIX}"


def _content(path: Path) -> bytes:
    with open(path, "rb") as file:
        # Of the open file: between a look at its name and a read, another could be put there.
        found = os.fstat(file.fileno())
        problem = distrust(found.st_uid, found.st_mode, _user())
        if problem is not None:
            raise PermissionError(problem)
        return file.read()


def _parse(content: bytes, key: tuple[str, ...]) -> tuple[str, bytes]:
    """Name and object code; ValueError if anything is wrong with them."""
    magic, checksum, body = content.split(b"\n", 2)
    if magic != MAGIC or digest(body).encode() != checksum:
        raise ValueError("a damaged entry")
    stored, name, code = body.split(b"\n", 2)
    if stored != repr(key).encode():
        raise ValueError("an entry of another kernel")
    return name.decode(), code
