"""Integer results of linear filters equal scipy.ndimage's: its order of operations, cast axis by axis."""

import numpy as np
import pytest
from helpers import LEVELS, MODES, slow
from reference import as_bytes, in_turn
from scipy import ndimage

from fastsep._engine.execution import Runner
from fastsep._plan import description, dtypes, planner
from fastsep._plan.spec import Box, Dense, Line, Separable, Term

INTEGERS = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
FEW_INTEGERS = [name if name == "uint8" else slow(name)[0] for name in INTEGERS]
#: Lengths on both sides of a vector's, and of a tile's.
SHAPES = {
    1: [(1,), (7,), (64,), (133,)],
    2: [(1, 1), (3, 2), (9, 5), (8, 17), (17, 33), (2, 70), (40, 3)],
    3: [(1, 2, 3), (5, 9, 11), (9, 3, 34), (4, 18, 2)],
    4: [(2, 3, 4, 5), (3, 1, 6, 17)],
}
#: Every order of operations that SciPy has: both kinds of pairs, with any tap in the middle; any taps; and taps that
#: differ by less than it looks at, of which the left ones count.
TAPS = (
    (0.25, 0.5, 0.25),
    (0.1, 0.2, 0.35, 0.2, 0.1),
    (-0.7, 0.0, 0.7),
    (-0.3, -0.9, 0.4, 0.9, 0.3),
    (0.3, 1.7),
    (1 / 3, -0.2, 0.9, 0.4),
    (0.3, -0.6, 1.1),
    (0.1, 0.7, 0.1 + 2.0**-53),
    (2.5,),
    (1.0, -2.0, 1.0),
    (-3.0, 0.0, 3.0),
    (1.0, 2.0, 1.0),
    (7.0, -5.0),
    (0.05,) * 21,
)


def run(what, image, result, modes, cval, workers=1):
    """What the engine makes of an image."""
    border = cval if "constant" in modes else None
    source, target = dtypes.cast_dtypes(image.dtype, np.dtype(result), border)
    plan = plan_of(what, image.shape, source, target, modes, cval)
    return Runner(plan).run(np.ascontiguousarray(image, source), None, workers)


def plan_of(what, shape, source, target, modes=("reflect", "reflect"), cval=0.0):
    return planner.prepare(what, shape, source, target, first=0, modes=modes, cval=cval, scale=1.0)


