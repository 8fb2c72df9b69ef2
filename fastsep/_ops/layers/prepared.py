"""A layer that is ready for images of one shape and dtype."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastsep._call import Program
from fastsep._engine import bands as _bands
from fastsep._engine import memory
from fastsep._kernels import jit
from fastsep._kernels.arguments import BANDS, DST, SCRATCH, SRC
from fastsep._kernels.layers.arguments import SHARED, STAGE
from fastsep._ops.layers.arguments import LayerArguments
from fastsep._ops.layers.variant import Variant, choose_variant
from fastsep._ops.layers.weights import PackedWeights
from fastsep._plan import dtypes, tuning
from fastsep._plan.convolution import LayerImage, LayerSpec
from fastsep._plan.description import Description
from fastsep._validation.array_like import Array


class PreparedLayer(Program):
    """A layer for images of one shape and dtype; on each number of threads it has a variant of its own."""

    def __init__(self, spec: LayerSpec, image: LayerImage, weights: PackedWeights) -> None:
        self.spec, self.image, self.weights = spec, image, weights
        # An image in another order, or without pixels, is brought into the engine's by `run`.
        self.source = None if spec.place.channels_first or image.blank else image.source
        self.target, self.shape = image.dtype, image.shape
        work = float(math.prod(image.result_shape[:3]) * spec.multiplications)
        if spec.depthwise_only:
            work += tuning.VALUE_WORK * (math.prod(image.source_shape) + math.prod(image.result_shape))
        elif weights.matrix is not None and weights.matrix.values.nbytes > tuning.L2:
            work = max(work, tuning.WEIGHT_WORK * weights.matrix.values.size)
        self.work = _bands.float32_work(work, image.dtype)
        self._arguments: dict[int, LayerArguments] = {}  # by number of threads
        self.address: int  # of the band function, which is loaded with the first arguments
        self.first_band: Callable[..., int]

    def run(self, image: Array, outs: Any, workers: int | None) -> None:
        known, place = self.image, self.spec.place
        (out,) = outs
        if known.blank:
            image = np.full(known.source_shape, place.cval, known.source)
        elif place.channels_first:
            image = dtypes.convert(np.moveaxis(image, -3, -1), known.source, None, False)
        if not place.channels_first:
            self.run_single(image, out, workers)
            return
        result = memory.empty(known.result_shape, known.dtype)
        self.run_single(image, result, workers)
        out[...] = np.moveaxis(result, -1, -3).reshape(out.shape)

    def run_single(self, image: Array, out: Array | None, workers: int | None) -> Array:
        """Both arrays C-contiguous, with channels last; those of one image may lack N."""
        if out is None:
            out = memory.empty(self.shape, self.target)
        threads = _bands.threads_for(self.work, workers)
        arguments = self._arguments.get(threads)
        if arguments is None:
            arguments = self.use(choose_variant(self.spec, self.image, threads), threads)
        threads, bands, stride = arguments.threads, arguments.bands, arguments.stride
        workspace = memory.take_workspace(arguments.size)
        word = workspace.word
        if workspace.filled_by is not arguments.token:
            workspace.words[: len(arguments.words)] = arguments.words
            word[SCRATCH] = workspace.scratch
            word[SHARED] = workspace.address + threads * stride
            workspace.filled_by = arguments.token
        word[SRC] = memory.address_of(image)
        word[DST] = memory.address_of(out)
        for stage in arguments.stages:
            word[STAGE] = stage
            if threads == 1:  # what `launch` would do, without the way there
                word[BANDS] = 1
                self.first_band(*workspace.arguments)
            else:
                _bands.launch(self, workspace, threads, bands, stride)
        memory.give_back(workspace)
        return out

    def use(self, variant: Variant, threads: int) -> LayerArguments:
        """Let calls on so many threads run like this from now on."""
        self.address = jit.kernel("tiles")
        self.first_band = jit.FIRST_BAND(self.address)
        made = self._arguments[threads] = LayerArguments(self.spec, self.image, self.weights, variant)
        return made

    def describe(self) -> Description:
        spec, size = self.spec, self.spec.size
        standard = size[0] * size[1] * self.image.channels * spec.results
        stages = [f"{'standard' if spec.depthwise is None else 'depthwise'}, {size[0]} x {size[1]}"]
        if spec.matrix is not None:
            stages.append("pointwise")
        reach = [(n - 1) * step for n, step in zip(size, spec.place.dilation, strict=True)]
        return Description(
            arithmetic=self.target, strategy="stages", why="tile by tile, in the cache", stages=tuple(stages),
            multiplications=spec.multiplications, dense_multiplications=standard,
            halo=tuple((min(pad, n), n - min(pad, n)) for (pad, _), n in zip(self.image.pads, reach, strict=True)),
        )  # fmt: skip
