"""Figures of whole processes: what an import, a script and a first call cost, and how much memory a call takes."""

from __future__ import annotations

import benchmarks._timing  # noqa: F401 - the environment is set before OpenMP reads it

# isort: split

import importlib.util
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks._contest import FULL_HD
from benchmarks._libraries import missing
from benchmarks._results import OURS, Process, Timing

ROOT = pathlib.Path(__file__).parents[1]  # fastsep is found here, installed or not
LARGE, LARGE_CANNY = (8192, 8192), (4096, 4096)  # of 8192 x 8192, scikit-image's canny takes many GB


@dataclass(frozen=True)
class Figure:
    """One row: a script for each library, run in a process of its own."""

    name: str
    unit: str  # "s" or "bytes"
    scripts: dict[str, str]  # library -> script
    quick: bool = False  # belongs to the short selection
    printed: bool = False  # the script prints the figure; otherwise it is the time of the whole process
    empty_cache: bool = False  # the process finds nothing compiled


# --- the scripts ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Work:
    """An operation: how its image is made, and each library's import and call."""

    name: str
    make: str  # defines make(rows, columns), and what else the calls need
    calls: dict[str, tuple[str, str]]
    shape: tuple[int, int] = FULL_HD


# The memory figures need images that are made in place: nothing larger than them was ever in memory.
ONES = """
def make(rows, columns):
    return numpy.ones((rows, columns), "f4")
"""
# Squares of 64 x 64 pixels: about 3 % of the pixels are edges, as in a photograph.
SQUARES = """
def make(rows, columns):
    levels = numpy.random.default_rng(0).integers(0, 256, (rows // 64 + 1, columns // 64 + 1), "u1")
    image = numpy.empty((rows, columns), "u1")
    for row in range(rows):
        image[row] = numpy.repeat(levels[row // 64], 64)[:columns]
    return image
"""
KERNEL = """
kernel = numpy.random.default_rng(0).random((7, 7), "f4")
"""
COLOURS = """
def make(rows, columns):
    return numpy.ones((rows, columns, 3), "f4")
bank = numpy.random.default_rng(0).random((5, 5, 3, 4), "f4")
mix = numpy.random.default_rng(1).random((12, 16), "f4")
"""


def gaussian(sigma: int) -> Work:
    size = 8 * sigma + 1  # four sigmas on either side, as the others have it
    calls = {
        "fastsep": ("from fastsep import gaussian", f"gaussian(image, {sigma})"),
        "scikit-image": ("from skimage.filters import gaussian", f"gaussian(image, {sigma})"),
        "OpenCV": ("import cv2", f"cv2.GaussianBlur(image, ({size}, {size}), {sigma})"),
        "SciPy": ("from scipy.ndimage import gaussian_filter", f"gaussian_filter(image, {sigma})"),
    }
    return Work(f"gaussian sigma={sigma}", ONES, calls)


SOBEL = Work(
    "sobel",
    ONES,
    {
        "fastsep": ("from fastsep import sobel", "sobel(image)"),
        "scikit-image": ("from skimage.filters import sobel", "sobel(image)"),
        "OpenCV": (
            "import cv2",
            "cv2.magnitude(cv2.Sobel(image, cv2.CV_32F, 1, 0), cv2.Sobel(image, cv2.CV_32F, 0, 1))",
        ),
        "SciPy": ("from scipy.ndimage import sobel", "numpy.hypot(sobel(image, 0), sobel(image, 1))"),
    },
)
CANNY = Work(
    "canny sigma=1.4",
    SQUARES,
    {
        "fastsep": ("from fastsep import canny", "canny(image, 1.4)"),
        "scikit-image": ("from skimage.feature import canny", "canny(image, 1.4)"),
        # The same thresholds: a tenth and a fifth of 255.
        "OpenCV": (
            "import cv2",
            "cv2.Canny(cv2.GaussianBlur(image, (0, 0), 1.4), 25.5, 51, L2gradient=True)",
        ),
    },
)
CORRELATE = Work(
    "correlate 7x7",
    ONES + KERNEL,
    {
        "fastsep": ("from fastsep import correlate", "correlate(image, kernel)"),
        "OpenCV": ("import cv2", "cv2.filter2D(image, -1, kernel)"),
    },
)
LAYER = Work(
    "separable_conv2d 5x5",
    COLOURS,
    {"fastsep": ("from fastsep import separable_conv2d", 'separable_conv2d(image, bank, mix, padding="same")')},
    (480, 640),
)


