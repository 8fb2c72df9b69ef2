"""Compares `fastsep.ndimage` with `scipy.ndimage` in random calls, each of which its seed and number make again.

    python tests/fuzz_ndimage.py --calls 20000 --seed 0
    python tests/fuzz_ndimage.py --seed 0 --only 1234

A call that differs is printed as Python. Integers have to be equal bit for bit, floats within the bounds that
`tolerance` states, and where SciPy raises, ours has to raise an exception that SciPy's callers catch. Left out is what
differs by intent: NaN, integers that double precision does not hold, and casts of what an integer cannot hold.
"""

from __future__ import annotations

import argparse
import importlib
import math
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
from scipy import ndimage as theirs

INTEGERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64")
REAL = ("bool", *INTEGERS, "float32", "float64")
DTYPES = (*REAL, ">u2", ">i4", ">f4", ">f8", "complex64", "complex128")
MODES = ("reflect", "constant", "nearest", "mirror", "wrap", "grid-mirror", "grid-constant", "grid-wrap")
SIZES = (0, 1, 1, 2, 3, 4, 5, 7, 8, 13, 17, 33, 40)
#: What no integer dtype of 32 bits overflows of, after any of the filters.
LIMIT = 2**20


def image(shape: tuple[int, ...], dtype: str, seed: int, layout: str = "C") -> Any:
    """Random pixels, of which many are equal; laid out in memory as in C or Fortran, backwards or with gaps."""
    rng = np.random.default_rng(seed)
    full = shape if layout != "gaps" else (*shape[:-1], 2 * shape[-1])
    kind = np.dtype(dtype).kind
    if kind == "b":
        values: Any = rng.random(full) < 0.5
    elif kind in "iu":
        bounds = np.iinfo(dtype)
        values = rng.integers(max(bounds.min, -LIMIT), min(bounds.max, LIMIT), full, endpoint=True)
        if rng.random() < 0.3:
            values //= max(1, min(bounds.max, LIMIT) // 5)
    else:
        values = rng.normal(0, 100, full)
        if kind == "c":
            values = values + 1j * rng.normal(0, 100, full)
    values = values.astype(dtype)
    return {"C": values, "F": np.asarray(values, order="F"), "back": values[..., ::-1], "gaps": values[..., ::2]}[
        layout
    ]


class Draw:
    """Random choices of one call, as Python expressions."""

    def __init__(self, seed: int, number: int) -> None:
        self.rng = np.random.default_rng((seed, number))

    def one(self, values: Any) -> Any:
        return values[int(self.rng.integers(len(values)))]

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def seed(self) -> int:
        return int(self.rng.integers(10**6))

    def each(self, count: int, value: Callable[[], Any]) -> Any:
        """One value, or a tuple with one for each axis."""
        return value() if self.chance(0.5) else tuple(value() for _ in range(count))


@dataclass
class Call:
    name: str
    shape: tuple[int, ...]
    dtype: str
    setup: list[str] = field(default_factory=list)
    arguments: dict[str, str] = field(default_factory=dict)
    wrong: bool = False  # an argument has been replaced by one that most functions refuse

    def text(self) -> str:
        arguments = "".join(f", {name}={value}" for name, value in self.arguments.items())
        return "\n".join([*self.setup, f"ndimage.{self.name}(x{arguments})"])

    def run(self, ndimage: ModuleType, apart: bool) -> Any:
        """The result, or what was raised. `apart`: with an output that shares no memory with the input."""
        names: dict[str, Any] = {"np": np, "image": image, "ndimage": ndimage, "theirs": theirs}
        exec("\n".join(self.setup), names)
        if apart:
            names["x"] = names["x"].copy()
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                result = eval(self.text().rpartition("\n")[2], names)
            except Exception as error:
                return error
        return result if names.get("out") is None or result is names["out"] else AssertionError("not the output")


def axes_of(draw: Draw, call: Call) -> int:
    """Draw `axes`; the number of axes that are filtered."""
    ndim = len(call.shape)
    if draw.chance(0.7):
        return ndim
    count = int(draw.rng.integers(0, ndim + 1))
    axes = [int(axis) for axis in draw.rng.permutation(ndim)[:count]]
    if draw.chance(0.5):
        axes = [axis - ndim for axis in axes]
    # Where SciPy expands a kernel, it takes no negative axis for a number alone.
    single = count == 1 and axes[0] >= 0 and draw.chance(0.5)
    call.arguments["axes"] = str(axes[0]) if single else str(tuple(axes))
    return count


