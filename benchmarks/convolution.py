"""Depthwise-separable convolution beside ONNX Runtime and PyTorch: one table, losses included.

    python -m benchmarks.convolution [--only TEXT] [--rounds N] [--threads N [N ...]]

Batch 1, float32, zeros around the image, bias and ReLU after every convolution. fastsep runs through
its public layer, `SeparableConv2D(...)(x, out=out)`; ONNX Runtime with bound input and output; torch
in inference mode, in whichever of its layouts (channels last, contiguous, oneDNN) is fastest there.
"FMA limit" is the time that the multiply-adds alone take on one core, with no memory in the way:
its ratio is the share of the peak that fastsep reaches. "Standard" is the convolution that the
separable one replaces, by fastsep too. Rows of libraries that are missing say so.

Before a cell is timed, everybody's result must agree with a float64 one. The contenders take turns
within one process, with the same number of threads; each turn begins with 60 ms of the same call,
because a core that slept wakes too slowly for a short measurement. Ratios are other / fastsep, of
the medians of all samples. [Targets] follow them, and a star where they are missed. "Busy 30%": other
processes took that much of a core meanwhile, so the figures are worth little, those of two threads least.
"""

from __future__ import annotations

from benchmarks._timing import ENVIRONMENT, Array, Call, measure, multiply_adds, others  # before all that loads OpenMP

# isort: split

import argparse
import contextlib
import importlib
import importlib.metadata
import itertools
import math
import os
import platform
import statistics
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import Any

import numpy as np

import fastsep
from fastsep._kernels import jit
from fastsep._layer import Layer

