"""`filter_blocks`: the bits of the image in memory, from and into any kind of array."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from block_files import mapped, refused, stop_after

import fastsep
from fastsep import filter_blocks, ndimage
from fastsep._arrays.blocks import local, reading, writing
from fastsep._arrays.blocks import mapped as maps
from fastsep._plan import regions, tuning

MODES = ("reflect", "constant", "nearest", "mirror", "wrap")
RNG = np.random.default_rng(7)
IMAGE = RNG.random((75, 103), "f4")
BYTES = RNG.integers(0, 256, (75, 103), "u1")
COLOURS = RNG.random((40, 50, 3), "f4")
VOLUME = RNG.random((19, 33, 41))
NOT_FINITE = IMAGE.copy()
NOT_FINITE[60, 9] = np.nan
MASK = RNG.random(IMAGE.shape) > 0.02
HILL = np.outer(np.hanning(17), np.hanning(17)) + 1e-3


class Chunked:
    """An array in chunks that counts what is read of it."""

    def __init__(self, values, *chunks):
        self.values, self.chunks, self.shape, self.dtype = values, chunks, values.shape, values.dtype
        self.read = np.zeros(values.shape, int)

    def __getitem__(self, place):
        # A store decodes whole chunks.
        whole = tuple(
            slice(along.start // size * size, -(-along.stop // size) * size)
            for along, size in zip(place, self.chunks, strict=True)
        )
        self.read[whole] += 1
        return self.values[place].copy()

    def __setitem__(self, place, values):
        self.values[place] = values


def in_memory(function, image, *args, **kwargs):
    """The results, as a list."""
    found = function(image, *args, **kwargs)
    return [found] if isinstance(found, np.ndarray) else list(found)


def check(function, image, *args, block, wrap=lambda array: array, **kwargs):
    """Compare the bits of a function's results block by block with those in memory."""
    expected = in_memory(function, image, *args, **kwargs)
    outs = [np.full_like(each, 3) for each in expected]
    targets = [wrap(out) for out in outs]
    filter_blocks(function, wrap(image), targets[0] if len(outs) == 1 else tuple(targets), *args, block=block, **kwargs)
    for out, each in zip(outs, expected, strict=True):
        np.testing.assert_array_equal(out.view(f"u{out.itemsize}"), each.view(f"u{each.itemsize}"))


CALLS = {
    "gaussian": (fastsep.gaussian, IMAGE, {"sigma": 2}),
    "one axis": (fastsep.gaussian, IMAGE, {"sigma": (6, 0)}),
    "halo longer than the image": (fastsep.gaussian, IMAGE, {"sigma": 30}),
    "bytes": (fastsep.gaussian, BYTES, {"sigma": 1.5, "dtype": "u1"}),
    "sobel": (fastsep.sobel, IMAGE, {}),
    "roberts": (fastsep.roberts, IMAGE, {}),
    "laplace with mask": (fastsep.laplace, IMAGE, {"mask": MASK}),
    "unsharp_mask": (fastsep.unsharp_mask, BYTES, {"radius": 2, "amount": 2}),
    "small box": (fastsep.box, BYTES, {"size": 3}),
    "box": (fastsep.box, IMAGE, {"size": (41, 23)}),
    "gradient": (fastsep.gradient, IMAGE, {"sigma": 1, "output": ("dy", "dx", "magnitude", "orientation")}),
    "structure_tensor": (fastsep.structure_tensor, IMAGE, {}),
    "hessian_matrix": (fastsep.hessian_matrix, IMAGE, {"use_gaussian_derivatives": False}),
    "gaussian hessian": (fastsep.hessian_matrix, IMAGE, {"use_gaussian_derivatives": True, "sigma": 0.7}),
    "corner_harris": (fastsep.corner_harris, IMAGE, {}),
    "opening of even size": (fastsep.opening, BYTES, {"footprint": np.ones((4, 6))}),
    "black_tophat": (fastsep.black_tophat, IMAGE, {"footprint": [(np.ones((3, 1)), 2), (np.ones((1, 4)), 1)]}),
    "median": (fastsep.median, IMAGE, {"footprint": np.ones((3, 3))}),
    "correlate": (fastsep.correlate, IMAGE, {"kernel": HILL}),
    "bank": (fastsep.correlate_bank, IMAGE, {"kernels": np.stack([HILL[:9, :9], HILL[4:13, 4:13]])}),
    "gaussian_laplace": (ndimage.gaussian_laplace, IMAGE, {"sigma": 1}),
    "uniform_filter": (ndimage.uniform_filter, BYTES, {"size": 33}),
    "by SciPy": (ndimage.grey_erosion, IMAGE, {"structure": np.ones((3, 5))}),
    "morphological_laplace": (ndimage.morphological_laplace, IMAGE, {"size": (3, 4)}),
}


