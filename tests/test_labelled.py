"""Images of xarray: labels stay, arguments name dimensions, and what is of dask inside stays lazy."""

import subprocess
import sys
from pathlib import Path
from types import MappingProxyType

import dask
import dask.array
import numpy as np
import pytest
import xarray
from helpers import assert_refused, same_bits
from image_functions import BATCH, CALLS, DENSE, DEPTHWISE, IMAGE, KERNELS, MASK, listed

import fastsep
import fastsep.ndimage as ndi

BANDS = np.random.default_rng(20).random((3, 12, 15), np.float32)


def labelled(values, *dims):
    """`values` with coordinates of every kind, attributes, a name and an encoding."""
    coords = {dim: np.arange(length) * 0.5 for dim, length in zip(dims, values.shape, strict=True)}
    coords |= {"time": 7, "height": (dims[-2:], np.ones(values.shape[-2:]))}
    image = xarray.DataArray(values, coords, dims, "reflectance", {"units": "1"})
    image.encoding = {"dtype": "int16", "scale_factor": 0.01}
    return image


def of(values):
    return labelled(values, "y", "x") if values.ndim == 2 else labelled(values, "n", "y", "x", "c")


BY_BANDS = labelled(BANDS, "band", "y", "x")


@pytest.mark.parametrize("name", CALLS)
def test_values_are_those_without_labels(name):
    call, image = CALLS[name]
    found, expected = listed(call(of(image))), listed(call(image))
    for result, values in zip(found, expected, strict=True):
        assert isinstance(result, xarray.DataArray)
        assert same_bits(result.values, values)
        assert result.dims[: image.ndim] == of(image).dims
        assert (result.name, result.attrs, result.encoding) == ("reflectance", {"units": "1"}, {})


def test_coordinates_attributes_and_name_are_kept():
    image = of(IMAGE)
    xarray.testing.assert_identical(fastsep.gaussian(image, 2), image.copy(data=fastsep.gaussian(IMAGE, 2)))


def test_an_index_of_several_levels_is_kept():
    image = labelled(BANDS, "band", "y", "x").drop_vars(["band", "height"]).stack(place=["y", "x"])
    assert fastsep.gaussian(image, (0, 1)).indexes["place"].equals(image.indexes["place"])


def test_the_image_is_not_changed():
    image = of(IMAGE.copy())
    before = image.copy(deep=True)
    fastsep.gaussian(image, 2).attrs["units"] = "other"
    xarray.testing.assert_identical(image, before)
    assert image.encoding == {"dtype": "int16", "scale_factor": 0.01}


def test_a_bank_has_a_dimension_of_its_kernels():
    result = fastsep.correlate_bank(of(IMAGE), KERNELS)
    assert result.dims == ("y", "x", "kernel")
    assert set(result.coords) == set(of(IMAGE).coords)
    assert fastsep.correlate_bank(of(IMAGE).rename(y="kernel"), KERNELS).dims == ("kernel", "x", "kernel_")


def test_a_dimension_of_one_pixel_is_dropped_where_corners_drop_it():
    image = labelled(BANDS[:1], "band", "y", "x")
    assert fastsep.corner_harris(image).dims == ("y", "x")


@pytest.mark.parametrize(
    ("layer", "image", "kept"),
    [
        (fastsep.Conv2D(DENSE, padding="same"), BATCH, {"n", "y", "x", "height", "time"}),
        (fastsep.Conv2D(DENSE), BATCH, {"n", "time"}),
        (fastsep.Conv2D(DENSE, padding="same"), BATCH[0], {"y", "x", "height", "time"}),
        (fastsep.DepthwiseConv2D(DEPTHWISE, padding="same", stride=(1, 2)), BATCH, {"n", "y", "time"}),
    ],
)
def test_a_layer_drops_coordinates_of_what_it_changes(layer, image, kept):
    dims = ("n", "y", "x", "c")[-image.ndim :]
    image = labelled(image, *dims).drop_vars("height")
    image.coords["height"] = (("y", "x"), np.ones((12, 14)))
    result = layer(image)
    assert result.dims == dims
    assert set(result.coords) == kept