# --- what is computed ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Conv:
    """A convolution, its bias, and ReLU."""

    kernel: Array  # (kh, kw, C, F); depthwise (kh, kw, C)
    bias: Array  # (F,); depthwise (C,)
    stride: int = 1
    padding: int = 0

    @property
    def depthwise(self) -> bool:
        return self.kernel.ndim == 3

    @property
    def pointwise(self) -> bool:
        return not self.depthwise and self.kernel.shape[:2] == (1, 1) and (self.stride, self.padding) == (1, 0)

    @property
    def terms(self) -> int:
        """Products in the sum that is one value of the result."""
        return math.prod(self.kernel.shape[: 2 if self.depthwise else 3])

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Of the result, for an image of this shape."""
        grown = [n + 2 * self.padding for n in shape[:2]]
        return (*((n - k) // self.stride + 1 for n, k in zip(grown, self.kernel.shape, strict=False)), len(self.bias))

    def exact(self, x: Array) -> Array:
        pad, step = (self.padding, self.padding), self.stride
        rows, columns = ((n - 1) * step + 1 for n in self.shape(x.shape)[:2])
        padded = np.pad(x, (pad, pad, (0, 0)))
        total = self.bias.astype(np.float64)
        for row, column in np.ndindex(self.kernel.shape[:2]):
            part = padded[row : row + rows : step, column : column + columns : step]
            weights = self.kernel[row, column].astype(np.float64)
            total = total + (part * weights if self.depthwise else part @ weights)
        return np.maximum(total, 0, out=total)


@dataclass(frozen=True)
class Classifier:
    """The mean over all pixels, times a matrix, plus a bias."""

    matrix: Array  # (C, classes)
    bias: Array

    @property
    def terms(self) -> int:
        return len(self.matrix)

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return 1, 1, len(self.bias)

    def exact(self, x: Array) -> Array:
        result: Array = x.mean(axis=(0, 1), keepdims=True) @ self.matrix.astype(np.float64) + self.bias
        return result


@dataclass(frozen=True)
class Problem:
    """Stages, one after another, and the image (H, W, C) that goes through them."""

    stages: Sequence[Conv | Classifier]
    x: Array

    @cached_property
    def shapes(self) -> list[tuple[int, ...]]:
        """Of the image, and of what each stage makes of it."""
        return list(itertools.accumulate(self.stages, lambda shape, stage: stage.shape(shape), initial=self.x.shape))

    @property
    def multiplications(self) -> int:
        return sum(stage.terms * math.prod(shape) for stage, shape in zip(self.stages, self.shapes[1:], strict=True))

    @cached_property
    def exact(self) -> Array:
        x = self.x.astype(np.float64)
        for stage in self.stages:
            x = stage.exact(x)
        return x

    @cached_property
    def tolerance(self) -> float:
        """A value is rounded once for every product in it, by half a unit in the last place at most.

        Roundings of random sign add up to the square root of their number; 8 times that is for the
        worst of 10^8 values, and for sums that are larger on the way than any result.
        """
        terms = sum(stage.terms for stage in self.stages)
        half_unit = float(np.finfo(np.float32).eps) / 2
        return 8 * math.sqrt(terms) * half_unit * float(self.exact.max() - self.exact.min())

    def check(self, result: Array) -> None:
        """Refuse a library that computes something else."""
        assert result.dtype == np.float32, f"gives {result.dtype}"
        assert result.shape == self.exact.shape, f"gives the shape {result.shape}, not {self.exact.shape}"
        # Row by row, because the difference as a whole may be another gigabyte.
        gap = max(float(np.abs(mine - row).max()) for mine, row in zip(result, self.exact, strict=True))
        assert gap <= self.tolerance, f"differs by {gap:.3g}, tolerated {self.tolerance:.3g}"


def depthwise(rng: np.random.Generator, size: int, channels: int, stride: int, padding: int) -> Conv:
    # Scaled so that values neither grow nor fade from layer to layer, as trained weights are.
    kernel = rng.standard_normal((size, size, channels), np.float32) * np.float32(math.sqrt(2) / size)
    return Conv(kernel, biases(rng, channels), stride, padding)


def dense(rng: np.random.Generator, size: int, channels: int, filters: int, stride: int = 1, padding: int = 0) -> Conv:
    kernel = rng.standard_normal((size, size, channels, filters), np.float32)
    kernel *= np.float32(math.sqrt(2 / channels) / size)
    return Conv(kernel, biases(rng, filters), stride, padding)


def biases(rng: np.random.Generator, count: int) -> Array:
    return rng.standard_normal(count, np.float32) * np.float32(0.1)


def mobilenet(seed: int) -> tuple[Conv | Classifier, ...]:
    """MobileNetV1 for 1000 classes, batch normalisation folded into weights and biases."""
    rng = np.random.default_rng(seed)
    stages: list[Conv | Classifier] = [dense(rng, 3, 3, 32, 2, 1)]
    channels = 32
    widths = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
    for filters, stride in widths:
        stages += [depthwise(rng, 3, channels, stride, 1), dense(rng, 1, channels, filters)]
        channels = filters
    matrix = rng.standard_normal((channels, 1000), np.float32) / np.float32(math.sqrt(channels))
    return (*stages, Classifier(matrix, biases(rng, 1000)))


# --- who computes it -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Contender:
    call: Call
    check: Callable[[], None] = lambda: None  # raises AssertionError where the result is wrong
    how: str = ""  # which of several ways


Start = Callable[[int], list[Contender]]  # number of threads -> ways to do it, of which the fastest counts


def engine(problem: Problem, image: Array | None = None) -> Start:
    """fastsep: separable layers where two stages make one. `image`: the same pixels in another type."""
    stages, shapes = problem.stages, problem.shapes
    out = np.empty(shapes[-1], np.float32)
    # Two buffers in turn for all that lies between, so that it stays in cache.
    buffers = np.empty((2, max(map(math.prod, shapes))), np.float32)
    source = problem.x if image is None else image
    steps: list[Callable[..., Any]] = []
    done = 0
    while done < len(stages):
        stage, after = stages[done], stages[done + 1] if done + 1 < len(stages) else None
        pair = isinstance(stage, Conv) and stage.depthwise and isinstance(after, Conv) and after.pointwise
        done += 2 if pair else 1
        size = math.prod(shapes[done])
        target = out if done == len(stages) else buffers[len(steps) % 2, :size].reshape(shapes[done])
        steps.append(separable(stage, after, source, target) if pair else single(stage, source, target))
        source = target

    def start(threads: int) -> list[Contender]:
        calls = [partial(step, workers=threads) for step in steps]
        run = calls[0] if len(calls) == 1 else partial(in_turn, calls)  # nothing around a single layer

        def check() -> None:
            out.fill(np.nan)
            run()
            problem.check(out)

        return [Contender(run, check)]

    return start


def in_turn(calls: Sequence[Call]) -> None:
    for call in calls:
        call()


def separable(first: Any, second: Any, source: Array, target: Array) -> Callable[..., Any]:
    layer = fastsep.SeparableConv2D(
        first.kernel,
        second.kernel,
        stride=first.stride,
        padding=first.padding,
        depthwise_bias=first.bias,
        bias=second.bias,
        depthwise_activation="relu",
        activation="relu",
    )
    return partial(layer, source, out=target)


def single(stage: Conv | Classifier, source: Array, target: Array) -> Callable[..., Any]:
    """One stage, packed beforehand: the functions `conv2d` and its like pack their weights at every call."""
    if isinstance(stage, Classifier):
        mean = np.empty((1, 1, 1, len(stage.matrix)), np.float32)
        layer = Layer(dtype=np.float32, dense=stage.matrix[None, None], bias=stage.bias)
        ready = layer.prepare(mean.shape, mean.dtype, ((0, 0), (0, 0)), "constant", 0.0)

        def classify(workers: int) -> None:
            np.mean(source, axis=(0, 1), out=mean[0, 0, 0])
            ready.run(mean, target[None], workers)

        return classify
    weights = {"depthwise": stage.kernel[..., None]} if stage.depthwise else {"dense": stage.kernel}
    strides, pad = (stage.stride, stage.stride), (stage.padding, stage.padding)
    layer = Layer(dtype=np.float32, **weights, stride=strides, bias=stage.bias, clip=(0.0, math.inf))
    ready = layer.prepare((1, *source.shape), source.dtype, (pad, pad), "constant", 0.0)
    return partial(ready.run, source[None], target[None])


@cache
def library(name: str) -> Any:
    """The module, or None where it is not installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return None