def whole(work: Work, library: str) -> str:
    imports, call = work.calls[library]
    return f"import numpy\n{imports}\n{work.make}\nimage = make{work.shape}\n{call}\n"


def first_call(work: Work, library: str) -> str:
    """Prints the seconds of the call, without those of the imports."""
    imports, call = work.calls[library]
    return f"""
import time
import numpy
{imports}
{work.make}
image = make{work.shape}
start = time.perf_counter()
result = {call}
print(time.perf_counter() - start)
"""


def memory(work: Work, library: str, shape: tuple[int, int]) -> str:
    """Prints the bytes at the peak of the call, above those just before it.

    A call on a small image has loaded code and started threads. The peak that `getrusage` knows on Linux
    begins with the memory of the parent process, so /proc is asked first.
    """
    imports, call = work.calls[library]
    return f"""
import resource
import sys
import numpy
{imports}
{work.make}
def resident(name):
    try:
        with open("/proc/self/status") as status:
            (line,) = (line for line in status if line.startswith(name))
        return 1024 * int(line.split()[1])
    except (OSError, ValueError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else 1024 * peak

def run(image):
    return {call}

run(make(256, 256))
image = make{shape}
before = resident("VmRSS:")
result = run(image)
print(resident("VmHWM:") - before)
"""


# --- the table -----------------------------------------------------------------------------------

IMPORTS = {
    "NumPy": "import numpy",
    # `import fastsep` alone loads next to nothing, not even NumPy.
    "fastsep": "from fastsep import sobel",
    "scikit-image": "from skimage.filters import sobel",
    "OpenCV": "import cv2",
    "SciPy": "import scipy.ndimage",
}
FIRST_CALLS = (gaussian(1), gaussian(2), SOBEL, CANNY, CORRELATE, LAYER)


def size(shape: tuple[int, int]) -> str:
    return "x".join(map(str, shape))


def script_figure(work: Work) -> Figure:
    scripts = {library: whole(work, library) for library in work.calls}
    return Figure(f"script with {work.name} {size(work.shape)}, compiled before", "s", scripts, quick=True)


def cold_figure(work: Work) -> Figure:
    scripts = {"fastsep": first_call(work, "fastsep")}
    name = f"first call of {work.name}, nothing compiled"
    return Figure(name, "s", scripts, printed=True, empty_cache=True)


def warm_figure(work: Work) -> Figure:
    scripts = {library: first_call(work, library) for library in work.calls if library != "SciPy"}
    name = f"first call of {work.name}, compiled before"
    return Figure(name, "s", scripts, quick=work is SOBEL, printed=True)


def memory_figure(work: Work, shape: tuple[int, int], dtype: str) -> Figure:
    scripts = {library: memory(work, library, shape) for library in work.calls}
    return Figure(f"peak memory of {work.name} {size(shape)} {dtype}", "bytes", scripts, printed=True)


PROCESSES = (
    Figure("import", "s", IMPORTS, quick=True),
    script_figure(SOBEL),
    *map(cold_figure, FIRST_CALLS),
    *map(warm_figure, FIRST_CALLS),
    memory_figure(gaussian(2), LARGE, "float32"),
    memory_figure(SOBEL, LARGE, "float32"),
    memory_figure(CANNY, LARGE_CANNY, "uint8"),
)


