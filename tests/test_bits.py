"""Promise: the same bits, however the work is cut.

Any number of workers, bands of any height, rows read in place or copied, and an image in one piece
or in pieces with a margin.
"""

import numpy as np
import pytest
from case_kinds import Case
from cases import CASES, SELDOM, cases
from helpers import MODES, kernels_of, make_image, same_bits, slow

import fastsep
from fastsep._engine import long_rows, pool
from fastsep._ops import bank
from fastsep._plan import tuning

WORKERS = (2, 3, 5, 16, 61)
VARIANTS = [
    pytest.param(
        name,
        dtypes,
        id=f"{name}-{' '.join(dtypes)}",
        marks=[pytest.mark.slow] * (name in SELDOM or dtypes != case.dtypes[0]),
    )
    for name, case in CASES.items()
    for dtypes in case.dtypes
]
variants = pytest.mark.parametrize(("name", "dtypes"), VARIANTS)
# Enough rows for several bands, few enough to make bands of one row; widths around a vector, around
# two, above the eight vectors that a sweep copies whole, and at no multiple of any.
PLANES = ((1, 300), (2, 1), (3, 37), (7, 8), (16, 16), (37, 5), (61, 131), (97, 64), (40, 258))
VOLUMES = ((1, 5, 6), (70, 19, 5), (3, 41, 33), (9, 2, 70), (66, 34, 21))
FOUR = ((3, 4, 5, 6), (2, 17, 3, 19))


@pytest.fixture(autouse=True)
def plans_made_anew(small_images_go_parallel):
    fastsep.clear_caches()
    yield
    fastsep.clear_caches()


def shapes(case):
    return [case.shape(*shape) for shape in {2: PLANES, 3: VOLUMES, 4: FOUR}[case.ndim]]


