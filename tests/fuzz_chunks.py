"""Compares calls with arrays of dask to the same calls in memory, at random; seed and number make each of them again.

    python tests/fuzz_chunks.py --cases 3000 --seed 0
    python tests/fuzz_chunks.py --seed 0 --only 1234

Results have to be equal to the last bit, exceptions to the last letter. Only Fourier transforms, whose blocks begin
elsewhere in a chunk, are equal to rounding.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import dask.array as da
import numpy as np
from helpers import same_bits

import fastsep
from fastsep import ndimage
from fastsep._arrays import chunked
from fastsep._plan import tuning

MODES = ("reflect", "constant", "nearest", "mirror", "wrap")
DTYPES = ("uint8", "uint8", "uint16", "int16", "float32", "float32", "float32", "float64", "bool", "float16", "int32")
LENGTHS = (1, 2, 3, 5, 8, 13, 17, 29, 40, 70)


class Case(NamedTuple):
    """A call."""

    function: Callable[..., Any]
    image: Any
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    chunks: tuple[tuple[int, ...], ...]
    strip_bytes: int
    copied: bool  # chunks are arrays of their own, not parts of the image

    def __str__(self) -> str:
        name = getattr(self.function, "__qualname__", str(self.function))
        words = [f"{self.image.shape} {self.image.dtype}", *map(repr, self.arguments)]
        words += [f"{key}={value!r}" for key, value in self.options.items()]
        return f"{self.function.__module__}.{name}({', '.join(words)}) in chunks {self.chunks}"


class Draw:
    """Random choices."""

    def __init__(self, seed: int, number: int) -> None:
        self.rng = np.random.default_rng([seed, number])

    def one(self, *items: Any) -> Any:
        return items[self.rng.integers(len(items))]

    def chance(self, part: float) -> bool:
        return bool(self.rng.random() < part)

    def number(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def each(self, count: int, draw: Callable[[], Any]) -> Any:
        """One value, or one for each axis."""
        return draw() if self.chance(0.5) else [draw() for _ in range(count)]

    def kernel(self, ndim: int, most: int = 6) -> Any:
        kernel = self.rng.integers(-3, 4, [self.number(1, most) for _ in range(ndim)]).astype(float)
        kernel = kernel + self.rng.random(kernel.shape) if self.chance(0.5) else kernel
        return kernel if kernel.any() else kernel + 1

    def footprint(self, ndim: int) -> Any:
        found = self.rng.random([self.number(1, 5) for _ in range(ndim)]) < self.one(0.6, 1.1)
        found[(0,) * ndim] = True
        return found

    def image(self, shape: tuple[int, ...]) -> Any:
        dtype = np.dtype(self.one(*DTYPES))
        pixels = self.rng.random(shape)
        if dtype.kind == "b":
            return pixels < 0.5
        if dtype.kind in "iu":
            info = np.iinfo(dtype)
            low, high = max(info.min, -(2**20)) if self.chance(0.5) else 0, min(info.max, 2**20)
            return (low + pixels * (high - low)).astype(dtype)
        pixels = (pixels * self.one(1, 100) - self.one(0, 0, 0.3) + self.one(0, 0, 1000)).astype(dtype)
        for value in (np.nan, np.inf):
            if pixels.size and self.chance(0.1):
                pixels.flat[self.number(0, pixels.size - 1)] = value
        return pixels

    def chunks(self, length: int) -> tuple[int, ...]:
        if not length:
            return (0,)
        if self.chance(0.3):
            return (length,)
        if self.chance(0.5):
            size = self.number(1, length)
            return (size,) * (length // size) + ((length % size,) if length % size else ())
        cuts = sorted(self.number(0, length) for _ in range(self.number(1, 4)))
        return tuple(int(n) for n in np.diff([0, *cuts, length]))


# ---- what is called, by name: (draw, number of spatial axes) -> positional arguments and options


def gaussian(draw: Draw, ndim: int) -> Any:
    sigma = draw.each(ndim, lambda: draw.one(0, 0.6, 1, 1.7, 3, 7, 12))
    return (sigma,), {"truncate": draw.one(4.0, 2.0), "order": draw.one(0, 0, 0, 1, 2)}


def edges(draw: Draw, ndim: int) -> Any:
    return (), {"axis": draw.one(None, None, -1)} if draw.chance(0.5) else {}


def gradient(draw: Draw, ndim: int) -> Any:
    names = ["magnitude", "d0", *(["orientation"] if ndim > 1 else [])]
    output = draw.one(*names, tuple(names), tuple(names[:2]))
    operator = draw.one("sobel", "scharr", "farid", "central", "gaussian")
    return (operator,), {"output": output, "sigma": draw.one(None, 1, 2.5)}


def kernel(draw: Draw, ndim: int) -> Any:
    return (draw.kernel(ndim),), {"method": draw.one("auto", "auto", "direct", "separable"), "tol": 0.0}


def bank(draw: Draw, ndim: int) -> Any:
    kernels = np.stack([draw.rng.random((draw.number(3, 4), 3)) for _ in range(1)] * draw.number(1, 3))
    return (kernels + draw.rng.random(kernels.shape).round(1),), {"method": draw.one("auto", "separable", "direct")}


def morphology(draw: Draw, ndim: int) -> Any:
    footprint = draw.footprint(ndim)
    return (draw.one(None, footprint, [(footprint, 1), (draw.footprint(ndim), 2)]),), {}


def with_sizes(draw: Draw, ndim: int) -> Any:
    return (draw.each(ndim, lambda: draw.number(1, 9)),), {}


def window(draw: Draw, ndim: int) -> Any:
    if draw.chance(0.5):
        return (), {"footprint": draw.footprint(ndim)}
    return (), {"size": draw.number(1, 7), "origin": 0}


def shifted(draw: Draw, ndim: int) -> Any:
    size = draw.number(1, 6)
    return (), {"size": size, "origin": draw.number(-(size // 2), (size - 1) // 2)}


def taps(draw: Draw, ndim: int) -> Any:
    return ([draw.kernel(1) for _ in range(ndim)],), {}


SKIMAGE: dict[str, Any] = {
    "gaussian": gaussian,
    "difference_of_gaussians": lambda draw, ndim: ((draw.one(0.7, 1, 2),), {}),
    "unsharp_mask": lambda draw, ndim: ((draw.one(0.5, 2), draw.one(1, 3), draw.chance(0.3)), {}),
    "box": lambda draw, ndim: ((draw.each(ndim, lambda: draw.one(1, 2, 3, 5, 8, 16, 17, 31, 40)),), {}),
    "laplace": lambda draw, ndim: ((), {}),
    "sobel": edges,
    "scharr": edges,
    "farid": edges,
    "prewitt": edges,
    "sobel_h": lambda draw, ndim: ((), {}),
    "roberts": lambda draw, ndim: ((), {}),
    "gaussian_laplace": lambda draw, ndim: ((draw.one(0.7, 1, 2.5),), {}),
    "gaussian_gradient_magnitude": lambda draw, ndim: ((draw.one(0.7, 1, 2.5),), {}),
    "separable_filter": taps,
    "correlate": kernel,
    "convolve": kernel,
    "correlate_bank": bank,
    "gradient": gradient,
}
#: Without `channel_axis` and `dtype`.
CORNERS: dict[str, Any] = {
    "structure_tensor": lambda draw, ndim: ((draw.one(0.6, 1, 2),), {}),
    "hessian_matrix": lambda draw, ndim: ((draw.one(0.8, 1, 2),), {"use_gaussian_derivatives": draw.chance(0.4)}),
    "corner_harris": lambda draw, ndim: ((), {"method": draw.one("k", "eps")}),
    "corner_shi_tomasi": lambda draw, ndim: ((), {}),
}
MORPHOLOGY: dict[str, Any] = dict.fromkeys(
    ("erosion", "dilation", "opening", "closing", "white_tophat", "black_tophat"), morphology
)
NDIMAGE: dict[str, Any] = {
    "gaussian_filter": lambda draw, ndim: ((draw.each(ndim, lambda: draw.one(0, 1, 2.5)),), {}),
    "uniform_filter": with_sizes,
    "correlate": lambda draw, ndim: ((draw.kernel(ndim),), {}),
    "convolve": lambda draw, ndim: ((draw.kernel(ndim),), {}),
    "correlate1d": lambda draw, ndim: ((draw.kernel(1),), {"axis": draw.number(0, ndim - 1)}),
    "sobel": lambda draw, ndim: ((draw.number(0, ndim - 1),), {}),
    "laplace": lambda draw, ndim: ((), {}),
    "gaussian_laplace": lambda draw, ndim: ((draw.one(1, 2.5),), {}),
    "gaussian_gradient_magnitude": lambda draw, ndim: ((draw.one(1, 2.5),), {}),
    "minimum_filter": window,
    "maximum_filter": window,
    "median_filter": window,
    "percentile_filter": lambda draw, ndim: ((draw.one(0, 20, 70),), window(draw, ndim)[1]),
    "grey_opening": shifted,
    "grey_closing": shifted,
    "morphological_gradient": shifted,
    "morphological_laplace": shifted,
    "white_tophat": shifted,
    "black_tophat": shifted,
    "grey_dilation": lambda draw, ndim: ((), {"structure": draw.rng.integers(0, 3, (3,) * ndim)}),
}
LAYERS = ("conv2d", "depthwise_conv2d", "separable_conv2d", "pointwise_conv2d")
NAMES = [
    *SKIMAGE,
    *SKIMAGE,
    *CORNERS,
    *MORPHOLOGY,
    "median",
    *(f"ndimage.{name}" for name in NDIMAGE),
    *LAYERS,
    *LAYERS,
]


def draw_case(seed: int, number: int) -> Case:
    """The call of that number."""
    draw = Draw(seed, number)
    name = draw.one(*NAMES)
    if name in LAYERS:
        return _layer(draw, name)
    ndim = draw.one(1, 2, 2, 2, 2, 3, 3, 4)
    planar = name in ("sobel_h", "roberts", "correlate_bank", "corner_harris", "corner_shi_tomasi")
    ndim = 2 if planar else max(ndim, 2) if name in CORNERS else ndim
    lengths = LENGTHS[: {1: 10, 2: 10, 3: 7, 4: 5}[ndim]]
    shape = [draw.one(*lengths) for _ in range(ndim)]
    if draw.chance(0.03):
        shape[draw.number(0, ndim - 1)] = 0
    options: dict[str, Any] = {}
    if name in (*SKIMAGE, *MORPHOLOGY, "median") and ndim < 4 and draw.chance(0.35):
        axis = draw.number(0, ndim)
        shape.insert(axis, draw.one(1, 2, 3, 4, 7, 20))
        options["channel_axis"] = axis - draw.one(0, ndim + 1)
    if name.startswith("ndimage."):
        function, made = getattr(ndimage, name[8:]), NDIMAGE[name[8:]]
    else:
        function = getattr(fastsep, name)
        made = {**SKIMAGE, **CORNERS, **MORPHOLOGY, "median": lambda draw, ndim: ((draw.footprint(ndim),), {})}[name]
    arguments, others = made(draw, ndim)
    options |= others
    options["mode"] = draw.one(*MODES)
    if name in (*SKIMAGE, "ndimage.gaussian_filter", "ndimage.gaussian_laplace") and draw.chance(0.3):
        options["mode"] = [draw.one(*MODES) for _ in range(ndim)]
    if draw.chance(0.3):
        options["cval"] = draw.one(0.5, 1, 3)
    if name in SKIMAGE and draw.chance(0.3):
        options["dtype"] = draw.one("float32", "float64", "int16", "uint8")
    if name in ("sobel", "farid", "laplace") and draw.chance(0.3):
        options["mask"] = draw.rng.random(shape) < 0.9
    image = draw.image(tuple(shape))
    return Case(
        function,
        image,
        arguments,
        options,
        tuple(map(draw.chunks, shape)),
        draw.one(1, 5000, 4 << 20),
        draw.chance(0.5),
    )


def _layer(draw: Draw, name: str) -> Case:
    first, channels = draw.chance(0.4), draw.number(1, 4)
    shape = [draw.number(1, 25), draw.number(1, 25)]
    shape.insert(0 if first else 2, channels)
    if draw.chance(0.5):
        shape.insert(0, draw.number(0, 3))
    size = (draw.number(1, 4), draw.number(1, 4))
    multiple, results = draw.number(1, 2), draw.number(1, 5)
    options: dict[str, Any] = {"stride": (draw.number(1, 3), draw.number(1, 3))}
    options["data_format"] = "channels_first" if first else "channels_last"
    if name != "pointwise_conv2d":
        explicit = ((draw.number(0, 30), 1), (2, draw.number(0, 30)))
        options["padding"] = draw.one("valid", "same", draw.number(0, 9), explicit)
        options |= {"dilation": draw.number(1, 2), "mode": draw.one(*MODES), "cval": draw.one(0.0, 1.5)}
    matrix = (results, channels * multiple) if first else (channels * multiple, results)
    shapes: dict[str, list[tuple[int, ...]]] = {
        "conv2d": [(results, channels, *size) if first else (*size, channels, results)],
        "depthwise_conv2d": [(channels * multiple, 1, *size) if first else (*size, channels, multiple)],
        "pointwise_conv2d": [(results, channels) if first else (channels, results)],
    }
    shapes["separable_conv2d"] = [*shapes["depthwise_conv2d"], matrix]
    dtype = draw.one("float32", "float64")
    kernels = tuple(draw.rng.standard_normal(each).astype(dtype) for each in shapes[name])
    return Case(
        getattr(fastsep, name),
        draw.image(tuple(shape)),
        kernels,
        options,
        tuple(map(draw.chunks, shape)),
        4 << 20,
        draw.chance(0.5),
    )


# ---- how it is compared


def difference(case: Case) -> str:
    """What is wrong with a call, or nothing."""
    chunked.STRIP_BYTES, tuning.APART_BYTES = case.strip_bytes, 0
    image = da.from_array(case.image, chunks=case.chunks)
    image = image.map_blocks(np.copy, dtype=image.dtype, meta=image._meta) if case.copied else image

    def call(x: Any) -> Any:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return case.function(x, *case.arguments, **case.options)
        except Exception as error:
            return error

    expected, found = call(case.image), call(image)
    if isinstance(expected, Exception):
        same = type(found) is type(expected) and str(found) == str(expected)
        return "" if same else f"{found!r} instead of {expected!r}"
    if isinstance(found, Exception):
        return f"it raises {found!r}"
    pairs = [(found, expected)] if isinstance(expected, np.ndarray) else list(zip(found, expected, strict=True))
    for lazy, whole in pairs:
        if not isinstance(lazy, da.Array):
            return f"a {type(lazy).__name__} comes back"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what overflows, in memory too
            values = lazy.compute(scheduler="sync")
        if (lazy.dtype, lazy.shape, values.dtype, values.shape) != (whole.dtype, whole.shape) * 2:
            return f"{lazy.dtype}{lazy.shape}, then {values.dtype}{values.shape}, not {whole.dtype}{whole.shape}"
        if not same_bits(values, whole) and not _equal_to_rounding(case, values, whole):
            with np.errstate(all="ignore"):
                worst = np.nanmax(np.abs(values.astype(float) - whole.astype(float)), initial=0)
            return f"results differ by up to {worst}"
    return ""


def _equal_to_rounding(case: Case, values: Any, whole: Any) -> bool:
    """Whether it went by a Fourier transform, and differs by no more than its rounding."""
    if case.function not in (fastsep.correlate, fastsep.convolve):
        return False
    if fastsep.explain(case.function, case.image, *case.arguments, **case.options).strategy != "fft":
        return False
    scale = np.abs(case.arguments[0]).sum() * np.abs(case.image.astype(float)).max()
    return bool(np.allclose(values, whole, rtol=0, atol=1e-5 * scale))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cases", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="the number of a single call")
    parser.add_argument("--stop", type=int, default=10, help="stop after so many calls that differ")
    arguments = parser.parse_args()
    failed = 0
    for number in range(arguments.cases) if arguments.only is None else [arguments.only]:
        case = draw_case(arguments.seed, number)
        fault = difference(case)
        if fault:
            print(f"# {number}: {fault}\n{case}\n", flush=True)
            failed += 1
            if failed == arguments.stop:
                break
    print(f"{failed} differ of {number + 1}")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
