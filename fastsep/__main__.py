"""The command line: `fastsep demo`, `factorize`, `explain`, `info` and `warmup`."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import pathlib
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

import fastsep
from fastsep import _commands, _config
from fastsep._commands import Refusal

# Largest difference from scikit-image that rounding explains, relative to the image's range.
TOLERANCE = {np.dtype(np.float64): 1e-12, np.dtype(np.float32): 1e-6}

TILE = 360  # pixels on the longer side of one result: five of them stay readable side by side
LABEL = 28  # pixels of height for the text above it
MARGIN = 8


class Demo(NamedTuple):
    name: str  # as called, for the label and the table
    colour: bool  # on the photograph as it is, or on its grey version
    call: Callable[[Any, np.ndarray, int | None], np.ndarray]  # (module, image, channel_axis) -> result


# scikit-image's names and arguments fit both libraries, so one call serves for both.
DEMOS = (
    Demo("gaussian(sigma=3)", True, lambda lib, x, c: lib.gaussian(x, 3, channel_axis=c)),
    Demo("sobel", False, lambda lib, x, c: lib.sobel(x)),
    Demo("scharr", False, lambda lib, x, c: lib.scharr(x)),
    Demo(
        "unsharp_mask(radius=3, amount=2)",
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
        description="Fast linear filters for images, under scikit-image's names.",
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
    _commands.add_commands(commands)
    commands.add_parser("info", help="versions, SIMD width, threads, cache folder")
    commands.add_parser("warmup", help="compile everything once, into the cache folder")

    options = parser.parse_args(argv)
    try:
        if options.command == "demo":
            return run_demo(options.image, options.output)
        if options.command == "factorize":
            return _commands.run_factorize(options)
        if options.command == "explain":
            return _commands.run_explain(options)
        return run_info() if options.command == "info" else run_warmup()
    except Refusal as error:
        return _fail(f"fastsep {options.command}: {error}", 2)
    except KeyboardInterrupt:
        return _fail(f"fastsep {options.command}: interrupted", 130)


def run_info() -> int:
    print(fastsep.show_config())
    return 0


def run_warmup() -> int:
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


def run_demo(image: pathlib.Path | None, output: pathlib.Path) -> int:
    skimage = _extra("skimage", "scikit-image")
    _extra("PIL", "Pillow")
    path = _bundled(pathlib.Path(skimage.__file__).parent) if image is None else image
    photo, grey = _read(path)
    _check_output(output, path)

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
    import skimage.filters

    # Not -1: scikit-image 0.26's unsharp_mask takes the wrong axis when it is negative.
    channel_axis = 2 if image.ndim == 3 else None

    def theirs() -> np.ndarray:
        return demo.call(skimage.filters, image, channel_axis)

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
        gap = np.where(same, 0.0, np.abs(result - expected))
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


def _extra(module: str, name: str) -> Any:
    if importlib.util.find_spec(module) is None:
        raise Refusal(f'{name} is not installed; it is in the extra "demo": pip install ".[demo]"')
    return importlib.import_module(module)


def _bundled(skimage: pathlib.Path) -> pathlib.Path:
    path = skimage / "data" / "astronaut.png"
    if not path.is_file():
        raise Refusal(f"this scikit-image came without {path.name}; give a photograph with --image")
    return path


def _read(path: pathlib.Path) -> tuple[np.ndarray, np.ndarray]:
    """The photograph, (rows, columns) or (rows, columns, 3), and its grey version."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as file:
            picture = ImageOps.exif_transpose(file)
            if picture.mode.startswith(("I", "F")):  # 16 or 32 bits, which Pillow has in grey only
                deep = np.array(picture)
                if deep.dtype.kind != "f":
                    fits = deep.min() >= 0 and deep.max() <= 65535
                    deep = deep.astype(np.uint16 if fits else np.float64)
                return deep, deep
            grey = np.array(picture.convert("L"))
            if picture.mode in ("1", "L", "LA"):
                return grey, grey
            return np.array(picture.convert("RGB")), grey
    # Pillow's decoders raise many things on damaged files; none of them is a fault of this program.
    except Exception as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise Refusal(f"cannot read the image {path}: {reason}") from error


def _check_output(output: pathlib.Path, image: pathlib.Path) -> None:
    """Refuse before the work what could not be written after it."""
    from PIL import Image

    if output.exists() and not output.is_file():
        raise Refusal(f"cannot write {output}: it exists and is not a file")
    Image.init()
    kind = Image.registered_extensions().get(output.suffix.lower())
    if kind not in Image.SAVE:
        raise Refusal(f"cannot write {output}: its name must end as a picture's, such as .png")
    if output.exists() and output.samefile(image):
        raise Refusal(f"cannot write {output}: it is the image itself")
    if not output.parent.is_dir():
        raise Refusal(f"cannot write {output}: there is no folder {output.parent}")
    if not os.access(output.parent, os.W_OK):
        raise Refusal(f"cannot write {output}: the folder {output.parent} is not writable")


def _write(output: pathlib.Path, photo: np.ndarray, outcomes: Sequence[Outcome]) -> None:
    """Write the picture beside its place and move it there: whole or not at all."""
    from PIL import Image, ImageDraw, ImageFont

    tiles = [("input", _visible(photo, photo))]
    for o in outcomes:
        tiles.append((o.demo.name, _visible(o.result, photo if o.demo.colour else None)))
    pictures = [Image.fromarray(pixels).convert("RGB") for _, pixels in tiles]
    scale = TILE / max(pictures[0].size)
    size = tuple(max(1, round(scale * side)) for side in pictures[0].size)
    font = ImageFont.load_default(size=16)
    width = max(size[0], *(int(font.getlength(text)) for text, _ in tiles)) + MARGIN

    sheet = Image.new("RGB", (len(tiles) * width + MARGIN, size[1] + LABEL + MARGIN), "white")
    draw = ImageDraw.Draw(sheet)
    for column, ((text, _), picture) in enumerate(zip(tiles, pictures, strict=True)):
        left = MARGIN + column * width
        draw.text((left, LABEL // 2), text, fill="black", font=font, anchor="lm")
        sheet.paste(picture.resize(size, Image.Resampling.LANCZOS), (left, LABEL))

    part = output.with_name(f".{output.stem}.{os.getpid()}{output.suffix}")
    try:
        sheet.save(part)
        os.replace(part, output)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise Refusal(f"cannot write {output}: {reason}") from error
    finally:
        part.unlink(missing_ok=True)


def _visible(result: np.ndarray, reference: np.ndarray | None) -> np.ndarray:
    """As uint8: on the scale of `reference`; without one, the strongest 0.5 % become white."""
    values = np.nan_to_num(result.astype(np.float64))
    if reference is None:
        low, high = 0.0, float(np.quantile(values, 0.995))
    elif reference.dtype.kind == "f":
        finite = reference[np.isfinite(reference)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    else:
        low, high = 0.0, float(np.iinfo(reference.dtype).max) if result is reference else 1.0
    span = high - low if high > low else 1.0
    return np.asarray(np.clip((values - low) / span * 255 + 0.5, 0, 255), np.uint8)


def _fail(line: str, code: int) -> int:
    print(" ".join(line.split()), file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
