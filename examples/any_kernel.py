"""What if a kernel is no product of two lines? A moving camera's blur, by one, two and four products.

    python -m pip install ".[examples]" && python examples/any_kernel.py

`factorize` writes the kernel as a sum of products of lines, each of which is cheap to run, and says
how far a sum of few of them can be off for any image at all; the rest of the kernel is not run. The
photograph shows how far it is off in truth. Prints bounds, errors and times of every approximation,
what `correlate` would do by itself, and a bank of 24 Gabor filters that share their lines. Writes
`any-kernel.png`.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import matplotlib

matplotlib.use("Agg")  # draws into files, so that no display is needed

import matplotlib.pyplot as plt
import numpy as np
import scipy.ndimage as ndi
import skimage.data
from matplotlib.figure import Figure

import fastsep

Array = np.ndarray[Any, Any]

SIZE = 31  # of the kernels, in pixels
RANKS = (4, 2, 1)


class Version(NamedTuple):
    title: str
    kernel: Array
    result: Array
    bound: float  # of the error, in grey levels of 255
    error: float
    milliseconds: float


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="A kernel that is not separable, by separable ones.")
    parser.add_argument(
        "-o",
        "--output",
        type=picture_name,
        metavar="FILE",
        default="any-kernel.png",
        help="picture to write (default: %(default)s)",
    )
    parser.add_argument("--quick", action="store_true", help="time every call once only")
    options = parser.parse_args(argv)
    rounds = 1 if options.quick else 20

    photo = skimage.data.camera().astype(np.float32)
    kernel = motion_blur(length=18, angle=np.deg2rad(25), width=2.2)
    print(fastsep.explain(fastsep.correlate, photo, kernel, tol=0.02))
    versions = approximations(photo, kernel, rounds)
    for version in versions:
        print(
            f"{version.title}: off by at most {version.bound:.2f} grey levels, in truth {version.error:.2f};"
            f" {version.milliseconds:.2f} ms"
        )
        assert version.error <= version.bound + 1e-2  # float32 rounds at 1e-5 of 255
    bank(photo, rounds)
    draw(versions).savefig(options.output, dpi=100)
    print(f"wrote {options.output}")


def motion_blur(length: float, angle: float, width: float) -> Array:
    """The path of a point while the camera moves, blurred across by its lens; sums to one."""
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE // 2
    along = x * np.cos(angle) + y * np.sin(angle)
    across = y * np.cos(angle) - x * np.sin(angle)
    beyond = np.maximum(np.abs(along) - length / 2, 0)
    kernel = np.exp(-0.5 * (across**2 + beyond**2) / width**2)
    return kernel / kernel.sum()


def approximations(photo: Array, kernel: Array, rounds: int) -> list[Version]:
    """The kernel itself, tap by tap, and sums of fewer and fewer terms."""
    exact = ndi.correlate(photo.astype(np.float64), kernel)
    found = []
    for rank in (None, *RANKS):
        parts = fastsep.factorize(kernel, rank=rank)
        taps = kernel if rank is None else parts.dense()
        method = "direct" if rank is None else "separable"
        call = partial(fastsep.correlate, photo, taps, method=method)
        error = float(np.abs(call() - exact).max())
        bound = 0.0 if rank is None else parts.error * float(photo.max())
        title = f"{SIZE} x {SIZE}, tap by tap" if rank is None else f"rank {rank}"
        found.append(Version(title, taps, call(), bound, error, 1e3 * median_time(call, rounds)))
    return found


def bank(photo: Array, rounds: int) -> None:
    """24 Gabor filters together: the orientations of a scale are mixtures of the same few products."""
    kernels = np.array([gabor(sigma, angle) for sigma in (2, 3, 4.5) for angle in np.arange(8) * np.pi / 8])
    parts = fastsep.factorize_bank(kernels, tol=1e-3)
    together = median_time(partial(fastsep.correlate_bank, photo, parts, method="separable"), rounds)
    alone = median_time(lambda: [fastsep.correlate(photo, kernel) for kernel in kernels], max(rounds // 5, 1))
    print(parts)
    print(f"together {1e3 * together:.1f} ms, one by one {1e3 * alone:.1f} ms")


def gabor(sigma: float, angle: float) -> Array:
    """A wave of length 2 sigma under a round window; its absolute values sum to one."""
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE // 2
    wave = np.cos(np.pi * (x * np.cos(angle) + y * np.sin(angle)) / sigma)
    kernel = np.exp(-0.5 * (x**2 + y**2) / sigma**2) * wave
    return kernel / np.abs(kernel).sum()


def median_time(call: Callable[[], Any], rounds: int) -> float:
    samples = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        samples.append(time.perf_counter() - start)
    return statistics.median(samples)


def draw(versions: Sequence[Version]) -> Figure:
    figure, rows = plt.subplots(
        3, len(versions), figsize=(13, 10.4), height_ratios=(0.8, 1.4, 1.4), layout="constrained"
    )
    figure.get_layout_engine().set(w_pad=0.06, h_pad=0.06)
    exact = versions[0]
    most = max(version.error for version in versions)
    for (above, middle, below), version in zip(rows.T, versions, strict=True):
        above.imshow(version.kernel, cmap="gray", vmin=exact.kernel.min(), vmax=exact.kernel.max())
        above.set_title(version.title)
        middle.imshow(version.result, cmap="gray", vmin=0, vmax=255)
        middle.set_title(f"{version.milliseconds:.2f} ms")
        below.imshow(np.abs(version.result - exact.result), cmap="magma", vmin=0, vmax=most)
        below.set_title(f"off by {version.error:.3g}, bound {version.bound:.3g}")
    rows[2, 0].set_title("grey levels off: bright is much")
    for axes in rows.flat:
        axes.axis("off")
    return figure


def picture_name(text: str) -> pathlib.Path:
    """What cannot be written is refused before the work."""
    path = pathlib.Path(text)
    if path.suffix not in (".png", ".pdf", ".svg") or path.is_dir() or not os.access(path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"{text} is no .png, .pdf or .svg in a folder that can be written to")
    return path


if __name__ == "__main__":
    main()
