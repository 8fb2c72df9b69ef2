"""Promise: gradients, masks and differences of an image with missing pixels are the same bits in one sweep.

What whole arrays make is tested in `test_missing.py`, sweeps of one filter in `test_missing_sweep.py`.
"""

import sys
import tracemalloc
from itertools import product
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # as a script there is no conftest

from helpers import OneAfterTheOther, cut_all_images, finish_script, on_level, same_bits, say, slow, start_script
from test_missing_sweep import INTEGERS, NAN, PATTERNS, SHAPES, WEIGHTS, missing_pixels, picture, with_holes
from test_sizes import Guarded, guard_scratch_and_taps

import fastsep
from fastsep import filters
from fastsep._call import PerPixel, Request
from fastsep._engine import bands as engine_bands
from fastsep._ops import gradient
from fastsep._ops.missing import swept
from fastsep._ops.missing.combined import Combined
from fastsep._ops.missing.derivatives import Gradients
from fastsep._ops.missing.in_blocks import InBlocks
from fastsep._ops.missing.parts import Derivatives
from fastsep._plan import dtypes, tuning
from fastsep._validation.axes import Frame


def of_gradient(sigma, *outputs):
    return lambda frame: gradient.of_missing(frame, "gaussian", sigma, float, outputs, None)


#: What is made of several sums, by the frame.
PARTS = {
    "gradient": of_gradient(2.0, "dy", "dx"),
    "magnitude": of_gradient((0.7, 3.0), "orientation", "dx", "magnitude", "dx"),
    "derivative along y": lambda frame: filters._gaussian_parts(frame, 1.5, (1, 0), 4.0),
    "derivative along x": lambda frame: filters._gaussian_parts(frame, 1.5, (0, 1), 4.0),
    "unsharp mask": lambda frame: filters._unsharp_parts(frame, 2.0, 1.5, False),
    "difference": lambda frame: filters._difference_parts(frame, 1.0, (1.6, 2.5), 4.0),
}  # fmt: skip
FEW = ("magnitude", "unsharp mask", "difference")


def programs(
    image, name, missing=NAN, modes=("nearest", "nearest"), weights=None, channel=None, result=None, scale=1.0
):
    """Both programs, and how many results they have; see `test_missing_sweep.programs`."""
    result = np.dtype(result or image.dtype)
    frame = Frame(image.ndim, channel, image.dtype, result, 0.0)
    source, target = dtypes.source_dtype(image.dtype), dtypes.target_dtype(result)
    request = Request(frame, image.shape, source, target, int(channel == 0), modes, 0.0, scale)
    given = None if weights is None else PerPixel(weights)
    what = PARTS[name](frame)
    kind = Gradients if isinstance(what, Derivatives) else Combined
    whole = kind(what, request, missing, given, None)
    return swept.program_of_parts(whole), whole, len(what.wanted) if kind is Gradients else 1


def both(image, name, *args, workers=1, **options):
    """Results of both programs. Those of the sweep are written between values that stay as they are."""
    sweep, whole, count = programs(image, name, *args, **options)
    assert isinstance(sweep, swept.SweptParts)
    before = image.copy()
    rooms = [np.full(image.size + 64, 77, sweep.target) for _ in range(count)]
    outs = [room[32:-32].reshape(image.shape) for room in rooms]
    expected = [np.empty(image.shape, whole.target) for _ in range(count)]
    sweep.run(image, outs, workers)
    assert all((room[:32] == 77).all() and (room[-32:] == 77).all() for room in rooms)
    assert same_bits(image, before)
    whole.run(image, expected, 1)
    return outs, expected


def assert_same(message, *args, **options):
    outs, expected = both(*args, **options)
    for out, right in zip(outs, expected, strict=True):
        assert same_bits(out, right), message


@pytest.fixture
def short_steps(monkeypatch):
    """As few rows at a time as there may be."""
    monkeypatch.setattr(tuning, "PLAIN_ROWS_OF_SUMS", 1)


@pytest.mark.parametrize("name", PARTS)
def test_every_part_makes_the_bits_of_whole_arrays(name, rng):
    cases = [*product(SHAPES, ("pixel", "scattered")), *product([(150, 90)], PATTERNS)]
    for shape, pattern in cases:
        assert_same((shape, pattern), with_holes(rng, pattern, shape), name)


@pytest.mark.parametrize("name", PARTS)
def test_rows_are_filtered_in_part_around_a_hole(name, rng, short_steps):
    """Of so wide an image both the plain filter and the sums make something."""
    for pattern in ("pixel", "column", "corner", "slanting", "hole", "none"):
        assert_same(pattern, with_holes(rng, pattern, (130, 700)), name)


