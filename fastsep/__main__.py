"""The command line: `fastsep demo`, `edges`, `blur`, `sharpen`, `factorize`, `explain`, `info` and `warmup`."""

from __future__ import annotations

import argparse
import importlib
import pathlib
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

import fastsep
from fastsep import _batch, _commands, _config, _pictures
from fastsep._refusal import Refusal, extra, one_line

# Largest difference from scikit-image that rounding explains, relative to the image's range.
TOLERANCE = {np.dtype(np.float64): 1e-12, np.dtype(np.float32): 1e-6, np.dtype(np.bool_): 0.0}

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
        "unsharp_mask(radius=3, amount=2)",
        "filters",
        True,
        lambda lib, x, c: lib.unsharp_mask(x, 3, 2, channel_axis=c),
    ),
)


@dataclass
class Outcome:
    demo: Demo
    result: np.ndarray
    difference: float
    tolerated: float
    first: float  # seconds
    theirs: float
    ours: float


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="fastsep",
        description="Fast filters for images, under scikit-image's names.",
    )
    parser.add_argument("--version", action="version", version=f"fastsep {fastsep.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="filter a photograph, compare with scikit-image")
    demo.add_argument(
        "--image",
        type=pathlib.Path,
        metavar="FILE",
        help="photograph to filter (default: one from scikit-image)",
    )
    demo.add_argument(
        "-o",
        "--output",
        type=pathlib.Path,
        metavar="FILE",
        default=pathlib.Path("fastsep-demo.png"),
        help="picture to write (default: %(default)s)",
    )
    demo.set_defaults(run=run_demo)
    _batch.add_commands(commands)
    _commands.add_commands(commands)
    info = commands.add_parser("info", help="versions, SIMD width, threads, cache folder")
    info.set_defaults(run=run_info)
    warmup = commands.add_parser("warmup", help="compile everything once, into the cache folder")
    warmup.set_defaults(run=run_warmup)

    options = parser.parse_args(argv)
    try:
        status: int = options.run(options)
        return status
    except Refusal as error:
        return _fail(f"fastsep {options.command}: {error}", 2)
    except KeyboardInterrupt:
        return _fail(f"fastsep {options.command}: interrupted", 130)


def run_info(options: argparse.Namespace) -> int:
    print(fastsep.show_config())
    return 0


def run_warmup(options: argparse.Namespace) -> int:
    live = sys.stdout.isatty()

    def progress(done: int, total: int, label: str) -> None:
        line = f"[{done:{len(str(total))}}/{total}] {label}"
        # On a terminal one line that overwrites itself; elsewhere a line for each kernel.
        print(f"\r\x1b[K{line}" if live else line, end="" if live else "\n", flush=True)

    seconds = fastsep.warmup(progress)
    end = "\n" if live else ""
    print(f"{end}ready in {seconds:.1f} s; cache folder: {fastsep.show_config()['cache']}")
    if not _config.cache_usable():
        line = "no cache folder is writable: the next process compiles what it does not find there"
        return _fail(f"fastsep warmup: {line}", 1)
    return 0


def run_demo(options: argparse.Namespace) -> int:
    skimage = extra("skimage", "scikit-image")
    extra("PIL", "Pillow")
    output: pathlib.Path = options.output
    path: pathlib.Path = options.image or _bundled(pathlib.Path(skimage.__file__).parent)
    photo = _pictures.read(path).pixels
    grey = _pictures.grey(photo)
    _pictures.check_output(output, _pictures.identities([path]))

    shape = " x ".join(map(str, photo.shape))
    edges = "; edges of its grey version" if photo.ndim == 3 else ""
    print(f"{path.name}: {shape}, {photo.dtype}{edges}")
    outcomes = [_compare(demo, photo if demo.colour else grey) for demo in DEMOS]
    _print_table(outcomes)

    wrong = [o for o in outcomes if not o.difference <= o.tolerated]  # `not <=`: a NaN is wrong too
    if wrong:
        names = ", ".join(f"{o.demo.name} by {o.difference:.1e} (tolerated: {o.tolerated:.0e})" for o in wrong)
        return _fail(f"fastsep demo: differs from scikit-image: {names}; no picture written", 1)
    _write(output, photo, outcomes)
    print(f"wrote {output}")
    return 0


def _compare(demo: Demo, image: np.ndarray) -> Outcome:
    library = importlib.import_module(f"skimage.{demo.home}")
    # Not -1: scikit-image 0.26's unsharp_mask takes the wrong axis when it is negative.
    channel_axis = 2 if image.ndim == 3 else None

    def theirs() -> np.ndarray:
        return demo.call(library, image, channel_axis)

    def ours() -> np.ndarray:
        return demo.call(fastsep, image, channel_axis)

    first, result = _seconds(ours)
    _, expected = _seconds(theirs)
    # Alternating, so that whatever else the machine does meets both. Three rounds or more.
    times: list[tuple[float, float]] = []
    while len(times) < 3 or (len(times) < 25 and sum(map(sum, times)) < 0.5):
        times.append((_seconds(theirs)[0], _seconds(ours)[0]))

    # Integers are rescaled to [0, 1] by both libraries; floats keep their own range.
    finite = image[np.isfinite(image)] if image.dtype.kind == "f" else np.ones(1)
    scale = max(1.0, float(np.abs(finite).max(initial=0)))
    return Outcome(
        demo,
        result,
        _difference(result, expected),
        TOLERANCE[expected.dtype] * scale,
        first,
        *(statistics.median(column) for column in zip(*times, strict=True)),
    )


def _difference(result: np.ndarray, expected: np.ndarray) -> float:
    """Largest absolute difference; infinite where shape, dtype, NaN or infinities do not agree."""
    if result.shape != expected.shape or result.dtype != expected.dtype:
        return float("inf")
    same = (result == expected) | (np.isnan(result) & np.isnan(expected))
    with np.errstate(invalid="ignore"):
        gap = np.where(same, 0.0, np.abs(np.subtract(result, expected, dtype=np.float64)))
    return float(np.where(np.isnan(gap), np.inf, gap).max())


def _seconds(call: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def _print_table(outcomes: Sequence[Outcome]) -> None:
    threads = fastsep.get_num_threads()
    head = ("filter", "max difference", "scikit-image", "fastsep", "ratio", "first call")
    rows = [
        (
            o.demo.name,
            f"{o.difference:.1e}",
            f"{1e3 * o.theirs:.2f} ms",
            f"{1e3 * o.ours:.2f} ms",
            f"{o.theirs / o.ours:.1f}x",
            f"{o.first:.2f} s",
        )
        for o in outcomes
    ]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for name, *numbers in (head, *rows):
        cells = [f"{text:>{width}}" for text, width in zip(numbers, widths[1:], strict=True)]
        print("  ".join([f"{name:{widths[0]}}", *cells]))
    print(
        f"times: medians; scikit-image uses 1 thread, fastsep {threads}\n"
        f"first calls: {sum(o.first for o in outcomes):.2f} s together, "
        "in which kernels are compiled, or loaded when an earlier process left them in the cache"
    )


def _bundled(skimage: pathlib.Path) -> pathlib.Path:
    path = skimage / "data" / "astronaut.png"
    if not path.is_file():
        raise Refusal(f"this scikit-image came without {path.name}; give a photograph with --image")
    return path


def _write(output: pathlib.Path, photo: np.ndarray, outcomes: Sequence[Outcome]) -> None:
    """Write the photograph and all results on one sheet."""
    from PIL import Image, ImageDraw, ImageFont

    tiles = [("input", _pictures.visible(photo, photo))]
    for o in outcomes:
        tiles.append((o.demo.name, _pictures.visible(o.result, photo if o.demo.colour else None)))
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


def _fail(line: str, code: int) -> int:
    print(one_line(line), file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
