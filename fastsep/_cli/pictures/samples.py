"""What a picture file holds, as its decoder gives it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

# What a channel after the colours may be, as TIFF numbers it: transparency by which the colours are multiplied, or not.
UNSPECIFIED, PREMULTIPLIED, UNASSOCIATED = 0, 1, 2

BAND = 2**18  # pixels: few enough that floats of them take some megabytes


class Samples(NamedTuple):
    values: np.ndarray  # (rows, columns, channels), or (rows, columns) of one; in any order of bytes
    others: tuple[int, ...]  # what the channels after the colours are
    orientation: int  # where the first row and the first column are, as in TIFF and EXIF
    profile: bytes | None  # what the colours mean (ICC)


def bands(shape: tuple[int, ...]) -> Iterator[slice]:
    """Rows to work on together where what is made in between takes many bytes a pixel."""
    step = max(1, BAND // max(1, shape[1]))
    for start in range(0, shape[0], step):
        yield slice(start, min(start + step, shape[0]))
