"""What a call makes of a block: which pixels around it count, and what comes out."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastsep._call import NotRun, not_run
from fastsep._engine.execution import LoadedKernel
from fastsep._engine.memory import empty
from fastsep._ops.hysteresis import Tracking
from fastsep._plan import regions
from fastsep._plan.regions import Reads
from fastsep._validation.array_like import Array, Block, DType, show

#: Why a function does not work block by block.
WHOLE_IMAGES = {
    "peak_local_max": "its result is a list of coordinates",
    "generic_laplace": "a derivative of one's own may read anything",
    "generic_gradient_magnitude": "a derivative of one's own may read anything",
}


class Axis(NamedTuple):
    """How the results along an axis depend on pixels."""

    length: int
    halo: tuple[int, int]
    wraps: bool
    unit: int
    whole: bool  # blocks must not cut it

    def reads(self, start: int, stop: int) -> Reads:
        return regions.reads(start, stop, self.length, self.halo, self.wraps, self.unit)

    def read_length(self, length: int) -> int:
        """So many pixels does a block of so many read."""
        most = max(length + sum(self.halo) + self.unit - 1, regions.LEAST)
        return self.length if self.whole else min(most, self.length)


class Local(NamedTuple):
    """A call whose results depend on a neighbourhood only."""

    function: Callable[..., Any]
    arguments: dict[str, Any]  # but the image, `mask` and `out`
    out: str | None  # the argument that takes arrays to write into
    axes: tuple[Axis, ...]  # of the image
    spatial: tuple[int, ...]  # those that are filtered
    shape: tuple[int, ...]  # of each result
    dtype: DType
    results: int  # how many
    look: Callable[..., bool] | None  # see `Program`
    source: DType | None
    work: int  # bytes a pixel that it takes meanwhile, about
    kernel: LoadedKernel | None  # makes rows of results where they lie, if any does
    tracks: bool | None  # edges are followed through all blocks; True: pixels are neighbours at corners, too

    @property
    def uses_neighbours(self) -> bool:
        return self.tracks is not None or any(axis.halo != (0, 0) for axis in self.axes)

    def masked_axes(self, count: int) -> Sequence[int]:
        """The axes of a mask of so many, which may lack that of the channels."""
        return self.spatial if count < len(self.axes) else range(len(self.axes))

    def run(self, image: Array, mask: Array | None, within: bool | None, spare: Spare) -> Sequence[Array]:
        """The results for a block with its halo, in `spare` where the function writes into given arrays."""
        arguments = self.arguments if mask is None else {**self.arguments, "mask": mask}
        if self.out is not None:
            outs = spare.take(self.results, (*image.shape, *self.shape[image.ndim :]), self.dtype)
            arguments = {**arguments, self.out: outs if self.results > 1 else outs[0]}
        whole = tuple(axis.length for axis in self.axes)
        found = self.function(Block.of(image, whole, within), **arguments)
        return [found] if isinstance(found, np.ndarray) else found

    def codes(self, image: Array, mask: Array | None) -> Array:
        """WEAK, STRONG or 0 for each pixel of a block, where edges are followed."""
        arguments = self.arguments if mask is None else {**self.arguments, "mask": mask}
        program = not_run(self.function, image.shape, image.dtype, **arguments).program
        codes = np.empty(image.shape, np.uint8)
        program.classify(image, codes, None)
        return codes


class Spare:
    """Memory for the results of blocks, which new arrays would have to get from the system, page by page."""

    def __init__(self) -> None:
        self.memory: list[Array] = []

    def take(self, count: int, shape: tuple[int, ...], dtype: DType) -> list[Array]:
        size = math.prod(shape)
        if not self.memory or self.memory[0].size < size:
            self.memory = [empty((size,), dtype) for _ in range(count)]
        return [values[:size].reshape(shape) for values in self.memory]


def of_call(
    function: Callable[..., Any], shape: tuple[int, ...], dtype: DType, target: DType, args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> tuple[Local, Any]:  # fmt: skip
    """What `function(image, *args, **kwargs)` does for an image of this shape and dtype, and its mask.

    `target`: the dtype that is wanted.
    """
    name, signature = _checked(function)
    if dtype.kind not in "biuf":
        raise ValueError(f"`source` must have a float, integer or bool dtype; got {dtype}.")
    image, *parameters = signature.parameters
    if image in kwargs:
        raise TypeError(f"`{image}` must not be given beside `source`.")
    arguments = signature.bind(None, *args, **kwargs).arguments
    del arguments[image]
    arguments.update(arguments.pop("kwargs", {}))
    for word in ("out", "output"):
        if isinstance(arguments.get(word), np.ndarray) or (word == "out" and arguments.get(word) is not None):
            raise ValueError(f"`{word}` must not be given: results go to `target`.")
    for word in ("weights", "pixel_weights"):
        if word in arguments and word not in parameters[:1] and arguments[word] is not None:
            raise ValueError(f"`{word}` must not be given block by block: mark missing pixels by NaN or `nodata`.")
    mask = arguments.pop("mask", None)
    found = not_run(function, shape, dtype, **arguments)
    if "stride" in arguments and found.shape[: len(shape)] != shape:
        raise ValueError("`stride` must not be given block by block: a block of the result is one of the image.")
    tracks = None
    if isinstance(found.program, Tracking):
        tracks = found.program.diagonal
        if found.program.use_quantiles:
            raise ValueError("`use_quantiles` must be False: a quantile needs the magnitudes of all pixels at once.")
        for word in ("low", "high"):
            if np.ndim(arguments.get(word, 0)):
                raise ValueError(f"`{word}` must be a number here: blocks are not cut out of an array of thresholds.")
    elif not found.program.local:
        raise ValueError(f"`function` must work on neighbourhoods; of {name} a result may depend on any pixel.")
    wanted = target.newbyteorder("=")
    if found.result != wanted:
        for word in ("dtype", "output"):  # the latter in `fastsep.ndimage`
            if word in parameters and arguments.get(word) is None:
                arguments[word] = wanted
                found = not_run(function, shape, dtype, **arguments)
                break
    if found.result != wanted:
        raise ValueError(f"`target` must have the dtype of the result, {found.result}; got {target}.")
    spatial = tuple(axis for axis in range(len(shape)) if axis != found.channel)
    axes = _axes(name, found, shape, spatial, mask is not None)
    source, work, told = found.program.source, 0, found.program.describe()
    if not found.direct and source is not None:
        work = source.itemsize * (source != dtype) + found.program.target.itemsize
    if told.strategy in ("stages", "passes", "fft"):  # through whole arrays, perhaps
        work += told.arithmetic.itemsize * (1 + len(told.stages))
    out = next((word for word in ("out", "output") if word in parameters), None)
    if out == "out" and found.count == 1 and isinstance(arguments.get("output"), tuple | list):
        out = None  # one result, as a tuple
    look, dtype = found.program.look, found.result
    alone = getattr(found.program, "alone", None)
    kernel = alone.by_rows() if alone is not None and found.direct and mask is None and look is None else None
    return Local(
        function, arguments, out, axes, spatial, found.shape, dtype, found.count, look, source, work, kernel, tracks
    ), mask


def _checked(function: Any) -> tuple[str, inspect.Signature]:
    """Name and signature of a filter of this package."""
    name: str = getattr(function, "__name__", show(function))
    if inspect.isfunction(function) and function.__module__.startswith("fastsep."):
        signature = inspect.signature(function)
        if next(iter(signature.parameters), None) in ("image", "input"):
            if name in WHOLE_IMAGES:
                raise ValueError(f"`function` must work on neighbourhoods; {name} does not: {WHOLE_IMAGES[name]}.")
            return name, signature
    raise TypeError(f"`function` must be a filter of fastsep; got {name}.")


def _axes(name: str, found: NotRun, shape: tuple[int, ...], spatial: Sequence[int], masked: bool) -> tuple[Axis, ...]:
    program, halo = found.program, found.program.halo
    if len(halo) != len(spatial):
        raise ValueError(f"`source` must not have axes of length 1 for {name}; got shape {shape}.")
    # Channels that are last lie side by side in vectors.
    axes = [Axis(length, (0, 0), False, 1, axis == len(shape) - 1) for axis, length in enumerate(shape)]
    for axis, (before, after), wraps in zip(spatial, halo, program.wraps, strict=True):
        if masked:  # pixels with a neighbour outside are taken from the mask
            before, after = max(before, 1), max(after, 1)
        whole = min(before, after) >= shape[axis]
        axes[axis] = Axis(shape[axis], (before, after), wraps, program.unit if before + after else 1, whole)
    return tuple(axes)
