"""Convolution layers and a network of them, with bias and ReLU after every convolution.

Images (H, W, C) go in one at a time, with zeros around them. Padding "same" is half the kernel on every
side, as in torch. Everybody's results are preallocated but torch's, which has no place for them. Everybody's
images and results begin on a cache line, as what these libraries allocate does.
What a separable layer replaces is `Conv2D` of the same shape and parameters.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

import fastsep
from benchmarks._contest import Contest, Entry, Work, operation
from benchmarks._libraries import OURS
from benchmarks._timing import Array, Call
from benchmarks.operations import _networks as networks
from benchmarks.operations._networks import Problem, Stage
from fastsep._engine.memory import aligned

# ---- what the table of cases is made of: shapes of images, and parameters

Shape = tuple[tuple[int, int, int], dict[str, Any]]
Shapes = tuple[Shape, ...]

MOBILENET: Shapes = (
    ((112, 112, 32), {"filters": 64, "size": 3}),
    ((112, 112, 64), {"filters": 128, "size": 3, "stride": 2}),
    ((56, 56, 128), {"filters": 128, "size": 3}),
    ((56, 56, 128), {"filters": 256, "size": 3, "stride": 2}),
    ((28, 28, 256), {"filters": 256, "size": 3}),
    ((28, 28, 256), {"filters": 512, "size": 3, "stride": 2}),
    ((14, 14, 512), {"filters": 512, "size": 3}),
    ((14, 14, 512), {"filters": 1024, "size": 3, "stride": 2}),
    ((7, 7, 1024), {"filters": 1024, "size": 3}),
)
EFFICIENTNET: Shapes = (
    ((28, 28, 240), {"filters": 48, "size": 5}),
    ((14, 14, 480), {"filters": 112, "size": 5}),
    ((14, 14, 672), {"filters": 192, "size": 5, "stride": 2}),
    ((7, 7, 1152), {"filters": 192, "size": 5}),
)
LARGE: Shapes = (
    ((480, 640, 64), {"filters": 64, "size": 3}),
    ((224, 224, 64), {"filters": 64, "size": 5}),
)
RGB_LAYERS: Shapes = (  # these also as uint8
    ((1080, 1920, 3), {"filters": 16, "size": 5}),
    ((1080, 1920, 3), {"filters": 64, "size": 5}),
    ((540, 960, 3), {"filters": 256, "size": 5}),
)
TINY: Shape = ((12, 12, 3), {"filters": 256, "size": 5, "padding": "valid"})
# As separable layers and as the standard convolutions that they replace.
REPLACED: Shapes = (
    ((56, 56, 64), {"filters": 64, "size": 3}),
    ((28, 28, 256), {"filters": 256, "size": 3}),
)

# ---- the operations

BEFOREHAND, EVERY_CALL = "weights packed beforehand", "packs its weights in every call"

Run = Callable[..., Array]  # takes an image, `out` and `workers`


@operation
def separable_conv2d(x: Array, *, filters: int, size: int, stride: int = 1, padding: str = "same") -> Contest:
    stages = pair(x, filters, size, stride, padding)
    return contest(x, stages, partial(fastsep.separable_conv2d, **both(*stages)), EVERY_CALL)


@operation
def SeparableConv2D(x: Array, *, filters: int, size: int, stride: int = 1, padding: str = "same") -> Contest:
    stages = pair(x, filters, size, stride, padding)
    return contest(x, stages, fastsep.SeparableConv2D(**both(*stages)), BEFOREHAND)


@operation
def depthwise_conv2d(x: Array, *, size: int, stride: int = 1, padding: str = "same") -> Contest:
    stage = networks.depthwise(
        np.random.default_rng(0), size, x.shape[2], stride, size // 2 if padding == "same" else 0
    )
    return contest(x, [stage], partial(fastsep.depthwise_conv2d, **single(stage)), EVERY_CALL)


@operation
def DepthwiseConv2D(x: Array, *, size: int) -> Contest:
    stage = networks.depthwise(np.random.default_rng(0), size, x.shape[2], 1, size // 2)
    return contest(x, [stage], fastsep.DepthwiseConv2D(**single(stage)), BEFOREHAND)


@operation
def pointwise_conv2d(x: Array, *, filters: int) -> Contest:
    stage = networks.dense(np.random.default_rng(0), 1, x.shape[2], filters)
    run = partial(fastsep.pointwise_conv2d, kernel=stage.weights, bias=stage.bias, activation="relu")
    return contest(x, [stage], run, EVERY_CALL)


@operation
def conv2d(x: Array, *, filters: int, size: int) -> Contest:
    stage = networks.dense(np.random.default_rng(0), size, x.shape[2], filters, padding=size // 2)
    return contest(x, [stage], partial(fastsep.conv2d, **single(stage)), EVERY_CALL)


@operation
def Conv2D(x: Array, *, filters: int, size: int) -> Contest:
    stage = networks.dense(np.random.default_rng(0), size, x.shape[2], filters, padding=size // 2)
    return contest(x, [stage], fastsep.Conv2D(**single(stage)), BEFOREHAND)


@operation
def mobilenet_v1(x: Array) -> Contest:
    """The whole network for 1000 classes, batch normalisation folded into weights and biases."""
    rng = np.random.default_rng(0)
    channels = 32
    stem = networks.dense(rng, 3, x.shape[2], channels, 2, 1)
    widths = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
    pairs = []
    for filters, stride in widths:
        pairs.append((networks.depthwise(rng, 3, channels, stride, 1), networks.dense(rng, 1, channels, filters)))
        channels = filters
    classifier = networks.classifier(rng, channels, 1000)
    stages = [stem, *itertools.chain.from_iterable(pairs), classifier]
    shapes = Problem(stages, x).shapes

    # The mean over all pixels is a depthwise convolution as large as they are.
    height, width, _ = shapes[-2]
    mean = np.full((height, width, channels), 1 / (height * width), np.float32)
    steps: list[Run] = [
        fastsep.Conv2D(**single(stem)),
        *(fastsep.SeparableConv2D(**both(*each)) for each in pairs),
        fastsep.SeparableConv2D(mean, classifier.weights, bias=classifier.bias),
    ]
    return contest(x, stages, chain(steps, shapes[1:-1:2]), BEFOREHAND)


# ---- how they are run


def contest(x: Array, stages: Sequence[Stage], run: Run, note: str) -> Contest:
    """fastsep reads the image as it is."""
    problem = Problem(stages, x.astype(np.float32, copy=False))
    shape = problem.shapes[-1]
    image = aligned(x.shape, x.dtype)
    image[...] = x

    def work() -> Work:
        return Work(x.nbytes + problem.weight_bytes + 4 * math.prod(shape), problem.multiplications)

    def start(threads: int) -> Call:
        return partial(run, image, out=aligned(shape, np.dtype(np.float32)), workers=threads)

    converted = "" if x is problem.x else f"; reads float32 instead of {x.dtype}, converted beforehand"
    peers = (
        networks.onnx_runtime(problem, "bound input and output" + converted),
        networks.openvino(problem, "bound input and output" + converted),
        networks.pytorch(problem, "fastest of channels last, contiguous, oneDNN" + converted),
    )
    return Contest((Entry(OURS, start, note=note), *peers), work)


def pair(x: Array, filters: int, size: int, stride: int, padding: str) -> list[Stage]:
    """The stages of a separable layer."""
    rng = np.random.default_rng(0)
    first = networks.depthwise(rng, size, x.shape[2], stride, size // 2 if padding == "same" else 0)
    return [first, networks.dense(rng, 1, x.shape[2], filters)]


def single(stage: Stage) -> dict[str, Any]:
    """What fastsep's functions are told of a stage."""
    form = {"stride": stage.stride, "padding": stage.padding, "activation": "relu"}
    return {"kernel": stage.weights, "bias": stage.bias, **form}


def both(first: Stage, second: Stage) -> dict[str, Any]:
    """What they are told of a separable layer."""
    weights = {"depthwise_kernel": first.weights, "pointwise_kernel": second.weights}
    biases = {"depthwise_bias": first.bias, "bias": second.bias}
    form = {"stride": first.stride, "padding": first.padding}
    return {**weights, **biases, **form, "depthwise_activation": "relu", "activation": "relu"}


def chain(steps: list[Run], shapes: list[tuple[int, ...]]) -> Run:
    """One step after another; `shapes` are those of the results between them."""
    # Two buffers in turn, so that what lies between stays in cache.
    buffers = [aligned((max(map(math.prod, shapes)),), np.dtype(np.float32)) for _ in range(2)]
    places = [buffers[i % 2][: math.prod(shape)].reshape(shape) for i, shape in enumerate(shapes)]
    *before, last = steps

    def run(x: Array, *, out: Array, workers: int) -> Array:
        for step, place in zip(before, places, strict=True):
            x = step(x, out=place, workers=workers)
        return last(x, out=out, workers=workers)

    return run
