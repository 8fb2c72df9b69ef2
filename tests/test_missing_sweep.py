"""Promise: one sweep over an image with missing pixels makes the bits of whole arrays, whatever is cut how.

What whole arrays make is tested in `test_missing.py`.
"""

import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # as a script there is no conftest

from helpers import OneAfterTheOther, cut_all_images, finish_script, on_level, same_bits, say, slow, start_script
from test_sizes import Guarded, guard_scratch_and_taps

from fastsep._call import PerPixel, Request
from fastsep._engine import bands as engine_bands
from fastsep._ops.missing import swept
from fastsep._ops.missing.in_blocks import InBlocks
from fastsep._ops.missing.options import Missing
from fastsep._ops.missing.whole import WholeArrays
from fastsep._plan import dtypes, operators, tuning
from fastsep._plan.spec import Box, Dense, Line, Separable, Term
from fastsep._validation.axes import Frame

NAN = Missing(True, None, 0.0, False, np.nan, (False, False))
INTEGERS = NAN._replace(ignore_nan=False, nodata=7, fill=3)
WEIGHTS = NAN._replace(ignore_nan=False)


def lines(*taps, centre=None, **options):
    made = (Line(each, len(each) // 2 if centre is None else centre) for each in taps)
    return Separable((Term(tuple(made)),), **options)


BLUR = operators.gaussian((2.0, 2.0), [0, 0], 4.0)
GAPS = np.array([[0.0, 0.0, 0.0, 1.0], [2.0, 0.0, 4.0, 0.0], [0.0] * 4, [1.0, 0.0, 0.0, 0.0]])
#: For each strategy, taps that reach far and near, to one side and to none, that are zero, skipped and negative.
FILTERS = {
    "blur": BLUR,
    "short blur": operators.gaussian((0.7, 0.7), [0, 0], 4.0),
    "wide blur": operators.gaussian((6.0, 1.0), [0, 0], 4.0),
    "blur of columns": operators.gaussian((1.5, 0.0), [0, 0], 4.0),
    "blur of rows": operators.gaussian((0.0, 1.5), [0, 0], 4.0),
    "one-sided": lines((1.0, 2.0, 3.0, 4.0), (0.5, 0.25, 2.0), centre=0, chained=True),
    "zero taps": lines((1.0, 0.0, 0.0, 3.0), (0.0, 2.0, 1.0), chained=True),
    "skipped taps": lines((1.0, 0.0, 0.0, 3.0), (0.0, 2.0, 1.0), skip_zeros=True),
    "negative taps": lines((-1.0, -2.0, -1.0), (1.0, 1.0)),
    "small window": Box((3, 5)),
    "window": Box((19, 23)),
    "dense": Dense(np.array([[1.0, 2.0, 1.5], [0.5, 4.0, 1.0]]), (1, 1)),
    "dense with gaps": Dense(GAPS, (2, 1)),
}  # fmt: skip
STRATEGIES = ("blur", "short blur", "window", "dense")

#: Missing pixels of an image of at least two axes.
PATTERNS = {
    "none": lambda y, x, rows, cols: y < 0,
    "pixel": lambda y, x, rows, cols: (y == rows // 2) & (x == cols // 3),
    "row": lambda y, x, rows, cols: y == rows // 3,
    "column": lambda y, x, rows, cols: x == cols // 2,
    "corner": lambda y, x, rows, cols: (y == rows - 1) & (x == cols - 1),
    "all": lambda y, x, rows, cols: y >= 0,
    "scattered": lambda y, x, rows, cols: (y * 7 + x * 13) % 19 == 0,
    "ends of steps": lambda y, x, rows, cols: ((y % 48 == 15) & (x % 7 == 0)) | ((y % 64 == 32) & (x % 5 == 0)),
    "slanting": lambda y, x, rows, cols: (abs(x - y * 2) < 3) & (y > rows // 4),
    "hole": lambda y, x, rows, cols: (abs(y - rows // 2) < rows // 6) & (abs(x - cols // 2) < cols // 9),
}


def missing_pixels(pattern, shape):
    y, x = np.ogrid[: shape[0], : shape[1]]
    found = PATTERNS[pattern](y, x, *shape[:2])
    return np.broadcast_to(found.reshape(*found.shape, *(1,) * (len(shape) - 2)), shape)


def picture(rng, shape, dtype=np.float32):
    if np.dtype(dtype).kind == "f":
        return rng.standard_normal(shape).astype(dtype)
    return rng.integers(0, 250, shape).astype(dtype)


def with_holes(rng, pattern, shape, dtype=np.float32, hole=np.nan):
    image = picture(rng, shape, dtype)
    image[missing_pixels(pattern, shape)] = hole
    return image


def programs(
    image, what, missing=NAN, modes=("nearest", "nearest"), weights=None, channel=None, result=None, scale=1.0,
    cval=0.0, told=False,
):  # fmt: skip
    """Both programs for an image whose channels, if there are any, come first or last."""
    result = np.dtype(result or image.dtype)
    frame = Frame(image.ndim, channel, image.dtype, result, 0.0)
    source, target = dtypes.source_dtype(image.dtype), dtypes.target_dtype(result)
    request = Request(frame, image.shape, source, target, int(channel == 0), modes, cval, scale)
    given = None if weights is None else PerPixel(weights)
    absent = [PerPixel(np.zeros(image.shape, bool)) if told else None for _ in range(2)]
    return (
        swept.program(what, request, missing, given, absent[0]),
        WholeArrays(what, request, missing, given, absent[1]),
    )


def both(image, what, *args, workers=1, **options):
    """Results of both programs. The one of the sweep is written between values that stay as they are."""
    sweep, whole = programs(image, what, *args, **options)
    assert isinstance(sweep, swept.Swept)
    image = image.astype(sweep.source, copy=False)
    before = image.copy()
    room = np.full(image.size + 64, 77, sweep.target)
    out, expected = room[32:-32].reshape(image.shape), np.empty(image.shape, whole.target)
    sweep.run(image, (out,), workers)
    assert (room[:32] == 77).all()
    assert (room[-32:] == 77).all()
    assert same_bits(image, before)
    whole.run(image, (expected,), 1)
    if sweep.absent is not None:
        assert same_bits(sweep.absent.values[0], whole.absent.values[0])
    return out, expected


def assert_same(message, *args, **options):
    out, expected = both(*args, **options)
    assert same_bits(out, expected), message


@pytest.fixture
def short_steps(monkeypatch):
    """As few rows at a time as there may be."""
    monkeypatch.setattr(tuning, "WEIGHED_ROWS", 1)
    monkeypatch.setattr(tuning, "PLAIN_ROWS", 1)


SHAPES = ((1, 1), (1, 40), (40, 1), (3, 5), (17, 16), (33, 31), (70, 47))


@pytest.mark.parametrize("name", FILTERS)
def test_every_filter_makes_the_bits_of_whole_arrays(name, rng):
    cases = [*product(SHAPES, ("pixel", "scattered")), *product([(150, 90)], PATTERNS)]
    for shape, pattern in cases:
        assert_same((shape, pattern), with_holes(rng, pattern, shape), FILTERS[name])


@pytest.mark.parametrize("name", FILTERS)
def test_rows_are_filtered_in_part_around_a_hole(name, rng, short_steps):
    """Of so wide an image both the plain filter and the one by weights make something."""
    for pattern in ("pixel", "column", "corner", "slanting", "hole", "none"):
        assert_same(pattern, with_holes(rng, pattern, (130, 700)), FILTERS[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", STRATEGIES)
def test_every_small_shape(name, rng):
    for shape in product(range(1, 41), repeat=2):
        pattern = list(PATTERNS)[sum(shape) % len(PATTERNS)]
        assert_same((shape, pattern), with_holes(rng, pattern, shape), FILTERS[name])


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize(
    ("dtype", "result"),
    [
        ("float64", "float64"),
        *(
            pytest.param(*pair, marks=pytest.mark.slow)
            for pair in (
                ("uint8", "float32"),
                ("uint16", "float64"),
                *product(("float32", "int16"), ("float64", "float32")),
            )
        ),
    ],
)
def test_every_dtype(name, dtype, result, rng):
    floats = np.dtype(dtype).kind == "f"
    for shape, pattern in product(((45, 33), (90, 600)), ("none", "pixel", "scattered", "hole")):
        image = with_holes(rng, pattern, shape, dtype, np.nan if floats else 7)
        assert_same((shape, pattern), image, FILTERS[name], NAN if floats else INTEGERS, result=result)


@pytest.mark.slow  # kernels of their own; the combinations of dtypes above are for every day
@pytest.mark.parametrize(("name", "dtype"), [("blur", "uint8"), ("window", "uint16"), ("dense", "uint8")])
def test_results_of_integers(name, dtype, rng):
    for pattern in ("pixel", "scattered", "hole", "all"):
        image = with_holes(rng, pattern, (90, 600), dtype, 7)
        made = both(image, FILTERS[name], INTEGERS._replace(fill=200))
        assert same_bits(*made), pattern
        assert (made[0] == 200).any() == (pattern in ("all", "hole")), pattern


@pytest.mark.slow
def test_rescaled_integers(rng):
    image = with_holes(rng, "scattered", (50, 60), "uint8", 7)
    assert_same("", image, BLUR, INTEGERS, result="float32", scale=1 / 255)


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_border(name, rng):
    nearby = [("reflect", "mirror"), ("mirror", "nearest"), ("nearest", "reflect"), ("reflect", "wrap")]
    for modes in nearby:
        for shape, pattern in (((5, 70), "pixel"), ((90, 600), "pixel"), ((90, 600), "corner")):
            assert_same((modes, shape, pattern), with_holes(rng, pattern, shape), FILTERS[name], modes=modes)
    for ignored in product((False, True), repeat=2):
        modes = tuple("constant" if none else "reflect" for none in ignored)
        for shape, pattern in product(((5, 7), (90, 600)), ("none", "pixel")):
            image = with_holes(rng, pattern, shape)
            assert_same((ignored, shape), image, FILTERS[name], NAN._replace(ignored=ignored), modes)


@pytest.mark.parametrize("name", FILTERS)
def test_a_constant_beyond_the_border_counts_as_pixels(name, rng):
    for modes in (("constant", "constant"), ("constant", "nearest"), ("reflect", "constant")):
        for shape, pattern in product(((5, 7), (33, 31), (90, 600)), ("none", "pixel", "corner", "hole")):
            image = with_holes(rng, pattern, shape)
            assert_same((modes, shape, pattern), image, FILTERS[name], modes=modes, cval=2.5)


@pytest.mark.slow
def test_results_that_are_missing_are_told(rng):
    for pattern, shape in product(("none", "pixel", "hole", "all"), ((20, 3), (90, 600))):
        weights, image = ~missing_pixels(pattern, shape), picture(rng, shape)
        for missing in (WEIGHTS, NAN._replace(min_weight=0.6)):
            assert_same((pattern, shape), image, BLUR, missing, weights=weights, told=True)


#: Filters whose integers are not floats that have been rounded: they are sums of integers, or cast.
OF_INTEGERS = {
    "small window": Box((3, 5)),
    "small window, cast": Box((3, 5), cast=True),
    "window, cast": Box((19, 23), cast=True),
    "blur, cast": Separable(BLUR.terms, chained=True, cast=True),
    "dense, cast": Dense(np.array([[0.25, 0.125, 0.125], [0.0, 0.25, 0.25]]), (1, 1), cast=True),
}


@pytest.mark.parametrize("told", [False, *slow(True)])
@pytest.mark.parametrize("dtype", ["uint8", *slow("int16")])
@pytest.mark.parametrize("name", OF_INTEGERS)
def test_integers_that_are_made_in_another_way_than_floats(name, dtype, told, rng):
    for shape, pattern in product(((5, 7), (90, 600)), ("none", "pixel", "scattered", "hole")):
        image = with_holes(rng, pattern, shape, dtype, 7)
        for modes in (("nearest", "reflect"), ("constant", "nearest")):
            assert_same((shape, pattern, modes), image, OF_INTEGERS[name], INTEGERS, modes=modes, told=told, cval=3)


@pytest.mark.parametrize("rule", [{"min_weight": 0.5}, {"min_weight": 1.0}, {"fill": -3.0}, *slow({"keep_nan": True})])
def test_every_rule_for_missing_results(rule, rng):
    for pattern in ("none", "pixel", "scattered", "hole"):
        assert_same(pattern, with_holes(rng, pattern, (90, 600)), BLUR, NAN._replace(**rule))


@pytest.mark.parametrize("dtype", ["float32", *slow("bool", "float64")])
@pytest.mark.parametrize("name", STRATEGIES)
def test_given_weights(name, dtype, rng):
    for shape, pattern in product(((20, 3), (90, 600)), ("none", "pixel", "scattered", "hole")):
        weights = (rng.random(shape) if pattern == "scattered" else np.ones(shape)) * ~missing_pixels(pattern, shape)
        weights = weights > 0.3 if dtype == "bool" else weights.astype(dtype)
        for missing in (WEIGHTS, NAN):
            image = with_holes(rng, "pixel" if missing.ignore_nan else "none", shape)
            assert_same((shape, pattern), image, FILTERS[name], missing, weights=weights)


@pytest.mark.slow  # kernels of their own
def test_weights_of_integers(rng):
    shape = (90, 600)
    weights = rng.random(shape, np.float32)
    for missing, given in product(
        (WEIGHTS._replace(fill=3), INTEGERS), (weights, weights > 0.5, np.ones_like(weights))
    ):
        assert_same("", with_holes(rng, "pixel", shape, "uint8", 7), BLUR, missing._replace(fill=3), weights=given)


@pytest.mark.parametrize("weights", ["none", "shared", "own"])
@pytest.mark.parametrize("channel", [0, 2])
def test_channels(channel, weights, rng):
    for count, sizes in product((1, 3, 20), ((30, 21), (66, 350))):
        shape = (count, *sizes) if channel == 0 else (*sizes, count)
        image = picture(rng, shape)
        image[rng.random(shape) < 0.001] = np.nan
        given = None
        if weights != "none":
            given = rng.random(sizes if weights == "shared" else shape, np.float32) > 0.1
            given = np.broadcast_to(given if weights == "own" else np.expand_dims(given, channel), shape)
        assert_same((count, sizes), image, BLUR, channel=channel, weights=given)


def test_a_stack_of_planes(rng):
    what = operators.gaussian((0.0, 2.0, 1.0), [0, 0, 0], 4.0)
    missing, modes = NAN._replace(ignored=(False,) * 3), ("nearest",) * 3
    for shape in ((5, 19, 33), (7, 1, 40), (3, 70, 9)):
        image = picture(rng, shape)
        image[1, shape[1] // 2, 3] = np.nan
        assert_same(shape, image, what, missing, modes)
        assert_same(shape, image, what, missing, modes, weights=rng.random(shape) > 0.1)
        assert_same(shape, image, what, missing, modes, weights=np.broadcast_to(rng.random(shape[1:]) > 0.1, shape))


def test_one_axis(rng):
    what = operators.gaussian((2.0,), [0], 4.0)
    image = picture(rng, (200,))
    image[[3, 100, 101]] = np.nan
    assert_same("", image, what, NAN._replace(ignored=(False,)), ("nearest",))
    assert_same("", image, what, NAN._replace(ignored=(True,)), ("constant",))


@pytest.mark.usefixtures("small_images_go_parallel", "short_steps")
@pytest.mark.parametrize("name", FILTERS)
def test_any_number_of_workers_makes_the_same_bits(name, rng, monkeypatch):
    monkeypatch.setattr(engine_bands, "_pool", OneAfterTheOther())
    monkeypatch.setattr(engine_bands, "_MOST_THREADS", 64)
    for pattern, workers in product(("pixel", "slanting", "scattered"), (2, 7, 61)):
        assert_same((pattern, workers), with_holes(rng, pattern, (173, 300)), FILTERS[name], workers=workers)


@pytest.mark.parametrize("name", FILTERS)
def test_a_missing_pixel_changes_nothing_outside_its_footprint(name, rng):
    image = picture(rng, (60, 400))
    complete, _ = both(image, FILTERS[name])
    image[30, 200] = np.nan
    out, _ = both(image, FILTERS[name])
    (above, below), (left, right) = FILTERS[name].halo()
    changed = np.argwhere(out != complete)
    assert (changed >= (30 - below, 200 - right)).all()
    assert (changed <= (30 + above, 200 + left)).all()
    assert not np.isnan(out).any()


def test_infinity_is_data(rng):
    image = with_holes(rng, "scattered", (60, 400))
    image[30, 100], image[30, 110] = np.inf, -np.inf
    out, expected = both(image, BLUR)
    assert same_bits(out, expected)
    assert np.isnan(out[30, 105])
    assert out[30, 97] == np.inf


@pytest.mark.slow
@pytest.mark.parametrize("level", ["x86-64-v3", "x86-64-v2"], indirect=True)
@pytest.mark.parametrize("name", STRATEGIES)
def test_smaller_vectors(name, level, rng):
    for shape, pattern in product((*SHAPES, (90, 600)), ("pixel", "scattered", "hole")):
        assert_same((shape, pattern), with_holes(rng, pattern, shape), FILTERS[name])


@pytest.mark.slow
@pytest.mark.parametrize("level", ["x86-64-v3"], indirect=True)
def test_vectors_of_another_width_give_the_same_bits(level, rng):
    image = with_holes(rng, "slanting", (90, 600))
    out, _ = both(image, BLUR)
    with on_level("native"):
        assert same_bits(out, both(image, BLUR)[1])


@pytest.mark.parametrize(
    ("what", "shape", "options"),
    [
        (BLUR, (30, 40), {"modes": ("wrap", "nearest")}),
        (Box((3, 5)), (30, 40), {"result": "uint8", "weights": np.ones((30, 40))}),  # which do not tell what is full
        (operators.gaussian((2.0,) * 3, [0] * 3, 4.0), (9, 30, 40), {"modes": ("nearest",) * 3}),
        (operators.gaussian((2.0,), [0], 4.0), (1 << 20,), {"modes": ("nearest",)}),
    ],
)
def test_what_a_sweep_cannot_do_is_done_in_blocks(what, shape, options, rng):
    integer = "result" in options
    image = np.zeros(shape, np.uint8 if integer else np.float32)
    missing = (INTEGERS if integer else NAN)._replace(ignored=(False,) * image.ndim)
    assert isinstance(programs(image, what, missing, **options)[0], InBlocks)


# ---- addresses


def check_addresses():
    """Between pages that may not be touched, with scratch of zeros and of ones."""
    fill = [0]
    keep = guard_scratch_and_taps(fill)
    cut_all_images()
    engine_bands._pool = OneAfterTheOther()
    tuning.WEIGHED_ROWS = tuning.PLAIN_ROWS = 1
    rng = np.random.default_rng(3)
    sources, results, given = Guarded(1 << 18), Guarded(1 << 18), Guarded(1 << 16)
    shapes = [*product((1, 2, 7, 16, 17, 40), (1, 3, 15, 16, 17, 33, 64)), (45, 700)]
    for number, (name, shape) in enumerate(product(FILTERS, shapes)):
        image = with_holes(rng, list(PATTERNS)[number % len(PATTERNS)], shape)
        for masked in (False, True):
            seen = set()
            for workers, at_end, fill[0] in ((1, False, 0), (1, True, 0xFF), (3, True, 0), (3, False, 0xFF)):
                weights = None
                if masked:
                    weights = given.array(shape, np.bool_, at_end)
                    weights[...] = missing_pixels("scattered", shape)
                sweep, _ = programs(image, FILTERS[name], weights=weights)
                source, out = sources.array(shape, image.dtype, at_end), results.array(shape, image.dtype, not at_end)
                source[...], out[...] = image, 77
                sweep.run(source, (out,), workers)
                assert same_bits(source, image)
                seen.add(out.tobytes())
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
