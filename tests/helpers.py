"""One table of cases that together reach every kernel family; images; scripts in processes of their own."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import reference

import fastsep
from fastsep import _funnel, taps
from fastsep._plan import Box, Dense, Filter, Roberts

MODES = ("reflect", "constant", "nearest", "mirror", "wrap")
UNITS = {"uint8": 255, "uint16": 65535, "int16": 32767}

F4, F8, U1 = ("float32", "float32"), ("float64", "float64"), ("uint8", "uint8")
U1_F8, U1_F4, U1_I2 = ("uint8", "float64"), ("uint8", "float32"), ("uint8", "int16")
U2, I2_F4, F4_U1, U2_F8 = ("uint16", "uint16"), ("int16", "float32"), ("float32", "uint8"), ("uint16", "float64")


@dataclass(frozen=True)
class Case:
    """A filter, as the package runs it and as the oracle does."""

    kernel: tuple[str, ...]  # what the key of its kernel starts with
    run: Callable[..., np.ndarray]
    what: Filter
    dtypes: tuple[tuple[str, str], ...]  # of image and result
    channels: int = 0  # 0: no such axis
    rescales: bool = True

    @property
    def ndim(self):
        if isinstance(self.what, Box):
            return len(self.what.sizes)
        if isinstance(self.what, Dense):
            return self.what.kernel.ndim
        return 2 if isinstance(self.what, Roberts) else len(self.what.terms[0].lines)

    def shape(self, *spatial):
        return (*spatial, self.channels) if self.channels else spatial

    def call(self, image, **options):
        if self.channels:
            options["channel_axis"] = -1
        return self.run(image, **options)

    def scale(self, src, dst):
        """What the filter multiplies images of dtype `src` by."""
        return 1 / UNITS[src] if self.rescales and src in UNITS and np.dtype(dst).kind == "f" else 1.0

    def expected(self, image, dst, modes, cval):
        """The oracle's result in float64, and the largest value on the way to it."""
        scale = self.scale(image.dtype.name, dst)
        exact = reference.exact(self.what, image, modes=modes, cval=cval, scale=scale)
        values = np.abs(image.astype(float)) * scale
        largest = max(values[np.isfinite(values)].max(initial=0), abs(cval))
        return exact, np.array(largest * self.gain())

    def gain(self):
        """How much larger than the image the sum of all products may be."""
        if isinstance(self.what, Box | Roberts):
            return 2.0
        if isinstance(self.what, Dense):
            return max(float(np.abs(self.what.kernel).sum()), 1.0)
        sums = [[sum(map(abs, line.taps)) for line in term.lines if line] for term in self.what.terms]
        return sum(np.prod([max(s, 1.0) for s in each]) for each in sums)


def smooth(radius):
    """Any symmetric taps of this radius, none zero, that sum to one on each axis."""
    down = [1.0 + 0.25 * k for k in range(radius + 1)]
    across = [0.5 + 0.75 * k * k for k in range(radius + 1)]
    lines = [half + half[-2::-1] for half in (down, across)]
    return tuple(tuple(t / sum(line) for t in line) for line in lines)


def from_taps(lines, kernel, dtypes, channels=0):
    lines = tuple(lines)

    def run(image, **options):
        return fastsep.separable_filter(image, lines, **options)

    return Case(kernel, run, taps.separable(lines), dtypes, channels, rescales=False)


def named(name, what, kernel, dtypes, channels=0, rescales=True, **arguments):
    def run(image, **options):
        return getattr(fastsep, name)(image, **arguments, **options)

    return Case(kernel, run, what, dtypes, channels, rescales)


def edge(name, ndim, axes, kernel, dtypes, channels=0):
    axis = None if len(axes) == ndim else axes
    return named(name, taps.edges(name, ndim, axes), kernel, dtypes, channels, axis=axis)


def box(sizes, kernel, dtypes, channels=0):
    return named("box", Box(sizes), kernel, dtypes, channels, rescales=False, size=sizes)


