"""Promise: layers are portable, right at every size, and touch nothing outside the arrays.

Layers of every kind and many sizes between pages that may not be touched, with scratch memory of
zeros and of NaNs, against the oracle; for this CPU, x86-64-v3 and x86-64-v2, each as a script in a
process of its own.
"""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # as a script there is no conftest

from helpers import LEVELS, MODES, OneAfterTheOther, cut_all_images, finish_script, on_level, say, start_script
from reference import conv2d_exact
from test_sizes import Guarded, guard_scratch

from fastsep._engine import bands
from fastsep._ops import layer as _layer
from fastsep._ops.layer import Layer

SIDES = (*range(1, 10), 13, 14, 15, 16, 17, 29, 33)
CHANNELS = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 24, 31, 33, 40)
FILTERS = (1, 2, 3, 7, 8, 15, 16, 17, 24, 31, 32, 33, 40, 49, 63, 64, 65, 127)
KINDS = ("separable", "depthwise", "dense", "pointwise")
COUNT = 1200
#: What decides about tiles, as it is and much smaller.
TILES = {
    "TERMS_BYTES": (_layer.TERMS_BYTES, 4096),
    "MOST_PIXELS": (_layer.MOST_PIXELS, 40),
    "PACKED_BYTES": (_layer.PACKED_BYTES, 3000),
    "NEAR_BYTES": (_layer.NEAR_BYTES, 3000),
    "LEAST_NEAR": (_layer.LEAST_NEAR, 1),
    "WINDOW_BYTES": (_layer.WINDOW_BYTES, 2000),
    "STRIP_BYTES": (_layer.STRIP_BYTES, 1000),
    "LEAST_PIXELS": (_layer.LEAST_PIXELS, 0, 10_000),
    "PANEL_BYTES": (_layer.PANEL_BYTES, 0),
    "LAUNCH": (_layer.LAUNCH, -1e9, 1e9),
    "STREAM_BYTES": (_layer.STREAM_BYTES, 0),
    "MOST_IN_VAIN": (_layer.MOST_IN_VAIN, 0.0, 100.0),
    "GROUPS_IN_PLACE": (_layer.GROUPS_IN_PLACE, 1),
}


def guard():
    """Put weights and scratch memory next to forbidden pages; split even small layers into bands.

    Returns the byte that scratch is filled with.
    """
    fill = [0]

    def aligned(layer, size):
        return Guarded(size * layer.dtype.itemsize).array((size,), layer.dtype, True)

    cut_all_images()
    bands._pool = OneAfterTheOther()
    guard_scratch(fill)
    Layer._aligned = aligned
    return fill


def draw(rng, number):
    """A layer, the shape and dtype of its image, and how it is padded."""
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
    options = {"dtype": dtype, "stride": stride, "dilation": dilation, "clip": (-2.0, 3.0)}
    multiplier = int(rng.choice((1, 1, 2, 3, 5)))
    if kind in ("separable", "depthwise"):
        options["depthwise"] = rng.standard_normal((*kernel, channels, multiplier))
        options["bias"] = rng.standard_normal(channels * multiplier)
        if kind == "separable":
            options["matrix"] = rng.standard_normal((channels * multiplier, filters))
            options["depthwise_bias"] = options["bias"]
            options["bias"] = rng.standard_normal(filters)
    else:
        options["dense"] = rng.standard_normal((*kernel, channels, filters))
        options["bias"] = rng.standard_normal(filters)
    return options, (1 + number % 2, *sides, channels), np.dtype(src), pads, MODES[number % 5]


def check_addresses():
    fill = guard()
    rng = np.random.default_rng(11)
    sources, results = Guarded(1 << 20), Guarded(1 << 22)
    for number in range(COUNT):
        options, shape, src, pads, mode = draw(rng, number)
        values = (rng.integers(0, 3, shape) if src.kind == "u" else rng.standard_normal(shape)).astype(src)
        seen = set()
        # Scratch of zeros, and of all ones: as a float NaN, as an address nobody's.
        for workers, at_end, fill[0] in ((1, False, 0), (2, True, 0xFF), (3, False, 0xFF), (5, True, 0)):
            # Tiles of any size, and results that are streamed, give the same bits.
            for name, values_of in TILES.items():
                setattr(_layer, name, values_of[int(rng.integers(len(values_of)))])
            prepared = Layer(**options).prepare(shape, src, pads, mode, 1.0)
            source = sources.array(shape, src, at_end)
            source[...] = values
            out = results.array(prepared.shape, options["dtype"], at_end ^ (fill[0] == 0))
            out[...] = 77
            prepared.run(source, out, workers)
            assert source.tobytes() == values.tobytes(), number
            seen.add(out.tobytes())
        shapes = {name: getattr(value, "shape", value) for name, value in options.items()}
        case = f"{number}: {shape} {src} {pads} {mode} {shapes}"
        assert len(seen) == 1, case
        check(out, values, options, pads, mode, case)
    say("all addresses")


def check(result, image, options, pads, mode, case):
    """Compare with the oracle; a sum of n products is off by at most n roundings of the sum of their sizes."""
    expected, products = both_stages(image.astype(float), options, pads, mode)
    largest = both_stages(
        abs(image.astype(float)), {k: size_of(v) for k, v in options.items()}, pads, mode, clip=False
    )[0]
    tolerance = (products + 2) * np.finfo(options["dtype"]).eps * largest.max()
    assert np.abs(result - expected).max() <= tolerance, case


def size_of(value):
    return abs(value) if isinstance(value, np.ndarray) else value


def both_stages(image, options, pads, mode, clip=True):
    """The layer's result in float64, and the number of products in each of its values."""
    kernel = options["depthwise"] if "depthwise" in options else options["dense"]
    total = conv2d_exact(
        image, kernel, depthwise="depthwise" in options, stride=options["stride"], dilation=options["dilation"],
        pads=pads, mode=mode, cval=1.0,
    )  # fmt: skip
    products = kernel.shape[0] * kernel.shape[1] * (1 if "depthwise" in options else kernel.shape[2])
    if "matrix" in options:
        total = (total + options["depthwise_bias"]) @ options["matrix"]
        products += len(options["matrix"])
    total = total + options["bias"]
    return (np.clip(total, *options["clip"]) if clip else total), products


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
