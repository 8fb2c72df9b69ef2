"""Promise: layers are portable, right at every size, and touch nothing outside the arrays.

Layers of every kind and many sizes, in many of the ways that they can run, between pages that may
not be touched, with scratch memory of zeros and of NaNs, against the oracle; for this CPU, x86-64-v3
and x86-64-v2, each as a script in a process of its own.
"""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # as a script there is no conftest

from helpers import LEVELS, MODES, OneAfterTheOther, finish_script, on_level, say, start_script
from layer_variants import drawn, forced, neighbours
from reference import conv2d_exact
from test_sizes import Guarded, guard_scratch

from fastsep._engine import bands
from fastsep._ops.layers import weights
from fastsep._ops.layers.variant import choose_variant
from fastsep._plan import convolution

SIDES = (*range(1, 10), 13, 14, 15, 16, 17, 29, 33)
CHANNELS = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 24, 31, 33, 40)
FILTERS = (1, 2, 3, 7, 8, 15, 16, 17, 24, 31, 32, 33, 40, 49, 63, 64, 65, 127)
KINDS = ("separable", "depthwise", "dense", "pointwise")
COUNT = 1200
CLIP = (-2.0, 3.0)


def guard():
    """Put weights and scratch memory next to forbidden pages.

    Returns the byte that scratch is filled with.
    """
    fill = [0]
    bands._pool = OneAfterTheOther()
    guard_scratch(fill)
    weights.aligned = lambda size, dtype: Guarded(size * dtype.itemsize).array((size,), dtype, True)
    return fill


def draw(rng, number):
    """A layer's kernels, biases and options, and the shape and dtype of its image."""
    dtype = ("float32", "float64")[number % 2]
    src = (dtype, "uint8", dtype, "uint16")[number // 2 % 4]
    kind = KINDS[number // 3 % 4]
    channels, filters = int(rng.choice(CHANNELS)), int(rng.choice(FILTERS))
    kernel = (1, 1) if kind == "pointwise" else tuple(int(n) for n in rng.integers(1, 6, 2))
    if kind != "pointwise" and number % 3:
        kernel = (kernel[0], kernel[0])
    stride = tuple(int(n) for n in rng.integers(1, 4, 2)) if number % 5 < 2 else (1, 1)
    dilation = tuple(int(n) for n in rng.integers(1, 4, 2)) if number % 7 == 0 else (1, 1)
    pads = tuple(tuple(int(n) for n in rng.integers(0, 4, 2)) for _ in range(2)) if number % 4 else ((0, 0),) * 2
    sides = [
        max(int(rng.choice(SIDES)), (k - 1) * d + 1 - sum(pad), 1)
        for k, d, pad in zip(kernel, dilation, pads, strict=True)
    ]
    options = {"stride": stride, "dilation": dilation, "pads": pads, "mode": MODES[number % 5]}
    multiplier = int(rng.choice((1, 1, 2, 3, 5)))
    if kind in ("separable", "depthwise"):
        options["depthwise"] = rng.standard_normal((*kernel, channels, multiplier)).astype(dtype)
        options["bias"] = rng.standard_normal(channels * multiplier)
        if kind == "separable":
            options["matrix"] = rng.standard_normal((channels * multiplier, filters)).astype(dtype)
            options["depthwise_bias"] = options["bias"]
            options["bias"] = rng.standard_normal(filters)
    else:
        options["dense"] = rng.standard_normal((*kernel, channels, filters)).astype(dtype)
        options["bias"] = rng.standard_normal(filters)
    return options, (1 + number % 2, *sides, channels), np.dtype(src)


def spec_of(options):
    where = *(options[name] for name in ("stride", "pads", "dilation", "mode")), 1.0, "channels_last"
    if "dense" in options:
        return convolution.dense(options["dense"], options["bias"], CLIP, *where)
    if "matrix" in options:
        kernels = options["depthwise"], options["matrix"], options["depthwise_bias"], options["bias"]
        return convolution.separable(*kernels, None, CLIP, *where)
    return convolution.depthwise(options["depthwise"], options["bias"], CLIP, *where)


def check_addresses():
    fill = guard()
    rng = np.random.default_rng(11)
    sources, results = Guarded(1 << 20), Guarded(1 << 22)
    for number in range(COUNT):
        options, shape, src = draw(rng, number)
        values = (rng.integers(0, 3, shape) if src.kind == "u" else rng.standard_normal(shape)).astype(src)
        spec = spec_of(options)
        image = convolution.image_of(spec, shape, src)
        chosen = choose_variant(spec, image, 1)
        tried = [chosen, *(choose_variant(spec, image, threads) for threads in (2, 3, 5))]
        # Of all those that differ in one choice, some; and any.
        tried += [*neighbours(spec, image, chosen)][number % 4 :: 4]
        tried.append(drawn(spec, image, chosen, rng))
        seen = set()
        # Scratch of zeros, and of all ones: as a float NaN, as an address nobody's.
        for index, variant in enumerate(tried):
            at_end, fill[0] = bool(index % 2), (0, 0xFF)[(index + number) // 2 % 2]
            source = sources.array(shape, src, at_end)
            source[...] = values
            out = results.array(image.result_shape, image.dtype, at_end ^ (fill[0] == 0))
            out[...] = 77
            forced(spec, image, variant).run_single(source, out, 1)
            assert source.tobytes() == values.tobytes(), number
            seen.add(out.tobytes())
        shapes = {name: getattr(value, "shape", value) for name, value in options.items()}
        case = f"{number}: {shape} {src} {shapes}"
        assert len(seen) == 1, case
        check(out, values, options, case)
    say("all addresses")


def check(result, image, options, case):
    """Compare with the oracle; a sum of n products is off by at most n roundings of the sum of their sizes."""
    expected, products = both_stages(image.astype(float), options)
    largest = both_stages(abs(image.astype(float)), {k: size_of(v) for k, v in options.items()}, clip=False)[0]
    tolerance = (products + 2) * np.finfo(result.dtype).eps * largest.max()
    assert np.abs(result - expected).max() <= tolerance, case


def size_of(value):
    return abs(value) if isinstance(value, np.ndarray) else value


def both_stages(image, options, clip=True):
    """The layer's result in float64, and the number of products in each of its values."""
    kernel = (options["depthwise"] if "depthwise" in options else options["dense"]).astype(float)
    total = conv2d_exact(
        image, kernel, depthwise="depthwise" in options, stride=options["stride"], dilation=options["dilation"],
        pads=options["pads"], mode=options["mode"], cval=1.0,
    )  # fmt: skip
    products = kernel.shape[0] * kernel.shape[1] * (1 if "depthwise" in options else kernel.shape[2])
    if "matrix" in options:
        total = (total + options["depthwise_bias"]) @ options["matrix"].astype(float)
        products += len(options["matrix"])
    total = total + options["bias"]
    return (np.clip(total, *CLIP) if clip else total), products


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="mprotect as Linux has it")
@pytest.mark.parametrize("level", ["native", *LEVELS], indirect=True)
def test_no_address_outside_the_arrays(level):
    status, output = finish_script(start_script(__file__, level))
    assert status == 0, f"exit status {status}\n{output}"
    assert "all addresses" in output


if __name__ == "__main__":
    with on_level(sys.argv[1]):
        check_addresses()
