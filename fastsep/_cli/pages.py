"""How many pictures a file holds, of which the commands read the first."""

from __future__ import annotations

import contextlib
import pathlib

# Kinds whose further pictures are pages or times. Those of others are the first one again, such as the smaller
# sizes of an icon, the layers of a drawing, or what a telephone keeps for brighter screens (MPO).
KINDS = ("APNG", "AVIF", "DCX", "FLI", "GIF", "PNG", "TIFF", "WEBP")


def count(path: pathlib.Path) -> int:
    """Of a file that can be read."""
    from PIL import Image, UnidentifiedImageError

    # The decoders raise many things where a later page is damaged, or notes are; the first page is not.
    with contextlib.suppress(Exception):
        try:
            with Image.open(path) as file:
                if file.format in KINDS:
                    return int(getattr(file, "n_frames", 1))
        except UnidentifiedImageError:
            import tifffile

            with tifffile.TiffFile(path) as tiff:
                return len(tiff.pages)
    return 1
