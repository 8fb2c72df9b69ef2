"""Images of other packages that lend their memory by DLPack, and those that are refused with what to pass instead."""

import inspect
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from helpers import assert_refused, same_bits
from image_functions import BATCH, CALLS, DENSE, FUNCTIONS, IMAGE, LAYERS, NDIMAGE, listed

import fastsep
import fastsep.ndimage as ndi
from fastsep._arrays.borrowed import Lent
from fastsep._validation import borrowing

CPU, CUDA, PINNED = 1, 2, 3


class Held:
    """An array of some package that lends it by DLPack."""

    def __init__(self, array, device=CPU):
        self.array, self.kind = array, device

    shape = property(lambda self: self.array.shape)
    dtype = property(lambda self: f"lending.{self.array.dtype}")

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.kind, 0

    def __array__(self, dtype=None, copy=None):
        raise AssertionError("the image was not read by DLPack")


class Lender(Held):
    """One of the array API standard."""

    def __array_namespace__(self):
        return STANDARD


class Tensor(Held):
    """One as PyTorch has them, whose package has `from_dlpack` itself."""

    __module__ = "lending.tensors"
    requires_grad = False


STANDARD = SimpleNamespace(from_dlpack=lambda lent: Lender(np.from_dlpack(lent)))


@pytest.fixture
def package(monkeypatch):
    """The package that tensors belong to."""
    lending = ModuleType("lending")
    lending.from_dlpack = lambda lent: Tensor(np.from_dlpack(lent))
    monkeypatch.setitem(sys.modules, "lending", lending)


@pytest.mark.parametrize("name", CALLS)
def test_results_are_of_the_kind_of_the_image(name):
    call, image = CALLS[name]
    found, expected = listed(call(Lender(image.copy()))), listed(call(image))
    assert all(type(result) is Lender for result in found)
    assert all(same_bits(result.array, values) for result, values in zip(found, expected, strict=True))


def test_every_function_is_among_them():
    functions = {name: getattr(fastsep, name) for name in fastsep.__all__}
    taking = {name for name, value in functions.items() if inspect.isfunction(value) and takes_image(value)}
    assert taking == {*FUNCTIONS, *LAYERS, "peak_local_max"} - {"Conv2D", "DepthwiseConv2D", "SeparableConv2D"}
    assert set(ndi.__all__) == set(NDIMAGE)


def takes_image(function):
    return next(iter(inspect.signature(function).parameters), None) in ("image", "x")


@pytest.mark.usefixtures("package")
def test_a_package_without_the_array_api_gives_its_own_kind_too():
    result = fastsep.gaussian(Tensor(IMAGE), 2)
    assert type(result) is Tensor
    assert same_bits(result.array, fastsep.gaussian(IMAGE, 2))


def test_what_no_package_makes_of_dlpack_comes_back_as_a_plain_array():
    assert same_bits(fastsep.gaussian(Held(IMAGE), 2), fastsep.gaussian(IMAGE, 2))


class ReadOnly(Lender):
    """One whose values never change."""

    def __dlpack__(self, **options):
        values = self.array.view()
        values.flags.writeable = False
        return values.__dlpack__(**{**options, "max_version": (1, 0)})


def test_an_image_may_be_read_only_and_is_not_copied():
    assert borrowing.lent("image", ReadOnly(IMAGE)).ctypes.data == IMAGE.ctypes.data
    assert same_bits(fastsep.gaussian(ReadOnly(IMAGE), 2).array, fastsep.gaussian(IMAGE, 2))


def test_a_result_is_not_copied():
    values = np.zeros_like(IMAGE)
    result = Lent(borrowing.lent("image", Lender(IMAGE))).result(values, None)
    assert result.array.ctypes.data == values.ctypes.data


def test_peaks_are_of_the_kind_of_the_image():
    found = fastsep.peak_local_max(Lender(IMAGE), min_distance=3)
    assert type(found) is Lender
    assert same_bits(found.array, fastsep.peak_local_max(IMAGE, min_distance=3))


def test_other_layouts_and_byte_orders_come_back_as_packages_take_them():
    turned = np.ascontiguousarray(IMAGE.T).T
    assert same_bits(fastsep.gaussian(Lender(turned), 2).array, fastsep.gaussian(IMAGE, 2))
    channels = np.stack([IMAGE] * 3, axis=1)
    assert fastsep.gaussian(Lender(channels), 2, channel_axis=1).array.flags.c_contiguous
    assert fastsep.gaussian(Lender(IMAGE), 2, dtype=">f4").array.dtype == np.float32


