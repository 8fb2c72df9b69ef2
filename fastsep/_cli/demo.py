"""`fastsep demo`: filters a photograph as scikit-image does, compares results and times, and shows what came out."""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import math
import pathlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

import fastsep
from fastsep._cli import console
from fastsep._cli.errors import Refusal, extra
from fastsep._cli.pictures import picture as _pictures

# Largest difference from scikit-image that rounding explains, relative to the image's range.
TOLERANCE = {np.dtype(np.float64): 1e-12, np.dtype(np.float32): 1e-6, np.dtype(np.bool_): 0.0}

LARGE = (2160, 3840)  # pixels of a 4K picture

# Of each library on one picture: at least so many rounds, and more within so many seconds.
LEAST_ROUNDS, SECONDS, MOST_ROUNDS = 3, 0.8, 25

TILE = 360  # pixels on the longer side of one result
COLUMNS = 3  # results side by side: more would be too small on a page
LABEL = 28  # pixels of height for the text above it
MARGIN = 8


class Demo(NamedTuple):
    name: str  # as called, for the label and the table
    home: str  # the module of scikit-image that has it
    colour: bool  # on the photograph as it is, or on its grey version
    call: Callable[[Any, np.ndarray, int | None], np.ndarray]  # (module, image, channel_axis) -> result


# scikit-image's names and arguments fit both libraries, so one call serves for both.
DEMOS = (
    Demo("gaussian(sigma=3)", "filters", True, lambda lib, x, c: lib.gaussian(x, 3, channel_axis=c)),
    Demo("sobel", "filters", False, lambda lib, x, c: lib.sobel(x)),
    Demo("scharr", "filters", False, lambda lib, x, c: lib.scharr(x)),
    Demo("canny(sigma=2)", "feature", False, lambda lib, x, c: lib.canny(x, 2)),
    Demo(
        "unsharp_mask(radius=3, amount=2)", "filters", True, lambda lib, x, c: lib.unsharp_mask(x, 3, 2, channel_axis=c)
    ),
)


class Photo(NamedTuple):
    colour: np.ndarray
    grey: np.ndarray

    def seen_by(self, demo: Demo) -> np.ndarray:
        return self.colour if demo.colour else self.grey


class Outcome(NamedTuple):
    demo: Demo
    size: str
    difference: float
    tolerated: float
    theirs: float  # seconds
    ours: float

    @property
    def ratio(self) -> float:
        return self.theirs / self.ours


