"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import pathlib
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO


def obstacle(path: pathlib.Path) -> str:
    """Why `replacing` must not or could not make a file at `path`, as far as that shows before; empty: nothing."""
    if path.exists() and not path.is_file():  # a device would be replaced by a file, too
        return "it exists and is not a file"
    if path.exists() and not os.access(path, os.W_OK):
        return "it is write-protected"
    # Through a link the file behind it is written.
    folder = pathlib.Path(os.path.realpath(path)).parent if path.is_symlink() else path.parent
    if not folder.is_dir():
        return f"there is no folder {folder}"
    return "" if os.access(folder, os.W_OK) else f"the folder {folder} is not writable"


@contextmanager
def replacing(path: pathlib.Path) -> Iterator[IO[bytes]]:
    """A file to write into, which becomes `path` when the block ends, and vanishes if the block fails.

    A link at `path` stays, and the file behind it is replaced. An existing file keeps its permissions, and its owner
    where the system lets it; a new one has those that the process gives to new files.
    """
    target = pathlib.Path(os.path.realpath(path))
    try:
        before = target.stat()
    except FileNotFoundError:
        before = None
    mode = 0o666 if before is None else before.st_mode & 0o777
    # In the same folder, for only there files can be moved at once. Nobody can guess the name, and mode "x" neither
    # opens a file nor follows a link that is there already. The suffix stays, for encoders go by it.
    part = target.with_name(f".{secrets.token_hex(8)}{path.suffix}")
    # Not by `tempfile`, whose files are private: what new files may be is known to the system alone, which is told
    # the mode here. (To ask for the umask is to change it, for all threads.)
    file = open(part, "x+b", opener=lambda name, flags: os.open(name, flags, mode))  # noqa: SIM115
    try:
        with file:
            yield file
            if before is not None:
                _give_access(file, before)
        os.replace(part, target)
    except BaseException:  # an interrupt, too
        part.unlink(missing_ok=True)
        raise


def _give_access(file: IO[bytes], like: os.stat_result) -> None:
    """Owner, group and permissions of another file."""
    if sys.platform == "win32":  # where a file inherits them from its folder
        return
    # Only root gives files away, and some file systems know no owners or permissions. The mode that the file was made
    # with lets nobody read it who could not read the other.
    with contextlib.suppress(OSError):
        os.fchown(file.fileno(), like.st_uid, like.st_gid)
    with contextlib.suppress(OSError):
        os.fchmod(file.fileno(), like.st_mode & 0o777)