@pytest.mark.parametrize("mode", MODES)
def test_blocks_may_be_smaller_than_the_halo(mode):
    for image in (IMAGE[:40, :37], BYTES[:40, :37]):
        check(fastsep.opening, image, np.ones((17, 24)), mode=mode, block=(1, 30))
        for origin in (-8, 8):  # one step looks one way only, the other one the other way
            check(ndimage.grey_closing, image, (17, 1), origin=(origin, 0), mode=mode, block=(1, 30))
            check(ndimage.grey_closing, image, (1, 17), origin=(0, origin), mode=mode, block=(40, 1))
        check(fastsep.gaussian, image, 5, mode=mode, block=(2, 30))
        check(fastsep.sobel, image, mode=mode, block=(13, 1))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", CALLS)
def test_results_are_those_in_memory_to_the_last_bit(name, mode):
    function, image, options = CALLS[name]
    options = {**options, "mode": mode}
    check(function, image, block=(32, 40), **options)
    check(function, image, block=(16, *image.shape[1:]), **options)
    check(function, image, block=(9, 103), wrap=lambda array: Chunked(array, *(16,) * array.ndim), **options)


@pytest.mark.parametrize("mode", ["reflect", "wrap"])
@pytest.mark.parametrize("channel_axis", [0, 1, -1])
def test_channels_are_not_filtered(channel_axis, mode):
    options = {"channel_axis": channel_axis, "mode": mode, "block": (17, 20, 2)}
    image = np.moveaxis(COLOURS, -1, channel_axis)
    check(fastsep.gaussian, image, 2, **options)
    check(fastsep.sobel, image, mask=MASK[:40, :50], **options)


def test_any_number_of_axes():
    check(fastsep.gaussian, VOLUME, 1, block=(5, 12, 41))
    check(fastsep.box, VOLUME, 7, mode="wrap", block=(4, 33, 20))
    check(fastsep.structure_tensor, VOLUME, 0.5, block=9)
    check(fastsep.gaussian, IMAGE.reshape(-1), 3, block=1000)


@pytest.mark.parametrize("mode", [("wrap", "reflect"), ("constant", "wrap")])
def test_each_axis_has_its_mode(mode):
    check(fastsep.gaussian, IMAGE, 2, mode=mode, block=(20, 30))
    # Each of its terms has one of the modes for all axes, so that blocks are as large as the image.
    check(ndimage.gaussian_laplace, IMAGE, 1, mode=mode, block=(20, 30))


@pytest.mark.parametrize("image", [IMAGE, NOT_FINITE], ids=["finite", "with NaN"])
def test_the_whole_image_decides_how_kernels_are_applied(image):
    kernel = np.add.outer(np.hanning(19), np.hanning(19))  # of two terms, which spread NaN further
    assert "another way" in str(fastsep.explain(fastsep.correlate, image, kernel))
    check(fastsep.correlate, image, kernel, block=(20, 50))
    check(fastsep.correlate_bank, image, np.stack([HILL] * 3), block=(20, 50))
    image = np.where(np.isnan(image), -1, image)  # a single negative pixel lets results go below zero
    check(fastsep.unsharp_mask, image, 2, 3, block=(20, 50))


def test_a_mask_ends_with_the_image_where_the_border_does_not():
    mask = np.ones(IMAGE.shape, bool)
    check(fastsep.sobel, IMAGE, mask=mask, mode="wrap", block=(20, 30))


