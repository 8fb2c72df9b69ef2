"""Arrays of dask in, arrays of dask out: lazily, and with the bits of the call in memory."""

import pickle
import subprocess
import sys
from itertools import product

import cloudpickle
import dask.array as da
import fuzz_chunks
import numpy as np
import pytest
from dask.base import tokenize
from helpers import assert_refused, same_bits, slow

import fastsep
import fastsep.ndimage as ndi
from fastsep import _call
from fastsep._arrays import chunked, tasks
from fastsep._plan import regions, tuning

MODES = ("reflect", "constant", "nearest", "mirror", "wrap")
KERNEL = np.arange(12.0).reshape(4, 3) - 3
SHAPE = (41, 53)
CHUNKS = ((20, 53), ((1, 0, 40), (3, 50)), 9)
CALLS = {
    "gaussian": lambda x, **options: fastsep.gaussian(x, 2, **options),
    "wide gaussian": lambda x, **options: fastsep.gaussian(x, (15, 0), **options),
    "derivative": lambda x, **options: fastsep.gaussian(x, 3, order=(0, 1), **options),
    "box": lambda x, **options: fastsep.box(x, (20, 7), **options),
    "sobel": fastsep.sobel,
    "unsharp_mask": fastsep.unsharp_mask,
    "correlate": lambda x, **options: fastsep.correlate(x, KERNEL, **options),
    "bank": lambda x, **options: fastsep.correlate_bank(x, np.stack([KERNEL, KERNEL[::-1]]), **options),
    "gradient": lambda x, **options: fastsep.gradient(
        x, sigma=1, output=("orientation", "magnitude", "dx", "dy"), **options
    ),
    "tensor": fastsep.structure_tensor,
    "corners": fastsep.corner_harris,
    "opening": lambda x, **options: fastsep.opening(x, np.ones((4, 3)), **options),
    "ndimage": lambda x, **options: ndi.gaussian_filter(x, 1, **options),
    "tophat": lambda x, **options: ndi.white_tophat(x, (3, 4), origin=(1, -1), **options),
    "median": lambda x, **options: fastsep.median(x, np.ones((3, 3)), **options),
}


def agree(call, image, chunks=5, **options):
    """Whether a call gives the same with the image in chunks."""
    whole, parts = call(image, **options), da.from_array(image, chunks=chunks)
    pairs = []
    for chunked_image in (
        parts,
        parts.map_blocks(np.copy, dtype=parts.dtype, meta=parts._meta),
    ):  # or arrays of their own
        lazy = call(chunked_image, **options)
        pairs += [(lazy, whole)] if isinstance(whole, np.ndarray) else list(zip(lazy, whole, strict=True))
    for found, expected in pairs:
        assert isinstance(found, da.Array)
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
        assert same_bits(np.ascontiguousarray(found.compute(scheduler="sync")), expected)
    return True


def unreadable(shape=(40, 50), dtype="float32", chunks=10):
    """An array that cannot be computed."""

    def fail(block):
        raise AssertionError("a chunk was computed")

    return da.zeros(shape, dtype, chunks=chunks).map_blocks(fail, dtype=dtype, meta=np.empty((0,) * len(shape), dtype))


@pytest.fixture
def image(rng):
    return rng.random(SHAPE, "f4")


@pytest.fixture(autouse=True)
def no_copies(monkeypatch):
    """Small images are read where they are, as large ones."""
    monkeypatch.setattr(tuning, "APART_BYTES", 0)


# ---- results


@pytest.mark.parametrize("share", [2, *slow(1)])
@pytest.mark.parametrize("name", CALLS)
def test_results_are_those_in_memory(name, share, image):
    for chunks, mode in list(product(CHUNKS, MODES))[::share]:  # an odd number of modes: each takes its turn
        assert agree(CALLS[name], image, chunks, mode=mode)
    assert agree(CALLS[name], image, -1)
    assert agree(CALLS[name], (image * 255).astype(np.uint8), 11)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
