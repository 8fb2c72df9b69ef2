"""What may stand for an array, and what must not: lists, objects that make arrays, masked arrays, several images."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from helpers import assert_refused, layouts, read_only, replace_everywhere, same_bits
from PIL import Image

import fastsep
from fastsep import ndimage
from fastsep._plan import dtypes, tuning

IMAGE = np.random.default_rng(5).random((8, 9))
RGB = np.random.default_rng(6).integers(0, 256, (8, 9, 3), np.uint8)
TAPS = np.array([1.0, 2.0, 1.0])
KERNEL = np.outer(TAPS, TAPS)
BANK = np.stack([KERNEL, KERNEL])
DENSE = np.ones((3, 3, 3, 5))
DEPTHWISE, POINTWISE = np.ones((3, 3, 3)), np.ones((3, 5))


ALIKE = {
    "one result": lambda image, out=(None,), **options: [fastsep.gaussian(image, 1, out=out[0], **options)],
    "two results": fastsep.gradient,
}


@pytest.mark.parametrize("name", ALIKE)
def test_a_call_like_an_earlier_one_looks_at_its_arrays_again(name):
    """It skips all other checks; what it is given may be of another kind than the arrays before, or share memory."""
    call, pixels = ALIKE[name], IMAGE.astype(np.float32)
    expected = call(pixels)
    for form, image in layouts(pixels).items():
        before = image.copy()
        assert all(map(same_bits, call(image), expected)), form
        assert np.array_equal(image, before), form
    room = np.zeros((len(expected) + 1, *pixels.shape), np.float32)
    call(pixels, out=list(room[1:]))
    assert all(map(same_bits, room[1:], expected))
    room.reshape(-1)[7 : 7 + pixels.size] = pixels.reshape(-1)
    image = room.reshape(-1)[7 : 7 + pixels.size].reshape(pixels.shape)
    call(image, out=list(room[:-1]))  # which begins before the image ends
    assert all(map(same_bits, room[:-1], expected))
    fresh = call(pixels), call(pixels)
    assert not any(np.may_share_memory(one, other) for one, other in zip(*fresh, strict=True))
    outs = [read_only(np.zeros_like(result)) for result in expected]
    assert_refused(lambda: call(pixels, out=outs), ValueError, "`out`")
    assert_refused(lambda: call(pixels, out=[out[:-1].copy() for out in outs]), ValueError, "`out`")
    assert_refused(lambda: call(pixels, workers=True), TypeError, "`workers`")
    assert_refused(lambda: call(pixels, workers=0), ValueError, "`workers`")


BELOW = np.random.default_rng(8).random((70, 150), "f4")
CROPS = {
    "gaussian": lambda image, **options: fastsep.gaussian(image, 2, **options),
    "derivative": lambda image, **options: fastsep.gaussian(image, 1, order=(0, 1), **options),
    "sobel": fastsep.sobel,
    "laplace": fastsep.laplace,
    "correlate": lambda image, **options: fastsep.correlate(image, KERNEL + np.eye(3), method="direct", **options),
    "minimum": lambda image, **options: ndimage.minimum_filter(image, (3, 7), **options),
    "dilation": lambda image, **options: fastsep.dilation(image, np.eye(3), **options),
}


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("name", CROPS)
def test_rows_that_lie_apart_are_read_where_they_are(name, workers, monkeypatch):
    monkeypatch.setattr(tuning, "APART_BYTES", 0)
    monkeypatch.setattr(tuning, "WOKEN_WORK", 1)
    colours = [] if name in ("minimum", "laplace") else [np.stack([BELOW] * 3, -1)[1:, 2:]]
    for crop in (BELOW[3:60, 5:130], BELOW[::3], BELOW[:, :64], *colours):
        options = {"channel_axis": -1} if crop.ndim == 3 else {}
        expected = CROPS[name](crop.copy(), **options)
        with monkeypatch.context() as patch:
            patch.setattr(dtypes, "convert", None)
            assert same_bits(CROPS[name](crop, workers=workers, **options), expected)


@pytest.mark.parametrize("crop", [BELOW[:, :9], BELOW[::-1], BELOW[:, ::-1], BELOW.T, BELOW[:1], BELOW[::70, ::75]])
def test_other_views_are_copied(crop, monkeypatch):
    monkeypatch.setattr(tuning, "APART_BYTES", 0)
    assert same_bits(fastsep.gaussian(crop, 2), fastsep.gaussian(crop.copy(), 2))


class Made:
    """An object of some other library that makes an array of itself."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        if isinstance(self.array, Exception):
            raise self.array
        return self.array