def test_the_dtype_of_the_target_is_what_is_asked_for():
    for dtype in ("f8", "u1"):
        out = np.zeros(BYTES.shape, dtype)
        filter_blocks(fastsep.gaussian, BYTES, out, 2, block=30)
        np.testing.assert_array_equal(out, fastsep.gaussian(BYTES, 2, dtype=dtype))
    out = np.zeros(BYTES.shape, "f4")
    filter_blocks(ndimage.gaussian_filter, BYTES, out, 2, block=30)
    np.testing.assert_array_equal(out, ndimage.gaussian_filter(BYTES, 2, output="f4"))
    swapped = np.zeros(BYTES.shape, ">f4")
    filter_blocks(ndimage.gaussian_filter, BYTES, swapped, 2, block=30)
    np.testing.assert_array_equal(swapped, out)


def test_chunks_are_read_once_going_down():
    source = Chunked(RNG.random((400, 90), "f4"), 32, 30)
    target = Chunked(np.zeros((400, 90), "f4"), 16, 30)
    filter_blocks(fastsep.gaussian, source, target, 2, block=(64, 90))
    assert source.read.max() == 1
    np.testing.assert_array_equal(target.values, fastsep.gaussian(source.values, 2))


@pytest.mark.parametrize(("chunks", "other"), [((10, 20), (15, 20)), ((7, 9), (7, 90)), (None, (16, 16))])
def test_blocks_are_multiples_of_chunks_and_keep_to_the_budget(chunks, other, monkeypatch):
    image = np.zeros((600, 900), "f4")
    source = image if chunks is None else Chunked(image, *chunks)
    target = Chunked(np.zeros((600, 900), "f4"), *other)
    written = []
    monkeypatch.setattr(writing.Target, "write", lambda self, bounds, values: written.append(bounds))
    filter_blocks(fastsep.gaussian, source, target, 1, memory=500_000)
    pixels = 0
    for bounds in written:
        for (start, stop), length, *sizes in zip(bounds, image.shape, chunks or other, other, strict=True):
            assert all(start % size == 0 and (stop == length or stop % size == 0) for size in sizes)
        pixels += np.prod([stop - start for start, stop in bounds])
        assert 4 * np.prod([stop - start for start, stop in bounds]) <= 250_000
    assert pixels == image.size


def test_a_budget_that_no_block_keeps_to_is_refused():
    with pytest.raises(
        ValueError, match=r"^`memory` must be at least \d+ MiB for a block of 512 x 512; got 0.09537 MiB\.$"
    ):
        filter_blocks(
            fastsep.gaussian, Chunked(np.zeros((2048, 2048)), 512, 512), np.zeros((2048, 2048)), memory=100_000
        )


# ---- rows that are filtered where they lie


@pytest.fixture
def nothing_copied(monkeypatch):
    for owner, name in ((local.Local, "run"), (writing.Target, "write"), (reading.Views, "read")):
        monkeypatch.setattr(owner, name, None)


@pytest.mark.parametrize("name", ["gaussian", "one axis", "sobel", "opening of rows", "dense"])
def test_rows_of_arrays_and_files_are_not_copied(name, tmp_path, nothing_copied):
    function, image, options = {
        **CALLS,
        "opening of rows": (ndimage.minimum_filter, BYTES, {"size": (3, 5)}),
        "dense": (fastsep.correlate, IMAGE, {"kernel": HILL[:3, :3] + np.eye(3), "method": "direct"}),
    }[name]
    check(function, image, block=(16, 103), **options)
    expected = function(image, **options)
    source, target = mapped(tmp_path / "source", image), mapped(tmp_path / "target", np.zeros_like(expected))
    for memory in (20_000, 1 << 20):  # rows are made one after the other, or in one block
        target[...] = 0
        filter_blocks(function, source, target, memory=memory, **options)
        np.testing.assert_array_equal(target, expected)


