"""What tests of the convolutions share: problems, which know their oracle and how far a result may be off."""

import math
from dataclasses import dataclass, field

import numpy as np
from helpers import read_only
from reference import conv2d_exact

import fastsep

FUNCTIONS = {
    "dense": "conv2d",
    "depthwise": "depthwise_conv2d",
    "pointwise": "pointwise_conv2d",
    "separable": "separable_conv2d",
}
LAYERS = {"dense": "Conv2D", "depthwise": "DepthwiseConv2D", "separable": "SeparableConv2D"}
CLIPS = {None: (-math.inf, math.inf), "relu": (0, math.inf), "relu6": (0, 6)}


def pair(value):
    return tuple(value) if isinstance(value, tuple) else (value, value)


@dataclass(frozen=True)
class Problem:
    kind: str
    kernels: tuple[np.ndarray, ...]  # channels last
    options: dict = field(default_factory=dict)

    def call(self, x, **more):
        return getattr(fastsep, FUNCTIONS[self.kind])(x, *self.kernels, **self.options, **more)

    def layer(self):
        return getattr(fastsep, LAYERS[self.kind])(*self.kernels, **self.options)

    def exact(self, x):
        """The result in float64."""
        x = x.astype(np.float64)
        options, first = self.options, self.first()
        stride, dilation = pair(options.get("stride", 1)), pair(options.get("dilation", 1))
        pads = pads_of(options.get("padding", "valid"), x.shape[-3:-1], first.shape, stride, dilation)
        result = conv2d_exact(
            x.reshape(-1, *x.shape[-3:]),
            first,
            depthwise=self.kind in ("depthwise", "separable"),
            stride=stride,
            dilation=dilation,
            pads=pads,
            mode=options.get("mode", "constant"),
            cval=options.get("cval", 0.0),
        )
        with np.errstate(all="ignore"):
            if self.kind == "separable":
                result = self.clipped(result, "depthwise_") @ self.second()
            result = self.clipped(result, "")
        return result.reshape(*x.shape[:-3], *result.shape[1:])

    def clipped(self, values, stage):
        bias = self.options.get(stage + "bias")
        return np.clip(values if bias is None else values + bias, *self.limits(stage))

    def limits(self, stage):
        activation = self.options.get(stage + "activation")
        return activation if isinstance(activation, tuple) else CLIPS[activation]

    def first(self):
        """The kernel of the first stage as (kh, kw, C, M or F)."""
        shape = self.kernels[0].shape
        return self.kernels[0].reshape((1, 1, *shape[-2:]) if self.kind == "pointwise" else (*shape[:3], -1))

    def second(self):
        return self.kernels[1].reshape(self.kernels[1].shape[-2:]).astype(float)

    def sizes(self, x):
        """For each channel of the result: a bound on the sum of absolute products, its usual size, and how many."""
        largest = np.abs(x[np.isfinite(x)], dtype=float).max(initial=abs(self.options.get("cval", 0.0)))
        first = np.abs(self.first().astype(float))
        axes = (0, 1) if self.kind in ("depthwise", "separable") else (0, 1, 2)
        most, usual = first.sum(axes).ravel() * largest, np.sqrt((first**2).sum(axes)).ravel() * largest
        terms = math.prod(first.shape[axis] for axis in axes) + 2
        if self.kind == "separable":
            added = np.abs(self.options.get("depthwise_bias", 0.0))
            limit = max((abs(limit) for limit in self.limits("depthwise_") if math.isfinite(limit)), default=0.0)
            second = np.abs(self.second())
            most = np.maximum(most + added, limit) @ second
            usual = np.sqrt(np.maximum(usual + added, limit) ** 2 @ second**2)
            terms += len(second) + 2
        added = np.abs(self.options.get("bias", 0.0))
        return most + added, usual + added, terms

    def check(self, x, **more):
        """Compare with the oracle; the result."""
        before = x.tobytes()
        result = self.call(x, **more)
        assert x.tobytes() == before
        self.compare(x, result)
        return result

    def compare(self, x, result):
        """What is promised: 1e-5 (float64: 1e-12) of the range, and no more than so many roundings come to."""
        expected = self.exact(x)
        assert result.shape == expected.shape, self.describe(x)
        assert result.flags.c_contiguous
        finite = np.isfinite(expected)
        np.testing.assert_array_equal(result[~finite], expected[~finite].astype(result.dtype), self.describe(x))
        unit, part = {"float32": (2.0**-24, 1e-5), "float64": (2.0**-52, 1e-12)}[result.dtype.name]
        most, usual, terms = self.sizes(x)
        usual = np.maximum(usual, np.abs(expected[finite]).max(initial=0))  # of few values none may be large
        slack = np.minimum(terms * unit * most, part * usual)
        off = np.subtract(result, expected, where=finite, out=np.zeros_like(expected))
        off = (np.abs(off) - slack).max(initial=-1)
        assert off <= 0, f"{self.describe(x)}: off by {off} more than allowed"

    def describe(self, x):
        shapes = " ".join(str(kernel.shape) for kernel in self.kernels)
        options = {name: value for name, value in self.options.items() if "bias" not in name}
        return f"{self.kind} {x.dtype} {x.shape}, kernels {self.kernels[0].dtype} {shapes}, {options}"