class Lazy(Made):
    """Blocks to be computed, of which `_meta` says what they are; the mask is lost on the way, as in dask."""

    @property
    def _meta(self):
        return self.array[(slice(0, 0),) * self.array.ndim]

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.array)


class Collection(Sequence):
    """Images that are loaded one by one, as scikit-image's ImageCollection has them."""

    def __init__(self, *images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index]


FILTERS = {
    "gaussian": fastsep.gaussian,
    "gaussian of channels": lambda image: fastsep.gaussian(image, (1, 1, 1), channel_axis=0),
    "unsharp_mask": fastsep.unsharp_mask,
    "box": lambda image: fastsep.box(image, 3),
    "sobel with a mask": lambda image: fastsep.sobel(image, np.ones((8, 9), bool)),
    "gradient": lambda image: fastsep.gradient(image, "gaussian"),
    "canny": fastsep.canny,
    "hysteresis": lambda image: fastsep.apply_hysteresis_threshold(image, 0.1, 0.2),
    "separable_filter": lambda image: fastsep.separable_filter(image, TAPS),
    "correlate": lambda image: fastsep.correlate(image, KERNEL),
    "correlate_bank": lambda image: fastsep.correlate_bank(image, BANK),
    "structure_tensor": fastsep.structure_tensor,
    "hessian_matrix": lambda image: fastsep.hessian_matrix(image, use_gaussian_derivatives=False),
    "corner_harris": fastsep.corner_harris,
    "gaussian_laplace": lambda image: fastsep.gaussian_laplace(image, 1),
    "explain": lambda image: fastsep.explain(fastsep.sobel, image),
}

#: They have `weights`: what a masked array hides is missing there.
TAKE_MASKED = ("gaussian", "unsharp_mask", "box", "gradient", "separable_filter", "correlate")
# The argument, a good value, and a call with any.
ARGUMENTS = {
    **{f"image of {name}": ("image", IMAGE, call) for name, call in FILTERS.items() if "channels" not in name},
    "mask of sobel": ("mask", IMAGE > 0.5, lambda mask: fastsep.sobel(IMAGE, mask)),
    "mask of canny": ("mask", IMAGE > 0.5, lambda mask: fastsep.canny(IMAGE, mask=mask)),
    "low": ("low", IMAGE, lambda low: fastsep.apply_hysteresis_threshold(IMAGE, low, 1)),
    "high": ("high", IMAGE, lambda high: fastsep.apply_hysteresis_threshold(IMAGE, 0, high)),
    "taps": ("taps", TAPS, lambda taps: fastsep.separable_filter(IMAGE, taps)),
    "taps of one axis": ("taps", TAPS, lambda taps: fastsep.separable_filter(IMAGE, (None, taps))),
    "kernel": ("kernel", KERNEL, lambda kernel: fastsep.correlate(IMAGE, kernel)),
    "kernel to convolve with": ("kernel", KERNEL, lambda kernel: fastsep.convolve(IMAGE, kernel)),
    "kernels": ("kernels", BANK, lambda kernels: fastsep.correlate_bank(IMAGE, kernels)),
    "kernel to factorize": ("kernel", KERNEL, fastsep.factorize),
    "kernel to judge": ("kernel", KERNEL, fastsep.is_separable),
    "bank to factorize": ("kernels", BANK, fastsep.factorize_bank),
    "layer to factorize": ("kernel", DENSE, fastsep.factorize_conv),
    "batch": ("x", RGB[None], lambda x: fastsep.conv2d(x, DENSE)),
    "batch of a layer": ("x", RGB[None], fastsep.SeparableConv2D(DEPTHWISE, POINTWISE)),
    "dense kernel": ("kernel", DENSE, lambda kernel: fastsep.conv2d(RGB, kernel)),
    "depthwise kernel": ("kernel", DEPTHWISE, lambda kernel: fastsep.depthwise_conv2d(RGB, kernel)),
    "pointwise kernel": ("kernel", POINTWISE, lambda kernel: fastsep.pointwise_conv2d(RGB, kernel)),
    "kernel of a layer": ("depthwise_kernel", DEPTHWISE, lambda value: fastsep.SeparableConv2D(value, POINTWISE)),
    "kernel of a dense layer": ("kernel", DENSE, fastsep.Conv2D),
    "kernel of a depthwise layer": ("kernel", DEPTHWISE, fastsep.DepthwiseConv2D),
    "bias": ("bias", np.ones(5), lambda bias: fastsep.conv2d(RGB, DENSE, bias=bias)),
}


