"""Convolution layers one after another, with the result they should have, in ONNX Runtime and in torch."""

from __future__ import annotations

from benchmarks._timing import Array, Call  # before all that loads OpenMP

# isort: split

import importlib
import itertools
import math
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import Any

import numpy as np

from benchmarks._contest import Entry
from benchmarks._libraries import load, settle

BRIEF = 0.02  # seconds in which a way of torch is tried

# ---- what is computed


@dataclass(frozen=True)
class Conv:
    """A convolution, its bias, and ReLU."""

    kernel: Array  # (kh, kw, C, F); depthwise (kh, kw, C)
    bias: Array  # (F,); depthwise (C,)
    stride: int = 1
    padding: int = 0  # zeros on every side

    @property
    def depthwise(self) -> bool:
        return self.kernel.ndim == 3

    @property
    def weights(self) -> Array:
        return self.kernel

    @property
    def terms(self) -> int:
        """Products in the sum that is one value of the result."""
        return math.prod(self.kernel.shape[: 2 if self.depthwise else 3])

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Of the result, for an image of this shape."""
        grown = [n + 2 * self.padding for n in shape[:2]]
        return (*((n - k) // self.stride + 1 for n, k in zip(grown, self.kernel.shape, strict=False)), len(self.bias))

    def exact(self, x: Array) -> Array:
        """In float64, row by row, so that nothing else becomes as large as the result."""
        pad, step = (self.padding, self.padding), self.stride
        padded, weights = np.pad(x, (pad, pad, (0, 0))), self.kernel.astype(np.float64)
        result = np.empty(self.shape(x.shape))
        width = (result.shape[1] - 1) * step + 1
        for number, row in enumerate(result):
            row[...] = self.bias
            for i, j in np.ndindex(weights.shape[:2]):
                part = padded[number * step + i, j : j + width : step]
                row += part * weights[i, j] if self.depthwise else part @ weights[i, j]
        return np.maximum(result, 0, out=result)


@dataclass(frozen=True)
class Classifier:
    """The mean over all pixels, times a matrix, plus a bias."""

    weights: Array  # (C, classes)
    bias: Array

    @property
    def terms(self) -> int:
        return len(self.weights)

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return 1, 1, len(self.bias)

    def exact(self, x: Array) -> Array:
        result: Array = x.mean(axis=(0, 1), keepdims=True) @ self.weights.astype(np.float64) + self.bias
        return result


@dataclass(frozen=True)
class Problem:
    """Stages, one after another, and the float32 image (H, W, C) that goes through them."""

    stages: Sequence[Conv | Classifier]
    x: Array

    @cached_property
    def shapes(self) -> list[tuple[int, ...]]:
        """Of the image, and of what each stage makes of it."""
        return list(itertools.accumulate(self.stages, lambda shape, stage: stage.shape(shape), initial=self.x.shape))

    @property
    def multiplications(self) -> int:
        return sum(stage.terms * math.prod(shape) for stage, shape in zip(self.stages, self.shapes[1:], strict=True))

    @property
    def weight_bytes(self) -> int:
        return sum(stage.weights.nbytes + stage.bias.nbytes for stage in self.stages)

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
        """AssertionError where it is not the exact one, rounded."""
        assert result.dtype == np.float32, f"gives {result.dtype}"
        assert result.shape == self.exact.shape, f"gives the shape {result.shape}, not {self.exact.shape}"
        # Row by row, because the difference as a whole may be another gigabyte; NaN stays NaN.
        gap = float(np.max([np.abs(mine - row).max() for mine, row in zip(result, self.exact, strict=True)]))
        assert gap <= self.tolerance, f"differs from float64 by {gap:.3g}, tolerated {self.tolerance:.3g}"


def depthwise(rng: np.random.Generator, size: int, channels: int, stride: int = 1, padding: int = 0) -> Conv:
    # Scaled so that values neither grow nor fade from layer to layer, as trained weights are.
    kernel = rng.standard_normal((size, size, channels), np.float32) * np.float32(math.sqrt(2) / size)
    return Conv(kernel, biases(rng, channels), stride, padding)


def dense(rng: np.random.Generator, size: int, channels: int, filters: int, stride: int = 1, padding: int = 0) -> Conv:
    kernel = rng.standard_normal((size, size, channels, filters), np.float32)
    kernel *= np.float32(math.sqrt(2 / channels) / size)
    return Conv(kernel, biases(rng, filters), stride, padding)


def classifier(rng: np.random.Generator, channels: int, classes: int) -> Classifier:
    matrix = rng.standard_normal((channels, classes), np.float32) / np.float32(math.sqrt(channels))
    return Classifier(matrix, biases(rng, classes))


def biases(rng: np.random.Generator, count: int) -> Array:
    return rng.standard_normal(count, np.float32) * np.float32(0.1)


# ---- who else computes it


def channels_first(x: Array) -> Array:
    return np.ascontiguousarray(x.transpose(2, 0, 1)[None])


def channels_last(result: Array) -> Array:
    """(1, C, H, W) or (1, C) as (H, W, C)."""
    return result[0].transpose(1, 2, 0) if result.ndim == 4 else result[None]


def oihw(stage: Conv) -> Array:
    """The kernel as (F, C, kh, kw), or (C, 1, kh, kw)."""
    kernel = stage.kernel[:, :, None] if stage.depthwise else stage.kernel
    return np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))


def onnx_runtime(problem: Problem, note: str) -> Entry:
    def start(threads: int) -> Call:
        runtime = load("ONNX Runtime")
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

        ends = image, out  # kept by the call, because the session only borrows the memory of the image

        def run() -> Any:
            session.run_with_iobinding(binding)
            return ends[1]

        return run

    # Either result may be off by the tolerance, in opposite directions.
    return Entry("ONNX Runtime", start, 2 * problem.tolerance, view=lambda out: channels_last(out.numpy()), note=note)


def onnx_model(problem: Problem) -> bytes:
    onnx = importlib.import_module("onnx")
    node, tensor = onnx.helper.make_node, onnx.numpy_helper.from_array
    nodes, weights = [], []
    last = "x"
    for number, stage in enumerate(problem.stages):
        names = [f"weight{number}", f"bias{number}"]
        given, last = last, f"stage{number}"
        if isinstance(stage, Classifier):
            weight = stage.weights
            nodes.append(node("GlobalAveragePool", [given], [f"mean{number}"]))
            nodes.append(node("Flatten", [f"mean{number}"], [f"row{number}"]))
            nodes.append(node("Gemm", [f"row{number}", *names], [last]))
        else:
            weight = oihw(stage)
            groups = len(stage.bias) if stage.depthwise else 1
            strides, pads = [stage.stride] * 2, [stage.padding] * 4
            nodes.append(node("Conv", [given, *names], [f"sum{number}"], group=groups, strides=strides, pads=pads))
            nodes.append(node("Relu", [f"sum{number}"], [last]))
        weights += [tensor(weight, names[0]), tensor(stage.bias, names[1])]
    height, width, channels = problem.x.shape
    rows, columns, filters = problem.shapes[-1]
    result = [1, filters] if isinstance(problem.stages[-1], Classifier) else [1, filters, rows, columns]
    ends = [
        [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)]
        for name, shape in (("x", [1, channels, height, width]), (last, result))
    ]
    graph = onnx.helper.make_graph(nodes, "convolution", *ends, weights)
    # Versions that have all of this and that old runtimes read.
    model = onnx.helper.make_model(graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 17)])
    serialized: bytes = model.SerializeToString()
    return serialized


def pytorch(problem: Problem, note: str) -> Entry:
    """In whichever of torch's layouts is fastest with as many threads."""

    @cache  # what is checked is what is timed
    def chosen(threads: int) -> Call:
        return fastest(list(torch_ways(problem).values()))

    def start(threads: int) -> Call:
        stay_in_inference_mode()
        settle("torch", threads)
        return chosen(threads)

    return Entry("torch", start, 2 * problem.tolerance, view=torch_result, note=note)