def axis(draw: Draw, call: Call) -> None:
    ndim = len(call.shape)
    if draw.chance(0.7):
        call.arguments["axis"] = str(int(draw.rng.integers(-ndim, ndim)))


def border(draw: Draw, call: Call, count: int, several: bool) -> None:
    mode = draw.each(count, lambda: draw.one(MODES)) if several else draw.one(MODES)
    call.arguments["mode"] = repr(mode)
    if draw.chance(0.6):
        call.arguments["cval"] = str(draw.one((0, 1, 7, -3, 2.5, -0.75, 300)))


def output(draw: Draw, call: Call) -> None:
    choice = draw.rng.random()
    complex_image = call.dtype.startswith("complex")
    dtype = draw.one((call.dtype, "complex128") if complex_image else REAL[1:])
    if dtype == "uint64" and np.dtype(call.dtype).kind != "u":
        dtype = "int64"  # below zero the sums of the next axis would be beyond 2**53
    if choice < 0.55:
        return
    if choice < 0.75:
        call.arguments["output"] = f"np.{dtype}" if dtype.isidentifier() and draw.chance(0.5) else repr(dtype)
        return
    call.arguments["output"] = "out"
    overlapping = "x" if draw.chance(0.7) else "x[::-1]"
    call.setup.append(
        f"out = {overlapping}" if choice < 0.82
        else f"out = image({call.shape}, {dtype!r}, {draw.seed()}, {draw.one(('C', 'F', 'back', 'gaps'))!r})"
    )  # fmt: skip