def images(case, dtypes, rng):
    """Images with the options to filter them with; every third float image holds a NaN."""
    for i, shape in enumerate(shapes(case)):
        image = make_image(rng, dtypes[0], shape)
        if image.dtype.kind == "f" and np.dtype(dtypes[1]).kind == "f" and i % 3 == 2:
            image.flat[image.size // 2] = np.nan
        modes = tuple(MODES[(i + 2 * axis) % 5] for axis in range(case.ndim))
        yield image, {"mode": modes, "dtype": dtypes[1]}


@variants
def test_cases_reach_the_kernels_they_are_named_after(name, dtypes):
    case = CASES[name]
    keys = kernels_of(case, *dtypes, case.shape(*(50,) * 2, *(4,) * (case.ndim - 2)))
    assert case.kernel in [key[: len(case.kernel)] for key in keys]


@variants
def test_workers(name, dtypes, rng):
    case = CASES[name]
    for number, (image, options) in enumerate(images(case, dtypes, rng)):
        expected = case.call(image, workers=1, **options)
        for workers in (WORKERS * 2)[number % 5 : number % 5 + 2]:  # each image meets two
            out = np.full_like(expected, 77)  # a row that no band writes shows
            case.call(image, workers=workers, out=out, **options)
            assert same_bits(out, expected), (image.shape, workers, options)


@pytest.mark.parametrize("name", cases())
def test_every_cut_of_few_rows(name, rng):
    case = CASES[name]
    src, dst = case.dtypes[0]
    rest = {2: (23,), 3: (18, 11), 4: (5, 4, 6)}[case.ndim]
    for rows in (2, 5, 9, 18):
        image = make_image(rng, src, case.shape(rows, *rest))
        expected = case.call(image, workers=1, dtype=dst)
        for workers in range(2, rows + 2):
            assert same_bits(case.call(image, workers=workers, dtype=dst), expected), (rows, workers)


def counted(function, calls):
    def count(*arguments):
        calls.append(arguments[-1])
        return function(*arguments)

    return count


@pytest.mark.parametrize("name", cases())
def test_any_number_of_threads(name, rng, monkeypatch):
    case = CASES[name]
    src, dst = case.dtypes[0]
    image = make_image(rng, src, case.shape(*{2: (83, 51), 3: (68, 23, 10), 4: (4, 5, 6, 7)}[case.ndim]))
    expected = case.call(image, workers=1, dtype=dst)
    # A volume's bands are windows of planes, of which this one has two.
    bands = 4 if case.ndim != 3 else 2

    calls = []
    monkeypatch.setattr(pool.Pool, "run", counted(pool.Pool.run, calls))
    assert same_bits(case.call(image, workers=bands, dtype=dst), expected)
    assert calls
    assert max(calls) == bands


@pytest.mark.parametrize("name", cases(lambda case: case.kernel[0] in ("fir", "passes", "sweep_volume")))
def test_rows_in_place_or_copied_and_any_planes_of_a_volume_together(name, rng, monkeypatch):
    case = CASES[name]
    src, dst = case.dtypes[0]
    image = make_image(rng, src, case.shape(*{2: (45, 131), 3: (9, 61, 20), 4: (4, 5, 6, 7)}[case.ndim]))
    results = []
    for rows_in_place, volume_bytes in ((0, 1), (1000, 1 << 30)):
        monkeypatch.setattr(tuning, "ROWS_IN_PLACE", rows_in_place)
        monkeypatch.setattr(tuning, "BESIDE_SLOPES", rows_in_place)
        for limit in ("VOLUME_BYTES", "FAR_VOLUME_BYTES", "WINDOW_OF_VOLUME_BYTES", "COPIES_BYTES", "SWEEP_WINDOW"):
            monkeypatch.setattr(tuning, limit, volume_bytes)
        monkeypatch.setattr(tuning, "SWEEP_UNITS", 1)
        fastsep.clear_caches()
        results.append(case.call(image, workers=1, dtype=dst))
        for workers in (3, 16):
            assert same_bits(case.call(image, workers=workers, dtype=dst), results[-1])
    assert same_bits(*results)


@pytest.mark.parametrize("cols", [16, 40, 48])
def test_volumes_written_past_the_caches_to_any_address(cols, rng, monkeypatch):
    image = make_image(rng, "float32", (9, 33, cols))
    expected = fastsep.gaussian(image, 1.1)
    monkeypatch.setattr(tuning, "STREAM_RESULT", 0)
    fastsep.clear_caches()
    memory = np.full(image.size + 64, np.nan, np.float32)
    for first in (*range(17), 31):
        memory[:] = np.nan
        out = memory[first : first + image.size].reshape(image.shape)
        for workers in (1, 2):
            assert same_bits(fastsep.gaussian(image, 1.1, out=out, workers=workers), expected)
        assert np.isnan(memory).sum() == 64
    fastsep.clear_caches()


@pytest.mark.parametrize("name", cases(lambda case: case.kernel[0] == "dense"))
def test_any_chunk_of_columns_any_window_and_rows_in_place_or_copied(name, rng, monkeypatch):
    case = CASES[name]
    src, dst = case.dtypes[0]
    image = make_image(rng, src, case.shape(*{2: (45, 331), 3: (9, 31, 200), 4: (3, 3, 18, 170)}[case.ndim]))
    results = []
    monkeypatch.setattr(tuning, "DENSE_WINDOW_BLOCKS", 1)
    for dense_bytes, most_in_place, window in ((1, 0, 1 << 30), (1 << 30, 0, 1), (1 << 30, 1 << 30, 1 << 30)):
        monkeypatch.setattr(tuning, "DENSE_BYTES", dense_bytes)
        monkeypatch.setattr(tuning, "DENSE_ROWS_IN_PLACE", most_in_place)
        monkeypatch.setattr(tuning, "SWEEP_WINDOW", window)
        monkeypatch.setattr(tuning, "DENSE_EDGES_PAY", 1)
        fastsep.clear_caches()
        results.append(case.call(image, workers=1, dtype=dst))
        assert same_bits(case.call(image, workers=5, dtype=dst), results[-1])
        assert same_bits(results[-1], results[0])


def in_pieces(monkeypatch):
    """Cut all rows of some hundred values; the list that is returned counts the images that are."""
    monkeypatch.setattr(tuning, "PIECE_VALUES", dict.fromkeys(tuning.PIECE_VALUES, 64))
    small = {"MARGINS": 1, "STRETCHES": 5, "LEAST_STRETCH": 1, "STRETCH_CALLS": -(1 << 40)}
    for name, value in (*small.items(), ("STRETCH", (64, 64)), ("STRETCH_OF_RANKS", (64, 64))):
        monkeypatch.setattr(tuning, name, value)
    calls = []
    for kind in (long_rows.InPieces, long_rows.InStretches, bank._InPieces):
        monkeypatch.setattr(kind, "run", counted(kind.run, calls))
    return calls


@pytest.mark.slow
# Ranks work in strips of a row, with the scratch memory of a strip: they need no pieces.
@pytest.mark.parametrize(
    "name",
    [name for name, case in CASES.items() if case.kernel[0] not in ("hysteresis", "rank", "histogram", "cumulative")],
)
def test_long_rows_in_pieces(name, rng):
    case = CASES[name]
    rows = {2: ((1,), (3,), (18,)), 3: ((1, 1), (2, 3)), 4: ((2, 1, 2),)}[case.ndim]
    cut = 0
    for number, (src, dst) in enumerate(case.dtypes):
        for i, mode in enumerate(MODES):
            image = make_image(rng, src, case.shape(*rows[(i + number) % len(rows)], 1283 + 64 * i))
            others = (MODES[(i + 2 * axis) % 5] for axis in range(case.ndim - 1))
            options = {"mode": (*others, mode), "cval": 0.5}
            fastsep.clear_caches()
            expected = case.call(image, dtype=dst, **options)
            with pytest.MonkeyPatch.context() as patch:
                calls = in_pieces(patch)
                fastsep.clear_caches()
                for workers in (1, 3):
                    assert same_bits(case.call(image, dtype=dst, workers=workers, **options), expected), (
                        image.shape,
                        mode,
                    )
                cut += len(calls)
    assert cut


def test_long_rows_of_many_channels_in_pieces(rng):
    image = rng.random((600, 9000), np.float32)
    for taps in ([2.0], [1.0, 2.0, 4.0]):
        fastsep.clear_caches()
        expected = fastsep.separable_filter(image, taps, channel_axis=1)
        with pytest.MonkeyPatch.context() as patch:
            calls = in_pieces(patch)
            fastsep.clear_caches()
            assert same_bits(fastsep.separable_filter(image, taps, channel_axis=1), expected)
            assert calls


@pytest.mark.parametrize("plane", range(3))
def test_long_rows_under_a_kernel_that_is_zero_but_in_one_plane(plane, rng):
    """Rows depend on no other row of their own plane, but on one of another plane."""
    image = rng.random((2, 2, 1283), np.float32)
    kernel = np.zeros((3, 1, 5))
    kernel[plane] = rng.random(5)
    for mode in MODES:
        options = {"mode": mode, "cval": 0.5, "method": "direct"}
        fastsep.clear_caches()
        expected = fastsep.correlate(image, kernel, **options)
        with pytest.MonkeyPatch.context() as patch:
            calls = in_pieces(patch)
            fastsep.clear_caches()
            assert same_bits(fastsep.correlate(image, kernel, **options), expected), mode
            assert calls


STAGES = {
    "canny": lambda image, **options: fastsep.canny(image, 1.5, **options),
    "gradient": lambda image, **options: fastsep.gradient(image, "farid", output="magnitude", **options),
    "smoothed": lambda image, **options: fastsep.gradient(image, sigma=2.0, output="magnitude", **options),
    "harris": lambda image, **options: fastsep.corner_harris(image, **options),
    "hessian": lambda image, **options: np.stack(
        fastsep.hessian_matrix(image, 1.5, use_gaussian_derivatives=False, **options)
    ),
}


@pytest.mark.parametrize("name", STAGES)
def test_long_rows_that_go_round_through_several_stages(name, rng):
    for rows, columns in ((2, 1283), (4, 1500), (30, 2049)):
        image = rng.random((rows, columns)).astype(np.float32)
        fastsep.clear_caches()
        expected = STAGES[name](image, mode="wrap")
        with pytest.MonkeyPatch.context() as patch:
            calls = in_pieces(patch)
            fastsep.clear_caches()
            assert same_bits(STAGES[name](image, mode="wrap"), expected)
            assert calls


@pytest.mark.parametrize("shape", [(1, 1, 6), (3, 5, 7), (9, 4, 2), (6, 1, 9)])
def test_long_rows_under_a_bank(shape, rng):
    kernels = rng.standard_normal(shape)
    for number, mode in enumerate(MODES):
        for size, channel_axis in (((1, 1283), None), ((11, 1500), None), ((2, 3, 1300), 0), ((3, 1283, 2), -1)):
            image = make_image(rng, ("float32", "uint8", "float64")[number % 3], size)
            options = {
                "mode": (MODES[number - 1], mode), "cval": 0.5, "channel_axis": channel_axis, "method": "separable",
            }  # fmt: skip
            fastsep.clear_caches()
            expected = fastsep.correlate_bank(image, kernels, **options)
            with pytest.MonkeyPatch.context() as patch:
                calls = in_pieces(patch)
                fastsep.clear_caches()
                for workers in (1, 3):
                    assert same_bits(fastsep.correlate_bank(image, kernels, workers=workers, **options), expected)
                assert calls, size


LINES = {
    "gaussian": lambda image, **options: fastsep.gaussian(image, 2.5, **options),
    "even taps": lambda image, **options: fastsep.separable_filter(image, [1.0, 2.0, 4.0, 3.0], **options),
    "derivative": lambda image, **options: fastsep.separable_filter(image, [-0.5, 0.0, 0.5], **options),
    "second derivative": lambda image, **options: fastsep.gaussian(image, 1.5, order=2, **options),
    "bands": lambda image, **options: fastsep.difference_of_gaussians(image, 1.0, 2.0, **options),
    "box": lambda image, **options: fastsep.box(image, 37, **options),
    "small box": lambda image, **options: fastsep.box(image, 15, dtype=image.dtype, **options),
    "dense": lambda image, **options: fastsep.correlate(image, [1.0, 0.0, 3.0, 2.0, 0.0], method="direct", **options),
    "dense differences": lambda image, **options: fastsep.correlate(
        image, [1.0, -3.0, 2.0], method="direct", **options
    ),
}
#: Of every one of SciPy's, with the border along the line alone.
SCIPY_LINES = {
    "maximum": lambda image, **options: fastsep.ndimage.maximum_filter1d(image, 9, **options),
    "minimum": lambda image, **options: fastsep.ndimage.minimum_filter1d(image, 4, origin=1, **options),
    "footprint": lambda image, **options: fastsep.ndimage.maximum_filter(image, footprint=FOOTPRINT, **options),
    "median": lambda image, **options: fastsep.ndimage.median_filter(image, 3, **options),
    "rank": lambda image, **options: fastsep.ndimage.rank_filter(image, 3, footprint=FOOTPRINT, **options),
    "wide median": lambda image, **options: fastsep.ndimage.median_filter(image, 301, **options),
    "mean": lambda image, **options: fastsep.ndimage.uniform_filter1d(image, 21, **options),
    "gaussian": lambda image, **options: fastsep.ndimage.gaussian_filter1d(image, 2.0, **options),
}
FOOTPRINT = [True, False, True, True, False, True]


def check_line(call, image, options, patched=True):
    """Whether a line was cut; its results are the same bits as without."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuning, "ROWS_APART", 0)
        patch.setattr(tuning, "FEWEST_PIECES", 1 << 40)
        fastsep.clear_caches()
        expected = call(image, **options)
    with pytest.MonkeyPatch.context() as patch:
        calls = in_pieces(patch) if patched else []
        if not patched:
            patch.setattr(long_rows.InStretches, "run", counted(long_rows.InStretches.run, calls))
        for workers in (1, 3):
            fastsep.clear_caches()
            fastsep.set_num_threads(workers)
            assert same_bits(call(image, **options), expected), (image.shape, image.dtype, options, workers)
    return bool(calls)


@pytest.fixture
def any_threads():
    """`set_num_threads` for the functions that have no `workers`."""
    before = fastsep.get_num_threads()
    yield
    fastsep.set_num_threads(before)


@pytest.mark.parametrize("name", LINES)
def test_long_lines_in_stretches(name, rng, any_threads):
    for i, length in enumerate((511, 512, 640, 1283, 2000)):
        for shape, channel_axis in (((length,), None), ((length, 3), -1), ((2, length), 0), ((23, length), 0)):
            image = make_image(rng, ("float32", "uint8", "float64")[i % 3], shape)
            for mode in MODES:
                options = {"mode": mode, "cval": 0.5, "channel_axis": channel_axis}
                assert check_line(LINES[name], image, options), (shape, mode)


@pytest.mark.parametrize("dtype", ["float32", "uint8", *slow("int16", "float64")])
@pytest.mark.parametrize("name", SCIPY_LINES)
def test_long_lines_of_scipys_filters_in_stretches(name, dtype, rng, any_threads):
    for length in (1983, 1984):
        image = make_image(rng, dtype, (length,))
        for mode in MODES:
            assert check_line(SCIPY_LINES[name], image, {"mode": mode, "cval": 2.0}), (length, mode)


@pytest.mark.parametrize("name", LINES)
def test_lines_just_too_short_to_be_cut_and_just_long_enough(name, rng, any_threads):
    cut = []
    for length in (*range(1, 50, 7), *range(900, 1500, 23), 4000, 100_003):
        image = make_image(rng, "float32", (length,))
        cut.append(check_line(LINES[name], image, {"mode": MODES[length % 5], "cval": 0.5}, patched=False))
    assert cut == sorted(cut)
    assert (cut[0], cut[-1]) == (False, True)


def test_lines_whose_ends_would_meet_are_filtered_whole(rng, monkeypatch):
    in_pieces(monkeypatch)
    monkeypatch.setattr(tuning, "STRETCHES", 3)
    for length in range(100, 250):
        image = make_image(rng, "float32", (length,))
        expected = fastsep.gaussian(np.stack([image] * 64), (0, 5), mode="constant", cval=-3.5)[0]
        assert same_bits(fastsep.gaussian(image, 5, mode="constant", cval=-3.5), expected), length


#: Their kernels filter rows of their own making.
NOT_CUT = {
    "slopes": ((2, 5000), lambda image, **options: fastsep.gaussian_laplace(image, (0, 2), **options)),
    "volume": ((2, 3, 5000), lambda image, **options: fastsep.gaussian(image, (0.1, 0.1, 2), **options)),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", NOT_CUT)
def test_rows_that_no_neighbours_lie_beside_are_not_cut_into_stretches(name, mode, rng, any_threads):
    shape, call = NOT_CUT[name]
    image = make_image(rng, "float32", shape)
    assert not check_line(call, image, {"mode": mode}, patched=False)


@pytest.mark.parametrize("name", LINES)
def test_lines_of_many_channels_in_stretches(name, rng, any_threads):
    for dtype in ("float32", "uint8"):
        image = make_image(rng, dtype, (5000, 8))
        assert check_line(LINES[name], image, {"mode": "mirror", "channel_axis": -1}, patched=False), dtype


def test_lines_with_nan_and_infinity_in_stretches(rng, any_threads):
    for call in (LINES["gaussian"], LINES["box"], LINES["dense"], SCIPY_LINES["maximum"]):
        image = make_image(rng, "float32", (1283,))
        for place in (0, 1, 700, 701, 1282):
            image[place] = (np.nan, np.inf)[place % 2]
            for mode in MODES:
                assert check_line(call, image, {"mode": mode}), (place, mode)


def test_lines_of_other_layouts_and_types_in_stretches(rng, any_threads):
    values = make_image(rng, "float32", (2600,))
    odd = np.empty(4 * 1283 + 1, np.uint8)[1:].view(np.float32)
    odd[...] = values[:1283]
    for image in (values[::2], values[::-1], values.astype(">f4"), values.astype(np.float16), values > 0.5, odd):
        for call in (LINES["gaussian"], LINES["box"]):
            assert check_line(call, image, {"mode": "mirror"})


# Sizes of a window, of a group of its sums or less and more; shapes, with an axis of channels or none.
WINDOWS = {
    "rows and columns": ((37, 20), (213, 199), None),
    "rows": ((50, 3), (243, 40), None),
    "columns": ((1, 90), (9, 323), None),
    "channels": ((19, 33), (3, 180, 201), 0),
    "channels last": ((40, 17), (220, 180, 2), -1),
    "volume": ((21, 3, 35), (190, 9, 210), None),
    "volume of rows and columns": ((2, 18, 33), (9, 180, 204), None),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", WINDOWS)
def test_means_of_an_image_that_begins_at_a_multiple_of_64_pixels(name, mode, rng):
    """Their sums begin at rows and columns counted from the first one."""
    sizes, shape, channel_axis = WINDOWS[name]
    options = {"mode": mode, "cval": 0.3, "channel_axis": channel_axis}
    image = make_image(rng, "float32", shape)
    whole = fastsep.box(image, sizes, **options)
    spatial = [axis for axis in range(image.ndim) if channel_axis is None or axis != channel_axis % image.ndim]
    cuts = [((axis, size),) for axis, size in zip(spatial, sizes, strict=True) if shape[axis] > 64]
    if len(cuts) == 2:
        cuts.append((*cuts[0], *cuts[1]))
    for axes in cuts:
        for start, stop in ((64, None), (64, -3), (128, None)):
            piece, inside = [slice(None)] * image.ndim, [slice(None)] * image.ndim
            for axis, size in axes:
                piece[axis] = slice(start, stop)
                # Beyond its last pixel the piece may differ; so does what goes round to its first one.
                end = size if stop is not None or mode == "wrap" else 0
                inside[axis] = slice(size, shape[axis] - start + (stop or 0) - end)
            result = fastsep.box(np.ascontiguousarray(image[tuple(piece)]), sizes, **options)
            assert 0 not in result[tuple(inside)].shape
            assert same_bits(result[tuple(inside)], whole[tuple(piece)][tuple(inside)]), (axes, start, stop)


def test_means_of_rows_in_place_or_copied(rng, monkeypatch):
    """They are copied where nearly all compete for the same cache lines."""
    for width, sizes in ((512, (17, 5)), (1024, (40, 3)), (512, (16, 33))):
        image = rng.random((90, width), np.float32)
        expected = fastsep.box(image, sizes, workers=1)
        for most in (0, 1 << 30):
            monkeypatch.setattr(tuning, "BOX_RING_BYTES", most)
            fastsep.clear_caches()
            for workers in (1, 3, 16):
                assert same_bits(fastsep.box(image, sizes, workers=workers), expected), (width, sizes, most, workers)


def test_means_of_copied_rows_in_pieces(rng):
    """A row of a piece is shorter than the way to the next one."""
    image = rng.random((60, 4096), np.float32)
    expected = fastsep.box(image, (30, 1))
    with pytest.MonkeyPatch.context() as patch:
        calls = in_pieces(patch)
        patch.setattr(tuning, "PIECE_VALUES", dict.fromkeys(tuning.PIECE_VALUES, 512))
        fastsep.clear_caches()
        assert same_bits(fastsep.box(image, (30, 1)), expected)
        assert calls


MARGIN = 10
# Means over large windows are exempt: their sums begin at rows counted from the top of the image.
PIECES = cases(
    lambda case: (
        type(case) is Case and case.ndim == 2 and case.kernel[0] != "box" and np.max(case.what.halo()) <= MARGIN
    )
)


@pytest.mark.parametrize("name", PIECES)
def test_a_piece_with_a_margin(name, rng):
    case = CASES[name]
    src, dst = case.dtypes[0]
    margin = MARGIN
    image = make_image(rng, src, case.shape(70, 150))
    whole = case.call(image, dtype=dst)
    for top, left, height, width in ((13, 17, 31, 90), (20, 11, 5, 1), (11, 30, 2, 33), (30, 10, 30, 129)):
        rows, columns = slice(top - margin, top + height + margin), slice(left - margin, left + width + margin)
        piece = case.call(np.ascontiguousarray(image[rows, columns]), dtype=dst)
        inner = piece[margin:-margin, margin:-margin]
        assert same_bits(inner, whole[top : top + height, left : left + width]), (top, left, height, width)


def test_large_images_go_parallel_by_themselves(rng, monkeypatch):
    """With the thresholds as they are: an image of everyday size is cut, and its bits do not change."""
    monkeypatch.undo()
    image = rng.random((2000, 1600), np.float32)
    calls = []
    monkeypatch.setattr(pool.Pool, "run", counted(pool.Pool.run, calls))
    for name in ("sobel", "gaussian", "laplace", "farid"):
        expected = getattr(fastsep, name)(image, workers=1)
        assert not calls
        assert same_bits(getattr(fastsep, name)(image, workers=4), expected)
        assert calls.pop() == 4
