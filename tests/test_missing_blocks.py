"""Promise: what no sweep does with missing pixels is done block by block, to the same bits, in little memory."""

import tracemalloc
from functools import partial
from itertools import product

import numpy as np
import pytest
from helpers import same_bits, slow
from test_missing_sweep import with_holes

import fastsep
from fastsep import ndimage as ndi
from fastsep._ops.missing import grid, in_blocks, swept
from fastsep._plan import tuning

GRADIENT = partial(fastsep.gradient, operator="gaussian", sigma=1.2, output=("dy", "dx", "magnitude", "orientation"))


def volume(rng, dtype=np.float32):
    return picture(rng, (37, 29, 33), dtype)


def picture(rng, shape=(120, 150), dtype=np.float32):
    image = (rng.random(shape) * 200 + 20).astype(dtype)
    image[tuple(slice(size // 3, size // 2) for size in shape)] = np.nan if image.dtype.kind == "f" else 0
    image[(-1,) * len(shape)] = np.nan if image.dtype.kind == "f" else 0
    return image


def weights_of(image):
    """Neither 0 nor 1 in a part."""
    weights = np.ones(image.shape)
    weights[tuple(slice(size // 4) for size in image.shape)] = 0.25
    return weights


def masked(image):
    return np.ma.masked_invalid(image)


#: What no sweep does; each of them runs in blocks.
CALLS = {
    "a volume": lambda rng: partial(fastsep.gaussian, volume(rng), 1.3, nan="ignore"),
    "a volume on its own": lambda rng: partial(fastsep.gaussian, volume(rng), 1, nan="ignore", mode="ignore"),
    "a volume that goes round": lambda rng: partial(fastsep.gaussian, volume(rng), 1, nan="ignore", mode="wrap"),
    "a window of a volume": lambda rng: partial(fastsep.box, volume(rng), 5, nan="ignore", mode="constant", cval=3),
    "a mask of a volume": lambda rng: partial(fastsep.unsharp_mask, volume(rng), 1, nan="ignore", min_weight=0.5),
    "a derivative of a volume": lambda rng: partial(fastsep.gaussian, volume(rng), 1, order=(0, 1, 0), nan="ignore"),
    "channels of volumes": lambda rng: partial(
        fastsep.gaussian, volume(rng), (1, 1.5), nan="ignore", channel_axis=1, keep_nan=True, mode="wrap"
    ),
    "round the columns": lambda rng: partial(fastsep.gaussian, picture(rng), 2, nan="ignore", mode=("wrap", "nearest")),
    "a gradient round the columns": lambda rng: partial(GRADIENT, picture(rng), nan="ignore", mode="wrap"),
    "numeric weights of a gradient": lambda rng: partial(GRADIENT, picture(rng), weights=weights_of(picture(rng))),
    "numeric weights of a mask": lambda rng: partial(
        fastsep.unsharp_mask, picture(rng) - 90, 2, nan="ignore", weights=weights_of(picture(rng))
    ),
    "numeric weights of a difference": lambda rng: partial(
        fastsep.difference_of_gaussians, picture(rng), 1, nan="ignore", weights=weights_of(picture(rng))[0]
    ),
    "a masked gradient": lambda rng: partial(GRADIENT, masked(picture(rng))),
    "a masked difference": lambda rng: partial(fastsep.difference_of_gaussians, masked(picture(rng)), 1, mode="wrap"),
    "a masked volume": lambda rng: partial(fastsep.gaussian, masked(volume(rng)), 1),
    "numeric weights of integers": lambda rng: partial(
        fastsep.box, picture(rng, dtype=np.uint8), 5, dtype="uint8", nodata=0, weights=weights_of(picture(rng))
    ),
    "integers of 64 bits": lambda rng: partial(
        ndi.gaussian_filter, picture(rng, dtype=np.int64), 1, nodata=0
    ),
    "a long line": lambda rng: partial(fastsep.gaussian, picture(rng, (20_000,)), 2, nan="ignore", mode="wrap"),
}  # fmt: skip
#: Each of another kind.
QUICK = ("a volume", "round the columns", "numeric weights of a gradient", "a masked volume")


def results(call):
    found = call()
    return found if isinstance(found, tuple) else (found,)


@pytest.fixture
def counted(monkeypatch):
    """The numbers of blocks along each axis of calls in blocks."""
    seen, run = [], in_blocks.InBlocks.run
    monkeypatch.setattr(
        in_blocks.InBlocks, "run", lambda self, *args: seen.append(tuple(map(len, self.grid))) or run(self, *args)
    )
    return seen


@pytest.mark.parametrize("name", [*QUICK, *slow(*(name for name in CALLS if name not in QUICK))])
def test_blocks_make_the_bits_of_whole_arrays(name, rng, counted, monkeypatch):
    call = CALLS[name](rng)
    with monkeypatch.context() as patch:
        patch.setattr(swept, "InBlocks", lambda whole: whole)
        whole = results(call)
    assert not counted
    for size, twice in ((1 << 17, 1.0), (1 << 15, -1.0)):
        monkeypatch.setattr(tuning, "WEIGHED_BLOCK", size)
        monkeypatch.setattr(tuning, "WEIGHED_TWICE", twice)
        fastsep.clear_caches()
        for workers in (1, 3):
            for one, other in zip(results(partial(call, workers=workers)), whole, strict=True):
                assert same_bits(np.ma.getdata(one), np.ma.getdata(other)), (size, workers)
                assert same_bits(np.ma.getmaskarray(one), np.ma.getmaskarray(other)), (size, workers)
    assert max(map(max, counted)) > 1
    fastsep.clear_caches()


def test_where_no_pixel_is_missing_the_plain_filter_runs_once(rng, counted, monkeypatch):
    image = rng.random((37, 29, 33), np.float32)
    monkeypatch.setattr(tuning, "WEIGHED_BLOCK", 1 << 16)
    monkeypatch.setattr(in_blocks.WholeArrays, "run_part", None)
    fastsep.clear_caches()
    for plain, options in ((image, {}), (np.asfortranarray(image), {}), (image, {"weights": np.ones(33)})):
        found = fastsep.gaussian(plain, 1, nan="ignore", **options)
        assert same_bits(found, fastsep.gaussian(image, 1))
    assert len(counted) == 3
    fastsep.clear_caches()


@pytest.mark.parametrize("shape", [(1 << 31,), (2, 1 << 28), (1 << 15, 1 << 15)])
def test_blocks_of_the_longest_axes_are_no_larger_than_they_may_be(shape):
    along = [grid.Along(length, (8, 8), False, 1) for length in shape]
    parts = grid.grid(along, [(0, length) for length in shape], 1 << 17)
    assert np.prod([max(part.size for part in each) for each in parts]) <= 1 << 17


@pytest.mark.parametrize("shape", [(37, 29, 33), (1, 500, 40), (3000,), (7, 5, 6, 400)])
@pytest.mark.parametrize("around", [0, 4, 30])
@pytest.mark.parametrize("unit", [1, 16])
def test_blocks_cover_a_region_once_and_read_no_more_than_they_may(shape, around, unit):
    along = [grid.Along(length, (around, around // 2), False, unit) for length in shape]
    region = [(length // 5, length - length // 6) for length in shape]
    blocks = [grid.Block(parts) for parts in product(*grid.grid(along, region, 20_000))]
    found = np.zeros(shape, int)
    for block in blocks:
        found[block.place] += 1
        assert around or unit > 1 or np.prod(block.shape) <= 20_000
    inside = np.zeros(shape, int)
    inside[tuple(slice(*each) for each in region)] = 1
    np.testing.assert_array_equal(found, inside)


@pytest.mark.parametrize("name", ["gaussian", "box", "mirrored", "beside"])
def test_a_single_missing_pixel_is_found_wherever_it_is(name, rng, monkeypatch):
    call = {
        "gaussian": lambda image: fastsep.gaussian(image, (0.5, 0.8, 0), nan="ignore"),
        "box": lambda image: fastsep.box(image, (4, 3, 2), nan="ignore"),
        # Windows that reach further on one side meet a pixel on the other by way of the border.
        "mirrored": lambda image: fastsep.box(image, (4, 3, 2), nan="ignore", mode="mirror"),
        "beside": lambda image: ndi.uniform_filter(image, (5, 3, 5), origin=(2, 0, -2), nan="ignore"),
    }[name]
    image = rng.random((5, 11, 9))
    for at in np.ndindex(image.shape):
        before, image[at] = image[at], np.nan
        found = call(image)
        with monkeypatch.context() as patch:
            patch.setattr(in_blocks.InBlocks, "_results_tell", lambda self, image: False)
            assert same_bits(found, call(image))
        assert not np.isnan(found).any()
        image[at] = before


# ---- memory


@pytest.mark.slow
@pytest.mark.parametrize("name", ["volume", "columns", "gradient", "difference", "integers", "64 bits"])
def test_no_array_of_the_size_of_the_image_is_made(name, rng):
    image = with_holes(rng, "scattered", (4000, 3000))
    weights, two = np.full((1, 3000), 0.5), {"nan": "ignore", "workers": 2}
    cube, whole = image.reshape(200, 300, 200), (255 * rng.random(image.shape)).astype(np.uint8)
    call = {
        "volume": lambda: fastsep.gaussian(cube, 2, out=out[0].reshape(cube.shape), **two),
        "columns": lambda: fastsep.gaussian(image, 2, mode="wrap", out=out[0], **two),
        "gradient": lambda: fastsep.gradient(image, "gaussian", weights=weights, out=tuple(out), **two),
        "difference": lambda: fastsep.difference_of_gaussians(image, 1, weights=weights, out=out[0], **two),
        "integers": lambda: fastsep.box(whole, 5, weights=weights, dtype="uint8", fill_value=0, out=out[0], workers=2),
        "64 bits": lambda: ndi.gaussian_filter(whole, 2, output=out[0], nodata=0, workers=2),
    }[name]
    dtype = {"integers": np.uint8, "64 bits": np.int64}.get(name, np.float32)
    out = np.empty((2, *image.shape), dtype)
    fastsep.clear_caches()
    call()
    tracemalloc.start()
    call()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Each thread takes a block, whose bytes are an estimate; one array of so many float32 values takes 48 MB.
    assert most < 2.5 * 2 * tuning.WEIGHED_BLOCK
