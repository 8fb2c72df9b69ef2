"""MobileNetV1 on a CPU with NumPy and fastsep alone: a whole forward pass, timed.

    python -m pip install . && python examples/mobilenet_v1.py

The network of Howard et al., "MobileNets" (2017), for images of 224 x 224: a standard convolution, 13
depthwise-separable layers with batch normalisation and ReLU6, the mean over all pixels, a
classifier for 1000 classes. The weights are random, so that the answer means nothing, but takes as
long as a trained network's. Where torch is installed, the same weights run there too, and results
and times are compared. With `--output FILE` a picture shows where the time goes (needs Matplotlib).
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import pathlib
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

# torch's waiting threads are to give way soon, or they spin on the core that fastsep needs.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # before OpenMP reads it

import numpy as np

import fastsep

Array = np.ndarray[Any, Any]

STEM = 32  # channels after the first convolution, which has stride 2
# Channels and stride of each separable layer.
LAYERS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
CLASSES = 1000

WARM_UP, BURST = 0.06, 0.15  # seconds: a core that slept needs a while to be as fast as it can


class Convolution(NamedTuple):
    """A convolution with its batch normalisation folded in."""

    kernel: Array  # (..., channels)
    bias: Array  # (channels,)


class Weights(NamedTuple):
    stem: Convolution  # (3, 3, 3, 32)
    layers: list[tuple[Convolution, Convolution]]  # depthwise (3, 3, C) and pointwise (C, F)
    classifier: Convolution  # (1024, 1000)


# ---- the network


def random_weights(seed: int) -> Weights:
    rng = np.random.default_rng(seed)
    stem = folded(rng, (3, 3, 3, STEM), 27)
    layers, channels = [], STEM
    for filters, _ in LAYERS:
        layers.append((folded(rng, (3, 3, channels), 9), folded(rng, (channels, filters), channels)))
        channels = filters
    scores = rng.standard_normal((channels, CLASSES), dtype=np.float32) / np.sqrt(np.float32(channels))
    return Weights(stem, layers, Convolution(scores, np.zeros(CLASSES, np.float32)))


def folded(rng: np.random.Generator, shape: tuple[int, ...], inputs: int) -> Convolution:
    """gamma * (convolution - mean) / sqrt(variance + epsilon) + beta is a convolution with a bias."""
    kernel = rng.standard_normal(shape) * np.sqrt(2 / inputs)  # keeps the size of the values through ReLU
    gamma, variance = rng.uniform(0.8, 1.2, (2, shape[-1]))
    beta, mean = rng.normal(0, 0.1, (2, shape[-1]))
    scale = gamma / np.sqrt(variance + 1e-3)
    return Convolution((kernel * scale).astype(np.float32), (beta - mean * scale).astype(np.float32))


class MobileNetV1:
    """Logits (1000,) of a float32 image (size, size, 3) in [-1, 1].

    Kernels are packed and buffers allocated here, once; so one call at a time.
    """

    def __init__(self, weights: Weights, size: int, workers: int | None) -> None:
        self.shapes = [(size, size, 3), (-(-size // 2), -(-size // 2), STEM)]  # of the image and all results
        layers = []
        for (depthwise, pointwise), (_, stride) in zip(weights.layers, LAYERS, strict=True):
            layer = fastsep.SeparableConv2D(
                depthwise.kernel,
                pointwise.kernel,
                stride=stride,
                padding="same",
                depthwise_bias=depthwise.bias,
                bias=pointwise.bias,
                depthwise_activation="relu6",
                activation="relu6",
            )
            layers.append(layer)
            self.shapes.append(layer.output_shape(self.shapes[-1]))

        # Two buffers take turns, so that what a layer reads and writes stays in cache.
        largest = max(map(np.prod, self.shapes[1:]))
        buffers = [np.empty(largest, np.float32) for _ in range(2)]
        maps = [buffers[i % 2][: np.prod(shape)].reshape(shape) for i, shape in enumerate(self.shapes[1:])]

        self.steps: dict[str, Callable[[Array], Array]] = {}
        stem = fastsep.Conv2D(weights.stem.kernel, stride=2, padding="same", bias=weights.stem.bias, activation="relu6")
        self.steps["standard"] = partial(stem, out=maps[0], workers=workers)
        for i, (layer, out) in enumerate(zip(layers, maps[1:], strict=True)):
            self.steps[f"separable {i + 1}"] = partial(layer, out=out, workers=workers)
        # A mean over all pixels is a depthwise convolution as large as they are.
        height, width, channels = self.shapes[-1]
        mean = np.full((height, width, channels), 1 / (height * width), np.float32)
        head = fastsep.SeparableConv2D(mean, weights.classifier.kernel, bias=weights.classifier.bias)
        self.steps["mean, classifier"] = partial(head, workers=workers)

    def __call__(self, image: Array) -> Array:
        for step in self.steps.values():
            image = step(image)
        return image[0, 0]


def build(seed: int = 0, size: int = 224, workers: int | None = None) -> MobileNetV1:
    """The network with random weights, ready to be called."""
    return MobileNetV1(random_weights(seed), size, workers)


def costs(size: int) -> list[fastsep.cost.ConvCost]:
    """Of the first convolution and of all separable layers."""
    result = [fastsep.conv_cost((size, size, 3), 3, STEM, stride=2, padding="same")]
    for filters, stride in LAYERS:
        shape = result[-1].output_shape
        result.append(fastsep.conv_cost(shape, 3, filters, stride=stride, padding="same"))
    return result


# ---- the same weights in torch


def in_torch(weights: Weights, threads: int) -> Callable[[Array], Array]:
    """The network in torch, in the layout that is faster there (channels last)."""
    import torch
    from torch.nn import functional

    torch.set_num_threads(threads)

    def convolution(one: Convolution, kernel: Array, stride: int, groups: int) -> Callable[[Any], Any]:
        weight = torch.from_numpy(kernel).contiguous(memory_format=torch.channels_last)
        bias = torch.from_numpy(one.bias)

        def run(x: Any) -> Any:
            around = [same(n, weight.shape[2], stride) for n in x.shape[:1:-1]]  # columns, rows
            if any(before != after for before, after in around):  # which torch cannot do on the way
                x, around = functional.pad(x, [n for pair in around for n in pair]), [(0, 0)] * 2
            padding = (around[1][0], around[0][0])
            x = functional.conv2d(x, weight, bias, stride, padding, groups=groups)
            return functional.relu6(x, inplace=True)

        return run

    steps = [convolution(weights.stem, weights.stem.kernel.transpose(3, 2, 0, 1), 2, 1)]
    for (depthwise, pointwise), (_, stride) in zip(weights.layers, LAYERS, strict=True):
        channels = depthwise.kernel.shape[2]
        steps.append(convolution(depthwise, depthwise.kernel.transpose(2, 0, 1)[:, None], stride, channels))
        steps.append(convolution(pointwise, pointwise.kernel.T[:, :, None, None], 1, 1))
    kernel, bias = (torch.from_numpy(values) for values in weights.classifier)

    @torch.inference_mode()
    def network(image: Array) -> Array:
        x = torch.from_numpy(image).permute(2, 0, 1)[None]
        for step in steps:
            x = step(x)
        return torch.addmm(bias, x.mean((2, 3)), kernel)[0].numpy()

    return network


def same(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's padding, before and after."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


# ---- times


def measure(calls: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Median seconds of each call. They take turns, so that whatever else runs here meets them all."""
    samples: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            while time.perf_counter() - start < WARM_UP:
                call()
            while True:
                before = time.perf_counter()
                call()
                after = time.perf_counter()
                samples[name].append(after - before)
                if after - start > WARM_UP + BURST:
                    break
    return {name: statistics.median(values) for name, values in samples.items()}


