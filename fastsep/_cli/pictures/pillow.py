"""The samples of picture files by Pillow, as the files mean them."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastsep._cli.pictures import tiff
from fastsep._cli.pictures.samples import PREMULTIPLIED, UNASSOCIATED, Samples, bands

#: What one step of a PNG file's grey is worth in 8 bits, by Pillow's names of 2 and 4 bits.
PNG_STEPS = {"L;2": 85, "L;4": 17}


def read(file: Any) -> Samples:
    """The first picture of an opened file."""
    tags = file.tag_v2 if file.format == "TIFF" else {}
    packing = _packing(file)
    profile = file.info.get("icc_profile")
    hidden = file.info.get("transparency") if file.format == "PNG" else None
    others: tuple[int, ...] = ()
    if file.mode.startswith(("I", "F")):  # 16 or 32 bits, which Pillow has in grey only
        values = _numbers(_samples(file, file.mode))
        if hidden is not None:
            values, others = _without_value(values, hidden), (UNASSOCIATED,)
    elif hidden is not None and file.mode in ("1", "L"):
        # Newer versions of Pillow scale 0 and 1 themselves.
        level = hidden * PNG_STEPS.get(packing, 1) if file.mode == "L" else 255 * bool(hidden)
        values, others = _without_value(_samples(file, "L"), level), (UNASSOCIATED,)
    elif hidden is not None and packing == "RGB;16B":
        raise ValueError("one colour of 16 bits is transparent in it, and Pillow reads 8")
    elif file.mode == "La" or tags.get(tiff.OTHERS) == (PREMULTIPLIED,):
        if packing == "RGBa":  # Pillow divides by alpha while it unpacks, and rounds down
            file.tile = [_repacked(tile, "RGBA") for tile in file.tile]
        values, others = _samples(file, file.mode), (PREMULTIPLIED,)
    else:
        mode = "L" if file.mode in ("1", "L", "LA") or packing == "LA;16B" else "RGB"
        if file.mode in ("CMYK", "LAB", "HSV", "YCbCr"):
            profile = None  # it does not fit the RGB values that follow
        if file.has_transparency_data:
            mode, others = mode + "A", (UNASSOCIATED,)
        values = _samples(file, mode)
    if dtype := tiff.grey_type(tags):
        values = values.astype(dtype, copy=False)  # the same bits, or Pillow has widened them
    # Pillow turns TIFF files itself, and says so.
    return Samples(values, others, _orientation(file), profile)


def _packing(file: Any) -> str:
    """How samples lie in the file, in Pillow's words."""
    how = file.tile[0][3] if file.tile else ""
    return str(how[0] if isinstance(how, tuple) and how else how)


def _repacked(tile: Any, packing: str) -> Any:
    make = getattr(tile, "_make", tuple)  # since Pillow 11 the parts have names
    return make((*tile[:3], (packing, *tile[3][1:])))


def _without_value(values: np.ndarray, hidden: int) -> np.ndarray:
    """Grey, and a channel in which pixels of one value are transparent."""
    whole = np.iinfo(values.dtype).max
    return np.stack([values, np.where(values == hidden, 0, whole).astype(values.dtype)], axis=2)


def _samples(file: Any, mode: str) -> np.ndarray:
    """The samples in a mode of Pillow's, band by band: as a whole, they would be copied twice on the way."""
    file.load()

    def band(start: int, stop: int) -> np.ndarray:
        part = file.crop((0, start, file.width, stop))
        return np.asarray(part if part.mode == mode else part.convert(mode))

    first = band(0, 1)
    values = np.empty((file.height, *first.shape[1:]), first.dtype)
    for rows in bands(values.shape):
        values[rows] = band(rows.start, rows.stop)
    return values


def _numbers(values: np.ndarray) -> np.ndarray:
    """As uint16 what Pillow has read into 32 bits for want of a mode."""
    if values.dtype == np.int32 and values.min() >= 0 and values.max() <= 65535:
        return values.astype(np.uint16)
    return values


def _orientation(file: Any) -> int:
    """Where the first row and the first column are, as in TIFF and EXIF; notes that cannot be read say nothing."""
    try:
        found = file.getexif().get(tiff.ORIENTATION, 1)
    except Exception:
        return 1
    return found if isinstance(found, int) else 1