def origins(draw: Draw, call: Call, sizes: Any) -> None:
    """One of all the origins that fit, and a few that do not; with one value for all axes where all are that long."""
    if draw.chance(0.5):
        return
    outside = draw.chance(0.05)

    def origin(size: int) -> int:
        return int(draw.rng.integers(-(size // 2) - outside, (size - 1) // 2 + 1 + outside)) if size else 0

    call.arguments["origin"] = repr(tuple(map(origin, sizes)) if isinstance(sizes, tuple) else origin(sizes))


def weights(draw: Draw, shape: tuple[int, ...]) -> str:
    kind = draw.one(("random", "whole", "symmetric", "antisymmetric", "ones", "complex"))
    values: Any = draw.rng.normal(size=shape).round(3)
    turned = values[(slice(None, None, -1),) * len(shape)]
    if kind == "whole":
        values = draw.rng.integers(-3, 4, shape)
    elif kind == "symmetric":
        values = (values + turned).round(3)
    elif kind == "antisymmetric":
        values = (values - turned).round(3)
    elif kind == "ones":
        values = np.ones(shape)
    elif kind == "complex" and draw.chance(0.2):
        values = values + 1j
    return f"np.array({values.tolist()}).reshape({shape})"


def not_empty(call: Call) -> None:
    """Where SciPy writes out of bounds for empty images."""
    call.shape = tuple(max(size, 1) for size in call.shape)


def lines(draw: Draw, call: Call) -> None:
    size = draw.one(SIZES)
    call.arguments["weights"] = weights(draw, (size,))
    axis(draw, call)
    border(draw, call, 1, several=False)
    origins(draw, call, size)


def kernels(draw: Draw, call: Call) -> None:
    count = axes_of(draw, call)
    sizes = tuple(draw.one(SIZES[1:8]) for _ in range(count))
    call.arguments["weights"] = weights(draw, sizes)
    not_empty(call)
    border(draw, call, count, several=False)
    origins(draw, call, sizes)


def gaussians(draw: Draw, call: Call) -> None:
    single = call.name.endswith("1d")
    count = 1 if single else axes_of(draw, call)
    several = not single and draw.chance(0.5)

    def each(value: Callable[[], Any]) -> str:
        return repr(tuple(value() for _ in range(count)) if several else value())

    call.arguments["sigma"] = each(lambda: draw.one((0.3 if single else 0, 0.3, 0.7, 1, 1.6, 2.5, 4)))
    if single:
        axis(draw, call)
    if draw.chance(0.4) and not call.name.startswith("gaussian_laplace") and "magnitude" not in call.name:
        call.arguments["order"] = each(lambda: draw.one((0, 1, 2, 3)))
    if draw.chance(0.3):
        call.arguments["truncate"] = str(draw.one((1, 2.5, 3.0)))
    if draw.chance(0.2):
        call.arguments["radius"] = each(lambda: draw.one((0, 1, 3, 6)))
    border(draw, call, count, several=several)


def derivatives(draw: Draw, call: Call) -> None:
    if call.name in ("sobel", "prewitt"):
        axis(draw, call)
        count = len(call.shape)
    else:
        count = axes_of(draw, call)
    if call.name == "generic_laplace":
        call.arguments["derivative2"] = "theirs.sobel"
    elif call.name == "generic_gradient_magnitude":
        call.arguments["derivative"] = "theirs.prewitt"
    border(draw, call, count, several=True)


def windows_1d(draw: Draw, call: Call) -> None:
    size = draw.one(SIZES)
    call.arguments["size"] = str(size)
    axis(draw, call)
    border(draw, call, 1, several=False)
    origins(draw, call, size)


def windows(draw: Draw, call: Call) -> None:
    count = axes_of(draw, call)
    size = draw.each(count, lambda: draw.one(SIZES))
    call.arguments["size"] = repr(size)
    border(draw, call, count, several=True)
    origins(draw, call, size)


def footprint(draw: Draw, sizes: tuple[int, ...]) -> tuple[str, Any]:
    kind = draw.one(("ones", "cross", "random"))
    values = np.ones(sizes, int)
    if kind == "cross":
        offsets = np.indices(sizes) - np.array(sizes).reshape(-1, *(1,) * len(sizes)) // 2
        values = (np.abs(offsets).sum(0) <= max(sizes, default=1) // 2).astype(int)
    elif kind == "random":
        values = (draw.rng.random(sizes) < 0.6).astype(int)
    return f"np.array({values.tolist()}, {draw.one(('bool', 'int', 'float'))}).reshape({sizes})", values


def neighbourhoods(draw: Draw, call: Call) -> None:
    """A size or a footprint, and of grey morphology now and then a structure."""
    count = axes_of(draw, call)
    small = tuple(draw.one((1, 2, 3, 3, 4, 5, 7)) for _ in range(count))
    grey = call.name not in RANKED and not call.name.endswith("imum_filter")
    flat = True
    if draw.chance(0.5):
        size = draw.each(count, lambda: draw.one(SIZES if "imum" in call.name or grey else SIZES[:10]))
        call.arguments["size"] = repr(size)
    else:
        size = small
        call.arguments["footprint"], pixels = footprint(draw, small)
        flat = bool(pixels.all())
        # SciPy crashes on complex images, and where no pixel of a structure counts.
        if grey and pixels.any() and not call.dtype.startswith("complex") and draw.chance(0.2):
            values = (draw.rng.integers(-3, 4, small) * draw.chance(0.5)).tolist()
            flat = False
            if draw.chance(0.5):
                del call.arguments["footprint"]
            call.arguments["structure"] = f"np.array({values}).reshape({small})"
    if not flat or call.name in RANKED:
        not_empty(call)
    if call.name == "rank_filter":
        held = min(math.prod(size) if isinstance(size, tuple) else size ** max(count, 1), 50)
        call.arguments["rank"] = str(int(draw.rng.integers(-held - 1, held + 1)))
    if call.name == "percentile_filter":
        call.arguments["percentile"] = str(draw.one((0, 10, 33.3, 50, 80, 100, -20, -100)))
    border(draw, call, count, several=flat and call.name not in RANKED)
    origins(draw, call, size)


RANKED = ("median_filter", "percentile_filter", "rank_filter")
FUNCTIONS: dict[str, Callable[[Draw, Call], None]] = {
    **dict.fromkeys(("correlate1d", "convolve1d"), lines),
    **dict.fromkeys(("correlate", "convolve"), kernels),
    **dict.fromkeys(("gaussian_filter1d", "gaussian_filter"), gaussians),
    **dict.fromkeys(("gaussian_laplace", "gaussian_gradient_magnitude"), gaussians),
    **dict.fromkeys(("uniform_filter1d", "minimum_filter1d", "maximum_filter1d"), windows_1d),
    "uniform_filter": windows,
    **dict.fromkeys(("sobel", "prewitt", "laplace", "generic_laplace", "generic_gradient_magnitude"), derivatives),
    **dict.fromkeys(("minimum_filter", "maximum_filter", *RANKED), neighbourhoods),
    **dict.fromkeys(("grey_erosion", "grey_dilation", "grey_opening", "grey_closing"), neighbourhoods),
    **dict.fromkeys(("morphological_gradient", "morphological_laplace"), neighbourhoods),
    **dict.fromkeys(("white_tophat", "black_tophat"), neighbourhoods),
}
#: What is wrong in one call of twelve.
WRONG = {
    "mode": ("'unknown'", "None", "3", "('reflect',) * 5"),
    "cval": ("1j",),
    "origin": ("100", "-100", "(0,) * 7", "0.5", "'a'"),
    "axis": ("9", "-9", "0.5", "None"),
    "axes": ("9", "(0, 0)", "(0.5,)", "'a'"),
    "size": ("-1", "None", "(3,) * 7", "'a'", "0"),
    "sigma": ("(1,) * 7", "'a'", "None"),
    "order": ("-1", "(0,) * 7", "0.5", "'a'"),
    "radius": ("-1", "1.5", "(1,) * 7", "'a'"),
    "truncate": ("'a'",),
    "weights": ("[]", "None", "[[[[[[1]]]]]]"),
    "footprint": ("np.zeros((3, 3))", "[[[[[[1]]]]]]", "None", "3"),
    "structure": ("[[[[[[1]]]]]]", "3"),
    "rank": ("1000", "-1000", "0.5", "'a'"),
    "percentile": ("101", "-101", "'a'"),
    "output": ("np.zeros((2, 3, 5, 7))", "'unknown'", "'S3'", "3", "object"),
    "derivative": ("None",),
    "derivative2": ("None",),
}


def spoil(draw: Draw, call: Call) -> None:
    """Put something wrong in the place of one argument, and nothing into that of others that may be refused too."""
    argument = draw.one([argument for argument in call.arguments if argument in WRONG] or ["mode"])
    for name, text in call.arguments.items():
        if text.startswith("(") and name != "axes":
            call.arguments[name] = repr(next(iter(eval(text)), 1))
    if argument != "origin":
        call.arguments.pop("origin", None)
    if "rank" in call.arguments:
        call.arguments["rank"] = "0"
    if call.arguments.get("size") == "0":
        call.arguments["size"] = "1"
    if argument != "footprint" and call.arguments.pop("footprint", None):  # it may be all zero, or have no axes
        call.arguments["size"] = "3"
    if argument != "output":  # SciPy frees an array twice where it converts it and then refuses something else
        call.arguments.pop("output", None)
        del call.setup[1:]
    if argument == "footprint":
        call.arguments.pop("structure", None)
    call.arguments[argument] = draw.one(WRONG[argument])
    call.setup[0] = call.setup[0].replace("complex64", "float32").replace("complex128", "float64")
    call.wrong = True


def draw_call(seed: int, number: int, names: list[str]) -> Call:
    draw = Draw(seed, number)
    name, dtype = draw.one(names), draw.one(DTYPES)
    if "magnitude" in name and dtype == "int8":
        dtype = "uint8"  # squares of sums overflow, and what a square root makes of that no integer holds
    shape = tuple(draw.one((0, 1, 2, 3, 5, 8, 11, 20, 37)) for _ in range(draw.one((1, 2, 2, 2, 3, 3, 4))))
    while math.prod(shape) > 6000:
        shape = shape[1:]
    if len(shape) == 1 and name in RANKED:
        shape = (1, *shape)  # of one axis SciPy writes beyond an output of fewer bytes, and reads beyond the image
    call = Call(name, shape, dtype)
    FUNCTIONS[name](draw, call)
    layout = draw.one(("C", "C", "F", "back", "gaps"))
    call.setup.append(f"x = image({call.shape}, {dtype!r}, {draw.seed()}, {layout!r})")
    output(draw, call)
    if draw.chance(1 / 12):
        spoil(draw, call)
    return call


def gain(call: Call) -> float:
    """The absolute sum of the taps, or more."""
    names: dict[str, Any] = {"np": np, "theirs": theirs}
    values = {name: eval(text, names) for name, text in call.arguments.items() if name not in ("output", "mode")}
    ndim = len(call.shape)
    if "weights" in values:
        return float(np.abs(values["weights"]).sum())
    if "sigma" in values:
        orders = {"gaussian_laplace": 2, "gaussian_gradient_magnitude": 1}.get(call.name, values.get("order", 0))
        impulse = np.zeros(401)
        impulse[200] = 1
        sums = [
            np.abs(theirs.gaussian_filter1d(impulse, sigma, order=order)).sum()
            for sigma in np.atleast_1d(values["sigma"]) for order in np.atleast_1d(orders)
        ]  # fmt: skip
        return float(max([1.0, *sums])) ** ndim * ndim
    if call.name in ("sobel", "prewitt", "laplace") or call.name.startswith("generic"):
        return 4.0**ndim * ndim
    return 4.0  # extremes and means, and differences of a few of them


def tolerance(call: Call, dtype: Any, largest: float) -> float:
    """How far floats may be apart: 8 units in the last place of a float32, of the taps' absolute sum times the largest
    pixel; 64 of a float64, because SciPy's running sums collect the rounding errors of a line."""
    units = 8 if np.finfo(dtype).bits == 32 else 64
    return units * float(np.finfo(dtype).eps) * gain(call) * largest


def difference(call: Call, ours: ModuleType) -> str:
    """What differs; empty if nothing does."""
    # SciPy's filters of several steps read what they have written over.
    expected, got = call.run(theirs, apart=True), call.run(ours, apart=ours is theirs)
    if isinstance(expected, Exception):
        if isinstance(got, type(expected)):
            return ""
        return f"SciPy raises {expected!r}, ours " + (f"{got!r}" if isinstance(got, Exception) else "does not")
    if call.wrong:  # we may be stricter
        return ""
    if isinstance(got, Exception):
        return f"ours raises {got!r}"
    if got.dtype != expected.dtype or got.shape != expected.shape:
        return f"{got.dtype}{got.shape} instead of {expected.dtype}{expected.shape}"
    if got.dtype.kind not in "fc":
        equal = got == expected
    else:
        names: dict[str, Any] = {"image": image}
        exec(call.setup[0], names)
        cval = abs(float(call.arguments.get("cval", 0)))
        largest = float(np.abs(names["x"].astype(complex)).max(initial=cval))
        # Of complex images and weights, SciPy rounds parts of the sums to the precision of the image.
        both = call.dtype == "complex64" and "j" in call.arguments.get("weights", "")
        dtype = np.dtype(np.complex64) if both else expected.dtype
        with np.errstate(all="ignore"):
            close = np.abs(got - expected) <= tolerance(call, dtype, largest)
        equal = close | (got == expected) | (np.isnan(got) & np.isnan(expected))
    if equal.all():
        return ""
    worst = np.argwhere(~equal)[0]
    return f"{got[tuple(worst)]} instead of {expected[tuple(worst)]} at {worst.tolist()}, {(~equal).sum()} in all"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="the number of a single call")
    parser.add_argument("--functions", nargs="*", default=list(FUNCTIONS), choices=FUNCTIONS)
    parser.add_argument("--module", default="fastsep.ndimage", help="what is compared with scipy.ndimage")
    parser.add_argument("--stop", type=int, default=10, help="stop after so many calls that differ")
    arguments = parser.parse_args()
    ours = importlib.import_module(arguments.module)
    failed = 0
    for number in range(arguments.calls) if arguments.only is None else [arguments.only]:
        call = draw_call(arguments.seed, number, arguments.functions)
        fault = difference(call, ours)
        if fault:
            print(f"# call {number}: {fault}\n{call.text()}\n", flush=True)
            failed += 1
            if failed == arguments.stop:
                break
    print(f"{failed} differ of {number + 1}")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