def step_times(network: MobileNetV1, image: Array, passes: int) -> dict[str, float]:
    """Median seconds of each step within whole passes."""
    samples: dict[str, list[float]] = {name: [] for name in network.steps}
    for _ in range(passes):
        x = image
        for name, step in network.steps.items():
            before = time.perf_counter()
            x = step(x)
            samples[name].append(time.perf_counter() - before)
    return {name: statistics.median(values) for name, values in samples.items()}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="MobileNetV1 with random weights, timed, and compared with torch.")
    parser.add_argument("--size", type=positive, default=224, help="side of the image (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the weights (default: %(default)s)")
    parser.add_argument("--workers", type=positive, help="threads (default: all cores)")
    parser.add_argument("--rounds", type=positive, default=5, help="turns of measuring (default: %(default)s)")
    parser.add_argument("-o", "--output", type=picture_name, metavar="FILE", help="picture to write")
    options = parser.parse_args(argv)

    weights = random_weights(options.seed)
    network = MobileNetV1(weights, options.size, options.workers)
    threads = options.workers or fastsep.get_num_threads()
    shape = (options.size, options.size, 3)
    image = np.random.default_rng(1).uniform(-1, 1, shape).astype(np.float32)

    layers = costs(options.size)
    separable = layers[0].standard.multiplications + sum(c.separable.multiplications for c in layers[1:])
    standard = sum(c.standard.multiplications for c in layers)
    print(f"MobileNetV1, {' x '.join(map(str, shape))}, float32, {threads} threads")
    print(f"{separable / 1e6:,.0f} million multiplications; all convolutions standard: {standard / 1e6:,.0f} million")

    start = time.perf_counter()
    logits = network(image)
    print(f"first pass {time.perf_counter() - start:.2f} s: kernels are compiled, or loaded if they were before")
    calls = {"fastsep": lambda: network(image)}
    if importlib.util.find_spec("torch"):
        other = in_torch(weights, threads)
        expected = other(image)
        difference = np.abs(logits - expected).max() / np.abs(expected).max()
        print(f"largest difference from torch: {difference:.1e} of the largest logit")
        calls["torch"] = lambda: other(image)
    times = measure(calls, options.rounds)
    for name, seconds in times.items():
        print(f"{name:8}{1e3 * seconds:8.2f} ms a pass")
    if options.output:
        draw(layers, step_times(network, image, 10 * options.rounds), times).savefig(options.output, dpi=100)
        print(f"wrote {options.output}")


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return number