def lines(*taps, centres=None):
    """One term of these taps; None leaves an axis alone."""
    centres = centres or [None if line is None else len(line) // 2 for line in taps]
    both = zip(taps, centres, strict=True)
    term = Term(tuple(None if line is None else Line(tuple(line), at) for line, at in both))
    return Separable((term,), chained=True, cast=True)


def pixels(rng, shape, dtype):
    """Values over the range of a dtype; those of 64 bits as far as float64 holds sums of them."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return (rng.standard_normal(shape) * 300).astype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    info = np.iinfo(dtype)
    return rng.integers(max(info.min, -(2**45)), min(info.max, 2**45), shape, dtype, endpoint=True)


def check(what, image, result, modes, cval=0.0):
    got, expected = run(what, image, result, modes, cval), in_turn(image, what, result, modes, cval)
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected, err_msg=f"{what} {image.dtype} {image.shape} {modes} {cval}")


def modes_of(rng, ndim):
    return tuple(rng.choice(MODES, ndim).tolist())


# ---- lines


@pytest.mark.parametrize("dtype", FEW_INTEGERS)
def test_lines_of_all_kinds(dtype, rng):
    for shape in SHAPES[2] * 2:
        for taps in TAPS:
            other = TAPS[rng.integers(len(TAPS))]
            check(lines(taps, other), pixels(rng, shape, dtype), dtype, modes_of(rng, 2))


@pytest.mark.parametrize("ndim", [1, *slow(3, 4)])
@pytest.mark.parametrize("dtype", ["uint8"])
def test_other_numbers_of_axes(ndim, dtype, rng):
    for shape in SHAPES[ndim]:
        for taps in TAPS:
            others = [TAPS[k] if k < len(TAPS) else None for k in rng.integers(0, 2 * len(TAPS), ndim - 1)]
            order = rng.permutation(ndim)
            mixed = [(taps, *others)[k] for k in order]
            check(lines(*mixed), pixels(rng, shape, dtype), dtype, modes_of(rng, ndim))


@pytest.mark.parametrize("cval", [0.5, -2.25, 3.0, 300.0, -7.0, 1e5])
@pytest.mark.parametrize("ndim", [2, *slow(3, 4)])
def test_a_constant_beyond_the_image_is_not_cast(cval, ndim, rng):
    for shape in SHAPES[ndim]:
        for taps in TAPS[:8]:
            image = pixels(rng, shape, "uint8")
            check(lines(*[taps] * ndim), image, "uint8", ("constant",) * ndim, cval)


def test_the_centre_may_be_any_tap(rng):
    image = pixels(rng, (13, 29), "uint8")
    for taps in TAPS:
        for centre in range(len(taps)):
            centres = (centre, len(taps) - 1 - centre)
            check(lines(taps, taps, centres=centres), image, "uint8", modes_of(rng, 2))


@pytest.mark.parametrize("lone", [0, 1])
@pytest.mark.parametrize(
    "dtypes", [("float64", "uint8"), *slow(("float32", "int16"), ("uint16", "uint8"), ("int8", "int32"))]
)
def test_an_axis_that_is_left_alone_casts_nothing(lone, dtypes, rng):
    src, result = dtypes
    for taps in ((0.3, 0.4, 0.3), (-0.7, 0.0, 0.7), (1.0,)):
        both = [None, None]
        both[lone] = taps
        check(lines(*both), pixels(rng, (9, 37), src), result, ("nearest", "wrap"))


@pytest.mark.parametrize("channels", [3, *slow(2, 4)])
def test_channels_behind_the_filtered_axes(channels, rng):
    for taps in TAPS:
        image = pixels(rng, (11, 21, channels), "uint8")
        check(lines(taps, taps[::-1], None), image, "uint8", ("mirror", "constant", "reflect"))


@pytest.mark.parametrize("src", ["float64", *slow("float32")])
@pytest.mark.parametrize("result", ["uint8", *slow("uint64")])
def test_floats_become_integers(src, result, rng):
    image = pixels(rng, (17, 40), src)
    for taps in TAPS:
        check(lines(taps, taps), image, result, modes_of(rng, 2), 1 / 3)


@pytest.mark.parametrize("result", FEW_INTEGERS)
def test_values_out_of_range_wrap_as_in_c(result):
    values = [
        0.9,
        -0.9,
        255.5,
        -256.5,
        65537.25,
        2.0**31 - 0.5,
        -(2.0**31),
        2.0**31 + 5,
        2.0**32 - 1,
        -3e9,
        1e15,
        -1e15,
    ]
    if result == "uint64":
        values += [2.0**63, 2.0**63 + 2.0**20]
    check(lines((1.0,)), np.array(values * 5), result, ("reflect",))


@pytest.mark.parametrize("shape", [(9,), (5, 40), (3, 4, 5, 6)])
def test_nothing_but_a_cast(shape, rng):
    image = pixels(rng, shape, "float64")
    what = lines(*(None,) * len(shape))
    expected = image.astype(np.int64).astype(np.uint8)
    np.testing.assert_array_equal(run(what, image, "uint8", ("wrap",) * len(shape), 0.0), expected)


@pytest.mark.slow
def test_no_value_traps():
    image = np.array([np.nan, np.inf, -np.inf, 1e300, -1e300] * 7)
    for result in INTEGERS:
        assert run(lines((0.5, 0.5)), image, result, ("nearest",), 0.0).shape == image.shape


@pytest.mark.parametrize("dtype", ["uint8", *slow("int16", "uint16")])
def test_derivatives_wrap(dtype, rng):
    slope, side, mean = (-1.0, 0.0, 1.0), (1.0, 2.0, 1.0), (1.0, 1.0, 1.0)
    for shape in SHAPES[2]:
        image = pixels(rng, shape, dtype)
        for modes in (("reflect", "wrap"), ("constant", "mirror")):
            for both in ((slope, side), (side, slope), (mean, slope)):
                check(lines(*both), image, dtype, modes)


@pytest.mark.parametrize("dtype", ["uint8", *slow("int16", "uint64")])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_terms_are_added_as_integers(dtype, ndim, rng):
    for shape in SHAPES[ndim]:
        image = pixels(rng, shape, dtype)
        for taps in ((1.0, -2.0, 1.0), (0.4, -0.9, 0.5), (-3.0, 6.0, -3.0)):
            pieces = [lines(*(taps if axis == k else None for axis in range(ndim))) for k in range(ndim)]
            what = Separable(tuple(piece.terms[0] for piece in pieces), chained=True, cast=True)
            modes = modes_of(rng, ndim)
            expected = sum(in_turn(image, piece, dtype, modes, 2.0) for piece in pieces)
            np.testing.assert_array_equal(run(what, image, dtype, modes, 2.0), expected)


# ---- windows and kernels of any form


@pytest.mark.parametrize("dtype", ["uint8", *slow("bool", "int16", "uint32")])
def test_means(dtype, rng):
    for shape in SHAPES[2]:
        image = pixels(rng, shape, dtype)
        for sizes in ((3, 3), (1, 4), (5, 2), (15, 16), (33, 1), (17, 40)):
            check(Box(sizes, cast=True), image, dtype, modes_of(rng, 2), 1.0)


@pytest.mark.slow  # kernels of their own, of floats between the axes
@pytest.mark.parametrize("ndim", [1, 3, 4])
def test_means_along_other_numbers_of_axes(ndim, rng):
    for shape in SHAPES[ndim]:
        for size in (3, 4, 21):
            sizes = (size, *(int(n) for n in rng.integers(1, 7, ndim - 1)))
            check(Box(sizes, cast=True), pixels(rng, shape, "uint8"), "uint8", modes_of(rng, ndim), 0.5)


def test_windows_off_the_centre(rng):
    image = pixels(rng, (20, 41), "uint8")
    for sizes in ((3, 4), (17, 5), (20, 33)):
        for at in (0.0, 0.4, 0.999):
            centres = tuple(int(at * size) for size in sizes)
            check(Box(sizes, centres, cast=True), image, "uint8", modes_of(rng, 2), 7.0)


@pytest.mark.slow
@pytest.mark.parametrize("dtypes", [("uint16", "uint8"), ("float32", "uint8")])
def test_means_of_another_dtype(dtypes, rng):
    src, result = dtypes
    image = np.rint(pixels(rng, (23, 37), src))
    for sizes in ((3, 5), (1, 21), (19, 1), (18, 17)):
        check(Box(sizes, cast=True), image.astype(src), result, ("reflect", "nearest"))


@pytest.mark.parametrize("dtype", ["uint8", *slow("int16", "int64")])
def test_kernels_of_any_form(dtype, rng):
    for shape in SHAPES[2]:
        image = pixels(rng, shape, dtype)
        for size in ((3, 3), (5, 2), (1, 4), (7, 7)):
            for kernel in (rng.standard_normal(size) / 7, rng.integers(-3, 4, size).astype(float)):
                kernel[0, 0] = 2.0**-53  # SciPy skips it
                mode, centre = str(rng.choice(MODES)), tuple(n // 2 for n in size)
                got = run(Dense(kernel, centre, cast=True), image, dtype, (mode, mode), 5.0)
                expected = ndimage.correlate(image, kernel, np.dtype(dtype), mode, 5.0)
                np.testing.assert_array_equal(got, as_bytes(expected))


@pytest.mark.parametrize("ndim", [1, 3, 4])
def test_kernels_of_other_numbers_of_axes(ndim, rng):
    for shape in SHAPES[ndim]:
        image = pixels(rng, shape, "uint8")
        size = tuple(int(n) for n in rng.integers(1, 5, ndim))
        kernel = rng.standard_normal((3, *size[1:]))
        got = run(Dense(kernel, tuple(n // 2 for n in kernel.shape), cast=True), image, "uint8", ("wrap",) * ndim, 0.0)
        np.testing.assert_array_equal(got, ndimage.correlate(image, kernel, mode="wrap"))


# ---- every CPU, however it is cut, in one sweep


@pytest.mark.parametrize("level", slow(*LEVELS), indirect=True)
def test_smaller_vectors(level, rng):
    for shape in SHAPES[2]:
        for dtype in ("uint8", "uint64"):
            image = pixels(rng, shape, dtype)
            for taps in TAPS:
                check(lines(taps, TAPS[rng.integers(len(TAPS))]), image, dtype, modes_of(rng, 2), 3.0)
        image = pixels(rng, shape, "uint8")
        check(Box((17, 5), cast=True), image, "uint8", ("reflect", "wrap"))
        kernel = rng.standard_normal((3, 3))
        got = run(Dense(kernel, (1, 1), cast=True), image, "uint8", ("reflect", "reflect"), 0.0)
        np.testing.assert_array_equal(got, ndimage.correlate(image, kernel))


def test_several_threads(rng):
    image = pixels(rng, (700, 900), "uint8")
    for what in (lines(TAPS[1], TAPS[5]), Box((21, 9), cast=True), lines(TAPS[-5], TAPS[-3])):
        one, two = (run(what, image, "uint8", ("reflect", "mirror"), 0.0, workers) for workers in (1, 2))
        np.testing.assert_array_equal(one, two)


def test_rows_that_are_cut_into_pieces(rng):
    image = pixels(rng, (3, 40_000), "uint8")
    for modes in (("reflect", "wrap"), ("constant", "constant")):
        check(lines(TAPS[1], TAPS[5]), image, "uint8", modes, 2.0)
        check(Box((3, 21), cast=True), image, "uint8", modes, 2.0)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16"])
def test_small_integers_take_one_sweep_without_an_image_between(dtype):
    kind = np.dtype(dtype)
    for what in (lines(TAPS[1], TAPS[5]), Box((21, 9), cast=True), Box((5, 5), cast=True)):
        plan = plan_of(what, (50, 70), kind, kind)
        assert (plan.src, plan.dst, plan.passes) == (kind, kind, ())


def test_whole_taps_need_no_float64():
    byte = np.dtype(np.uint8)
    assert plan_of(lines((-1.0, 0.0, 1.0), (1.0, 2.0, 1.0)), (50, 70), byte, byte).acc == np.int16
    assert plan_of(Box((5, 5), cast=True), (50, 70), byte, byte).acc == np.uint16
    assert plan_of(Box((30, 30), cast=True), (50, 70), byte, byte).acc == np.float32
    assert plan_of(lines(TAPS[0], TAPS[0]), (50, 70), byte, byte).acc == np.float64


def test_explain_says_that_sums_are_cast():
    byte, what = np.dtype(np.uint8), lines(TAPS[0], TAPS[0])
    told = description.of_plan(what, plan_of(what, (50, 70), byte, byte))
    assert any("cast to uint8" in note for note in told.notes)