def pads_of(padding, size, kernel, stride, dilation):
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding != "same":
        return tuple(pair(side) for side in pair(padding))
    result = []
    for n, k, s, d in zip(size, kernel[:2], stride, dilation, strict=True):
        total = max((math.ceil(n / s) - 1) * s + (k - 1) * d + 1 - n, 0)
        result.append((total // 2, total - total // 2))
    return tuple(result)


def make(rng, kind, size, channels, results, dtype, *, multiplier=1, **options):
    """A problem with random kernels."""

    def kernel(*shape):
        return rng.uniform(-1, 1, shape).astype(dtype)

    between = channels * multiplier
    kernels = {
        "dense": lambda: (kernel(*size, channels, results),),
        "depthwise": lambda: (kernel(*size, channels, multiplier),),
        "pointwise": lambda: (kernel(channels, results),),
        "separable": lambda: (kernel(*size, channels, multiplier), kernel(between, results)),
    }[kind]()
    return Problem(kind, kernels, options)


def with_stages(rng, problem, index):
    """The problem with biases and activations, taking turns."""
    options = dict(problem.options)
    last = problem.kernels[-1]
    results = last.shape[-1] if problem.kind != "depthwise" else last.shape[2] * last.shape[3]
    activations = (None, "relu", "relu6", (-0.25, 0.5), (0.5, math.inf))
    if index % 3:
        options["bias"] = rng.uniform(-1, 1, results)
    options["activation"] = activations[index % 5]
    if problem.kind == "separable":
        if index % 2:
            options["depthwise_bias"] = rng.uniform(-1, 1, problem.kernels[1].shape[0])
        options["depthwise_activation"] = activations[index // 5 % 5]
    return Problem(problem.kind, problem.kernels, options)


def image(rng, dtype, shape):
    if np.dtype(dtype).kind == "f":
        return rng.uniform(-1, 1, shape).astype(dtype)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def layouts(x):
    """The same image in other layouts and wrappings."""
    padded = np.zeros((*x.shape[:-1], x.shape[-1] * 2), x.dtype)
    padded[..., ::2] = x
    raw = np.zeros(x.nbytes + 1, np.uint8)
    misaligned = raw[1:].view(x.dtype).reshape(x.shape)
    misaligned[...] = x
    return {
        "read-only": read_only(x.copy()),
        "Fortran": np.asfortranarray(x),
        "transposed": np.ascontiguousarray(x.swapaxes(0, 1)).swapaxes(0, 1),
        "strided": padded[..., ::2],
        "reversed": np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1],
        "misaligned": misaligned,
        "other byte order": x.astype(x.dtype.newbyteorder()),
        "subclass": x.view(type("Subclass", (np.ndarray,), {})),
        "list": x.tolist(),
    }
