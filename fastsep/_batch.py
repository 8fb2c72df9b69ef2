"""The commands that filter pictures in files: `edges`, `blur` and `sharpen`."""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import pathlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

import fastsep
from fastsep import _pictures
from fastsep._pictures import Picture
from fastsep._refusal import Refusal, extra, one_line

METHODS = ("canny", "sobel", "scharr", "prewitt", "farid")
COLOUR = (0, 255, 0)  # of edges drawn over a picture: seldom in photographs, and bright

IMAGES = """\
An image is a file, or a folder for all pictures directly in it. Files are read as Pillow reads them: a PNG file keeps
16 bits in grey only; with colours or transparency it is read with 8. TIFF files in colour keep their 16 bits. Of many
pictures in a file the first is read; it is turned as its camera was held. A file that cannot be read or written is
reported and left out; the exit code is then 1."""
KEPT = """\
The result has the bits, the colour profile and the transparency of the image; transparency itself is not filtered,
and other data, such as the camera's, are left out."""


class Job(NamedTuple):
    image: pathlib.Path
    output: pathlib.Path


def add_commands(commands: Any) -> None:
    """Add `edges`, `blur` and `sharpen` to a parser's sub-commands."""
    command = _add(commands, "edges", "find the edges in pictures", "", ".png")
    command.add_argument("--method", choices=METHODS, default="canny", help="default: %(default)s")
    command.add_argument(
        "--sigma", type=float, metavar="S", help="blur before, in pixels (default: 1 for canny, 0 for the others)"
    )
    command.add_argument(
        "--low",
        type=float,
        metavar="X",
        help="edges end where they are weaker than this: for canny on the scale of the image, such as 0 to 255 "
        "(default: a tenth of it), for the others from 0 to 1",
    )
    command.add_argument(
        "--high",
        type=float,
        metavar="X",
        help="and must be as strong as this somewhere (default for canny: a fifth of the scale). The others need both, "
        "and give black and white then; without, they give the strengths, of which the top 0.5%% are white",
    )
    command.add_argument("--overlay", action="store_true", help="draw the edges in green over the picture")
    command.set_defaults(run=run_edges)

    command = _add(commands, "blur", "blur pictures with a Gaussian", KEPT, "the image's own, if it can be written")
    command.add_argument("--sigma", type=float, metavar="S", default=1.0, help="in pixels (default: %(default)g)")
    command.set_defaults(run=run_blur)

    command = _add(commands, "sharpen", "sharpen pictures", KEPT, "the image's own, if it can be written")
    command.add_argument(
        "--radius", type=float, metavar="R", default=1.0, help="of the blur, in pixels (default: %(default)g)"
    )
    command.add_argument("--amount", type=float, metavar="A", default=1.0, help="strength (default: %(default)g)")
    command.set_defaults(run=run_sharpen)


def _add(commands: Any, name: str, what: str, more: str, suffix: str) -> Any:
    command = commands.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}. {IMAGES} {more}")
    command.add_argument("images", nargs="+", type=pathlib.Path, metavar="IMAGE", help="picture, or folder of pictures")
    command.add_argument(
        "-o",
        "--output",
        type=pathlib.Path,
        metavar="OUT",
        required=True,
        help="file to write, or a folder; for many images a folder, made if missing. In a folder results have the "
        f"images' names; the suffix is {suffix}",
    )
    return command


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

    def work(picture: Picture) -> Picture:
        edges = _edges(_pictures.grey(picture.pixels), options)
        return Picture(_over(picture.pixels, edges) if options.overlay else edges, None, None)

    return _run(options, work, lambda path: ".png")


def run_blur(options: argparse.Namespace) -> int:
    _check_number("sigma", options.sigma, True)

    def work(picture: Picture) -> Picture:
        pixels, channel_axis = picture.pixels, 2 if picture.pixels.ndim == 3 else None
        smooth = fastsep.gaussian(
            pixels, options.sigma, preserve_range=True, channel_axis=channel_axis, dtype=pixels.dtype
        )
        return picture._replace(pixels=smooth)

    return _run(options, work, _own_suffix)


def run_sharpen(options: argparse.Namespace) -> int:
    _check_number("radius", options.radius, True)
    _check_number("amount", options.amount, False)

    def work(picture: Picture) -> Picture:
        pixels, channel_axis = picture.pixels, 2 if picture.pixels.ndim == 3 else None
        sharp = fastsep.unsharp_mask(
            pixels,
            options.radius,
            options.amount,
            preserve_range=pixels.dtype.kind == "f",  # whole numbers are clipped to their own scale
            channel_axis=channel_axis,
            dtype=pixels.dtype,
        )
        return picture._replace(pixels=sharp)

    return _run(options, work, _own_suffix)


def _check_number(name: str, value: float | None, positive: bool) -> None:
    if value is None or (math.isfinite(value) and not (positive and value < 0)):
        return
    raise Refusal(f"--{name} must be finite{' and not negative' * positive}; got {value:g}")


def _own_suffix(path: pathlib.Path) -> str:
    return path.suffix if _pictures.writable(path) else ".png"


