"""What commands do with TIFF files that would take too much memory as a whole: read, filter and write them in parts."""

from __future__ import annotations

import math
import pathlib
import re
import tempfile
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import fastsep
from fastsep._arrays.blocks import mapped
from fastsep._cli.errors import Refusal
from fastsep._cli.pictures import parts
from fastsep._cli.pictures import picture as _pictures
from fastsep._cli.pictures.samples import bands
from fastsep._engine import ram

#: Of what a picture has in the file, its filter takes so many times as much memory.
TIMES = 4
#: Of the machine's memory, what pictures may take unless --memory says otherwise.
SHARE = 0.5
SAMPLE = 2**22  # of so many pixels the range is found, which takes a few hundredths of a second
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}

Progress = bool | None


class InParts(NamedTuple):
    """How a command filters a large picture."""

    # (picture, file to write, bytes to take, threads, progress)
    write: Callable[[parts.Opened, pathlib.Path, int, int | None, Progress], None] | None
    why_not: str  # where there is no such way


def memory(text: str) -> int:
    """A number of bytes, as --memory has it: 500M, 2G."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    if found is None or not float(found[1]):
        raise ValueError(text)
    return int(float(found[1]) * UNITS[found[2].upper()])


def done(
    image: pathlib.Path, output: pathlib.Path | None, how: InParts, given: int | None, at_once: int,
    workers: int | None, progress: Progress,
) -> bool:  # fmt: skip
    """Whether the picture is filtered in parts, and then has been. `given`: --memory; `at_once`: pictures."""
    machine = ram.memory()
    most = given if given is not None else None if machine is None else int(SHARE * machine)
    if most is None or not image.is_file() or not parts.is_tiff(image):
        return False
    most //= at_once
    if TIMES * parts.size(image) <= most:
        return False
    with parts.opened(image) as found:
        why = how.why_not
        if found is None:
            why = "it is not grey or RGB in whole bytes, upright and without further channels"
        elif output is None or output.suffix.lower() not in (".tif", ".tiff"):
            why = "the result is no .tif"
        elif how.write is not None:
            how.write(found, output, most, workers, progress)
            return True
    if given is None:
        return False  # and perhaps there is enough
    needed = TIMES * parts.size(image) / UNITS["M"]
    raise Refusal(f"{image}: about {needed:.0f}M of memory are needed, for it cannot be filtered in parts: {why}")


def filtered(function: Callable[..., Any], **options: Any) -> InParts:
    """By a filter that keeps dtype and scale. `options`: its arguments."""

    def write(
        picture: parts.Opened, output: pathlib.Path, memory: int, workers: int | None, progress: Progress
    ) -> None:
        pixels, dtype = picture.pixels, picture.pixels.dtype.newbyteorder("=")
        channel_axis = 2 if len(pixels.shape) == 3 else None
        with parts.made(output, pixels.shape, dtype, picture.profile) as target:
            fastsep.filter_blocks(
                function, pixels, target, channel_axis=channel_axis, dtype=dtype, workers=workers, memory=memory,
                progress=progress, journal=False, preserve_range=dtype.kind == "f", **options,
            )  # fmt: skip

    return InParts(write, "")


def edges(
    operator: str, sigma: float | None, limits: tuple[float, float] | None, scale_of: Callable[[np.ndarray], float]
) -> InParts:  # fmt: skip
    """Edges in black and white by both limits; without these, their strengths from black to white.

    `scale_of`: what the limits are parts of, from the pixels that `sampling` leaves. What is made on the way goes to
    files beside the result.
    """

    def write(
        picture: parts.Opened, output: pathlib.Path, memory: int, workers: int | None, progress: Progress
    ) -> None:
        grey = Grey(picture.pixels) if len(picture.pixels.shape) == 3 else picture.pixels
        unit = 1.0 if grey.dtype.kind == "f" else np.iinfo(grey.dtype).max  # what the operators take for 1
        scale = 1.0 if limits is None else scale_of(_sampled(grey)) / unit
        with tempfile.TemporaryDirectory(prefix=".", dir=output.parent) as folder:
            run = _Runs(folder, grey.shape, workers, memory, progress)
            if sigma:
                grey = run.filtered(_pictures.enough(grey.dtype), fastsep.gaussian, grey, sigma)
            strength = run.filtered(np.float32, getattr(fastsep, operator), grey)
            if limits is None:
                high = _pictures.brightest((part for _, part in _bands_of(strength)), strength.size)
                _write(output, strength, lambda part: _pictures.scaled(part, 0.0, high))
                return
            for _, part in _bands_of(strength):
                part /= scale
            found = run.filtered(bool, fastsep.apply_hysteresis_threshold, strength, *limits)
            _write(output, found, _black_and_white)

    return InParts(write, "")


def canny(sigma: float, limits_of: Callable[[np.ndarray], tuple[float, float]]) -> InParts:
    """Canny's edges. `limits_of`: both thresholds, from the pixels that `sampling` leaves."""

    def write(
        picture: parts.Opened, output: pathlib.Path, memory: int, workers: int | None, progress: Progress
    ) -> None:
        grey = Grey(picture.pixels) if len(picture.pixels.shape) == 3 else picture.pixels
        limits = limits_of(_sampled(grey))
        with tempfile.TemporaryDirectory(prefix=".", dir=output.parent) as folder:
            run = _Runs(folder, grey.shape, workers, memory, progress)
            found = run.filtered(bool, fastsep.canny, grey, sigma, *limits, dtype=np.float64)
            _write(output, found, _black_and_white)

    return InParts(write, "")