def test_a_layer_of_channels_first_drops_their_coordinates():
    image = labelled(np.ascontiguousarray(BATCH.transpose(0, 3, 1, 2)), "n", "c", "y", "x")
    layer = fastsep.Conv2D(DENSE.transpose(3, 2, 0, 1), padding="same", data_format="channels_first")
    assert set(layer(image).coords) == {"n", "y", "x", "height", "time"}


def test_positions_of_peaks_have_no_labels():
    assert same_bits(fastsep.peak_local_max(of(IMAGE)), fastsep.peak_local_max(IMAGE))


# ---- dimensions by name


@pytest.mark.parametrize(
    ("named", "positional"),
    [
        (lambda x: fastsep.gaussian(x, {"x": 2, "y": 1}), lambda x: fastsep.gaussian(x, (0, 1, 2))),
        (lambda x: fastsep.gaussian(x, MappingProxyType({"x": 2})), lambda x: fastsep.gaussian(x, (0, 0, 2))),
        (
            lambda x: fastsep.gaussian(x, {"x": 2}, channel_axis="band"),
            lambda x: fastsep.gaussian(x, (0, 2), channel_axis=0),
        ),
        (
            lambda x: fastsep.gaussian(x, {"y": 2}, channel_axis=-3),
            lambda x: fastsep.gaussian(x, (2, 0), channel_axis=0),
        ),
        (
            lambda x: fastsep.gaussian(x, (0, 1, 2), channel_axis="band"),
            lambda x: fastsep.gaussian(x, (0, 1, 2), channel_axis=0),
        ),
        (
            lambda x: fastsep.gaussian(x, 1, order={"x": 1}),
            lambda x: fastsep.gaussian(x, 1, order=(0, 0, 1)),
        ),
        (
            lambda x: fastsep.gaussian(x, {"x": 2}, mode={"x": "wrap"}),
            lambda x: fastsep.gaussian(x, (0, 0, 2), mode="wrap"),
        ),
        (
            lambda x: fastsep.gaussian(x, 2, mode={"x": "wrap", "y": "nearest"}, channel_axis="band"),
            lambda x: fastsep.gaussian(x, 2, mode=("nearest", "wrap"), channel_axis=0),
        ),
        (
            lambda x: fastsep.difference_of_gaussians(x[0], {"y": 1}, {"y": 2}),
            lambda x: fastsep.difference_of_gaussians(x[0], (1, 0), (2, 0)),
        ),
        (lambda x: fastsep.unsharp_mask(x[0], {"y": 1}), lambda x: fastsep.unsharp_mask(x[0], (1, 0))),
        (lambda x: fastsep.box(x, {"y": 3}), lambda x: fastsep.box(x, (1, 3, 1))),
        (
            lambda x: fastsep.separable_filter(x, {"y": [1, 2, 1]}),
            lambda x: fastsep.separable_filter(x, (None, [1, 2, 1], None)),
        ),
        (
            lambda x: fastsep.sobel(x, axis="x", channel_axis="band"),
            lambda x: fastsep.sobel(x, axis=2, channel_axis=0),
        ),
        (lambda x: fastsep.sobel(x, axis=("x", "band")), lambda x: fastsep.sobel(x, axis=(2, 0))),
        (
            lambda x: fastsep.sobel(x, MASK[:12, :15], axis="x", channel_axis="band"),
            lambda x: fastsep.sobel(x, MASK[:12, :15], axis=2, channel_axis=0),
        ),
        (
            lambda x: fastsep.gradient(x, sigma={"y": 1}, output="magnitude", axis=("y", "x")),
            lambda x: fastsep.gradient(x, sigma=(0, 1, 0), output="magnitude", axis=(1, 2)),
        ),
        (lambda x: fastsep.structure_tensor(x, {"y": 2}), lambda x: fastsep.structure_tensor(x, (0, 2, 0))),
        (lambda x: fastsep.canny(x[0], {"y": 2, "x": 1}), lambda x: fastsep.canny(x[0], (2, 1))),
        (lambda x: fastsep.opening(x, channel_axis="band"), lambda x: fastsep.opening(x, channel_axis=0)),
        (lambda x: fastsep.median(x, channel_axis="band"), lambda x: fastsep.median(x, channel_axis=0)),
        (
            lambda x: ndi.gaussian_filter(x, {"x": 2, "y": 1}, axes=("x", "y")),
            lambda x: ndi.gaussian_filter(x, (2, 1), axes=(2, 1)),
        ),
        (
            lambda x: ndi.gaussian_filter(x, 2, radius={"x": 3}),
            lambda x: ndi.gaussian_filter(x, 2, radius=(None, None, 3)),
        ),
        (
            lambda x: ndi.uniform_filter(x, {"y": 3}, origin={"y": 1}, mode={"y": "wrap"}),
            lambda x: ndi.uniform_filter(x, (1, 3, 1), origin=(0, 1, 0), mode="wrap"),
        ),
        (lambda x: ndi.correlate1d(x, [1, 2, 1], axis="y"), lambda x: ndi.correlate1d(x, [1, 2, 1], axis=1)),
        (lambda x: ndi.laplace(x, axes="y"), lambda x: ndi.laplace(x, axes=1)),
        (
            lambda x: ndi.white_tophat(x, {"y": 3, "x": 3}, axes=("y", "x")),
            lambda x: ndi.white_tophat(x, 3, axes=(1, 2)),
        ),
        (
            lambda x: ndi.generic_gradient_magnitude(x, ndi.sobel, axes=("y",)),
            lambda x: ndi.generic_gradient_magnitude(x, ndi.sobel, axes=(1,)),
        ),
    ],
)
def test_names_of_dimensions_stand_for_positions(named, positional):
    found, expected = listed(named(BY_BANDS)), listed(positional(BANDS))
    assert all(same_bits(one.values, other) for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda x: fastsep.gaussian(x, {"z": 1}),
            "`sigma` must name dimensions that are filtered, band, y, x; got 'z'",
        ),
        (
            lambda x: fastsep.gaussian(x, {"band": 1}, channel_axis="band"),
            "`sigma` must name dimensions that are filtered, y, x; got 'band'",
        ),
        (
            lambda x: ndi.gaussian_filter(x, {"band": 1}, axes=("y", "x")),
            "`sigma` must name dimensions that are filtered, y, x; got 'band'",
        ),
        (
            lambda x: fastsep.gaussian(x, 2, mode={"x": "wrap"}),
            "`mode` must name every dimension that is filtered; got none for band, y",
        ),
        (lambda x: fastsep.sobel(x, axis="z"), "`axis` must be a dimension of the image, band, y, x; got 'z'"),
        (lambda x: fastsep.median(x, channel_axis="z"), "`channel_axis` must be a dimension of"),
        (lambda x: ndi.laplace(x, axes=("y", "z")), "`axes` must be a dimension of the image, band, y, x; got 'z'"),
        (lambda x: ndi.gaussian_filter(x, {"y": 1}, axes=3), "axes` must lie in"),
        (lambda x: fastsep.box(x, {"y": 0}), "`size` must be an integer of at least 1"),
    ],
)
def test_an_unknown_name_is_refused(call, message):
    assert_refused(lambda: call(BY_BANDS), ValueError, message)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fastsep.gaussian(IMAGE, {"y": 2}), "`sigma` must be a real number"),
        (lambda: fastsep.separable_filter(IMAGE, {"y": [1]}), "`taps` must name no dimensions of an image without"),
        (lambda: fastsep.sobel(IMAGE, axis="y"), "`axis` must be an integer"),
    ],
)
def test_names_for_an_image_without_are_refused(call, message):
    assert_refused(call, TypeError, message)