def test_dtype_is_given_as_numpys():
    assert fastsep.gaussian(Lender(IMAGE), 2, dtype=np.float64).array.dtype == np.float64


@pytest.mark.parametrize(
    "call",
    [
        lambda image, out: fastsep.gaussian(image, 2, out=out),
        lambda image, out: fastsep.median(image, out=out),
        lambda image, out: fastsep.opening(image, out=out),
        lambda image, out: fastsep.sobel(image, mask=IMAGE > 0.1, out=out),
        lambda image, out: fastsep.gradient(image, output=("dx", "magnitude"), out=(None, out))[1],
        lambda image, out: ndi.gaussian_filter(image, 2, output=out),
        lambda image, out: ndi.white_tophat(image, 3, output=out),
    ],
)
def test_out_of_the_same_kind_is_written_into_and_returned(call):
    out = Lender(np.zeros_like(IMAGE))
    assert call(Lender(IMAGE), out) is out
    assert same_bits(out.array, call(IMAGE, np.zeros_like(IMAGE)))


def test_out_may_be_the_image_itself():
    image = Lender(IMAGE.copy())
    assert fastsep.gaussian(image, 2, out=image) is image
    assert same_bits(image.array, fastsep.gaussian(IMAGE, 2))


def test_a_layer_writes_into_out_too():
    out = Lender(np.zeros((2, 10, 12, 5), np.float32))
    assert fastsep.Conv2D(DENSE)(Lender(BATCH), out=out) is out
    assert same_bits(out.array, fastsep.conv2d(BATCH, DENSE))


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("image", "out", "error", "message"),
    [
        (Lender(IMAGE), np.zeros_like(IMAGE), TypeError, "`out` must be a Lender, as the image is; got ndarray"),
        (Lender(IMAGE), Tensor(IMAGE.copy()), TypeError, "`out` must be a Lender, as the image is; got Tensor"),
        (IMAGE, Lender(IMAGE.copy()), TypeError, "`out` must be a NumPy array; got Lender"),
        (Lender(IMAGE), ReadOnly(IMAGE.copy()), ValueError, "`out` must be writeable; got ReadOnly"),
        (Lender(IMAGE), Lender(IMAGE[:2].copy()), ValueError, "`out` must have the result's shape"),
    ],
)
def test_out_of_another_kind_is_refused(image, out, error, message):
    assert_refused(lambda: fastsep.gaussian(image, 2, out=out), error, message)


# ---- refused


class WithGradient(Tensor):
    requires_grad = True


class OnGPU(Lender):
    """Of CUDA, as PyTorch has them."""

    device = "cuda:0"

    def __init__(self, array):
        super().__init__(array, CUDA)

    def __dlpack__(self, **options):
        raise AssertionError("the GPU was asked for its memory")

    def cpu(self):
        raise AssertionError("the image was copied from the GPU silently")


class CuPys:
    """As CuPy has them."""

    __cuda_array_interface__ = {"version": 3}  # noqa: RUF012
    __dlpack__ = OnGPU.__dlpack__

    def __dlpack_device__(self):
        return CUDA, 0


class Numbas:
    """Which have no DLPack."""

    __cuda_array_interface__ = {"version": 3}  # noqa: RUF012

    def copy_to_host(self):
        raise AssertionError("the image was copied from the GPU silently")


class OfNoDevice(OnGPU):
    """On one that DLPack has no number for."""

    device = SimpleNamespace(type="mps")

    def __dlpack_device__(self):
        raise ValueError("Unknown device type mps for DLPack")


class Bfloat(Lender):
    dtype = "lending.bfloat16"

    def __dlpack__(self, **options):
        raise RuntimeError("Unsupported dtype in DLTensor.")


class Unlent(Lender):
    """One that cannot be lent now, for reasons of its own."""

    def __dlpack__(self, **options):
        raise BufferError("it is in pieces")

    def __array__(self, dtype=None, copy=None):
        raise TypeError("call `.together()` first")


class Quantity(np.ndarray):
    """As astropy has them."""

    value, unit = property(np.asarray), "m"


class Measured:
    """As pint has them."""

    magnitude, units = IMAGE, "m"

    def __array__(self, dtype=None, copy=None):
        return IMAGE