def dense(seed, shape, dtypes, channels=0, *, zeros=0.3, whole=False):
    """Any kernel, some of its taps zero, tap by tap."""
    rng = np.random.default_rng(seed)
    kernel = rng.integers(-4, 5, shape).astype(float) if whole else rng.standard_normal(shape)
    kernel[rng.random(shape) < zeros] = 0
    what = Dense(kernel, tuple(n // 2 for n in shape))

    def run(image, **options):
        return fastsep.correlate(image, kernel, method="direct", **options)

    return Case(("dense",), run, what, dtypes, channels, rescales=False)


ODD, EVEN = (0.5, -1.0, 0.0, 2.0, 0.25, 0.125, -0.75), (1.0, -0.5, 0.0, 3.0)
WHOLE, WHOLE_EVEN = (3.0, -1.0, 2.0, 0.0, 1.0), (1.0, 4.0, -2.0, 1.0, 0.0, 1.0)
GAUSS = taps.gaussian((1.6, 2.3), (0, 0), 4.0)
CASES = {
    # sweeps
    "smooth 1": from_taps(smooth(1), ("sweep", "smooth1", "1"), (F4, U1)),
    "smooth 2": from_taps(smooth(2), ("sweep", "smooth2", "1"), (F8, U1_F4)),
    "smooth 3": from_taps(smooth(3), ("sweep", "smooth3", "1"), (U2, F4)),
    "smooth 4": from_taps(smooth(4), ("sweep", "smooth4", "1"), (F4, U1_F8)),
    "smooth 1 RGB": from_taps(smooth(1), ("sweep", "smooth1", "3"), (U1, F8), 3),
    "smooth 2, 2 channels": from_taps(smooth(2), ("sweep", "smooth2", "2"), (F4,), 2),
    "dy": edge("sobel", 2, (0,), ("sweep", "dy", "1"), (F4, I2_F4)),
    "dx": edge("scharr", 2, (1,), ("sweep", "dx", "1"), (F8, F4_U1)),
    "dx in int16": from_taps(((1, 2, 1), (-1, 0, 1)), ("sweep", "dx", "1", "uint8", "int16"), (U1_I2,)),
    "magnitude": edge("sobel", 2, (0, 1), ("sweep", "magnitude", "1"), (F4, U1_F8)),
    "magnitude RGB": edge("prewitt", 2, (0, 1), ("sweep", "magnitude", "3"), (F4, U1_F8), 3),
    "roberts": named("roberts", Roberts("magnitude"), ("sweep", "roberts_magnitude"), (F4, U1_F8)),
    "roberts +": named("roberts_pos_diag", Roberts("pos_diag"), ("sweep", "roberts_pos"), (U2_F8,)),
    "roberts -": named("roberts_neg_diag", Roberts("neg_diag"), ("sweep", "roberts_neg"), (F4,)),
    # taps of any length
    "gaussian": named("gaussian", GAUSS, ("fir", "plane"), (F4, U1, F8), sigma=(1.6, 2.3)),
    "gaussian RGB": named("gaussian", GAUSS, ("fir", "plane"), (U1, F4), 3, sigma=(1.6, 2.3)),
    "wide gaussian": named(
        "gaussian", taps.gaussian((14.0, 6.0), (0, 1), 4.0), ("fir", "plane"), (F4, F8), sigma=(14, 6), order=(0, 1)
    ),
    "odd and even taps": from_taps((ODD, EVEN), ("fir", "plane"), (F4, F8)),
    "whole taps": from_taps((WHOLE_EVEN, WHOLE), ("fir", "plane"), (U1_I2, U1)),
    "one axis": from_taps((None, ODD), ("fir", "plane"), (F4,)),
    "farid": edge("farid", 2, (0, 1), ("fir", "plane terms"), (F4, U1_F8)),
    "laplace RGB": named("laplace", taps.laplace(2), ("fir", "plane terms"), (F4, U1), 3),
    "unsharp": named(
        "unsharp_mask",
        taps.unsharp((1.7, 1.7), 2.0, 4.0, None),
        ("fir", "plane terms"),
        (F4, F8),
        rescales=False,
        radius=1.7,
        amount=2.0,
        preserve_range=True,
    ),
    "volume": named("gaussian", taps.gaussian((1.1,) * 3, (0,) * 3, 4.0), ("fir", "volume"), (F4, U1), sigma=1.1),
    "volume, any taps": from_taps((EVEN, ODD, WHOLE), ("fir", "volume"), (F4,)),
    "volume terms": edge("sobel", 3, (0, 1, 2), ("fir", "volume terms"), (F4, U1_F8)),
    # any kernel
    "dense": dense(1, (5, 7), (F4, U1, F8)),
    "dense, even": dense(2, (4, 6), (F8, U2_F8), zeros=0),
    "dense, wide": dense(3, (3, 21), (F4,)),
    "dense, tall RGB": dense(4, (11, 2), (U1_F4, F4), 3),
    "dense, whole": dense(5, (3, 3), (U1_I2, U1_F8), whole=True),
    "dense of a volume": dense(6, (3, 4, 3), (F4, U1_F8)),
    "dense of a volume of one column": dense(7, (2, 3, 1), (F8, I2_F4), 2),
    "dense in four axes": dense(8, (2, 3, 2, 3), (F4,)),
    "laplace of a volume": named("laplace", taps.laplace(3), ("fir", "volume terms"), (F4,)),
    # boxes
    "small box": box((3, 4), ("fir", "plane"), (F4, U1_F8)),
    "large box": box((29, 18), ("box",), (F4, U1, F8)),
    "large box RGB": box((5, 67), ("box",), (F4, U1), 3),
    "small box of integers": box((4, 3), ("box",), (U1,)),
    # axis after axis
    "box of a volume": box((3, 17, 4), ("passes",), (F4, U1)),
    "four axes": named("gaussian", taps.gaussian((0.8,) * 4, (0,) * 4, 4.0), ("passes",), (F4,), sigma=0.8),
    "edges of four axes": edge("sobel", 4, (0, 1, 2, 3), ("passes",), (F4,)),
}


def make_image(rng, dtype, shape):
    """Values all over the range of `dtype`, both ends included."""
    if np.dtype(dtype).kind == "f":
        return (rng.random(shape) * 2 - 1).astype(dtype)
    unit = UNITS[dtype]
    low = -unit if dtype == "int16" else 0
    image = rng.integers(low, unit, shape, dtype, endpoint=True)
    image.flat[2::7] = unit
    image.flat[4::11] = low
    return image


def forget():
    """Let every plan be made anew, under the settings of now."""
    _funnel._jobs.clear()


def kernel_of(case, src, dst, shape):
    """Key of the kernel that a case runs on."""
    forget()
    case.call(np.zeros(shape, src), dtype=dst)
    (job,) = _funnel._jobs.values()
    return job.plan.kernel


def same_bits(one, other):
    """Whether two arrays are the same to the last bit, signs of zeros and NaN included."""
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


def start_script(file, *arguments, **environment):
    """Start a test file as a script; a Numba of this process's settings would not be what is tested."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA_", "OMP_"))}
    variables.update(environment)
    command = [sys.executable, str(file), *arguments]
    return subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish_script(process, limit=300):
    """Exit status and output of a script; a process that hangs is ended and fails the test."""
    try:
        output, _ = process.communicate(timeout=limit)
    finally:
        process.kill()
    return process.returncode, output


def say(*words):
    """What a script tells the test that started it."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()