def test_random_calls_agree(part):
    for number in range(60 * part, 60 * (part + 1)):
        case = fuzz_chunks.draw_case(0, number)
        assert not fuzz_chunks.difference(case), str(case)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_channels_may_be_chunked(axis, rng):
    image = rng.random(np.insert((20, 30), axis, 20), "f4")
    assert agree(fastsep.gaussian, image, (7, 6, 5), channel_axis=axis)
    assert agree(fastsep.roberts, image, 4, channel_axis=axis)
    assert agree(fastsep.opening, image, 7, channel_axis=axis)


@pytest.mark.parametrize("shape", [(70,), (9, 10, 11), (4, 5, 6, 7)])
def test_any_number_of_axes(shape, rng):
    image = rng.random(shape, "f4")
    assert agree(fastsep.gaussian, image, 3)
    assert agree(fastsep.box, image, 3, size=17)
    assert agree(ndi.maximum_filter, image, 3, size=4)


def test_axes_that_are_not_filtered_are_read_chunk_by_chunk(rng):
    image = da.from_array(rng.random((30, 20, 20)), chunks=(1, 20, 20))
    for result in (fastsep.gaussian(image, (0, 1, 1)), fastsep.gaussian(image, 1, channel_axis=0)):
        assert all(len(result.dask[key].dependencies) == 2 for key in result.dask.layers[result.name] if key[0] != "j")


@pytest.mark.parametrize("shape", [(0, 7), (7, 0), (0,), (0, 3, 4)])
def test_empty_images_give_empty_results(shape):
    assert agree(fastsep.gaussian, np.zeros(shape, "f4"))
    assert agree(ndi.gaussian_filter, np.zeros(shape, "f4"), sigma=1)


def test_modes_may_differ_from_axis_to_axis(image):
    for modes in product(MODES, MODES):
        assert agree(fastsep.gaussian, image, (13, 18), mode=list(modes))
        assert agree(ndi.gaussian_laplace, image, (13, 18), sigma=1, mode=modes)


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_differences_end_with_the_image_where_a_blur_goes_round(dtype, image):
    options = {"sigma": 1, "mode": "wrap", "use_gaussian_derivatives": False}
    assert agree(fastsep.hessian_matrix, (image * 200).astype(dtype), (13, 17), **options)


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
def test_all_chunks_are_filtered_the_way_that_the_whole_image_is(value, rng):
    kernel = np.outer(rng.random(4), rng.random(5)) + np.outer(rng.random(4), rng.random(5))
    image = rng.random((60, 70), "f4")
    image[50, 60] = value
    assert agree(fastsep.correlate, image, 12, kernel=kernel)
    assert agree(fastsep.correlate_bank, image, 12, kernels=kernel[None])
    assert agree(ndi.correlate, image, 12, weights=kernel)


def test_one_negative_pixel_sets_the_range_of_all_chunks(image):
    assert agree(fastsep.unsharp_mask, image, amount=5)
    image[0, 0] = -0.1
    assert agree(fastsep.unsharp_mask, image, amount=5)


@pytest.mark.parametrize("chunks", [5, (30, 9)])
def test_masks_are_arrays_of_either_kind(chunks, image, rng):
    mask = rng.random(SHAPE) < 0.9
    image[3, 4] = np.inf
    expected = fastsep.sobel(image, mask=mask)
    lazy = da.from_array(image, chunks=chunks)
    for given in (mask, da.from_array(mask, chunks=7)):
        assert same_bits(fastsep.sobel(lazy, mask=given).compute(), expected)
    assert same_bits(fastsep.sobel(image, mask=da.from_array(mask)), expected)
    colours = np.stack([image] * 3, -1)
    expected = fastsep.sobel(colours, mask=mask, channel_axis=-1)
    assert same_bits(fastsep.sobel(da.from_array(colours, chunks=6), mask=mask, channel_axis=-1).compute(), expected)


def test_blocks_filtered_in_strips_give_the_same(image, monkeypatch):
    monkeypatch.setattr(chunked, "STRIP_BYTES", 1)
    monkeypatch.setattr(chunked, "STRIP_HALOS", 0)
    for name, mode in product(CALLS, ("reflect", "wrap")):
        assert agree(CALLS[name], image, (35, 53), mode=mode)


# ---- SciPy's filters