def test_new_files_are_not_copied_to_either(tmp_path, nothing_copied):
    source = mapped(tmp_path / "source", IMAGE)
    target = np.memmap(tmp_path / "target", "f4", "w+", shape=IMAGE.shape)
    filter_blocks(fastsep.gaussian, source, target, 2)
    expected = fastsep.gaussian(IMAGE, 2)
    np.testing.assert_array_equal(target, expected)
    assert (tmp_path / "target").read_bytes() == expected.tobytes()


@pytest.mark.parametrize("offset", [0, 1, 4097])
@pytest.mark.parametrize("dtype", [">f4", "f4"])
def test_targets_of_any_byte_order_and_alignment_get_the_values(dtype, offset, tmp_path, monkeypatch):
    monkeypatch.setattr(tuning, "STREAM_EXTREMA", 0)
    image = np.tile(IMAGE, (3, 2))
    (tmp_path / "target").write_bytes(bytes(offset + image.nbytes))
    target = np.memmap(tmp_path / "target", dtype, "r+", offset, image.shape)
    filter_blocks(fastsep.erosion, image, target, np.ones((3, 3)), journal=False)
    np.testing.assert_array_equal(target, fastsep.erosion(image, np.ones((3, 3))))
    other = np.zeros(image.shape, dtype)
    filter_blocks(fastsep.box, image, other, 3)
    np.testing.assert_array_equal(other, fastsep.box(image, 3))


@pytest.fixture
def files(tmp_path):
    return mapped(tmp_path / "source", IMAGE), mapped(tmp_path / "target", np.zeros_like(IMAGE))


@pytest.mark.parametrize("cause", ["the disk would be read", "no room is promised"])
def test_files_are_written_past_their_map_where_that_is_better(cause, files, tmp_path, monkeypatch):
    name = {"the disk would be read": "_is_cached", "no room is promised": "_allocate"}[cause]
    monkeypatch.setattr(maps, name, lambda *arguments: False)
    source, target = files
    if name == "_allocate":
        target = np.memmap(tmp_path / "new", "f4", "w+", shape=(4096, 103))[: len(IMAGE)]
    written = []
    write = writing.Target.write
    monkeypatch.setattr(writing.Target, "write", lambda *arguments: written.append(1) or write(*arguments))
    filter_blocks(fastsep.gaussian, source, target, 2)
    np.testing.assert_array_equal(target, fastsep.gaussian(IMAGE, 2))
    assert written