class _Runs(NamedTuple):
    """Filters with results in files of a folder."""

    folder: str
    shape: tuple[int, ...]
    workers: int | None
    memory: int
    progress: Progress

    def filtered(
        self, dtype: Any, function: Callable[..., Any], source: Any, /, *args: Any, **kwargs: Any
    ) -> np.ndarray:  # fmt: skip
        target = np.memmap(pathlib.Path(self.folder, function.__name__), dtype, "w+", shape=self.shape)
        fastsep.filter_blocks(
            function, source, target, *args, workers=self.workers, memory=self.memory, progress=self.progress,
            journal=False, **kwargs,
        )  # fmt: skip
        return target


def _write(output: pathlib.Path, values: np.ndarray, shown: Callable[[np.ndarray], np.ndarray]) -> None:
    """The bytes that `shown` makes of values, as a file."""
    with parts.made(output, values.shape, np.dtype(np.uint8), None) as target:
        for rows, part in _bands_of(values):
            target[rows] = shown(part)
            mapped.release(target[rows])


def _black_and_white(found: np.ndarray) -> np.ndarray:
    return found.view(np.uint8) * np.uint8(255)


def sampling(size: int) -> int:
    """Of every so many pixels along each axis one tells the range of all."""
    return max(1, math.isqrt(size // SAMPLE))


def _sampled(grey: Any) -> np.ndarray:
    """The pixels that tell the range: none where it is that of bytes."""
    rows, columns = grey.shape
    step = sampling(rows * columns)
    if grey.dtype == np.uint8:
        return np.empty((0, 0), np.uint8)
    found = []
    high = step * max(1, SAMPLE // (step * columns))
    for start in range(0, rows, high):
        part = np.asarray(grey[start : min(start + high, rows), 0:columns])
        found.append(part[::step, ::step].astype(grey.dtype.newbyteorder("=")))
        mapped.release(part)
    return np.concatenate(found)


def _bands_of(values: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Rows of a file that is mapped, and not more than these in memory."""
    for rows in bands(values.shape):
        yield rows, values[rows]
        mapped.release(values[rows])


class Grey:
    """The brightness of a picture in colours, found when it is read."""

    def __init__(self, pixels: Any) -> None:
        self.pixels, self.shape, self.dtype = pixels, pixels.shape[:2], pixels.dtype.newbyteorder("=")
        self.chunks = getattr(pixels, "chunks", (1, 1, 3))[:2]

    def __getitem__(self, place: tuple[slice, ...]) -> np.ndarray:
        return _pictures.grey(self.pixels[(*place, slice(0, 3))].astype(self.dtype, copy=False))
