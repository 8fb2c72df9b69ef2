"""Whether the working tree gives the bits and keeps the speed of a commit: `python -m benchmarks.same_bits COMMIT`.

For changes that must change nothing: moves, renames, another call path. Both trees run in processes of their own,
the commit's from a temporary worktree. Each draws the same calls (function, shape, dtype, layout, options, workers)
from one seed and prints a digest of each result, or the name of the exception. Then both time a few calls in turns.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

ROOT = pathlib.Path(__file__).parents[1]
Array = np.ndarray[Any, Any]
Drawn = tuple[str, list[Any], dict[str, Any]]  # a function, its positional arguments, and its options
DTYPES = ("float32",) * 4 + ("uint8",) * 3 + ("float64", "uint16", "int16", "int32", "bool", "float16", ">f4")
MODES = ("reflect", "constant", "nearest", "mirror", "wrap")
EDGES = ("sobel", "scharr", "prewitt", "farid")
PLANES = (*(f"{name}_{way}" for name in EDGES for way in "hv"), "roberts", "roberts_pos_diag", "roberts_neg_diag")
SMOOTHING: tuple[str, ...] = ("gaussian",) * 2 + ("box", "unsharp_mask", "difference_of_gaussians", "laplace")
SMOOTHING += ("gaussian_laplace", "gaussian_gradient_magnitude")
CORNERS = ("structure_tensor", "hessian_matrix", "corner_harris", "corner_shi_tomasi")
#: What is timed, in milliseconds of work or less; the first is nearly all overhead of the call.
TIMED: dict[str, tuple[tuple[int, ...], str, dict[str, Any]]] = {
    "gaussian 64": ((64, 64), "float32", {"sigma": 2}),
    "sobel 64": ((64, 64), "float32", {}),
    "gaussian": ((1080, 1920), "float32", {"sigma": 2}),
    "sobel": ((1080, 1920), "float32", {}),
    "box": ((1080, 1920), "uint8", {"size": 21, "dtype": "uint8"}),
    "canny": ((1080, 1920), "uint8", {"sigma": 1.4}),
    "gradient": ((1080, 1920), "float32", {}),
    "corner_harris": ((1080, 1920), "float32", {}),
}


def image(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Any dtype and layout; at times with NaN or infinity."""
    dtype = np.dtype(rng.choice(DTYPES))
    values = rng.random(shape) if dtype.kind == "f" else rng.integers(0, 2 if dtype.kind == "b" else 120, shape)
    result = values.astype(dtype)
    if dtype.kind == "f" and result.size and rng.random() < 0.1:
        result.flat[rng.integers(result.size)] = rng.choice([np.nan, np.inf])
    layout = rng.integers(6)
    if layout == 0:
        return np.asfortranarray(result)
    if layout == 1:
        return np.repeat(result, 2, axis=-1)[..., ::2]
    return result[::-1].copy()[::-1] if layout == 2 else result


def sizes(rng: np.random.Generator, count: int) -> tuple[int, ...]:
    """Around the widths of vectors and tiles, and at times beyond the rows that kernels copy whole."""
    largest = (400, 300, 40, 12)[min(count, 4) - 1]
    return tuple(int(n) for n in rng.choice([1, 2, 5, 8, 15, 16, 17, 33, 64, 131, 300], count).clip(max=largest))


def layer(rng: np.random.Generator) -> Drawn:
    height, width, channels, filters = (
        int(rng.choice(n)) for n in ([1, 7, 14, 29], [5, 14, 30], [1, 3, 16, 33], [1, 8, 40])
    )
    size = int(rng.choice([1, 3, 5]))
    x, depthwise = rng.random((height, width, channels), "f4"), rng.random((size, size, channels, 1), "f4")
    pointwise, kernel = rng.random((channels, filters), "f4"), rng.random((size, size, channels, filters), "f4")
    options: dict[str, Any] = {"activation": ("relu", None)[rng.integers(2)]}
    form = {"stride": int(rng.choice([1, 1, 2])), "padding": str(rng.choice(["same", "valid"]))}
    name = str(rng.choice(["conv2d", "depthwise_conv2d", "pointwise_conv2d", "separable_conv2d"]))
    weights = {"conv2d": [kernel], "depthwise_conv2d": [depthwise], "pointwise_conv2d": [pointwise]}
    if name != "pointwise_conv2d":
        options |= form
    return name, [x, *weights.get(name, [depthwise, pointwise])], options