def test_a_full_disk_is_told_before_anything_is_written(files, tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError("disk full")

    monkeypatch.setattr(maps, "_allocate", full)
    target = np.memmap(tmp_path / "new", "f4", "w+", shape=(4096, 103))[: len(IMAGE)]
    with pytest.raises(OSError, match="disk full"):
        filter_blocks(fastsep.gaussian, files[0], target, 2)
    assert not target.any()


# ---- files


@pytest.mark.parametrize("offset", [0, 5000])
@pytest.mark.parametrize("block", [(16, 103), (20, 30)])
def test_files_are_mapped(tmp_path, offset, block):
    path = tmp_path / "target"
    path.write_bytes(b"x" * (offset + IMAGE.nbytes) + b"end")
    target = np.memmap(path, "f4", "r+", offset, IMAGE.shape)
    mapped(tmp_path / "source", IMAGE).flush()
    source = np.memmap(tmp_path / "source", "f4", "r", shape=IMAGE.shape)
    filter_blocks(fastsep.gaussian, source, target, 2, block=block)
    expected = fastsep.gaussian(IMAGE, 2)
    np.testing.assert_array_equal(target, expected)
    assert path.read_bytes() == b"x" * offset + expected.tobytes() + b"end"
    assert sorted(os.listdir(tmp_path)) == ["source", "target"]


def test_a_file_that_is_not_where_it_was_is_left_alone(tmp_path):
    target = mapped(tmp_path / "target", np.zeros_like(IMAGE))
    os.rename(tmp_path / "target", tmp_path / "moved")
    other = b"y" * IMAGE.nbytes
    (tmp_path / "target").write_bytes(other)
    filter_blocks(fastsep.gaussian, IMAGE, target, 2, block=20)
    np.testing.assert_array_equal(target, fastsep.gaussian(IMAGE, 2))
    assert (tmp_path / "target").read_bytes() == other


def test_changes_that_a_map_keeps_to_itself_stay(tmp_path):
    mapped(tmp_path / "image", IMAGE).flush()
    source = np.memmap(tmp_path / "image", "f4", "c", shape=IMAGE.shape)
    source[:] = 1
    target = np.zeros_like(IMAGE)
    filter_blocks(fastsep.gaussian, source, target, 2, block=20)
    np.testing.assert_array_equal(target, fastsep.gaussian(np.ones_like(IMAGE), 2))
    assert (source == 1).all()


def test_stores_of_zarr(tmp_path):
    zarr = pytest.importorskip("zarr", minversion="3")
    options = {"shape": IMAGE.shape, "dtype": "f4", "chunks": (16, 32)}
    source = zarr.create_array(tmp_path / "source.zarr", **options)
    source[...] = IMAGE
    target = zarr.create_array(tmp_path / "target.zarr", **{**options, "chunks": (16, 16)}, shards=(48, 48))
    filter_blocks(fastsep.gaussian, source, target, 2, memory=300_000)
    np.testing.assert_array_equal(target[...], fastsep.gaussian(IMAGE, 2))
    with pytest.raises(ValueError, match="`target` must not share"):
        filter_blocks(fastsep.gaussian, source, zarr.open_array(tmp_path / "source.zarr"), 2)
    stop_after(2, fastsep.gaussian, source, target, 2, block=(48, 48))
    assert (tmp_path / "target.zarr.fastsep-journal").exists()


def test_datasets_of_h5py(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "file.h5", "w") as file:
        source = file.create_dataset("a/source", data=IMAGE, chunks=(16, 32))
        target = file.create_dataset("a/target", IMAGE.shape, "f4", chunks=(16, 16))
        filter_blocks(fastsep.gaussian, source, target, 2, block=(32, 48))
        np.testing.assert_array_equal(target[...], fastsep.gaussian(IMAGE, 2))
        with pytest.raises(ValueError, match="`target` must not share"):
            filter_blocks(fastsep.gaussian, source, file["a/source"], 2)
        stop_after(2, fastsep.gaussian, source, target, 2, block=(32, 48))
        assert (tmp_path / "file.h5.a.target.fastsep-journal").exists()
        filter_blocks(fastsep.gaussian, source, target, 2, block=(32, 48), resume=True)


# ---- progress


def test_progress_is_told_block_by_block():
    told = []
    filter_blocks(
        fastsep.gaussian, IMAGE, np.zeros_like(IMAGE), block=(25, 103), progress=lambda *numbers: told.append(numbers)
    )
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("has_tqdm", [True, False])
def test_progress_is_shown(has_tqdm, capsys, monkeypatch):
    if not has_tqdm:
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    elif not __import__("importlib.util").util.find_spec("tqdm"):
        pytest.skip("no tqdm")
    filter_blocks(fastsep.gaussian, IMAGE, np.zeros_like(IMAGE), block=(25, 103), progress=True)
    shown = capsys.readouterr()
    assert ("3/3" if has_tqdm else "\rfastsep: 3 of 3 blocks\n") in shown.err
    assert not shown.out


# ---- edges, which are followed through all blocks


@pytest.mark.parametrize("mode", ["constant", "reflect", "wrap"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("block", [(7, 60), (30, 11), (64, 9)])
def test_edges_are_joined_across_blocks(block, masked, mode):
    rng = np.random.default_rng(5)
    image = (fastsep.gaussian(rng.random((70, 61)), 1.5) * 255).astype(np.uint8)
    options = {"mode": mode, "low_threshold": 8, "high_threshold": 60}
    if masked:
        options["mask"] = rng.random(image.shape) < 0.99
    target = np.ones(image.shape, bool)
    filter_blocks(fastsep.canny, image, target, block=block, **options)
    np.testing.assert_array_equal(target, fastsep.canny(image, **options))


@pytest.mark.parametrize("shape", [(300,), (40, 50), (12, 14, 10)])
def test_thresholds_are_joined_across_blocks(shape):
    image = np.random.default_rng(6).random(shape)
    target = np.ones(shape, bool)
    filter_blocks(fastsep.apply_hysteresis_threshold, image, target, 0.4, 0.9, block=7)
    np.testing.assert_array_equal(target, fastsep.apply_hysteresis_threshold(image, 0.4, 0.9))


def test_edges_need_thresholds_that_are_numbers():
    image, target = np.ones((9, 9)), np.zeros((9, 9), bool)
    refused(ValueError, "`use_quantiles` must be False", fastsep.canny, image, target, use_quantiles=True)
    low = np.zeros((9, 1))
    refused(ValueError, "`low` must be a number here", fastsep.apply_hysteresis_threshold, image, target, low, 1.0)


def test_edges_are_not_followed_in_the_image_itself():
    image = np.ones((9, 9), bool)
    refused(ValueError, "`target` must not share", fastsep.apply_hysteresis_threshold, image, image, 0.1, 0.9)


# ---- refusals


@pytest.mark.parametrize(
    ("function", "kind", "message"),
    [
        (ndimage.generic_laplace, ValueError, "generic_laplace does not: a derivative of one's own may read anything"),
        (fastsep.peak_local_max, ValueError, "peak_local_max does not: its result is a list"),
        (fastsep.conv2d, TypeError, "`function` must be a filter of fastsep; got conv2d"),
        (np.median, TypeError, "`function` must be a filter of fastsep; got median"),
        (None, TypeError, "`function` must be a filter of fastsep; got None"),
    ],
)
def test_functions_that_do_not_work_on_blocks_are_refused(function, kind, message):
    refused(kind, message, function, IMAGE, np.zeros_like(IMAGE))


@pytest.mark.parametrize(
    ("source", "target", "kind", "message"),
    [
        ([[1.0]], np.zeros((1, 1)), TypeError, "`source` must have shape, dtype and slices"),
        (None, np.zeros((1, 1)), TypeError, "`source` must have shape"),
        (IMAGE, [[1.0]], TypeError, "`target` must have shape"),
        (IMAGE, (), ValueError, "`target` must be an array or several; got none"),
        (np.float32(3), np.zeros(()), ValueError, "`source` must have axes"),
        (
            np.zeros((0, 5)),
            np.zeros((0, 5)),
            ValueError,
            "`source` must have axes, and pixels along each; got shape (0, 5)",
        ),
        (IMAGE + 1j, np.zeros_like(IMAGE), ValueError, "`source` must have a float, integer or bool dtype"),
        (np.ma.masked_array(IMAGE), np.zeros_like(IMAGE), ValueError, "`source` must not be a masked array"),
        (
            IMAGE,
            np.zeros((75, 104), "f4"),
            ValueError,
            "`target` must have the result's shape (75, 103); got (75, 104)",
        ),
        (IMAGE, np.zeros(IMAGE.shape, bool), ValueError, "`dtype` must be a float or integer dtype; got bool"),
        (IMAGE, np.broadcast_to(np.float32(0), IMAGE.shape), ValueError, "`target` must be writeable"),
        (IMAGE, (np.zeros_like(IMAGE),) * 2, ValueError, "`target` must be as many arrays as there are results, 1"),
        (
            IMAGE,
            (np.zeros(3), np.zeros(3, "f4")),
            ValueError,
            "`target` must be arrays of one dtype; got float32, float64",
        ),
        (IMAGE, IMAGE, ValueError, "`target` must not share memory or a file with `source`"),
        (IMAGE, IMAGE[::-1], ValueError, "`target` must not share memory or a file with `source`"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(source, target, kind, message):
    refused(kind, message, fastsep.gaussian, source, target)


def test_a_file_is_not_read_when_it_is_written_already(tmp_path):
    source = mapped(tmp_path / "file", IMAGE)
    again = np.memmap(tmp_path / "file", "f4", "r+", shape=IMAGE.shape)
    private = np.memmap(tmp_path / "file", "f4", "c", shape=IMAGE.shape)  # shows what others write
    for view in (source, np.asarray(source), private):
        refused(ValueError, "`target` must not share memory or a file", fastsep.gaussian, view, again)
    twice = np.memmap(tmp_path / "two", "f4", "w+", shape=(2, *IMAGE.shape))
    twice[0] = IMAGE
    behind = np.memmap(tmp_path / "two", "f4", "r+", IMAGE.nbytes, IMAGE.shape)
    filter_blocks(fastsep.gaussian, twice[0], behind, 2, block=20)
    np.testing.assert_array_equal(twice[1], fastsep.gaussian(IMAGE, 2))
    np.testing.assert_array_equal(twice[0], IMAGE)


def test_single_pixels_may_be_replaced():
    image = BYTES.copy()
    filter_blocks(fastsep.gaussian, image, image, 0, block=20)
    np.testing.assert_array_equal(image, BYTES)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"out": np.zeros_like(IMAGE)}, ValueError, "`out` must not be given: results go to `target`"),
        ({"image": IMAGE}, TypeError, "`image` must not be given beside `source`"),
        ({"sigma": -1}, ValueError, "`sigma` must"),
        ({"block": 0}, ValueError, "`block` must"),
        ({"block": (1, 2, 3)}, ValueError, "`block` must"),
        ({"memory": 0}, ValueError, "`memory` must"),
        ({"progress": "yes"}, TypeError, "`progress` must be None, True or a function"),
        ({"radius": 3}, TypeError, "radius"),
    ],
)
def test_bad_arguments_are_refused(options, kind, message):
    refused(kind, message, fastsep.gaussian, IMAGE, np.zeros_like(IMAGE), **options)


def test_several_results_need_several_targets():
    out = np.zeros_like(IMAGE)
    refused(
        ValueError,
        "`target` must be a tuple of 3 arrays for as many results; got one",
        fastsep.structure_tensor,
        IMAGE,
        out,
    )
    refused(ValueError, "`target` must be arrays that share no memory", fastsep.gradient, IMAGE, (out, out))
    refused(ValueError, "`mask` must have the image's shape", fastsep.sobel, IMAGE, out, mask=MASK[1:])
    refused(ValueError, "`source` must not have axes of length 1", fastsep.corner_harris, IMAGE[None], out[None])


def test_a_failing_target_ends_the_work(tmp_path):
    class Full(Chunked):
        def __setitem__(self, place, values):
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        filter_blocks(fastsep.gaussian, IMAGE, Full(np.zeros_like(IMAGE), 10, 10), block=10, journal=tmp_path / "list")
    assert not os.listdir(tmp_path)


# ---- regions


@pytest.mark.parametrize("wraps", [False, True])
def test_a_block_reads_its_own_pixels_and_stays_within_the_image(wraps):
    for length in (1, 5, 16, 40):
        for start in range(0, length, 3):
            for halo in ((0, 0), (2, 5), (50, 1)):
                stop = min(start + 3, length)
                runs, inner = regions.reads(start, stop, length, halo, wraps, 4)
                pixels = [pixel for each in runs for pixel in range(*each)]
                assert pixels[inner] == list(range(start, stop))
                assert len(set(pixels)) == len(pixels) >= min(regions.LEAST, length)


def test_memory_stays_within_the_budget(tmp_path):
    """In a process of its own, whose most memory the system tells, pages of mapped files included."""
    pytest.importorskip("resource")
    code = """
import resource, sys
import numpy as np, fastsep
def most(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
small = np.memmap("small", "u2", "w+", shape=(64, 4000))
fastsep.filter_blocks(fastsep.gaussian, small, np.memmap("other", "u2", "w+", shape=(64, 4000)), 2)
source = np.memmap("source", "u2", "w+", shape=(20000, 4000))
target = np.memmap("target", "u2", "w+", shape=(20000, 4000))
before = most()
fastsep.filter_blocks(fastsep.gaussian, source, target, 2, memory=16 << 20)
print(most() - before)
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(fastsep.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 40 << 20  # of 320 MB