def test_a_mask_and_thresholds_are_turned_as_the_image_is():
    mask = labelled(np.ascontiguousarray(MASK.T), "x", "y")
    assert same_bits(fastsep.sobel(of(IMAGE), mask).values, fastsep.sobel(IMAGE, MASK))
    assert same_bits(fastsep.canny(of(IMAGE), mask=mask).values, fastsep.canny(IMAGE, mask=MASK))
    low = xarray.DataArray(np.linspace(0, 1, 20), dims="y")
    found = fastsep.apply_hysteresis_threshold(of(IMAGE), low, 1.0)
    assert same_bits(found.values, fastsep.apply_hysteresis_threshold(IMAGE, low.values[:, None], 1.0))


def test_arguments_of_xarray_for_a_plain_image_are_arrays():
    assert same_bits(fastsep.sobel(IMAGE, of(MASK)), fastsep.sobel(IMAGE, MASK))
    kernel = xarray.DataArray(KERNELS[0])
    assert same_bits(fastsep.correlate(IMAGE, kernel), fastsep.correlate(IMAGE, KERNELS[0]))


def test_explain_knows_names():
    found = fastsep.explain(fastsep.gaussian, BY_BANDS, {"y": 2})
    assert found.halo == fastsep.explain(fastsep.gaussian, BANDS, (0, 2, 0)).halo
    assert fastsep.explain(ndi.grey_opening, BY_BANDS, {"y": 3}).strategy == "stages"