# --- measuring -----------------------------------------------------------------------------------


def steps(selection: Sequence[Figure], repeats: int) -> int:
    """How often `measure` calls `advance`."""
    jobs = list(_jobs(selection))
    return len(_fillers(jobs)) + repeats * len(jobs)


@dataclass(frozen=True)
class Outcome:
    processes: tuple[Process, ...]
    failures: tuple[str, ...] = ()  # a line for each script that failed, which has no figure
    stopped: bool = False  # by Ctrl-C: the figures are of what was measured until then


def measure(selection: Sequence[Figure], repeats: int, advance: Callable[[], None]) -> Outcome:
    """Every figure is the median over fresh processes that take turns; `advance` is called after each process.

    fastsep's scripts run once more beforehand, to fill the compile cache.
    """
    if not _memory_is_known() and any(figure.unit == "bytes" for figure in selection):
        print("Peak memory is left out: this Python has no module `resource`.")
    jobs = list(_jobs(selection))
    samples: dict[tuple[str, str], list[float]] = {(figure.name, library): [] for figure, library in jobs}
    failures: dict[tuple[str, str], str] = {}
    stopped = False
    turns = [(job, False) for job in _fillers(jobs)] + [(job, True) for _ in range(repeats) for job in jobs]
    try:
        with tempfile.TemporaryDirectory() as cache:
            for (figure, library), counts in turns:
                key = (figure.name, library)
                try:
                    if key not in failures:
                        seconds = _sample(figure, library, cache)
                        samples[key] += [seconds] if counts else []
                except (RuntimeError, ValueError) as error:
                    failures[key] = f"{figure.name}, {library} left out: {error}"
                advance()
    except KeyboardInterrupt:
        stopped = True
    done = [(figure, library) for figure, library in jobs if samples[figure.name, library]]
    kept = [(figure, library) for figure, library in done if (figure.name, library) not in failures]
    return Outcome(_summaries(kept, samples), tuple(failures.values()), stopped)


def run(figure: Figure, library: str, cache: str) -> float:
    """One process, with its compile cache in the folder `cache`."""
    environment = os.environ | {"FASTSEP_CACHE_DIR": cache}
    command = [sys.executable, "-c", figure.scripts[library]]
    start = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise RuntimeError(reason)
    return float(done.stdout) if figure.printed else seconds


def _sample(figure: Figure, library: str, cache: str) -> float:
    if not figure.empty_cache:
        return run(figure, library, cache)
    with tempfile.TemporaryDirectory() as empty:
        return run(figure, library, empty)


def _fillers(jobs: Sequence[tuple[Figure, str]]) -> list[tuple[Figure, str]]:
    """The others need none: looking for them has imported them, so the system's cache of files holds them."""
    return [(figure, library) for figure, library in jobs if library == OURS and not figure.empty_cache]


def _jobs(selection: Sequence[Figure]) -> Iterator[tuple[Figure, str]]:
    """Rows and libraries that can be measured here."""
    for figure in selection:
        if figure.unit != "bytes" or _memory_is_known():
            yield from ((figure, library) for library in figure.scripts if not missing(library))


def _memory_is_known() -> bool:
    return importlib.util.find_spec("resource") is not None  # Windows has none


def _summaries(jobs: Sequence[tuple[Figure, str]], samples: dict[tuple[str, str], list[float]]) -> tuple[Process, ...]:
    timings: dict[tuple[str, str], list[Timing]] = {}
    for figure, library in jobs:
        row = timings.setdefault((figure.name, figure.unit), [])
        row.append(_timing(library, samples[figure.name, library]))
    return tuple(Process(name, unit, tuple(row)) for (name, unit), row in timings.items())


def _timing(library: str, values: Sequence[float]) -> Timing:
    low, median, high = (float(value) for value in np.quantile(values, (0.25, 0.5, 0.75)))
    return Timing(library, threads=0, median=median, low=low, high=high)
