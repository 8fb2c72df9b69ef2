"""TIFF files, by tifffile: what Pillow has no mode for, or reads otherwise than the file means it."""

from __future__ import annotations

import logging
import pathlib
from typing import IO, Any

import numpy as np

from fastsep._cli.errors import extra
from fastsep._cli.pictures.samples import UNASSOCIATED, UNSPECIFIED, Samples

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# Tags
BITS, COLOURS, ORIENTATION, CHANNELS, LAYOUT, OTHERS, NUMBERS, PROFILE = 258, 262, 274, 277, 284, 338, 339, 34675
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB = 0, 1, 2  # values of COLOURS

#: What Pillow reads of grey samples, by bits and by kind of number: 1 unsigned, 2 signed, 3 float.
GREY_TYPES = {
    (8, 2): np.int8,
    (12, 1): np.uint16,
    (16, 1): np.uint16,
    (16, 2): np.int16,
    (32, 1): np.uint32,
    (32, 2): np.int32,
    (32, 3): np.float32,
}
#: Types that filters compute with, and give back without loss.
TYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float16", "float32", "float64")


def grey_type(tags: Any) -> np.dtype[Any] | None:
    """The type of the samples if there is one a pixel, and not of up to 8 bits without sign."""
    bits, numbers = tags.get(BITS, (1,)), tags.get(NUMBERS, (1,))
    found = GREY_TYPES.get((bits[0], numbers[0])) if tags.get(CHANNELS, 1) == 1 else None
    return None if found is None else np.dtype(found)


def is_for_pillow(tags: Any) -> bool:
    """Whether Pillow gives the samples as they are in the file with these tags.

    Of other files it keeps 8 bits, takes white for black, leaves out channels, or swaps bytes that are swapped already.
    It is asked first, for it decodes more kinds of compression.
    """
    bits, numbers, others = tags.get(BITS, (1,)), tags.get(NUMBERS, (1,)), tags.get(OTHERS, ())
    if max(bits) <= 8 and set(numbers) == {1}:
        return not others or (len(others) == 1 and others[0] != UNSPECIFIED and tags.get(LAYOUT, 1) == 1)
    known = grey_type(tags) is not None and tags.get(COLOURS) == BLACK_IS_ZERO
    return known and (tags.prefix == b"II" or (bits[0] <= 16 and numbers[0] == 1))


def read(path: pathlib.Path) -> Samples:
    """The first picture in a file."""
    tifffile = extra("tifffile", "tifffile")
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what it says of damaged files, it raises, too
    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        if page.photometric not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB) or page.axes not in ("YX", "YXS", "SYX"):
            raise ValueError("it is neither grey nor RGB")
        if page.dtype not in TYPES or page.bitspersample < 8:
            raise ValueError(f"its samples are of {page.bitspersample} bits and type {page.dtype}")
        values = page.asarray()
        if page.axes == "SYX":
            values = np.moveaxis(values, 0, -1)
        elif page.axes == "YX":
            values = values[..., None]
        colours = 3 if page.photometric == RGB else 1
        if values.shape[2] < colours:
            raise ValueError(f"it has {values.shape[2]} channels, and RGB has 3")
        others = _others(values.shape[2] - colours, page.tags.valueof(OTHERS))
        if page.photometric == WHITE_IS_ZERO:
            if values.dtype.kind == "f":
                raise ValueError("white is zero in it, and nothing says what black is")
            values = values.copy()
            # All bits inverted, which turns the range of a type around, with a sign, too.
            values[..., 0] ^= values.dtype.type(-1 if values.dtype.kind == "i" else (1 << page.bitspersample) - 1)
        return Samples(values, others, page.tags.valueof(ORIENTATION, default=1), page.tags.valueof(PROFILE))


def _others(number: int, named: tuple[int, ...] | None) -> tuple[int, ...]:
    """What the channels after the colours are. Files that do not name a single one mean transparency."""
    if named is None:
        return (UNASSOCIATED,) if number == 1 else (UNSPECIFIED,) * number
    return (*map(int, named), *(UNSPECIFIED,) * number)[:number]


def write(file: IO[bytes], values: np.ndarray, others: tuple[int, ...], profile: bytes | None) -> None:
    """Samples (rows, columns) or (rows, columns, channels) of any type."""
    _write(file, values, values.shape, others, profile)


def allocate(file: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[Any], profile: bytes | None) -> tuple[int, int]:
    """Write all but the samples, grey or RGB; where in the file they go, and how many bytes they are."""
    start, count = _write(file, None, shape, (), profile, dtype=dtype, returnoffset=True)
    return start, count


def _write(
    file: IO[bytes], values: np.ndarray | None, shape: tuple[int, ...], others: tuple[int, ...], profile: bytes | None,
    **options: Any,
) -> Any:  # fmt: skip
    colours = shape[2] - len(others) if len(shape) == 3 else 1
    return extra("tifffile", "tifffile").imwrite(
        file,
        values,
        shape=shape,
        photometric="rgb" if colours == 3 else "minisblack",
        planarconfig="contig" if len(shape) == 3 else None,
        extrasamples=others or None,
        iccprofile=profile,
        metadata=None,
        software=False,
        **options,
    )