def test_what_is_passed_on_to_scipy_agrees(image, rng):
    structure = rng.integers(0, 3, (4, 3))
    assert agree(ndi.grey_dilation, image, structure=structure, mode="wrap")
    assert agree(ndi.grey_opening, image, structure=structure)
    assert agree(ndi.maximum_filter, image.astype(np.uint8), size=5, mode="constant", cval=-3.5)
    assert agree(ndi.median_filter, image, 30, footprint=np.ones((40, 30)))
    assert agree(ndi.correlate, image, weights=np.array([[1, np.inf], [2, 3]]))


def test_complex_images_and_weights(image):
    complex_image = image + 1j * image[::-1]
    assert agree(ndi.gaussian_filter, complex_image, sigma=1)
    assert agree(ndi.correlate, complex_image, weights=KERNEL + 1j)
    assert agree(ndi.convolve1d, image, weights=[1, 2j, 3])


def test_output_may_be_a_dtype(image):
    for call in (ndi.gaussian_filter, ndi.gaussian_laplace):
        assert agree(call, image, sigma=1, output=np.float64)
    for call in (ndi.minimum_filter, ndi.grey_closing, ndi.black_tophat, ndi.morphological_gradient):
        assert agree(call, image, size=3, output=np.float64)
        assert agree(call, image, size=3, output=">f8")


def test_results_of_the_other_byte_order_are_native(image):
    for call in (fastsep.erosion, fastsep.white_tophat, fastsep.gaussian):
        assert agree(call, image.astype(">f4"))
    assert agree(ndi.grey_opening, image.astype(">f4"), size=3)


def test_derivatives_of_ones_own(image):
    def second(image, axis, output, mode, cval):
        return ndi.correlate1d(image, [1, -2, 1], axis, output, mode, cval)

    for values in (image, (image * 255).astype(np.uint8)):
        assert agree(ndi.generic_laplace, values, derivative2=second)
        assert agree(ndi.generic_gradient_magnitude, values, derivative=ndi.sobel)
        assert agree(ndi.generic_gradient_magnitude, values, derivative=ndi.sobel, axes=())


# ---- layers


@pytest.mark.parametrize("padding", ["valid", "same", ((30, 2), (0, 11))])
@pytest.mark.parametrize("stride", [1, 3])
def test_layers_agree(padding, stride, rng):
    x, kernel = rng.random((2, 20, 25, 3), "f4"), rng.random((3, 4, 3, 5), "f4")
    for mode in MODES:
        options = {"padding": padding, "stride": stride, "mode": mode, "dilation": 2}
        assert agree(fastsep.conv2d, x, (1, 6, 7, 2), kernel=kernel, **options)
        assert agree(fastsep.SeparableConv2D(kernel[..., 0], kernel[0, 0], **options), x, (2, 1, 25, 3))


def test_weights_of_a_layer_are_once_in_the_graph(rng):
    layer = fastsep.Conv2D(rng.random((3, 3, 16, 400), "f4"))
    result = layer(da.zeros((200, 200, 16), "f4", chunks=(20, 20, 16)))
    assert len(pickle.dumps(result)) < 2 * 4 * 9 * 16 * 400


# ---- graphs


@pytest.mark.parametrize("name", CALLS)
def test_nothing_is_computed_while_the_graph_is_made(name):
    result = CALLS[name](unreadable())
    with pytest.raises(AssertionError, match="a chunk was computed"):
        da.compute(result, scheduler="sync")


def test_a_result_has_the_chunks_of_the_image_and_one_task_for_each():
    image = unreadable()
    result = fastsep.gaussian(image, 2)
    assert result.chunks == image.chunks
    assert len(result.dask.layers[result.name]) == 20 + 1  # and what all of them share
    bank = fastsep.correlate_bank(image, np.ones((7, 3, 3)))
    assert bank.chunks == (*image.chunks, (7,))


def test_what_is_read_without_a_halo_is_not_copied(rng):
    block = rng.random((20, 30))
    along = [tasks.Along(n, ((0, slice(0, n), slice(0, n)),), slice(0, n)) for n in block.shape]
    assert tasks.assembled([block], (1, 1), along, block.dtype).base is block


