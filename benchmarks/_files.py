"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping


def write_whole(path: pathlib.Path, content: bytes) -> None:
    """Whole or not at all."""
    write_together({path: content})


def write_together(contents: Mapping[pathlib.Path, bytes]) -> None:
    """All files or none: each is written beside its place, and none is moved there before all are written."""
    parts = {path: path.with_name(path.name + ".part") for path in contents}
    try:
        for path, part in parts.items():
            part.write_bytes(contents[path])
        for path, part in parts.items():
            os.replace(part, path)
    finally:
        for part in filter(pathlib.Path.is_file, parts.values()):
            part.unlink()
