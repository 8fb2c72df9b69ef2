"""TIFF files that are read and written in parts, because as a whole they would take too much memory."""

from __future__ import annotations

import contextlib
import itertools
import pathlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from fastsep._cli.errors import Refusal, extra, reason
from fastsep._cli.files import replacing
from fastsep._cli.pictures import tiff


class Opened(NamedTuple):
    """A picture in a file: grey, or RGB."""

    pixels: Any  # (rows, columns) or (rows, columns, 3): an array, or `Segments`
    profile: bytes | None  # what the colours mean (ICC)


def is_tiff(path: pathlib.Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) in tiff.SIGNATURES


def size(path: pathlib.Path) -> int:
    """Bytes of the first picture in a TIFF file; 0 if it is damaged, which whoever reads it as a whole will tell."""
    try:
        with extra("tifffile", "tifffile").TiffFile(path) as file:
            return int(file.pages.first.nbytes)
    except Refusal:
        raise
    except Exception:  # tifffile raises what the bytes make it raise
        return 0


@contextlib.contextmanager
def opened(path: pathlib.Path) -> Iterator[Opened | None]:
    """The first picture in a TIFF file; None if it has to be read as a whole to be understood."""
    with extra("tifffile", "tifffile").TiffFile(path) as file:
        page = file.pages.first
        colours = {(tiff.BLACK_IS_ZERO, "YX"): 1, (tiff.RGB, "YXS"): 3}.get((page.photometric, page.axes))
        plain = page.tags.valueof(tiff.ORIENTATION, default=1) == 1 and page.dtype in tiff.TYPES
        if colours is None or not plain or page.bitspersample < 8 or page.samplesperpixel != colours:
            yield None
            return
        profile = page.tags.valueof(tiff.PROFILE)
        if page.is_memmappable:
            dtype = page.dtype.newbyteorder(file.byteorder)
            yield Opened(np.memmap(path, dtype, "r", page.dataoffsets[0], page.shape), profile)
        else:
            with ThreadPoolExecutor() as pool:
                yield Opened(Segments(page, pool), profile)


class Segments:
    """A picture in tiles or strips, which are decoded when they are read."""

    def __init__(self, page: Any, pool: ThreadPoolExecutor) -> None:
        self.page, self.pool = page, pool
        self.lock = threading.Lock()  # between finding a place in the file and reading there
        self.shape: tuple[int, ...] = page.shape
        self.dtype = page.dtype.newbyteorder("=")
        self.chunks: tuple[int, ...] = page.chunks

    def __getitem__(self, place: tuple[slice, ...]) -> np.ndarray:
        rows, columns = place[:2]
        found = np.zeros((rows.stop - rows.start, columns.stop - columns.start, *self.shape[2:]), self.dtype)
        high, wide = self.chunks[:2]
        across = -(-self.shape[1] // wide)
        numbers = [
            down * across + along
            for down, along in itertools.product(
                range(rows.start // high, -(-rows.stop // high)), range(columns.start // wide, -(-columns.stop // wide))
            )
        ]
        for number, segment in zip(numbers, self.pool.map(self._decoded, numbers), strict=True):
            if segment is None:  # a part that is not in the file is zero
                continue
            top, left = number // across * high, number % across * wide
            bottom, right = top + segment.shape[0], left + segment.shape[1]
            first, last = max(top, rows.start), min(bottom, rows.stop)
            begin, end = max(left, columns.start), min(right, columns.stop)
            part = segment[first - top : last - top, begin - left : end - left]
            found[first - rows.start : last - rows.start, begin - columns.start : end - columns.start] = part
        return found[..., place[2]] if len(place) > 2 else found

    def _decoded(self, number: int) -> np.ndarray | None:
        page, file = self.page, self.page.parent.filehandle
        with self.lock:
            file.seek(page.dataoffsets[number])
            data = file.read(page.databytecounts[number])
        segment, _, _ = page.decode(data, number, jpegtables=page.jpegtables)
        return (
            None
            if segment is None
            else segment.reshape(segment.shape[1:] if len(self.shape) == 3 else segment.shape[1:3])
        )


@contextlib.contextmanager
def made(
    output: pathlib.Path, shape: tuple[int, ...], dtype: np.dtype[Any], profile: bytes | None
) -> Iterator[np.memmap]:
    """An array to write into, which becomes the TIFF file `output` when the block ends."""
    try:
        with replacing(output) as file:
            start, count = tiff.allocate(file, shape, dtype, profile)
            file.truncate(max(file.seek(0, 2), start + count))
            yield np.memmap(file, dtype, "r+", start, shape)
    except Refusal:
        raise
    except OSError as error:
        raise Refusal(f"cannot write {output}: {reason(error)}") from error
