"""What is measured of whole processes: imports, scripts, first calls, and the memory that a call takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from benchmarks._contest import FULL_HD

LARGE, LARGE_CANNY = (8192, 8192), (4096, 4096)  # of 8192 x 8192, scikit-image's canny takes many GB


@dataclass(frozen=True)
class Figure:
    """A script for each library, run in a process of its own."""

    name: str
    scripts: dict[str, str]  # library -> script
    of: Literal["process", "call", "memory"]  # of the last two the script prints seconds, or seconds and bytes
    quick: bool = False  # belongs to the short selection
    empty_cache: bool = False  # the process finds nothing compiled


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
KERNEL = 'kernel = numpy.random.default_rng(0).random((7, 7), "f4")\n'
COLOURS = """
def make(rows, columns):
    return numpy.ones((rows, columns, 3), "f4")
bank = numpy.random.default_rng(0).random((5, 5, 3, 4), "f4")
mix = numpy.random.default_rng(1).random((12, 16), "f4")
"""

OPENCV_SOBEL = "cv2.magnitude(cv2.Sobel(image, cv2.CV_32F, 1, 0), cv2.Sobel(image, cv2.CV_32F, 0, 1))"
# The same thresholds: a tenth and a fifth of 255.
OPENCV_CANNY = "cv2.Canny(cv2.GaussianBlur(image, (0, 0), 1.4), 25.5, 51, L2gradient=True)"


def gaussian(sigma: int) -> Work:
    size = 8 * sigma + 1  # four sigmas on either side, as the others have it
    calls = {
        "fastsep": ("from fastsep import gaussian", f"gaussian(image, {sigma})"),
        "scikit-image": ("from skimage.filters import gaussian", f"gaussian(image, {sigma})"),
        "OpenCV": ("import cv2", f"cv2.GaussianBlur(image, ({size}, {size}), {sigma})"),
        "SciPy": ("from scipy.ndimage import gaussian_filter", f"gaussian_filter(image, {sigma})"),
    }
    return Work(f"gaussian sigma={sigma}", ONES, calls)


SOBEL = Work("sobel", ONES, {
    "fastsep": ("from fastsep import sobel", "sobel(image)"),
    "scikit-image": ("from skimage.filters import sobel", "sobel(image)"),
    "OpenCV": ("import cv2", OPENCV_SOBEL),
    "SciPy": ("from scipy.ndimage import sobel", "numpy.hypot(sobel(image, 0), sobel(image, 1))"),
})  # fmt: skip
CANNY = Work("canny sigma=1.4", SQUARES, {
    "fastsep": ("from fastsep import canny", "canny(image, 1.4)"),
    "scikit-image": ("from skimage.feature import canny", "canny(image, 1.4)"),
    "OpenCV": ("import cv2", OPENCV_CANNY),
})  # fmt: skip
CORRELATE = Work("correlate 7x7", ONES + KERNEL, {
    "fastsep": ("from fastsep import correlate", "correlate(image, kernel)"),
    "OpenCV": ("import cv2", "cv2.filter2D(image, -1, kernel)"),
})  # fmt: skip
LAYER = Work("separable_conv2d 5x5", COLOURS, {
    "fastsep": ("from fastsep import separable_conv2d", 'separable_conv2d(image, bank, mix, padding="same")'),
}, (480, 640))  # fmt: skip
FIRST_CALLS = (gaussian(1), gaussian(2), SOBEL, CANNY, CORRELATE, LAYER)


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
    """Prints the seconds of the call, and the bytes at its peak above those just before it.

    A call on a small image has loaded code and started threads. The peak that `getrusage` knows on Linux
    begins with the memory of the parent process, so /proc is asked first.
    """
    imports, call = work.calls[library]
    return f"""
import resource, sys, time
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
before, start = resident("VmRSS:"), time.perf_counter()
result = run(image)
print(time.perf_counter() - start, resident("VmHWM:") - before)
"""


def first_calls(work: Work, *libraries: str) -> dict[str, str]:
    return {library: first_call(work, library) for library in libraries if library in work.calls}


def memory_figure(work: Work, shape: tuple[int, int], dtype: str) -> Figure:
    scripts = {library: memory(work, library, shape) for library in work.calls}
    return Figure(f"peak memory of {work.name} {shape[0]}x{shape[1]} {dtype}", scripts, "memory")


IMPORTS = {
    "NumPy": "import numpy",
    # `import fastsep` alone loads next to nothing, not even NumPy.
    "fastsep": "from fastsep import sobel",
    "scikit-image": "from skimage.filters import sobel",
    "OpenCV": "import cv2",
    "SciPy": "import scipy.ndimage",
}
PROCESSES = (
    Figure("import", IMPORTS, "process", quick=True),
    Figure("script with sobel 1080x1920, compiled before", first_calls(SOBEL, *SOBEL.calls), "process", quick=True),
    *(
        Figure(f"first call of {work.name}, nothing compiled", first_calls(work, "fastsep"), "call", empty_cache=True)
        for work in FIRST_CALLS
    ),
    *(
        Figure(
            f"first call of {work.name}, compiled before",
            first_calls(work, "fastsep", "scikit-image", "OpenCV"), "call", quick=work is SOBEL,
        )
        for work in FIRST_CALLS
    ),
    memory_figure(gaussian(2), LARGE, "float32"),
    memory_figure(SOBEL, LARGE, "float32"),
    memory_figure(CANNY, LARGE_CANNY, "uint8"),
)  # fmt: skip
