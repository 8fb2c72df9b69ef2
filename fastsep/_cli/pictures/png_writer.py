"""Writes PNG files, by zlib, which lets other threads run meanwhile.

Pillow's encoder keeps Python's lock while it packs a PNG file, which takes more than all that is done for the picture
before: with it, many pictures took as long on all cores as on one.
"""

from __future__ import annotations

import struct
import zlib
from typing import IO

import numpy as np

from fastsep._cli.pictures.png import SIGNATURE

COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # by number of channels, of which 2 and 4 have transparency

# Every row is written as the difference from the row above. On photographs that makes files of Pillow's size to 1 %,
# which tries all five filters for each row, in half of its time.
UP = 2
LEVEL = 2  # Level 6 takes more than four times as long, for a sixth fewer bytes.
BAND = 2**20  # bytes that are packed into one chunk


def write(file: IO[bytes], pixels: np.ndarray, profile: bytes | None) -> None:
    """Of (rows, columns) in uint8 or uint16, or (rows, columns, channels) in uint8."""
    rows, columns = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    file.write(SIGNATURE)
    header = (columns, rows, 8 * pixels.itemsize, COLOUR_TYPES[channels], 0, 0, 0)  # packed and filtered, in one pass
    _write_chunk(file, b"IHDR", struct.pack(">IIBBBBB", *header))
    if profile:
        _write_chunk(file, b"iCCP", b"ICC profile\0\0" + zlib.compress(profile))
    packer = zlib.compressobj(LEVEL)
    step = max(1, BAND // (columns * channels * pixels.itemsize))
    for start in range(0, rows, step):
        packed = packer.compress(_filtered(pixels, start, min(start + step, rows)).data)
        if packed:
            _write_chunk(file, b"IDAT", packed)
    _write_chunk(file, b"IDAT", packer.flush())
    _write_chunk(file, b"IEND", b"")


def _filtered(pixels: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Rows of bytes, each after the number of its filter."""
    above = max(start - 1, 0)
    part = pixels[above:stop]
    values = part.astype(part.dtype.newbyteorder(">"), order="C", copy=False).view(np.uint8).reshape(len(part), -1)
    result = np.empty((stop - start, 1 + values.shape[1]), np.uint8)
    result[:, 0] = UP
    if start == 0:
        result[0, 1:] = values[0]  # above the first row there is nothing
    np.subtract(values[1:], values[:-1], out=result[start == 0 :, 1:])
    return result


def _write_chunk(file: IO[bytes], kind: bytes, data: bytes) -> None:
    file.write(struct.pack(">I4s", len(data), kind))
    file.write(data)
    file.write(struct.pack(">I", zlib.crc32(data, zlib.crc32(kind))))
