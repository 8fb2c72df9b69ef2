"""Files that are written whole or not at all, one or several together."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from contextlib import ExitStack

from fastsep._cli.files import replacing


def write_whole(path: pathlib.Path, content: bytes) -> None:
    """Whole or not at all."""
    write_together({path: content})


def write_together(contents: Mapping[pathlib.Path, bytes]) -> None:
    """All files or none: none is moved to its place before all are written."""
    with ExitStack() as stack:
        for path, content in contents.items():
            file = stack.enter_context(replacing(path))
            file.write(content)
            file.flush()  # a full disk is met here