def test_what_lies_side_by_side_is_not_copied(rng):
    image = rng.random((20, 30))
    chunks = [image[:8, :10], image[:8, 10:], image[8:, :10], image[8:, 10:]]
    parts = [
        ((0, slice(5, 8), slice(0, 3)), (1, slice(0, 4), slice(3, 7))),
        ((0, slice(9, 10), slice(0, 1)), (1, slice(0, 20), slice(1, 21))),
    ]
    along = [tasks.Along(size, each, slice(0, size)) for size, each in zip((7, 21), parts, strict=True)]
    block = tasks.assembled(chunks, (2, 2), along, image.dtype)
    assert np.shares_memory(block, image)
    assert not block.flags.writeable
    np.testing.assert_array_equal(block, image[5:12, 9:30])
    for number in range(4):  # one chunk is elsewhere, or lies otherwise
        for other in (chunks[number].copy(), chunks[number][::-1], chunks[number].astype("f4")):
            among = [*chunks[:number], other, *chunks[number + 1 :]]
            expected = np.block([among[:2], among[2:]])[5:12, 9:30]
            block = tasks.assembled(among, (2, 2), along, image.dtype)
            np.testing.assert_array_equal(block, expected)
            assert not np.shares_memory(block, image)
    with pytest.raises(ValueError, match="broadcast"):  # a chunk is shorter than dask was told
        tasks.assembled([*chunks[:3], chunks[3][:3]], (2, 2), along, image.dtype)