def items(array):
    """The array as nested lists, down to its items."""
    return list(array) if array.ndim == 1 else [items(part) for part in array]


MASKED = {
    "itself": lambda masked: masked,
    "in rows": list,
    "in a tuple of rows": tuple,
    "as items": items,
    "made by an object": Made,
    "made by an object later": Lazy,
    "made by objects in a list": lambda masked: [Made(np.ma.asarray(part)) for part in masked],
}


@pytest.mark.parametrize("argument", ARGUMENTS)
@pytest.mark.parametrize("form", MASKED)
def test_what_a_masked_array_hides_never_comes_out(argument, form):
    name, value, call = ARGUMENTS[argument]
    hidden = np.zeros(value.shape, bool)
    hidden.flat[0] = True
    if form == "itself" and argument.removeprefix("image of ") in TAKE_MASKED:
        result = call(np.ma.array(value, mask=hidden))
        assert all(type(values) is np.ma.MaskedArray for values in (result if isinstance(result, tuple) else [result]))
        return
    assert_refused(
        lambda: call(MASKED[form](np.ma.array(value, mask=hidden))), ValueError, f"`{name}` must not.*masked"
    )


@pytest.mark.parametrize("argument", ARGUMENTS)
@pytest.mark.parametrize("form", [form for form in MASKED if form != "made by objects in a list"])
def test_the_same_forms_of_plain_arrays_are_taken(argument, form):
    _, value, call = ARGUMENTS[argument]
    call(MASKED[form](value))


@pytest.mark.parametrize(
    "call",
    [
        lambda hidden: fastsep.gaussian(IMAGE, hidden),
        lambda hidden: fastsep.canny(IMAGE, (1, hidden)),
        lambda hidden: fastsep.canny(IMAGE, 1, hidden, 0.5),
        lambda hidden: fastsep.sobel(IMAGE, mode="constant", cval=hidden),
        lambda hidden: fastsep.unsharp_mask(IMAGE, 1, hidden),
        lambda hidden: fastsep.box(IMAGE, (hidden, 3)),
        lambda hidden: fastsep.laplace(IMAGE, hidden),
        lambda hidden: fastsep.conv2d(RGB, DENSE, stride=hidden),
        lambda hidden: fastsep.conv2d(RGB, DENSE, activation=(0, hidden)),
        lambda hidden: fastsep.factorize(KERNEL, rank=hidden),
        lambda hidden: fastsep.sobel(IMAGE, workers=hidden),
    ],
)
@pytest.mark.parametrize("hidden", [np.ma.masked, np.ma.array(3, mask=True)], ids=["masked", "3"])
def test_a_masked_number_is_no_number(call, hidden):
    assert_refused(lambda: call(hidden), TypeError, "`")


@pytest.mark.parametrize(
    "call",
    [
        lambda out: fastsep.gaussian(IMAGE, out=out),
        lambda out: fastsep.sobel(IMAGE, IMAGE > 0.5, out=out),
        lambda out: fastsep.gradient(IMAGE, out=(None, out)),
        lambda out: fastsep.gradient(IMAGE, output="dx", out=out),
        lambda out: fastsep.canny(IMAGE, out=out.astype(bool)),
        lambda out: fastsep.apply_hysteresis_threshold(IMAGE, 0.1, 0.2, out=out.astype(bool)),
        lambda out: fastsep.corner_harris(IMAGE, out=out),
        lambda out: fastsep.correlate(IMAGE, KERNEL, out=out),
        lambda out: fastsep.correlate_bank(IMAGE, BANK, out=np.ma.stack([out, out], axis=-1)),
        lambda out: fastsep.conv2d(RGB, DENSE, padding="same", out=np.ma.stack([out] * 5, axis=-1)),
    ],
)
def test_results_are_not_written_behind_a_mask(call):
    out = np.ma.masked_greater(np.full(IMAGE.shape, 7.0), 5)
    assert_refused(lambda: call(out), TypeError, "`out` must be a NumPy array; got MaskedArray")
    assert (out.data == 7).all()


