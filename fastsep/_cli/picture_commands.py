"""The commands that filter pictures in files: `edges`, `blur` and `sharpen`."""

from __future__ import annotations

import argparse
import math
import os
import pathlib
from typing import Any

import numpy as np

import fastsep
from fastsep._cli import jobs, large
from fastsep._cli.errors import Refusal
from fastsep._cli.pictures import filters
from fastsep._cli.pictures import picture as _pictures
from fastsep._cli.pictures.picture import Picture
from fastsep._plan import operators

METHODS = ("canny", *operators.EDGES)

IMAGES = """\
Files are read as Pillow reads them: a PNG file keeps 16 bits in grey only; with colours or transparency it is read with
8. TIFF files keep their type of numbers, and channels beside the colours; with more than 8 bits in colour, those that
LZW compresses need the package imagecodecs. A picture is turned as its camera was held. Of a file of many pages the
first is read, and a line says how many there are. Damaged notes, such as a camera's, are left out. A file that cannot
be read or written is reported and left out; the exit code is then 1."""
FOUND = """\
Edges are those of the picture's brightness. The result has 8 bits: black and white for canny, and for the others with
--low and --high; else the strengths of the edges. The others take up to 12 bytes of memory a pixel for 8 bits in colour
or 16 in grey."""
KEPT = """\
The result has the bits, the colour profile and the transparency of the image. Transparency itself is not filtered, and
colours count as far as they are seen. Other data, such as the camera's, are left out."""


def add_commands(commands: Any) -> None:
    """Add `edges`, `blur` and `sharpen` to a parser's sub-commands."""
    command = _add(commands, "edges", "find the edges in pictures", FOUND, ".png")
    command.add_argument(
        "--method", choices=METHODS, default="canny", help="how edges are found (default: %(default)s)"
    )
    command.add_argument(
        "--sigma", type=float, metavar="S", help="blur before, in pixels (default: 1 for canny, 0 for the others)"
    )
    command.add_argument(
        "--low",
        type=float,
        metavar="X",
        help="edges end where they are weaker than this: for canny a number on the image's own scale (default: a tenth "
        "of its range), for the others a part of its range, from 0 to 1. The range is 0 to 255 with 8 bits; otherwise "
        "it goes from the smallest to the largest value, but for one in 10,000 at either end",
    )
    command.add_argument(
        "--high",
        type=float,
        metavar="X",
        help="and must be as strong as this somewhere (default for canny: a fifth of the range). The others need both, "
        "and give black and white then; without, they give the strengths, of which the top 0.5%% are white",
    )
    command.add_argument("--overlay", action="store_true", help="draw the edges in green over the picture")
    _add_options(command)
    command.set_defaults(run=run_edges)

    command = _add(commands, "blur", "blur pictures with a Gaussian", KEPT, "the image's own, if it can be written")
    command.add_argument("--sigma", type=float, metavar="S", default=1.0, help="in pixels (default: %(default)g)")
    _add_options(command)
    command.set_defaults(run=run_blur)

    command = _add(commands, "sharpen", "sharpen pictures", KEPT, "the image's own, if it can be written")
    command.add_argument(
        "--radius", type=float, metavar="R", default=1.0, help="of the blur, in pixels (default: %(default)g)"
    )
    command.add_argument("--amount", type=float, metavar="A", default=1.0, help="strength (default: %(default)g)")
    _add_options(command)
    command.set_defaults(run=run_sharpen)


def _add(commands: Any, name: str, what: str, more: str, suffix: str) -> Any:
    command = commands.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}. {IMAGES} {more}")
    command.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE",
        help="picture, or folder for all pictures directly in it but hidden ones, or - for standard input; wildcards "
        "(* ? [...], ** for folders in folders) that the shell has left are replaced",
    )
    command.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        required=True,
        help=f"file to write, or folder, or - for standard output. It is a folder for many images, if its name ends "
        f"with {os.sep}, or if there is a folder of that name; a missing one is made. Results in it have the images' "
        f"names; the suffix is {suffix}. Standard output gets PNG, or TIFF where PNG does not hold the picture. An "
        "input is never overwritten. A file takes its place when it is whole, with the permissions of the one that it "
        "replaces; a link stays one, and the file behind it is replaced",
    )
    return command


def _add_options(command: Any) -> None:
    """What has nothing to do with the filter."""
    command.add_argument(
        "--quality",
        type=int,
        metavar="N",
        help="of JPEG, WebP and AVIF files, from 1 to 100 (default: 95); other kinds have none",
    )
    many = command.add_argument_group("many pictures")
    many.add_argument(
        "-r",
        "--recursive",
        action="store_true",
        help="also take the folders in a folder, but not hidden ones, links and OUT; OUT gets the same folders",
    )
    many.add_argument(
        "--full-names",
        action="store_true",
        help="keep suffixes in the names of results: photo.jpg.png, so that there is no clash with photo.png; without, "
        "all clashes are listed and nothing is written",
    )
    many.add_argument("--skip-existing", action="store_true", help="leave alone what exists in OUT already")
    many.add_argument(
        "-j",
        "--jobs",
        type=int,
        metavar="N",
        help="pictures to work on at a time, each in memory of its own (default: as many as there are cores)",
    )
    many.add_argument(
        "--memory",
        type=large.memory,
        metavar="SIZE",
        help="what pictures may take, such as 500M or 2G (default: half of the machine's memory). A TIFF file that "
        "would take more is read, filtered and written in parts, if it is upright, grey or RGB in whole bytes, without "
        "transparency and further channels, and the result is a .tif; edges are not drawn over it then (--overlay). "
        "Edges take up to 13 bytes a pixel beside the result on the disk meanwhile",
    )
    said = command.add_argument_group("messages")
    said.add_argument("--json", action="store_true", help="print a line of JSON for every picture")
    loudness = said.add_mutually_exclusive_group()
    loudness.add_argument("-q", "--quiet", action="store_true", help="say only what goes wrong")
    loudness.add_argument("-v", "--verbose", action="store_true", help="say on standard error what takes how long")