# ---- results


def test_out_is_of_xarray_and_keeps_its_own_labels():
    out = of(np.zeros_like(IMAGE)).rename("blurred").assign_attrs(units="m")
    assert fastsep.gaussian(of(IMAGE), 2, out=out) is out
    assert same_bits(out.values, fastsep.gaussian(IMAGE, 2))
    assert (out.name, out.attrs) == ("blurred", {"units": "m"})


@pytest.mark.parametrize(
    ("out", "error", "message"),
    [
        (np.zeros_like(IMAGE), TypeError, "`out` must be a DataArray, as the image is; got ndarray"),
        (
            labelled(np.zeros_like(IMAGE.T), "x", "y"),
            ValueError,
            "`out` must have the image's dimensions y, x; got x, y",
        ),
        (of(IMAGE[:5].copy()), ValueError, "`out` must have the result's shape"),
    ],
)
def test_another_out_is_refused(out, error, message):
    assert_refused(lambda: fastsep.gaussian(of(IMAGE), 2, out=out), error, message)


def test_out_of_xarray_for_a_plain_image_is_refused():
    out = of(np.zeros_like(IMAGE))
    assert_refused(lambda: fastsep.gaussian(IMAGE, 2, out=out), TypeError, "`out` must be a NumPy array; got DataArray")


def test_variables_of_a_dataset_are_mapped():
    dataset = of(IMAGE).to_dataset()
    assert_refused(lambda: fastsep.gaussian(dataset, 2), ValueError, r"`image` must be one array.*`.map\(fastsep.gaus")
    mapped = dataset.map(fastsep.gaussian, sigma={"y": 2})
    assert same_bits(mapped["reflectance"].values, fastsep.gaussian(IMAGE, (2, 0)))


# ---- dask inside


def refuse_to_compute(*args, **kwargs):
    raise AssertionError("something was computed")


@pytest.mark.parametrize("name", [name for name in CALLS if name != "interpolate_missing"])  # it needs the whole image
def test_arrays_of_dask_stay_lazy(name):
    call, plain = CALLS[name]
    image = of(plain).chunk(y=8, x=11)
    with dask.config.set(scheduler=refuse_to_compute):
        found = listed(call(image))
    for result, values in zip(found, listed(call(plain)), strict=True):
        assert isinstance(result.data, dask.array.Array)
        assert same_bits(result.values, values)


def test_without_an_array_of_xarray_it_is_not_imported():
    code = (
        "import numpy as np, sys, fastsep, fastsep.ndimage as ndi; x = np.zeros((8, 8));"
        "fastsep.gaussian(x.tolist(), 2); fastsep.opening(x); ndi.gaussian_filter(x, 2);"
        "print(*sorted({'xarray', 'dask', 'pandas', 'fastsep._arrays'} & set(sys.modules)))"
    )
    root = Path(fastsep.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.split() == []