STACK = r"Filter each by itself, or all as `np\.stack\(images\)` with `channel_axis=0`\."


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize(
    ("images", "advice"),
    [
        ([IMAGE, IMAGE], STACK),
        ((IMAGE,), STACK),
        ([IMAGE, IMAGE[1:]], STACK),
        ([[IMAGE], [IMAGE]], STACK),
        ([RGB, RGB], r"Filter each by itself\.$"),  # stacked, they would be filtered across their colours
        ([Image.fromarray(RGB), Image.fromarray(RGB)], r"Filter each by itself\.$"),
        ([Made(IMAGE), IMAGE.tolist()], STACK),
        (Collection(IMAGE, IMAGE), STACK),
    ],
    ids=["list", "tuple of one", "two sizes", "nested", "colour", "Pillow", "objects", "collection"],
)
def test_several_images_are_not_one(name, images, advice):
    assert_refused(
        lambda: FILTERS[name](images),
        ValueError,
        rf"`image` must be one image; got a {type(images).__name__} of {len(images)}\. {advice}",
    )


def test_numbers_and_rows_in_lists_are_one_image():
    rows = [[1, 2], [3, 4]]
    assert same_bits(fastsep.sobel(rows), fastsep.sobel(np.array(rows)))
    assert same_bits(fastsep.gaussian([rows, rows]), fastsep.gaussian(np.array([rows, rows])))
    expected = fastsep.gaussian(IMAGE)
    for image in (IMAGE.tolist(), items(IMAGE), list(IMAGE), tuple(map(tuple, IMAGE)), memoryview(IMAGE), Made(IMAGE)):
        assert same_bits(fastsep.gaussian(image), expected)


def test_images_with_channels_in_a_list_are_a_batch_for_layers():
    expected = fastsep.conv2d(np.stack([RGB, RGB[::-1]]), DENSE)
    layer = fastsep.SeparableConv2D(DEPTHWISE, POINTWISE)
    for batch in ([RGB, RGB[::-1]], (Image.fromarray(RGB), RGB[::-1].tolist())):
        assert same_bits(fastsep.conv2d(batch, DENSE), expected)
        assert layer(batch).shape == expected.shape
    for call in (
        lambda x: fastsep.conv2d(x, np.ones((3, 3, 9, 1))),
        fastsep.SeparableConv2D(np.ones((3, 3, 9)), np.ones((9, 1))),
    ):
        assert_refused(
            lambda call=call: call([IMAGE, IMAGE]), ValueError, r"`x` must be one image.*of 2\..*\[\.\.\., None\]"
        )


def test_pictures_of_pillow_are_images():
    for image in (RGB, RGB[..., 0], RGB[..., 0] > 99, IMAGE.astype("f4"), RGB[..., 0].astype("u2")):
        options = {"channel_axis": -1 if image.ndim == 3 else None, "dtype": "u2" if image.dtype == "u2" else None}
        assert same_bits(fastsep.gaussian(Image.fromarray(image), **options), fastsep.gaussian(image, **options))


def test_true_is_one_whatever_its_byte(tmp_path):
    true = RGB[..., 0] > 99
    Image.fromarray(true).save(tmp_path / "one-bit.png")
    read = np.asarray(Image.open(tmp_path / "one-bit.png"))
    assert read.dtype == bool
    assert read.view(np.uint8).max() == 255  # as Pillow gives it
    colours = np.stack([read] * 3, axis=-1)
    assert colours.view(np.uint8).max() == 255
    for image in (read, read[::-1], read.T, read[:, ::2]):
        plain = image.astype(np.uint8).astype(bool)
        for call in (
            fastsep.gaussian,
            lambda image: fastsep.sobel(image, dtype="f4"),
            lambda image: fastsep.box(image, 3, dtype="u1"),
            lambda image: fastsep.sobel(image, mode="constant", cval=0.5),
            fastsep.unsharp_mask,
            lambda mask: fastsep.sobel(np.eye(*mask.shape), mask),
            lambda mask: fastsep.canny(np.eye(*mask.shape), mask=mask),
            lambda image: fastsep.gradient(image, output="magnitude"),
            lambda image: fastsep.canny(image, 0.5),
            lambda image: fastsep.apply_hysteresis_threshold(image, 0, 0.5),
            lambda image: fastsep.correlate(image, KERNEL),
            lambda image: fastsep.correlate_bank(image, BANK),
            fastsep.corner_harris,
        ):
            assert same_bits(call(image), call(plain))
    expected = fastsep.conv2d(colours.astype(np.uint8), DENSE)
    assert same_bits(fastsep.conv2d(colours, DENSE), expected)