def own_kernel(rng: np.random.Generator, picture: Array, count: int) -> tuple[str, list[Any]]:
    """Correlation with lines, or with a kernel of whole numbers or of any."""
    if rng.random() < 0.3:
        lines = [rng.standard_normal(int(rng.choice([1, 3, 4, 9]))) for _ in range(count)]
        return "separable_filter", [picture, lines]
    shape = (int(rng.choice([2, 5, 9])),) * count
    kernel = rng.integers(-3, 4, (3,) * count) if rng.random() < 0.5 else rng.standard_normal(shape)
    return str(rng.choice(["correlate", "convolve"])), [picture, kernel]


def call(rng: np.random.Generator) -> Drawn:
    """A public function, its positional arguments, and its options."""
    kind = rng.choice(["smooth", "edges", "planes", "gradient", "corners", "correlate", "bank", "canny", "layer"])
    if kind == "layer":
        return layer(rng)
    count = 2 if kind in ("planes", "canny", "bank", "corners") else int(rng.choice([1, 2, 2, 2, 3, 4]))
    options: dict[str, Any] = {}
    picture = image(rng, sizes(rng, count))
    if rng.random() < 0.2 and kind not in ("canny", "corners"):
        picture, options["channel_axis"] = image(rng, (*sizes(rng, count), int(rng.choice([2, 3, 5])))), -1
    if rng.random() < 0.5:
        options["mode"] = str(rng.choice(MODES))
    if rng.random() < 0.4 and kind not in ("canny", "corners"):
        options["dtype"] = str(rng.choice(["float32", "float64", "uint8", "int16"]))
    sigma = float(rng.choice([0, 0.7, 1, 2, 3.3, 9]))
    arguments: list[Any] = [picture]
    if kind == "smooth":
        name = str(rng.choice(SMOOTHING))
        if name == "gaussian" and rng.random() < 0.3:
            options["order"] = [int(n) for n in rng.integers(0, 3, count)]
        first: dict[str, list[Any]] = {"laplace": [], "difference_of_gaussians": [sigma, sigma + 1]}
        first["box"] = [int(rng.choice([1, 3, 4, 21]))]
        arguments += first.get(name, [sigma])
    elif kind == "edges":
        name = str(rng.choice(EDGES))
        if rng.random() < 0.3:
            options["axis"] = int(rng.integers(count))
    elif kind == "planes":
        name = str(rng.choice(PLANES))
    elif kind == "gradient":
        name, options["output"] = "gradient", [f"d{axis}" for axis in range(count)] + ["magnitude"]
        options["sigma"] = sigma if rng.random() < 0.4 else None
        arguments.append(str(rng.choice([*EDGES, "central"])))
    elif kind == "corners":
        name, options["sigma"] = str(rng.choice(CORNERS)), max(sigma, 0.5)
        if name == "hessian_matrix":
            options["use_gaussian_derivatives"] = bool(rng.integers(2))
    elif kind == "canny":
        name, options["use_quantiles"] = "canny", False
        arguments.append(sigma)
    elif kind == "bank":
        name = "correlate_bank"
        arguments.append(rng.standard_normal((int(rng.choice([1, 4])), 5, 5)))
    else:
        name, arguments = own_kernel(rng, picture, count)
    return name, arguments, options