# ---- the picture


def draw(layers: Sequence[fastsep.cost.ConvCost], steps: dict[str, float], times: dict[str, float]) -> Any:
    import matplotlib

    matplotlib.use("Agg")  # draws into files, so that no display is needed
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(11, 6), layout="constrained")
    counts, milliseconds = figure.subplots(1, 2, sharey=True)
    figure.suptitle("MobileNetV1: " + ", ".join(f"{name} {1e3 * value:.2f} ms" for name, value in times.items()))
    rows = np.arange(len(layers))
    labels = [f"{'x'.join(map(str, c.input_shape))} -> {c.output_shape[2]}" for c in layers]
    standard = [c.standard.multiplications / 1e6 for c in layers]
    taken = [standard[0], *(c.separable.multiplications / 1e6 for c in layers[1:])]
    counts.barh(rows, standard, 0.8, color="#d0d0d0", label="as a standard convolution")
    counts.barh(rows, taken, 0.8, color="#3b6ea8", label="as it is")
    counts.set_title("Million multiplications")
    counts.set_yticks([*rows, len(rows)], [*labels, "mean, classifier"])
    counts.legend(frameon=False, loc="lower right")
    bars = milliseconds.barh([*rows, len(rows)], [1e3 * value for value in steps.values()], 0.8, color="#3b6ea8")
    milliseconds.bar_label(bars, fmt="%.2f", padding=3)
    milliseconds.set_title("fastsep, ms")
    milliseconds.margins(x=0.12)
    counts.invert_yaxis()
    for axes in (counts, milliseconds):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def picture_name(text: str) -> pathlib.Path:
    """What cannot be written is refused before the work."""
    path = pathlib.Path(text)
    if path.suffix not in (".png", ".pdf", ".svg") or path.is_dir() or not os.access(path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"{text} is no .png, .pdf or .svg in a folder that can be written to")
    return path


if __name__ == "__main__":
    main()