class Table:
    """As pandas has them."""

    index, columns = range(20), range(31)

    def to_numpy(self):
        return IMAGE

    def __array__(self, dtype=None, copy=None):
        return IMAGE


class Series:
    index, to_numpy, __array__ = Table.index, Table.to_numpy, Table.__array__


REFUSED = {
    "with gradients": (
        WithGradient(IMAGE),
        "must not require gradients, which would be lost; pass `NAME.detach\\(\\)`",
    ),
    "on a GPU": (OnGPU(IMAGE), "got OnGPU on cuda:0. Pass `NAME.cpu\\(\\)`, or filter it on the GPU with `cucim"),
    "of CuPy": (CuPys(), "must be in the memory of the CPU; got CuPys on a GPU. Pass `cupy.asnumpy\\(NAME\\)`"),
    "of Numba": (Numbas(), "must be in the memory of the CPU.*Pass `NAME.copy_to_host\\(\\)`"),
    "of no device": (OfNoDevice(IMAGE), "must be in the memory of the CPU"),
    "bfloat16": (Bfloat(IMAGE), "must have a dtype that NumPy has; got lending.bfloat16. Convert it"),
    "in pieces": (Unlent(IMAGE), "must be an array; got Unlent, which says: call `.together\\(\\)` first"),
}
#: What `scipy.ndimage`, and so `fastsep.ndimage`, takes for plain arrays.
TAKEN_BY_SCIPY = {
    "of astropy": (IMAGE.view(Quantity), "must have no unit; got Quantity. Pass `NAME.value`"),
    "of pint": (Measured(), "must have no unit; got Measured. Pass `NAME.magnitude`"),
    "a table": (Table(), "must be an array without labels; got Table. Pass `NAME.to_numpy\\(\\)`"),
    "a series": (Series(), "must be an array without labels; got Series. Pass `NAME.to_numpy\\(\\)`"),
}


@pytest.mark.parametrize("name", [*REFUSED, *TAKEN_BY_SCIPY])
@pytest.mark.parametrize(
    ("argument", "call"),
    [
        ("image", lambda image: fastsep.gaussian(image, 2)),
        ("image", fastsep.canny),
        ("image", fastsep.opening),
        ("image", fastsep.peak_local_max),
        ("x", lambda x: fastsep.conv2d(x, DENSE)),
        ("x", fastsep.Conv2D(DENSE)),
    ],
)
def test_what_cannot_be_read_or_would_lose_something_is_refused(name, argument, call):
    value, message = (REFUSED | TAKEN_BY_SCIPY)[name]
    assert_refused(lambda: call(value), ValueError, message.replace("NAME", argument))


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize(
    "call", [lambda image: ndi.gaussian_filter(image, 2), lambda image: ndi.white_tophat(image, 3)]
)
def test_ndimage_refuses_what_cannot_be_read(name, call):
    value, message = REFUSED[name]
    assert_refused(lambda: call(value), ValueError, message.replace("NAME", "(input|image)"))


@pytest.mark.parametrize("name", TAKEN_BY_SCIPY)
def test_ndimage_takes_what_scipy_takes(name):
    value, _ = TAKEN_BY_SCIPY[name]
    assert same_bits(ndi.gaussian_filter(value, 2), ndi.gaussian_filter(IMAGE, 2))


def test_pinned_memory_is_memory_of_the_cpu():
    assert same_bits(fastsep.gaussian(Lender(IMAGE, PINNED), 2).array, fastsep.gaussian(IMAGE, 2))


def test_other_arguments_are_read_as_arrays():
    class Readable(Lender):
        def __array__(self, dtype=None, copy=None):
            return self.array

    mask = IMAGE > 0.1
    assert same_bits(fastsep.sobel(IMAGE, Readable(mask)), fastsep.sobel(IMAGE, mask))
    assert same_bits(fastsep.conv2d(BATCH, Readable(DENSE)), fastsep.conv2d(BATCH, DENSE))


def test_explain_takes_them():
    assert fastsep.explain(fastsep.gaussian, Lender(IMAGE), 2).shape == IMAGE.shape
    assert fastsep.explain(fastsep.opening, Lender(IMAGE)).strategy == "stages"
    assert fastsep.explain(fastsep.Conv2D(DENSE), Lender(BATCH)).shape == BATCH.shape