def channels_first(x: Array) -> Array:
    return np.ascontiguousarray(x.transpose(2, 0, 1)[None])


def channels_last(result: Array) -> Array:
    """(1, C, H, W) or (1, C) as (H, W, C)."""
    return result[0].transpose(1, 2, 0) if result.ndim == 4 else result[None]


def oihw(stage: Conv) -> Array:
    """The kernel as (F, C, kh, kw), or (C, 1, kh, kw)."""
    kernel = stage.kernel[:, :, None] if stage.depthwise else stage.kernel
    return np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))


def onnx_runtime(problem: Problem) -> Start:
    def start(threads: int) -> list[Contender]:
        runtime = library("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3  # errors
        session = runtime.InferenceSession(onnx_model(problem), options, providers=["CPUExecutionProvider"])
        (result,) = session.get_outputs()
        image = runtime.OrtValue.ortvalue_from_numpy(channels_first(problem.x))
        out = runtime.OrtValue.ortvalue_from_shape_and_type(result.shape, np.float32)
        binding = session.io_binding()
        binding.bind_ortvalue_input("x", image)
        binding.bind_ortvalue_output(result.name, out)
        run = partial(session.run_with_iobinding, binding)

        def check() -> None:
            run()
            problem.check(channels_last(out.numpy()))

        return [Contender(run, check)]

    return start


def onnx_model(problem: Problem) -> bytes:
    onnx = library("onnx")
    node, tensor = onnx.helper.make_node, onnx.numpy_helper.from_array
    nodes, weights = [], []
    last = "x"
    for number, stage in enumerate(problem.stages):
        names = [f"weight{number}", f"bias{number}"]
        if isinstance(stage, Classifier):
            weight, given = stage.matrix, last
            last = f"stage{number}"
            nodes.append(node("GlobalAveragePool", [given], [f"mean{number}"]))
            nodes.append(node("Flatten", [f"mean{number}"], [f"row{number}"]))
            nodes.append(node("Gemm", [f"row{number}", *names], [last]))
        else:
            weight, given = oihw(stage), last
            last = f"stage{number}"
            groups = len(stage.bias) if stage.depthwise else 1
            strides, pads = [stage.stride] * 2, [stage.padding] * 4
            nodes.append(node("Conv", [given, *names], [f"sum{number}"], group=groups, strides=strides, pads=pads))
            nodes.append(node("Relu", [f"sum{number}"], [last]))
        weights += [tensor(weight, names[0]), tensor(stage.bias, names[1])]
    height, width, channels = problem.x.shape
    rows, columns, filters = problem.shapes[-1]
    shapes = [1, channels, height, width], [1, filters, rows, columns]
    if isinstance(problem.stages[-1], Classifier):
        shapes = shapes[0], [1, filters]
    ends = [
        [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)]
        for name, shape in zip(("x", last), shapes, strict=True)
    ]
    graph = onnx.helper.make_graph(nodes, "convolution", *ends, weights)
    # Versions that have all of this and that old runtimes read.
    model = onnx.helper.make_model(graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 17)])
    serialized: bytes = model.SerializeToString()
    return serialized