@pytest.mark.parametrize("name", PARTS)
def test_complete_pixels_are_those_of_the_plain_filter(name, rng):
    """Also where they are few, in rows that sums are made of from end to end."""
    image = picture(rng, (90, 200))
    plain = programs(image, name)[1].plain
    count = programs(image, name)[2]
    right = [np.empty(image.shape, image.dtype) for _ in range(count)]
    plain.run(image, right, 1)
    holes = image.copy()
    holes[missing_pixels("scattered", image.shape)] = np.nan
    holes[20:70, 80:130] = image[20:70, 80:130]
    outs, _ = both(holes, name)
    for out, expected in zip(outs, right, strict=True):
        assert same_bits(out[32:58, 92:118], expected[32:58, 92:118])
        assert not same_bits(out, expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", FEW)
def test_every_small_shape(name, rng):
    for shape in product(range(1, 28), repeat=2):
        pattern = list(PATTERNS)[sum(shape) % len(PATTERNS)]
        assert_same((shape, pattern), with_holes(rng, pattern, shape), name)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "dtype", "result"),
    [
        ("gradient", "float64", "float64"),
        ("unsharp mask", "uint8", "float32"),
        ("difference", "uint16", "float64"),
        ("unsharp mask", "uint8", "uint8"),
        ("gradient", "int16", "float32"),
    ],
)
def test_every_dtype(name, dtype, result, rng):
    floats = np.dtype(dtype).kind == "f"
    for shape, pattern in product(((45, 33), (90, 600)), ("none", "pixel", "scattered", "hole")):
        image = with_holes(rng, pattern, shape, dtype, np.nan if floats else 7)
        assert_same((shape, pattern), image, name, NAN if floats else INTEGERS, result=result)


@pytest.mark.slow
def test_rescaled_integers(rng):
    image = with_holes(rng, "scattered", (50, 60), "uint8", 7)
    assert_same("", image, "unsharp mask", INTEGERS, result="float32", scale=1 / 255)


@pytest.mark.parametrize("name", FEW)
def test_every_border(name, rng):
    nearby = [("reflect", "mirror"), ("mirror", "nearest"), ("nearest", "reflect")]
    for modes in [*nearby, ("reflect", "wrap")]:
        for shape, pattern in (((5, 70), "pixel"), ((90, 600), "pixel"), ((90, 600), "corner")):
            assert_same((modes, shape, pattern), with_holes(rng, pattern, shape), name, modes=modes)
    for ignored in ((False, True), (True, False), (True, True)):
        modes = tuple("constant" if none else "reflect" for none in ignored)
        for shape, pattern in product(((5, 7), (90, 600)), ("none", "pixel")):
            image = with_holes(rng, pattern, shape)
            assert_same((ignored, shape), image, name, NAN._replace(ignored=ignored), modes)


@pytest.mark.parametrize("rule", [{"min_weight": 0.5}, {"min_weight": 1.0}, {"fill": -3.0}, *slow({"keep_nan": True})])
@pytest.mark.parametrize("name", FEW)
def test_every_rule_for_missing_results(rule, name, rng):
    for pattern in ("none", "pixel", "scattered", "hole"):
        assert_same(pattern, with_holes(rng, pattern, (90, 600)), name, NAN._replace(**rule))


@pytest.mark.parametrize("name", ["unsharp mask", *slow("magnitude", "difference")])
def test_masks(name, rng):
    for shape, pattern in product(((20, 3), (90, 600)), ("none", "pixel", "scattered", "hole")):
        weights = ~missing_pixels(pattern, shape)
        for missing in (WEIGHTS, NAN):
            image = with_holes(rng, "pixel" if missing.ignore_nan else "none", shape)
            assert_same((shape, pattern), image, name, missing, weights=weights)


@pytest.mark.parametrize("channel", [0, 2])
@pytest.mark.parametrize("name", FEW)
def test_channels(name, channel, rng):
    for count, sizes in product((1, 3), ((30, 21), (66, 350))):
        image = picture(rng, (count, *sizes) if channel == 0 else (*sizes, count))
        image[rng.random(image.shape) < 0.001] = np.nan
        assert_same((count, sizes), image, name, channel=channel)


@pytest.mark.usefixtures("small_images_go_parallel", "short_steps")
@pytest.mark.parametrize("name", PARTS)
def test_any_number_of_workers_makes_the_same_bits(name, rng, monkeypatch):
    monkeypatch.setattr(engine_bands, "_pool", OneAfterTheOther())
    monkeypatch.setattr(engine_bands, "_MOST_THREADS", 64)
    for pattern, workers in product(("pixel", "slanting", "scattered"), (2, 7, 61)):
        assert_same((pattern, workers), with_holes(rng, pattern, (173, 300)), name, workers=workers)


def test_a_mask_below_zero_is_clipped_in_another_way(rng):
    image = abs(picture(rng, (40, 300)))
    image[30, 200] = np.nan
    for lowest in (0.5, -0.5):
        image[20, 100] = lowest
        (out,), _ = both(image, "unsharp mask")
        assert (out.min() < 0) == (lowest < 0)
        mask = np.ones(image.shape, bool)
        mask[20, 100] = False  # a pixel that does not count decides nothing
        (out,), (expected,) = both(image, "unsharp mask", weights=mask)
        assert out.min() >= 0
        assert same_bits(out, expected)