def digest(results: list[Any]) -> str:
    held = hashlib.blake2b(digest_size=8)
    for result in results:
        for array in result if isinstance(result, list | tuple) else [result]:
            if array.dtype.kind == "f":
                array = np.where(np.isnan(array), array.dtype.type(np.nan), array)  # its sign means nothing
            held.update(f"{array.dtype}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return held.hexdigest()


def digests(count: int, seed: int) -> Iterator[str]:
    import fastsep

    for index in range(count):
        rng = np.random.default_rng((seed, index))
        name, arguments, options = call(rng)
        options["workers"] = int(rng.choice([1, 2, 3]))
        try:
            function = getattr(fastsep, name)
            results = [function(*arguments, **options) for _ in range(2)]  # the second from what the first has left
            result = results[1]
            if rng.random() < 0.3 and isinstance(result, np.ndarray):
                options["out"] = np.zeros_like(result)
                result = function(*arguments, **options)
        except Exception as error:
            shown = type(error).__name__
        else:
            shown = digest([results[0], result])
        says = {key: "..." if key == "out" else value for key, value in options.items() if value is not None}
        yield f"{name} {arguments[0].dtype.str} {arguments[0].shape} {says} -> {shown}"


def answer_timings() -> None:
    """For each line (a name of `TIMED`, a number of workers) the median of a call's seconds."""
    import fastsep

    for line in sys.stdin:
        case, workers = json.loads(line)
        shape, dtype, options = TIMED[case]
        picture = (np.random.default_rng(0).random(shape) * 255).astype(dtype)
        function = getattr(fastsep, case.partition(" ")[0])
        samples: list[float] = []
        start = time.perf_counter()
        while not samples or time.perf_counter() - start < 0.16:
            began = time.perf_counter()
            function(picture, workers=workers, **options)
            if began - start > 0.06:  # before that a core that slept wakes
                samples.append(time.perf_counter() - began)
        print(statistics.median(samples), flush=True)


def child(tree: pathlib.Path, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    command = [sys.executable, "-P", __file__, "--child", *arguments]
    return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, **options)


def compare_bits(trees: list[pathlib.Path], count: int, seed: int) -> int:
    """How many calls differ, each printed."""
    running = [child(tree, str(count), str(seed)) for tree in trees]
    before, now = ((process.communicate()[0] or "").splitlines() for process in running)
    if len(before) != count or len(now) != count:
        raise SystemExit(f"same_bits: {len(before)} and {len(now)} calls came to an end, not {count}")
    differing = [(old, new) for old, new in zip(before, now, strict=True) if old != new]
    for old, new in differing:
        print(f"was  {old}\nis   {new}")
    errors = sum(line.endswith(("Error", "Exception")) for line in now)
    print(f"{count} calls, {errors} of them errors: {len(differing)} differ")
    return len(differing)


def compare_times(trees: list[pathlib.Path], rounds: int) -> None:
    asked = [child(tree, stdin=subprocess.PIPE) for tree in trees]
    for case in TIMED:
        for workers in sorted({1, os.cpu_count() or 1}):
            samples: list[list[float]] = [[], []]
            for _ in range(rounds):
                for process, kept in zip(asked, samples, strict=True):
                    print(json.dumps([case, workers]), file=process.stdin, flush=True)
                    assert process.stdout is not None
                    kept.append(float(process.stdout.readline()))
            before, now = map(statistics.median, samples)
            print(f"{case:20} {workers} threads {before * 1e3:9.4f} -> {now * 1e3:9.4f} ms, x {now / before:.3f}")
    for process in asked:
        process.communicate()


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.same_bits", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("commit", help="any name that git knows it by")
    parser.add_argument("--calls", type=int, default=5000, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--rounds", type=int, default=0, metavar="N", help="rounds of timing (default: none)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tree = pathlib.Path(folder, "tree")
        subprocess.run(["git", "-C", ROOT, "worktree", "add", "--quiet", "--detach", tree, options.commit], check=True)
        try:
            differ = compare_bits([tree, ROOT], options.calls, options.seed)
            compare_times([tree, ROOT], options.rounds) if options.rounds else None
        finally:
            subprocess.run(["git", "-C", ROOT, "worktree", "remove", "--force", tree], check=True)
    return int(differ > 0)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        if len(sys.argv) > 2:
            for told in digests(int(sys.argv[2]), int(sys.argv[3])):
                print(told)
        else:
            answer_timings()
    else:
        sys.exit(main())