@pytest.mark.parametrize("mode", ["P", "PA"])
def test_numbers_of_a_palette_are_no_brightness(mode):
    picture = Image.fromarray(RGB).convert("P").convert(mode)
    for call, name in ((fastsep.gaussian, "image"), (lambda x: fastsep.conv2d(x, DENSE), "x")):
        assert_refused(lambda call=call: call(picture), ValueError, rf"`{name}`.*palette.*{name}\.convert\('RGB'\)")


@pytest.mark.parametrize(
    ("value", "pattern"),
    [
        ("photo.jpg", r"got 'photo\.jpg'\. Read the file first"),
        (Path("photo.jpg"), r"photo\.jpg'\)\. Read the file first"),
        (b"\x89PNG" * 99, "Read the file first"),
        (None, "got None. Read the file first"),
        ({"image": IMAGE}, r"must be an array; got \{'image'"),
        ({1, 2}, r"must be an array; got \{1, 2\}"),
        ((row for row in IMAGE), "must be an array; got <generator"),
        ([[1], [1, 2]], "differ in length"),
        (["a", "b"], "must have a float, integer or bool dtype; got <U1"),
        (IMAGE.astype(object), r"got object\. Convert it.*astype\(float\)"),
        (
            Made(TypeError("can't convert cuda:0 tensor,\nuse Tensor.cpu()")),
            r"got Made, which says:.*use Tensor\.cpu\(\)",
        ),
        (Made(RuntimeError("requires grad, use tensor.detach()")), r"got Made, which says:.*detach"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value,
)
def test_what_is_no_image_is_said_with_what_to_do(value, pattern):
    for call in (fastsep.gaussian, fastsep.canny, fastsep.gradient, fastsep.structure_tensor):
        assert_refused(lambda call=call: call(value), ValueError, f"`image` .*{pattern}")
    assert_refused(lambda: fastsep.gaussian(value, (1, 1), channel_axis=-1), ValueError, f"`image` .*{pattern}")
    assert_refused(lambda: fastsep.conv2d(value, DENSE), ValueError, f"`x` .*{pattern}")


def test_a_name_is_no_kernel_either_and_there_is_no_file_to_read():
    for value in ("1 2 1", None):
        for call in (fastsep.factorize, lambda value: fastsep.correlate(IMAGE, value)):
            with pytest.raises(ValueError, match="`kernel` must be an array; got") as caught:
                call(value)
            assert "file" not in str(caught.value)


# ---- threads


@pytest.mark.parametrize("cores", [1, 2, 3])
def test_workers_of_minus_one_are_all_cores(cores, monkeypatch):
    if hasattr(os, "sched_getaffinity"):
        monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(cores)))
    else:
        monkeypatch.setattr(os, "cpu_count", lambda: cores)
    monkeypatch.setattr("fastsep._engine.bands._threads", 1)
    asked = []
    threads_for = fastsep._engine.bands.threads_for
    replace_everywhere(
        monkeypatch, threads_for, lambda work, workers: asked.append(workers) or threads_for(work, workers)
    )
    image = np.random.default_rng(7).random((300, 400))
    layer = fastsep.SeparableConv2D(DEPTHWISE, POINTWISE)
    for call in (
        lambda workers: fastsep.gaussian(image, 2, workers=workers),
        lambda workers: fastsep.sobel(image, np.ones(image.shape, bool), workers=workers),
        lambda workers: fastsep.canny(image, workers=workers),
        lambda workers: fastsep.gradient(image, output="dx", workers=workers),
        lambda workers: fastsep.apply_hysteresis_threshold(image, 0.4, 0.9, workers=workers),
        lambda workers: fastsep.corner_harris(image, workers=workers),
        lambda workers: fastsep.correlate(image, KERNEL, workers=workers),
        lambda workers: fastsep.correlate_bank(image, BANK, workers=workers),
        lambda workers: fastsep.conv2d(RGB, DENSE, workers=workers),
        lambda workers: layer(RGB, workers=workers),
    ):
        expected = call(1)
        for _ in range(2):  # also as a call like an earlier one
            asked.clear()
            assert same_bits(call(-1), expected)
            assert set(asked) == {cores}
    fastsep.set_num_threads(-1)
    assert fastsep.get_num_threads() == cores