def add_command(commands: Any) -> None:
    """Add `demo` to a parser's sub-commands."""
    command = commands.add_parser("demo", help="filter a photograph, compare with scikit-image")
    command.add_argument(
        "--image",
        type=pathlib.Path,
        metavar="FILE",
        help="photograph to filter (default: one from scikit-image)",
    )
    command.add_argument(
        "-o",
        "--output",
        type=pathlib.Path,
        metavar="FILE",
        default=pathlib.Path("fastsep-demo.png"),
        help="picture to write (default: %(default)s)",
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    skimage = extra("skimage", "scikit-image")
    extra("PIL", "Pillow")
    output: pathlib.Path = options.output
    path: pathlib.Path = options.image or _bundled(pathlib.Path(skimage.__file__).parent)
    pixels = _pictures.read(path).pixels
    photo = Photo(pixels, _pictures.grey(pixels))
    _pictures.check_output(output, _pictures.identities([path]))

    photos = [photo, *_enlarged(photo)]
    edges = "; edges of its grey version" if pixels.ndim == 3 else ""
    tiled = f", and tiled to {_size(photos[-1].grey)}" if len(photos) > 1 else ""
    console.say(f"{path.name}: {' x '.join(map(str, pixels.shape))}, {pixels.dtype}{tiled}{edges}")
    _compile(photos)

    outcomes = []
    for outcome in _outcomes(photos):
        if not outcome.difference <= outcome.tolerated:  # `not <=`: a NaN is wrong too
            console.warn(
                f"fastsep demo: {outcome.demo.name} differs from scikit-image by {outcome.difference:.1e} "
                f"(tolerated: {outcome.tolerated:.0e}); no picture written"
            )
            return 1
        outcomes.append(outcome)
    _write(output, photo)
    console.say(f"wrote {output}")
    _print_sum(outcomes[-len(DEMOS) :])
    return 0


def _enlarged(photo: Photo) -> list[Photo]:
    """The photograph as tiles of a 4K picture, every other one mirrored; nothing if it has as many pixels itself."""
    if photo.grey.size == 0 or photo.grey.size >= math.prod(LARGE):
        return []
    rows, columns = (max(0, length - size) for size, length in zip(photo.grey.shape, LARGE, strict=True))
    added = ((0, rows), (0, columns), (0, 0))
    tiled = (np.pad(pixels, added[: pixels.ndim], "symmetric") for pixels in photo)
    return [Photo(*(np.ascontiguousarray(pixels[: LARGE[0], : LARGE[1]]) for pixels in tiled))]


def _compile(photos: Sequence[Photo]) -> None:
    """Every first call, one after the other and not while anything is timed."""
    print("compiling, or loading what an earlier run has compiled:", flush=True)
    total = 0.0
    for number, demo in enumerate(DEMOS, 1):
        print(f"[{number}/{len(DEMOS)}] {demo.name} ... ", end="", flush=True)
        seconds = sum(_timed(fastsep, demo, photo.seen_by(demo))[0] for photo in photos)
        total += seconds
        print(f"{seconds:.2f} s", flush=True)
    print(f"ready after {total:.1f} s", flush=True)


def _outcomes(photos: Sequence[Photo]) -> Iterator[Outcome]:
    """Compare and time everything; each row is printed as soon as it is ready."""
    width = max(len(demo.name) for demo in DEMOS)
    row = f"{{:{width}}}  {{:>11}}  {{:>14}}  {{:>12}}  {{:>10}}  {{:>6}}"
    print("\n" + row.format("filter", "picture", "max difference", "scikit-image", "fastsep", "ratio"), flush=True)
    for photo in photos:
        for demo in DEMOS:
            o = _compare(demo, photo.seen_by(demo))
            cells = (f"{o.difference:.1e}", f"{1e3 * o.theirs:.2f} ms", f"{1e3 * o.ours:.2f} ms", f"{o.ratio:.1f}x")
            print(row.format(demo.name, o.size, *cells), flush=True)
            yield o
    print(f"times: the shortest of {LEAST_ROUNDS} or more rounds, in which the libraries take turns")


def _compare(demo: Demo, image: np.ndarray) -> Outcome:
    library = importlib.import_module(f"skimage.{demo.home}")
    # One after the other in every round, so that whatever else the machine does meets both. The shortest time of
    # each, for the rest of the machine can only lengthen it.
    theirs, expected = _timed(library, demo, image)
    ours, result = _timed(fastsep, demo, image)
    difference, tolerated = _difference(result, expected), TOLERANCE[expected.dtype] * _range(image)
    del expected, result  # half a gigabyte of a 4K picture in colour
    rounds, spent = 1, theirs + ours
    while rounds < LEAST_ROUNDS or (rounds < MOST_ROUNDS and spent < SECONDS):
        times = _timed(library, demo, image)[0], _timed(fastsep, demo, image)[0]
        theirs, ours = min(theirs, times[0]), min(ours, times[1])
        rounds, spent = rounds + 1, spent + sum(times)
    return Outcome(demo, _size(image), difference, tolerated, theirs, ours)


def _timed(library: Any, demo: Demo, image: np.ndarray) -> tuple[float, np.ndarray]:
    # Not -1: scikit-image 0.26's unsharp_mask takes the wrong axis when it is negative.
    channel_axis = 2 if image.ndim == 3 else None
    start = time.perf_counter()
    result = demo.call(library, image, channel_axis)
    return time.perf_counter() - start, result


def _range(image: np.ndarray) -> float:
    """Of what the filters compute with: integers are rescaled to [0, 1] by both, floats keep their own range."""
    finite = image[np.isfinite(image)] if image.dtype.kind == "f" else np.ones(1)
    return max(1.0, float(np.abs(finite).max(initial=0)))


def _difference(result: np.ndarray, expected: np.ndarray) -> float:
    """Largest absolute difference; infinite where shape, dtype, NaN or infinities do not agree."""
    if result.shape != expected.shape or result.dtype != expected.dtype:
        return float("inf")
    largest = 0.0
    for own, other in zip(result, expected, strict=True):  # row by row, which takes no memory of the image's size
        different = (own != other) & ~(np.isnan(own) & np.isnan(other))
        with np.errstate(invalid="ignore"):
            gap = np.abs(np.subtract(own[different], other[different], dtype=np.float64))
        largest = max(largest, float(np.where(np.isnan(gap), np.inf, gap).max(initial=0.0)))
    return largest


def _print_sum(outcomes: Sequence[Outcome]) -> None:
    """The line to quote: what was measured, on what."""
    ratios = [outcome.ratio for outcome in outcomes]
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
    cpu = fastsep.show_config()["cpu"].rpartition(" (")[0]
    threads = fastsep.get_num_threads()
    ours = f"fastsep ({threads} thread{'s' * (threads > 1)})"
    theirs = f"scikit-image {importlib.metadata.version('scikit-image')} (1 thread)"
    console.say(
        f"At {outcomes[0].size} on {cpu}, {ours} is {mean:.3g} times as fast as {theirs}: "
        f"geometric mean of {len(ratios)} filters, {min(ratios):.3g} to {max(ratios):.3g}"
    )


def _size(image: np.ndarray) -> str:
    return f"{image.shape[0]} x {image.shape[1]}"


def _bundled(skimage: pathlib.Path) -> pathlib.Path:
    path = skimage / "data" / "astronaut.png"
    if not path.is_file():
        raise Refusal(f"this scikit-image came without {path.name}; give a photograph with --image")
    return path


def _write(output: pathlib.Path, photo: Photo) -> None:
    """Write the photograph and all results on one sheet."""
    from PIL import Image, ImageDraw, ImageFont

    tiles = [("input", _pictures.visible(photo.colour, photo.colour))]
    for demo in DEMOS:
        result = _timed(fastsep, demo, photo.seen_by(demo))[1]
        tiles.append((demo.name, _pictures.visible(result, photo.colour if demo.colour else None)))
    pictures = [Image.fromarray(pixels).convert("RGB") for _, pixels in tiles]
    scale = TILE / max(pictures[0].size)
    size = tuple(max(1, round(scale * side)) for side in pictures[0].size)
    font = ImageFont.load_default(size=16)
    width = max(size[0], *(int(font.getlength(text)) for text, _ in tiles)) + MARGIN

    rows = -(-len(tiles) // COLUMNS)
    height = LABEL + size[1] + MARGIN
    sheet = Image.new("RGB", (COLUMNS * width + MARGIN, rows * height), "white")
    draw = ImageDraw.Draw(sheet)
    for place, ((text, _), picture) in enumerate(zip(tiles, pictures, strict=True)):
        row, column = divmod(place, COLUMNS)
        left, top = MARGIN + column * width, row * height
        draw.text((left, top + LABEL // 2), text, fill="black", font=font, anchor="lm")
        sheet.paste(picture.resize(size, Image.Resampling.LANCZOS), (left, top + LABEL))
    _pictures.write_whole(output, sheet.save)
