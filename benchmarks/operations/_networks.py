"""Convolution layers one after another, in ONNX Runtime, OpenVINO and torch."""

from __future__ import annotations

import importlib
import itertools
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import Any

import numpy as np

from benchmarks._contest import Entry
from benchmarks._libraries import load, settle
from benchmarks._timing import Array, Call, turn

# ---- what is computed


@dataclass(frozen=True)
class Stage:
    """A convolution, its bias, and ReLU; or at the end of a network the mean over all pixels, times a matrix."""

    weights: Array  # (kh, kw, C, F); depthwise (kh, kw, C); of a classifier (C, F)
    bias: Array
    stride: int = 1
    padding: int = 0  # zeros on every side

    @property
    def depthwise(self) -> bool:
        return self.weights.ndim == 3

    @property
    def classifies(self) -> bool:
        return self.weights.ndim == 2

    @property
    def terms(self) -> int:
        """Products in the sum that is one value of the result."""
        return self.weights[..., 0].size if not self.depthwise else math.prod(self.weights.shape[:2])

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Of the result, for an image of this shape."""
        if self.classifies:
            return 1, 1, len(self.bias)
        grown = [n + 2 * self.padding for n in shape[:2]]
        return (*((n - k) // self.stride + 1 for n, k in zip(grown, self.weights.shape, strict=False)), len(self.bias))


@dataclass(frozen=True)
class Problem:
    """Stages, one after another, and the float32 image (H, W, C) that goes through them."""

    stages: Sequence[Stage]
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

    @property
    def tolerance(self) -> float:
        """Of the range of the result. A value is rounded once for every product in it, by half a unit at most.

        Roundings of random sign add up to the square root of their number; 8 times that is for the worst of 10^8
        values, and for sums that are larger on the way than any result. Two libraries may be off in opposite
        directions.
        """
        return 8 * math.sqrt(sum(stage.terms for stage in self.stages)) * float(np.finfo(np.float32).eps)


def depthwise(rng: np.random.Generator, size: int, channels: int, stride: int = 1, padding: int = 0) -> Stage:
    # Scaled so that values neither grow nor fade from layer to layer, as trained weights are.
    kernel = rng.standard_normal((size, size, channels), np.float32) * np.float32(math.sqrt(2) / size)
    return Stage(kernel, biases(rng, channels), stride, padding)


def dense(rng: np.random.Generator, size: int, channels: int, filters: int, stride: int = 1, padding: int = 0) -> Stage:
    kernel = rng.standard_normal((size, size, channels, filters), np.float32)
    kernel *= np.float32(math.sqrt(2 / channels) / size)
    return Stage(kernel, biases(rng, filters), stride, padding)


def classifier(rng: np.random.Generator, channels: int, classes: int) -> Stage:
    matrix = rng.standard_normal((channels, classes), np.float32) / np.float32(math.sqrt(channels))
    return Stage(matrix, biases(rng, classes))


def biases(rng: np.random.Generator, count: int) -> Array:
    return rng.standard_normal(count, np.float32) * np.float32(0.1)


# ---- who else computes it


def channels_first(x: Array) -> Array:
    return np.ascontiguousarray(x.transpose(2, 0, 1)[None])


def channels_last(result: Array) -> Array:
    """(1, C, H, W) or (1, C) as (H, W, C)."""
    return result[0].transpose(1, 2, 0) if result.ndim == 4 else result[None]


def oihw(stage: Stage) -> Array:
    """The weights as (F, C, kh, kw), or (C, 1, kh, kw)."""
    kernel = stage.weights[:, :, None] if stage.depthwise else stage.weights
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

    def view(out: Any) -> Array:
        return channels_last(out.numpy())

    return Entry("ONNX Runtime", start, problem.tolerance, view=view, note=note, of_range=True)


def openvino(problem: Problem, note: str) -> Entry:
    def start(threads: int) -> Call:
        ov = load("OpenVINO")
        # By default it may round to bfloat16.
        options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
        core = ov.Core()
        compiled = core.compile_model(core.read_model(onnx_model(problem)), "CPU", options)
        request = compiled.create_infer_request()
        out = ov.Tensor(np.empty(list(request.get_output_tensor().shape), np.float32))
        request.set_input_tensor(ov.Tensor(channels_first(problem.x)))
        request.set_output_tensor(out)

        def run() -> Any:
            request.infer(share_outputs=True)
            return out

        return run

    def view(out: Any) -> Array:
        return channels_last(out.data)

    return Entry("OpenVINO", start, problem.tolerance, view=view, note=note, of_range=True)


def onnx_model(problem: Problem) -> bytes:
    onnx = importlib.import_module("onnx")
    node, tensor, value = onnx.helper.make_node, onnx.numpy_helper.from_array, onnx.helper.make_tensor_value_info
    nodes, weights, last = [], [], "x"
    for n, stage in enumerate(problem.stages):
        names, given, last = (f"weight{n}", f"bias{n}"), last, f"stage{n}"
        if stage.classifies:
            weight = stage.weights
            nodes += [node("GlobalAveragePool", [given], [f"mean{n}"]), node("Flatten", [f"mean{n}"], [f"row{n}"])]
            nodes.append(node("Gemm", [f"row{n}", *names], [last]))
        else:
            weight = oihw(stage)
            form = {"strides": [stage.stride] * 2, "pads": [stage.padding] * 4}
            groups = len(stage.bias) if stage.depthwise else 1
            nodes += [
                node("Conv", [given, *names], [f"sum{n}"], group=groups, **form),
                node("Relu", [f"sum{n}"], [last]),
            ]
        weights += [tensor(weight, names[0]), tensor(stage.bias, names[1])]
    rows, columns, filters = problem.shapes[-1]
    shape = [1, filters] if problem.stages[-1].classifies else [1, filters, rows, columns]
    ends = [[value("x", 1, channels_first(problem.x).shape)], [value(last, 1, shape)]]  # 1 is float32
    # Versions that have all of this and that old runtimes read.
    versions = {"ir_version": 8, "opset_imports": [onnx.helper.make_opsetid("", 17)]}
    model = onnx.helper.make_model(onnx.helper.make_graph(nodes, "convolution", *ends, weights), **versions)
    serialized: bytes = model.SerializeToString()
    return serialized


def pytorch(problem: Problem, note: str) -> Entry:
    """In whichever of torch's layouts is fastest with as many threads."""

    @cache  # what is checked is what is timed
    def chosen(threads: int) -> Call:
        return min(torch_ways(problem), key=lambda way: min(turn(way)))

    def start(threads: int) -> Call:
        stay_in_inference_mode()
        settle("torch", threads)
        return chosen(threads)

    return Entry("torch", start, problem.tolerance, view=torch_result, note=note, of_range=True)


@cache
def stay_in_inference_mode() -> Any:
    """Entered once for all calls of this thread: entering it in every call would be timed, too."""
    mode = load("torch").inference_mode()
    mode.__enter__()
    return mode


def torch_ways(problem: Problem) -> list[Call]:
    torch = load("torch")
    image, last = torch.from_numpy(channels_first(problem.x)), torch.channels_last
    ways: list[Call] = [
        partial(torch_model(problem).to(memory_format=last), image.to(memory_format=last)),
        partial(torch_model(problem), image),
    ]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what this part of torch is built on
            model = importlib.import_module("torch.utils.mkldnn").to_mkldnn(torch_model(problem))
        one_dnn = partial(model, image.to_mkldnn())
        one_dnn()
        ways.append(one_dnn)
    except (ImportError, RuntimeError):
        pass  # not built in everywhere
    return ways


def torch_model(problem: Problem) -> Any:
    torch = load("torch")
    nn = torch.nn
    modules: list[Any] = []
    for stage in problem.stages:
        if stage.classifies:
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


def torch_result(result: Any) -> Array:
    return channels_last((result.to_dense() if result.is_mkldnn else result).numpy())