@pytest.mark.slow
@pytest.mark.parametrize("level", ["x86-64-v3", "x86-64-v2"], indirect=True)
@pytest.mark.parametrize("name", FEW)
def test_smaller_vectors(name, level, rng):
    for shape, pattern in product((*SHAPES, (90, 600)), ("pixel", "scattered", "hole")):
        assert_same((shape, pattern), with_holes(rng, pattern, shape), name)


@pytest.mark.slow
@pytest.mark.parametrize("level", ["x86-64-v3"], indirect=True)
def test_vectors_of_another_width_give_the_same_bits(level, rng):
    image = with_holes(rng, "slanting", (90, 600))
    outs, _ = both(image, "gradient")
    with on_level("native"):
        for out, other in zip(outs, both(image, "gradient")[0], strict=True):
            assert same_bits(out, other)


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((30, 40), {"modes": ("constant", "nearest")}),  # the constant counts as pixels
        ((30, 40), {"modes": ("wrap", "nearest")}),
        ((30, 40), {"weights": np.full((30, 40), 0.5)}),  # no sum of weights tells that they are all 1
        ((2, 1 << 20), {}),
    ],
)
def test_what_a_sweep_cannot_do_is_done_in_blocks(shape, options):
    assert isinstance(programs(np.zeros(shape, np.float32), "difference", **options)[0], InBlocks)


def test_a_kernel_so_wide_that_rounding_hides_its_ends_is_left_to_blocks(rng):
    image = with_holes(rng, "pixel", (60, 90))
    sharp = fastsep.difference_of_gaussians(image, 0.5, 1, truncate=9, nan="ignore")
    assert np.isfinite(sharp).all()


@pytest.mark.parametrize("name", ["gradient", "unsharp_mask", "difference_of_gaussians"])
def test_no_array_of_the_size_of_the_image_is_made(name, rng):
    image = with_holes(rng, "scattered", (2800, 1500))
    outs = np.empty((2, *image.shape), np.float32)
    calls = {
        "gradient": lambda: fastsep.gradient(image, "gaussian", sigma=2, nan="ignore", out=tuple(outs), workers=1),
        "unsharp_mask": lambda: fastsep.unsharp_mask(image, 2, nan="ignore", out=outs[0], workers=1),
        "difference_of_gaussians": lambda: fastsep.difference_of_gaussians(
            image, 1, 2, nan="ignore", out=outs[0], workers=1
        ),
    }
    fastsep.clear_caches()
    calls[name]()
    fastsep.clear_caches()  # the memory of threads counts, too
    tracemalloc.start()
    calls[name]()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # What there is are 8 rows of each sum, in float64, and some 40 rows of pixels and of weights.
    assert most < image.nbytes / 4


# ---- addresses


def check_addresses():
    """Between pages that may not be touched, with scratch of zeros and of ones."""
    fill = [0]
    keep = guard_scratch_and_taps(fill)
    cut_all_images()
    engine_bands._pool = OneAfterTheOther()
    tuning.PLAIN_ROWS_OF_SUMS = 1
    rng = np.random.default_rng(3)
    sources, given = Guarded(1 << 18), Guarded(1 << 16)
    results = [Guarded(1 << 18) for _ in range(4)]
    shapes = [*product((1, 2, 7, 8, 9, 40), (1, 3, 7, 8, 9, 17, 64)), (45, 700)]
    for number, (name, shape) in enumerate(product(FEW, shapes)):
        image = with_holes(rng, list(PATTERNS)[number % len(PATTERNS)], shape)
        for masked in (False, True):
            seen = set()
            for workers, at_end, fill[0] in ((1, False, 0), (1, True, 0xFF), (3, True, 0), (3, False, 0xFF)):
                weights = None
                if masked:
                    weights = given.array(shape, np.bool_, at_end)
                    weights[...] = missing_pixels("scattered", shape)
                sweep, _, count = programs(image, name, weights=weights)
                source = sources.array(shape, image.dtype, at_end)
                outs = [each.array(shape, image.dtype, not at_end) for each in results[:count]]
                source[...] = image
                for out in outs:
                    out[...] = 77
                sweep.run(source, outs, workers)
                assert same_bits(source, image)
                seen.add(b"".join(out.tobytes() for out in outs))
            assert len(seen) == 1, (name, shape, masked)
        keep.clear()
    say("all addresses")


@pytest.mark.skipif(sys.platform != "linux", reason="mprotect as Linux has it")
@pytest.mark.parametrize("level", slow("native", "x86-64-v3", "x86-64-v2"))
def test_no_address_outside_the_arrays(level):
    status, output = finish_script(start_script(__file__, level))
    assert status == 0, f"exit status {status}\n{output}"
    assert "all addresses" in output


if __name__ == "__main__":
    with on_level(sys.argv[1]):
        check_addresses()