@cache
def stay_in_inference_mode() -> Any:
    """Entered once for all calls of this thread: entering it in every call would be timed, too."""
    mode = load("torch").inference_mode()
    mode.__enter__()
    return mode


def torch_ways(problem: Problem) -> dict[str, Call]:
    torch = load("torch")
    image = torch.from_numpy(channels_first(problem.x))
    last = torch.channels_last
    ways: dict[str, Call] = {
        "channels last": partial(torch_model(problem).to(memory_format=last), image.to(memory_format=last)),
        "contiguous": partial(torch_model(problem), image),
    }
    try:
        way = partial(one_dnn(torch_model(problem)), image.to_mkldnn())
        way()
        ways["oneDNN"] = way
    except (ImportError, RuntimeError):
        pass  # not built in everywhere
    return ways


def torch_model(problem: Problem) -> Any:
    torch = load("torch")
    nn = torch.nn
    modules: list[Any] = []
    for stage in problem.stages:
        if isinstance(stage, Classifier):
            weight = np.ascontiguousarray(stage.weights.T)
            layer = nn.Linear(*stage.weights.shape)
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


def torch_result(result: Any) -> Array:
    return channels_last((result.to_dense() if result.is_mkldnn else result).numpy())


def fastest(calls: Sequence[Call]) -> Call:
    """By the shortest time of each, in two rounds after one call to warm up."""
    for call in calls:
        call()
    rounds = [[shortest(call) for call in calls] for _ in range(2)]
    times = list(map(min, zip(*rounds, strict=True)))
    return calls[times.index(min(times))]


def shortest(call: Callable[[], Any]) -> float:
    times: list[float] = []
    while sum(times) < BRIEF:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)