def test_the_same_call_has_the_same_name_in_any_process(capsys):
    code = (
        "import numpy as np, dask.array as da, fastsep, fastsep.ndimage as ndi;"
        "x = da.zeros((30, 40), chunks=10);"
        "print(fastsep.gaussian(x, [1, 2]).name, fastsep.correlate_bank(x, np.ones((2, 3, 3))).name,"
        "fastsep.correlate_bank(x, fastsep.factorize_bank(np.ones((2, 3, 3)))).name, ndi.median_filter(x, 3).name,"
        "fastsep.opening(x, np.ones((3, 3))).name, fastsep.conv2d(x[..., None], np.ones((2, 2, 1, 3))).name,"
        "fastsep.sobel(x, mask=np.ones((30, 40))).name, fastsep.structure_tensor(x)[1].name)"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    exec(code)
    assert capsys.readouterr().out == other
    assert len(set(other.split())) == 8


def test_other_arguments_have_other_names(image):
    x = da.from_array(image, chunks=10)
    calls = [
        fastsep.gaussian(x), fastsep.gaussian(x, 2), fastsep.gaussian(x, mode="wrap"), fastsep.gaussian(x, cval=1),
        fastsep.gaussian(x, preserve_range=True), fastsep.gaussian(x, dtype="f8"), fastsep.gaussian(x + 1),
    ]  # fmt: skip
    assert len({result.name for result in calls}) == len(calls)
    assert fastsep.gaussian(x).name == fastsep.gaussian(x).name


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("module", [pickle, cloudpickle], ids=["pickle", "cloudpickle"])
def test_results_can_be_sent_to_other_processes(module, name, image):
    lazy = CALLS[name](da.from_array(image, chunks=20))
    for result in lazy if isinstance(lazy, list | tuple) else [lazy]:
        again = module.loads(module.dumps(result))
        assert again.name == result.name
        assert same_bits(again.compute(scheduler="sync"), result.compute(scheduler="sync"))


def test_rules_stay_the_same_objects():
    for name in ("SKIMAGE", "OWN", "ORDER", "NDIMAGE"):
        rules = getattr(_call, name)
        assert pickle.loads(pickle.dumps(rules)) is rules
        assert tokenize(rules, ensure_deterministic=True)


def test_what_dask_knows_of_a_result_is_true(image):
    for values in (image, (image * 255).astype(np.uint8)):
        for call in CALLS.values():
            lazy = call(da.from_array(values, chunks=20))
            for result in lazy if isinstance(lazy, list | tuple) else [lazy]:
                assert result._meta.dtype == result.dtype == result.compute(scheduler="sync").dtype


@pytest.mark.parametrize("workers", [None, 3])
def test_a_task_takes_one_thread_unless_it_is_told_otherwise(workers, image, monkeypatch):
    taken, checked = [], _call._checked
    monkeypatch.setattr(
        _call, "_checked", lambda options, x, outs, workers: taken.append(workers) or checked(options, x, outs, workers)
    )
    fastsep.gaussian(da.from_array(image, chunks=20), 2, workers=workers).compute(scheduler="sync")
    assert set(taken[1:]) == {workers or 1}


def test_explain_takes_arrays_of_dask(image):
    lazy = da.from_array(image, chunks=20)
    assert str(fastsep.explain(fastsep.box, lazy, 3)) == str(fastsep.explain(fastsep.box, image, 3))


# ---- what is refused

X = da.zeros((20, 30), "f4", chunks=10)
REFUSED = {
    "out": (lambda: fastsep.gaussian(X, out=np.zeros((20, 30), "f4")), ValueError, "`out` must be None.*dask"),
    "output": (lambda: ndi.gaussian_filter(X, 1, output=np.zeros((20, 30), "f4")), ValueError, "`out` must be None"),
    "output of dask": (lambda: ndi.gaussian_filter(X, 1, output=X), TypeError, "`output` must be a NumPy array"),
    "out of a layer": (
        lambda: fastsep.conv2d(X[..., None], np.ones((1, 1, 1, 1)), out=np.zeros((20, 30, 1))), ValueError, "`out`",
    ),
    "unknown chunks": (lambda: fastsep.gaussian(X[X[:, 0] > 0]), ValueError, r"`image\.compute_chunk_sizes\(\)`"),
    "unknown chunks of a layer": (
        lambda: fastsep.conv2d(X[X[:, 0] > 0][..., None], np.ones((1, 1, 1, 1))), ValueError, "compute_chunk_sizes",
    ),
    "masked": (lambda: fastsep.gaussian(da.ma.masked_array(X)), ValueError, "masked arrays"),
    "complex": (lambda: fastsep.gaussian(X.astype("c8")), ValueError, "`image` must be real"),
    "mode": (lambda: fastsep.gaussian(X, mode="odd"), ValueError, "`mode`"),
    "mask": (lambda: fastsep.sobel(X, mask=np.ones(3)), ValueError, r"`mask` must have the image's shape \(20, 30\)"),
    "peaks": (lambda: fastsep.peak_local_max(X), ValueError, r"`image` must be an array in memory.*all pixels"),
    "modes of SciPy": (lambda: ndi.median_filter(X, 3, mode=["wrap", "wrap"]), RuntimeError, "sequence of modes"),
    "dtype of SciPy": (lambda: ndi.median_filter(X.astype("c8"), 3), TypeError, "Complex"),
    "derivative": (
        lambda: ndi.generic_laplace(X, lambda x, *others: np.zeros(x.shape)), TypeError, "must give an array of dask",
    ),
    "difference": (lambda: ndi.morphological_gradient(X > 0, 3), TypeError, "boolean subtract"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_done_is_refused_at_once(name):
    call, error, pattern = REFUSED[name]
    if name == "difference":  # NumPy's own words
        with pytest.raises(error, match=pattern):
            call()
        return
    assert_refused(call, error, pattern)


# ---- what a block reads


@pytest.mark.parametrize("wraps", [False, True])
def test_a_block_holds_its_own_pixels_in_order(wraps, rng):
    for _ in range(300):
        length, unit, least = int(rng.integers(1, 200)), int(rng.choice([1, 64])), int(rng.choice([1, 16]))
        start = int(rng.integers(length))
        stop, halo = int(rng.integers(start + 1, length + 1)), tuple(rng.integers(0, 30, 2).tolist())
        found = regions.reads(start, stop, length, halo, wraps, unit, least)
        pixels = np.concatenate([np.arange(low, high) for low, high in found.runs])
        assert pixels[found.inner].tolist() == list(range(start, stop))
        assert len(pixels) == length or len(pixels) >= min(max(least, sum(halo)), length)
        first = pixels[0] if pixels[0] <= start else pixels[0] - length
        assert first % unit == 0 or len(pixels) == length