def pytorch(problem: Problem) -> Start:
    def start(threads: int) -> list[Contender]:
        torch = library("torch")
        torch.set_num_threads(threads)
        image = torch.from_numpy(channels_first(problem.x))
        last = torch.channels_last
        ways: dict[str, Callable[[], tuple[Any, Any]]] = {
            "channels last": lambda: (torch_model(problem).to(memory_format=last), image.to(memory_format=last)),
            "contiguous": lambda: (torch_model(problem), image),
            "oneDNN": lambda: (one_dnn(torch_model(problem)), image.to_mkldnn()),
        }
        contenders = []
        for how, make in ways.items():
            try:
                model, x = make()
                run = partial(model, x)
                run()
            except (ImportError, RuntimeError):
                if how != "oneDNN":  # not built in everywhere
                    raise
                continue
            contenders.append(Contender(run, partial(check_torch, problem, run), how))
        return contenders

    return start


def check_torch(problem: Problem, run: Call) -> None:
    result = run()
    if result.is_mkldnn:
        result = result.to_dense()
    problem.check(channels_last(result.numpy()))


def torch_model(problem: Problem) -> Any:
    torch = library("torch")
    nn = torch.nn
    modules: list[Any] = []
    for stage in problem.stages:
        if isinstance(stage, Classifier):
            weight = np.ascontiguousarray(stage.matrix.T)
            layer = nn.Linear(*stage.matrix.shape)
            modules += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), layer]
        else:
            weight = oihw(stage)
            filters, channels, *size = weight.shape
            groups = filters if stage.depthwise else 1
            layer = nn.Conv2d(channels * groups, filters, size, stage.stride, stage.padding, groups=groups)
            modules += [layer, nn.ReLU(inplace=True)]
        layer.weight.copy_(torch.from_numpy(weight))
        layer.bias.copy_(torch.from_numpy(stage.bias))
    return nn.Sequential(*modules).eval()