def run_edges(options: argparse.Namespace) -> int:
    for name in ("sigma", "low", "high"):
        _check_number(name, getattr(options, name), True)
    canny, given = options.method == "canny", (options.low is not None) + (options.high is not None)
    if given == 1 and not canny:
        raise Refusal(f"--method {options.method} needs both --low and --high, or neither")
    if given == 2 and options.low > options.high:
        raise Refusal(f"--low must not be above --high; got {options.low:g} and {options.high:g}")
    if given == 2 and options.high > 1 and not canny:
        raise Refusal(f"--low and --high must be from 0 to 1 with --method {options.method}; got {options.high:g}")

    def work(picture: Picture, workers: int | None) -> Picture:
        edges = _edges(picture.pixels, options, workers)
        return Picture(filters.overlay(picture.pixels, edges) if options.overlay else edges, None, None)

    if options.overlay:
        in_parts = large.InParts(None, "--overlay draws over all of it")
    elif canny:
        in_parts = large.canny(_canny_sigma(options), lambda pixels: _canny_thresholds(pixels, options))
    else:
        limits = (options.low, options.high) if given == 2 else None
        in_parts = large.edges(options.method, options.sigma, limits, _range)
    return jobs.run(options, work, lambda path: ".png", in_parts)


def run_blur(options: argparse.Namespace) -> int:
    _check_number("sigma", options.sigma, True)

    def work(picture: Picture, workers: int | None) -> Picture:
        return filters.blur(picture, options.sigma, workers)

    return jobs.run(options, work, _own_suffix, large.filtered(fastsep.gaussian, sigma=options.sigma))


def run_sharpen(options: argparse.Namespace) -> int:
    _check_number("radius", options.radius, True)
    _check_number("amount", options.amount, False)

    def work(picture: Picture, workers: int | None) -> Picture:
        return filters.sharpen(picture, options.radius, options.amount, workers)

    in_parts = large.filtered(fastsep.unsharp_mask, radius=options.radius, amount=options.amount)
    return jobs.run(options, work, _own_suffix, in_parts)


def _check_number(name: str, value: float | None, positive: bool) -> None:
    if value is None or (math.isfinite(value) and not (positive and value < 0)):
        return
    raise Refusal(f"--{name} must be finite{' and not negative' * positive}; got {value:g}")


def _own_suffix(path: pathlib.Path) -> str:
    return path.suffix if _pictures.writable(path) else ".png"


def _edges(pixels: np.ndarray, options: argparse.Namespace, workers: int | None) -> np.ndarray:
    """As uint8: 0 and 255, or all between for strengths without thresholds."""
    image = _pictures.grey(pixels)
    if options.method == "canny":
        low, high = _canny_thresholds(image, options)
        # In float64 also where the image is of float32, which loses edges of one that stands high and differs little.
        found: np.ndarray = fastsep.canny(image, _canny_sigma(options), low, high, dtype=np.float64, workers=workers)
    else:
        unit = 1.0 if image.dtype.kind == "f" else np.iinfo(image.dtype).max  # what the operators take for 1
        scale = 1.0 if options.low is None else _range(image) / unit
        if options.sigma:
            image = fastsep.gaussian(image, options.sigma, dtype=_pictures.enough(image.dtype), workers=workers)
        strength = getattr(fastsep, options.method)(image, dtype=np.float32, workers=workers)
        del image  # four bytes a pixel or eight, and the pictures may be large
        if options.low is None:
            return _pictures.visible(strength, None)
        strength /= scale
        found = fastsep.apply_hysteresis_threshold(strength, options.low, options.high, workers=workers)
    shown = found.view(np.uint8)
    shown *= 255
    return shown


def _canny_sigma(options: argparse.Namespace) -> float:
    return 1.0 if options.sigma is None else float(options.sigma)


def _canny_thresholds(grey: np.ndarray, options: argparse.Namespace) -> tuple[float, float]:
    """On the image's own scale: those that were given, and a tenth and a fifth of its range for the others."""
    low, high = options.low, options.high
    if low is None or high is None:
        scale = _range(grey)
        low, high = scale / 10 if low is None else low, scale / 5 if high is None else high
    if low > high:
        missing = "--high" if options.high is None else "--low"
        raise ValueError(f"--low is {low:g} and --high {high:g}, one of them by default: {missing} is needed, too")
    return low, high


def _range(grey: np.ndarray) -> float:
    """What thresholds are parts of: 255 with 8 bits; else as much as the values span, but for a few such as hot pixels.

    Files of 16 bits may hold 12, and floats are on any scale. A picture of 8 bits that uses all of them has nearly the
    same edges in whichever of these kinds of file it is kept.
    """
    if grey.dtype == np.uint8:
        return 255.0
    step = large.sampling(grey.size)
    values = grey[::step, ::step]
    values = values[np.isfinite(values)] if values.dtype.kind == "f" else values.ravel()
    if not values.size:
        return 1.0
    few = values.size // 10_000
    ends = np.partition(values, (few, values.size - 1 - few))[[few, -1 - few]].astype(np.float64)
    span = float(ends[1] - ends[0])
    # Where but a few values differ from the others, these few are what there is to see.
    return span or float(np.ptp(values.astype(np.float64))) or 1.0