def _edges(grey: np.ndarray, options: argparse.Namespace) -> np.ndarray:
    """As uint8: 0 and 255, or all between for strengths without thresholds."""
    if options.method == "canny":
        sigma = 1.0 if options.sigma is None else options.sigma
        found: np.ndarray = fastsep.canny(grey, sigma=sigma, low_threshold=options.low, high_threshold=options.high)
    else:
        # As float32, which is enough for 16 bits; whole numbers become 0 to 1.
        smooth = fastsep.gaussian(grey, options.sigma, dtype=np.float32) if options.sigma else grey
        strength = getattr(fastsep, options.method)(smooth, dtype=np.float32)
        if options.low is None:
            return _pictures.visible(strength, None)
        found = fastsep.apply_hysteresis_threshold(strength / _range(grey), options.low, options.high)
    return np.where(found, np.uint8(255), np.uint8(0))


def _range(grey: np.ndarray) -> float:
    """Of the values that the edge operators see."""
    if grey.dtype.kind != "f":
        return 1.0
    finite = grey[np.isfinite(grey)]
    return float(np.ptp(finite)) or 1.0 if finite.size else 1.0


def _over(pixels: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The picture in 8 bits and colour, and the edges over it, the stronger the less transparent."""
    picture = _pictures.visible(pixels, pixels)
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=2)
    weight = edges[..., None].astype(np.uint16)
    mixed = picture * (255 - weight) + np.array(COLOUR, np.uint16) * weight  # at most 255 * 255
    return np.asarray((mixed + 127) // 255, np.uint8)


def _run(options: argparse.Namespace, work: Callable[[Picture], Picture], suffix: Callable[[pathlib.Path], str]) -> int:
    extra("PIL", "Pillow")
    jobs, folder = _jobs(options.images, options.output, suffix)
    written: list[pathlib.Path] = []
    with _folder(folder, written), _bar(jobs) as bar:
        for job in jobs:
            try:
                _pictures.write(job.output, work(_pictures.read(job.image)))
                written.append(job.output)
            except Refusal as error:
                _say(bar, f"fastsep {options.command}: {error}")
            except (ValueError, OverflowError, MemoryError) as error:  # thresholds that do not fit this image, and such
                _say(bar, f"fastsep {options.command}: {job.image}: {error or 'not enough memory'}")
            if bar is not None:
                bar.update()
    skipped = len(jobs) - len(written)
    if written or len(jobs) > 1:
        where = f"{written[0]}" if len(written) == 1 else f"{len(written)} pictures to {options.output}"
        print(f"wrote {where}" + f"; {skipped} left out" * (skipped > 0))
    return 1 if skipped else 0


def _jobs(
    images: Sequence[pathlib.Path], output: pathlib.Path, suffix: Callable[[pathlib.Path], str]
) -> tuple[list[Job], pathlib.Path | None]:
    """What to read and what to write, as far as that can be checked before; and the folder to write to, if any."""
    paths = [path for image in images for path in _files(image)]
    if len(images) == 1 and not images[0].is_dir() and not output.is_dir():
        _pictures.check_output(output, _pictures.identities(paths))
        return [Job(paths[0], output)], None
    if output.exists() and not output.is_dir():
        raise Refusal(f"cannot write to {output}: for many images it must be a folder")
    jobs = [Job(path, output / (path.stem + suffix(path))) for path in paths]
    taken: dict[str, pathlib.Path] = {}
    for job in jobs:
        # The file systems of Windows and of macOS do not tell large from small letters.
        name = job.output.name.casefold() if sys.platform in ("win32", "darwin") else job.output.name
        other = taken.setdefault(name, job.image)
        if other is not job.image:
            raise Refusal(f"{other} and {job.image} would both be written to {job.output}")
    if output.exists():
        inputs = _pictures.identities(paths)
        for job in jobs:
            _pictures.check_output(job.output, inputs)
    return jobs, output


def _files(image: pathlib.Path) -> list[pathlib.Path]:
    """The file itself, or the pictures in a folder; hidden ones are other programs' business."""
    if not image.is_dir():
        return [image]
    try:
        files = sorted(path for path in image.iterdir() if path.is_file())
    except OSError as error:
        raise Refusal(f"cannot read the folder {image}: {error.strerror}") from error
    found = [path for path in files if not path.name.startswith(".") and _pictures.readable(path)]
    if not found:
        raise Refusal(f"there are no pictures in the folder {image}")
    return found


@contextlib.contextmanager
def _folder(folder: pathlib.Path | None, written: Sequence[pathlib.Path]) -> Iterator[None]:
    """Make the folder if it is missing; take it away again if nothing was written."""
    if folder is None or folder.exists():
        yield
        return
    try:
        folder.mkdir()
    except OSError as error:
        raise Refusal(f"cannot make the folder {folder}: {error.strerror}") from error
    try:
        yield
    finally:
        if not written:
            with contextlib.suppress(OSError):
                os.rmdir(folder)


def _bar(jobs: Sequence[Job]) -> Any:
    """A progress bar, where somebody sees it and there is something to wait for; otherwise None."""
    if len(jobs) < 2 or not sys.stderr.isatty():
        return contextlib.nullcontext()
    return extra("tqdm", "tqdm").tqdm(total=len(jobs), unit="picture", file=sys.stderr)


def _say(bar: Any, line: str) -> None:
    if bar is None:
        print(one_line(line), file=sys.stderr)
    else:
        bar.write(one_line(line), file=sys.stderr)