def one_dnn(model: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what this part of torch is built on
        return importlib.import_module("torch.utils.mkldnn").to_mkldnn(model)


def fma_limit(problem: Problem) -> Start:
    """The multiply-adds alone, on one core."""

    def start(threads: int) -> list[Contender]:
        run, each = multiply_add_loop()
        return [Contender(partial(run, problem.multiplications // each))] if threads == 1 else []

    return start


@cache
def multiply_add_loop() -> tuple[Callable[[int], None], int]:
    """A loop at the peak of one core, and its multiply-adds a turn."""
    target = jit.target()
    # As many chains as hide the latency of each, and leave two of the registers to the constants.
    chains, vector = 16 if target.tile == 8 else 12, target.vector_bytes // 4
    return multiply_adds(chains, vector), chains * vector


# --- what is compared ----------------------------------------------------------------------------

Targets = Mapping[int, float]  # threads -> ratio aimed at; without an entry: measured, nothing aimed at


@dataclass(frozen=True)
class Rival:
    name: str
    start: Start
    targets: Targets
    needs: tuple[str, ...] = ()  # libraries
    possible: float | None = None  # the ratio by multiplications


@dataclass(frozen=True)
class Case:
    ours: Start
    rivals: tuple[Rival, ...]


def each(one: float, two: float | None = None) -> Targets:
    return {1: one, 2: one if two is None else two}


def case(problem: Problem, *, onnx: Targets | None = None, torch: Targets | None = None, peak: float = 0) -> Case:
    rivals = []
    if onnx is not None:
        rivals.append(Rival("ONNX Runtime", onnx_runtime(problem), onnx, ("onnxruntime", "onnx")))
    if torch is not None:
        rivals.append(Rival("torch", pytorch(problem), torch, ("torch",)))
    if peak:
        rivals.append(Rival("FMA limit", fma_limit(problem), {1: peak}))
    return Case(engine(problem), tuple(rivals))


@dataclass(frozen=True)
class Shape:
    height: int
    width: int
    channels: int
    filters: int
    size: int = 3
    stride: int = 1
    same: bool = True  # padded by half the kernel

    def __str__(self) -> str:
        return f"{self.image} -> {self.filters}{self.kernel}"

    @property
    def image(self) -> str:
        return f"{self.height}x{self.width}x{self.channels}"

    @property
    def kernel(self) -> str:
        return f", {self.size}x{self.size}" + f" stride {self.stride}" * (self.stride > 1) + " valid" * (not self.same)

    @property
    def padding(self) -> int:
        return self.size // 2 if self.same else 0

    def problem(self, stages: str = "separable", pixels: str = "float32") -> Problem:
        rng = np.random.default_rng(0)
        if pixels == "uint8":
            x = rng.integers(0, 256, (self.height, self.width, self.channels), np.uint8)
        else:
            x = rng.random((self.height, self.width, self.channels), np.float32)
        if stages == "standard":
            return Problem([dense(rng, self.size, self.channels, self.filters, self.stride, self.padding)], x)
        first = depthwise(rng, self.size, self.channels, self.stride, self.padding)
        return Problem([first] if stages == "depthwise" else [first, dense(rng, 1, self.channels, self.filters)], x)


MOBILENET = (
    Shape(112, 112, 32, 64),
    Shape(112, 112, 64, 128, stride=2),
    Shape(56, 56, 128, 128),
    Shape(56, 56, 128, 256, stride=2),
    Shape(28, 28, 256, 256),
    Shape(28, 28, 256, 512, stride=2),
    Shape(14, 14, 512, 512),
    Shape(14, 14, 512, 1024, stride=2),
    Shape(7, 7, 1024, 1024),
)
EFFICIENTNET = (
    Shape(28, 28, 240, 48, 5),
    Shape(14, 14, 480, 112, 5),
    Shape(14, 14, 672, 192, 5, stride=2),
    Shape(7, 7, 1152, 192, 5),
)
LARGE = (Shape(480, 640, 64, 64), Shape(224, 224, 64, 64, 5))
RGB = (Shape(1080, 1920, 3, 16, 5), Shape(1080, 1920, 3, 64, 5), Shape(540, 960, 3, 256, 5))
TINY = Shape(12, 12, 3, 256, 5, same=False)
ALL = (*MOBILENET, *EFFICIENTNET, *LARGE, *RGB, TINY)
REPLACED = (Shape(56, 56, 64, 64), Shape(28, 28, 256, 256))


def layer(shape: Shape, onnx: Targets, torch: Targets, peak: float = 0) -> Case:
    return case(shape.problem(), onnx=onnx, torch=torch, peak=peak)


def depthwise_alone(shape: Shape) -> Case:
    return case(shape.problem("depthwise"), torch=each(1.5))


def bytes_in(shape: Shape) -> Case:
    problem = shape.problem(pixels="uint8")
    floats = engine(problem, problem.x.astype(np.float32))
    return Case(engine(problem), (Rival("float32 image", floats, each(1.0)),))


def network() -> Case:
    x = np.random.default_rng(1).random((224, 224, 3), np.float32)
    return case(Problem(mobilenet(0), x), onnx=each(1.0), torch=each(2.2, 2.1))


def standard(shape: Shape) -> Case:
    ours, replaced = shape.problem(), shape.problem("standard")
    possible = replaced.multiplications / ours.multiplications
    return Case(engine(ours), (Rival("standard", engine(replaced), each(0.9 * possible), possible=possible),))


def efficientnet_targets(shape: Shape) -> tuple[Targets, Targets]:
    return (each(1.0), each(1.6)) if shape.height <= 14 else ({}, {})


LAYERS = {f"MobileNetV1 {shape}": partial(layer, shape, each(1.03), each(1.4), 0.85) for shape in MOBILENET}
MEAN_TARGETS = {"ONNX Runtime": each(1.12)}
CELLS: dict[str, Callable[[], Case]] = {
    **LAYERS,
    "MobileNetV1 224x224 end to end": network,
    **{f"EfficientNet {shape}": partial(layer, shape, *efficientnet_targets(shape)) for shape in EFFICIENTNET},
    **{f"large {shape}": partial(layer, shape, each(1.8), each(1.8, 1.5)) for shape in LARGE},
    **{f"RGB {shape}": partial(layer, shape, each(2.9, 3.4), each(6)) for shape in RGB},
    **{f"RGB uint8 {shape}": partial(bytes_in, shape) for shape in RGB},
    f"tiny {TINY}": partial(layer, TINY, each(1.5), each(5)),
    **{f"depthwise {shape.image}{shape.kernel}": partial(depthwise_alone, shape) for shape in ALL},
    **{f"standard {shape}": partial(standard, shape) for shape in REPLACED},
}


# --- the table -----------------------------------------------------------------------------------

BUSY = 0.08  # cores; the system itself needs a few hundredths


@dataclass(frozen=True)
class Timing:
    other: float  # seconds
    ours: float
    how: str
    busy: float  # cores that other processes used meanwhile
    target: float | None
    possible: float | None

    @property
    def ratio(self) -> float:
        return self.other / self.ours

    @property
    def short(self) -> bool:
        return self.target is not None and self.ratio < self.target

    def __str__(self) -> str:
        text = f"{milliseconds(self.other)}/{milliseconds(self.ours)} = {self.ratio:.2f}{aim(self.ratio, self.target)}"
        if self.possible is not None:
            text += f" {self.ratio / self.possible:.0%} of {self.possible:.2f}"
        return text + f" {self.how}" * bool(self.how) + f" busy {self.busy:.0%}" * (self.busy > BUSY)


def milliseconds(seconds: float) -> str:
    """With four digits that count."""
    value = 1e3 * seconds
    return f"{value:.{max(0, 3 - math.floor(math.log10(value)))}f}"


def aim(ratio: float, target: float | None) -> str:
    return "" if target is None else f" [{target:.2f}]" + "*" * (ratio < target)


def compare(case: Case, rivals: Sequence[Rival], threads: int, rounds: int) -> dict[str, Timing]:
    """By the name of the rival."""
    mine = fastest("fastsep", case.ours(threads))
    chosen = [(rival, fastest(rival.name, ways)) for rival in rivals if (ways := rival.start(threads))]
    used, begin = others(), time.perf_counter()
    samples = measure([mine.call, *(way.call for _, way in chosen)], rounds)
    busy = (others() - used) / (time.perf_counter() - begin)
    ours, *theirs = map(statistics.median, samples)
    return {
        rival.name: Timing(seconds, ours, way.how, busy, rival.targets.get(threads), rival.possible)
        for (rival, way), seconds in zip(chosen, theirs, strict=True)
    }


def fastest(name: str, ways: Sequence[Contender]) -> Contender:
    """All ways must be right; where there are several, two rounds among themselves decide."""
    for way in ways:
        try:
            way.check()
        except AssertionError as error:
            raise AssertionError(f"{name} {way.how} {error}") from error
    if len(ways) == 1:
        return ways[0]
    times = [statistics.median(samples) for samples in measure([way.call for way in ways], 2)]
    return ways[times.index(min(times))]


def header() -> dict[str, str]:
    report = dict(fastsep.show_config())
    for name in ("onnxruntime", "onnx", "torch"):
        report[name] = importlib.metadata.version(name) if library(name) is not None else "not installed"
    report["system"] = platform.platform()
    report["cores"] = str(os.cpu_count())
    if hasattr(os, "getloadavg"):
        report["load"] = " ".join(f"{load:.2f}" for load in os.getloadavg())
    report["environment"] = " ".join(f"{name}={os.environ[name]}" for name in ENVIRONMENT)
    run, each = multiply_add_loop()
    turns = 2_000_000_000 // (20 * each)  # some ms
    ((*samples,),) = measure([partial(run, turns)], 3)
    report["FMA peak"] = f"{2e-9 * turns * each / statistics.median(samples):.1f} GFLOP/s on one core"
    return report


def print_line(cell: str, other: str, columns: Sequence[str]) -> None:
    print(" ".join([f"{cell:46} {other:13}", *(f"{column:52}" for column in columns)]).rstrip(), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", metavar="TEXT", help="cells whose name contains TEXT")
    parser.add_argument("--rounds", type=int, default=7, metavar="N")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], metavar="N")
    options = parser.parse_args()
    cells = {name: setup for name, setup in CELLS.items() if options.only in name}
    if not cells:
        parser.error(f"no cell contains {options.only!r}; there are: {'; '.join(CELLS)}")
    counts = [threads for threads in options.threads if 1 <= threads <= (os.cpu_count() or 1)]
    if not counts:
        parser.error(f"this machine has {os.cpu_count()} cores")

    import numba  # noqa: F401 - a process that has Numba runs on its threads, whatever the cache held

    fastsep.gaussian(np.zeros((512, 512), np.float32), workers=2)  # the layer is known after a parallel call
    with contextlib.ExitStack() as stack:
        if library("torch") is not None:
            stack.enter_context(library("torch").inference_mode())
        for key, text in header().items():
            print(f"{key:16} {text}")
        print()
        heads = [f"{threads} thread{'s' * (threads > 1)}: other/fastsep ms = ratio [target]" for threads in counts]
        print_line("cell", "other", heads)
        return table(cells, counts, options.rounds)


def table(cells: Mapping[str, Callable[[], Case]], counts: Sequence[int], rounds: int) -> int:
    short = wrong = 0
    ratios: dict[tuple[str, int], list[float]] = {}  # of the layers of MobileNetV1
    for name, setup in cells.items():
        case = setup()
        missing = {rival.name: [need for need in rival.needs if library(need) is None] for rival in case.rivals}
        present = [rival for rival in case.rivals if not missing[rival.name]]
        try:
            timings = {threads: compare(case, present, threads, rounds) for threads in counts}
        except AssertionError as error:
            print_line(name, f"NOT TIMED: {error}", [])
            wrong += 1
            continue
        for rival in case.rivals:
            if missing[rival.name]:
                print_line(name, rival.name, [f"{' and '.join(missing[rival.name])} not installed"])
                continue
            row = {threads: timings[threads].get(rival.name) for threads in counts}
            if any(row.values()):  # the limit of one core is no limit of two
                print_line(name, rival.name, [str(timing or "") for timing in row.values()])
            for threads, timing in row.items():
                if timing is not None:
                    short += timing.short
                    if name in LAYERS:
                        ratios.setdefault((rival.name, threads), []).append(timing.ratio)
    means = {key: statistics.geometric_mean(values) for key, values in ratios.items() if len(values) == len(LAYERS)}
    for other in dict.fromkeys(other for other, _ in means):
        columns = []
        for threads in counts:
            mean, target = means.get((other, threads)), MEAN_TARGETS.get(other, {}).get(threads)
            columns.append("" if mean is None else f"{mean:.2f}" + aim(mean, target))
            short += mean is not None and target is not None and mean < target
        print_line("MobileNetV1 layers, geometric mean", other, columns)
    print(f"\n{short} figures short of their target, {wrong} cells not timed")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
