"""How many pictures a file holds, of which the commands read the first."""

from __future__ import annotations

import pathlib

# Kinds whose further pictures are pages or times. Those of others are the first one again, such as the smaller
# sizes of an icon, the layers of a drawing, or what a telephone keeps for brighter screens (MPO).
KINDS = ("APNG", "AVIF", "DCX", "FLI", "GIF", "PNG", "TIFF", "WEBP")


def count(path: pathlib.Path) -> int:
    """Of a file that can be read."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as file:
            if file.format not in KINDS:
                return 1
            return int(getattr(file, "n_frames", 1))
    except UnidentifiedImageError:  # read by tifffile
        import tifffile

        with tifffile.TiffFile(path) as tiff:
            return len(tiff.pages)
    except Exception:  # Pillow's decoders raise many things where a later page is damaged; the first one is not
        return 1
