"""Factorized kernels: exact at full rank, best below it, with errors that hold and are reached."""

import numpy as np
import pytest
from helpers import assert_refused
from hypothesis import given
from hypothesis import strategies as st

import fastsep
from fastsep.factorization.layer import factorize_conv

EPS = np.finfo(np.float64).eps


@st.composite
def kernels(draw):
    shape = draw(st.tuples(*[st.integers(1, 5)] * 2, st.integers(1, 6), st.integers(1, 12)))
    return np.random.default_rng(draw(st.integers(0, 2**32 - 1))).standard_normal(shape)


def norm(values):
    return float(np.sqrt((values.astype(np.float64) ** 2).sum()))


def by_hand(parts):
    """The sum that defines the factors, term by term: channel c * rank + m of the depthwise result."""
    kh, kw, channels, rank = parts.depthwise_kernel.shape
    result = np.zeros((kh, kw, channels, parts.pointwise_kernel.shape[1]))
    for c in range(channels):
        for m in range(rank):
            taps = parts.depthwise_kernel[:, :, c, m].astype(np.float64)
            result[:, :, c] += taps[:, :, None] * parts.pointwise_kernel[c * rank + m].astype(np.float64)
    return result


@given(kernel=kernels())
def test_full_rank_is_exact_to_rounding(kernel):
    parts = factorize_conv(kernel)
    kh, kw, channels, filters = kernel.shape
    assert parts.rank == parts.full_rank == min(kh * kw, filters)
    assert parts.depthwise_kernel.shape == (kh, kw, channels, parts.rank)
    assert parts.pointwise_kernel.shape == (channels * parts.rank, filters)
    bound = 8 * kh * kw * EPS  # backward error of the decomposition, and a sum of so many products
    assert norm(parts.dense() - kernel) <= bound * norm(kernel)
    assert parts.relative_error <= bound
    np.testing.assert_allclose(parts.dense(), by_hand(parts), rtol=0, atol=bound * norm(kernel))


@given(kernel=kernels(), data=st.data())
def test_every_rank_is_cut_after_the_largest_singular_values(kernel, data):
    kh, kw, channels, filters = kernel.shape
    rank = data.draw(st.integers(1, min(kh * kw, filters)))
    parts = factorize_conv(kernel, rank)
    assert parts.rank == rank
    matrices = [kernel[:, :, c].reshape(kh * kw, filters) for c in range(channels)]
    values = np.array([np.linalg.svd(matrix, compute_uv=False) for matrix in matrices])
    np.testing.assert_allclose(parts.singular_values, values, rtol=0, atol=1e-13 * values.max())
    # Eckart and Young: no sum of so many terms is nearer.
    assert norm(parts.dense() - kernel) == pytest.approx(norm(values[:, rank:]), abs=1e-13 * norm(kernel))
    assert parts.relative_error == pytest.approx(norm(values[:, rank:]) / norm(kernel), abs=1e-13)
    assert parts.multiplications == channels * rank * (kh * kw + filters)
    assert parts.dense_multiplications == kernel.size


def test_rank_one_kernels_are_found(rng):
    depthwise, pointwise = rng.standard_normal((5, 3, 4)), rng.standard_normal((4, 7))
    kernel = depthwise[..., None] * pointwise
    parts = factorize_conv(kernel, tol=0)
    assert parts.rank == 1
    assert parts.relative_error < 1e-15
    for c in range(4):  # each is the planted one, but for sign and scale
        one, other = parts.depthwise_kernel[:, :, c, 0], depthwise[..., c]
        assert abs((one * other).sum()) == pytest.approx(norm(one) * norm(other), rel=1e-12)


@given(kernel=kernels(), tol=st.floats(0, 1.5))
def test_tol_gives_the_smallest_rank_within_it(kernel, tol):
    parts = factorize_conv(kernel, tol=tol)
    assert parts.relative_error <= max(tol, 1e-13) * (1 + 1e-12)
    if parts.rank > 1:
        assert factorize_conv(kernel, parts.rank - 1).relative_error > tol


@given(kernel=kernels())
def test_the_error_bounds_every_result_and_some_image_reaches_it(kernel):
    parts = factorize_conv(kernel, 1)
    difference = parts.dense() - kernel
    results = np.abs(difference).sum(axis=(0, 1, 2))
    assert parts.error == pytest.approx(results.max(), rel=1e-12, abs=1e-13 * norm(kernel))
    worst = np.where(difference[..., results.argmax()] < 0, -1.0, 1.0)  # an image as large as the kernel
    reached = (worst[..., None] * difference).sum(axis=(0, 1, 2))
    assert np.abs(reached).max() == pytest.approx(parts.error, rel=1e-12, abs=1e-13 * norm(kernel))


@pytest.mark.parametrize("rank", [1, 2, 9])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_factors_go_into_the_convolution_as_they_are(rng, dtype, rank):
    kernel = rng.standard_normal((3, 3, 5, 11)).astype(dtype)
    image = rng.uniform(-1, 1, (9, 8, 5)).astype(dtype)
    parts = factorize_conv(kernel, rank)
    where = {"padding": "same", "stride": 2, "mode": "reflect"}
    result = fastsep.separable_conv2d(image, parts.depthwise_kernel, parts.pointwise_kernel, **where)
    expected = fastsep.conv2d(image, kernel, **where)
    assert result.dtype == expected.dtype == np.dtype(dtype)
    rounding = {"float32": 1e-5, "float64": 1e-13}[dtype] * np.abs(expected).max()
    assert np.abs(result - expected).max() <= parts.error + rounding
    np.testing.assert_allclose(result, fastsep.conv2d(image, parts.dense(), **where), rtol=0, atol=rounding)


@pytest.mark.parametrize(
    ("given", "expected"),
    [("float16", "float32"), ("float32", "float32"), (">f4", "float32"), ("float64", "float64"), (">f8", "float64"),
     ("int8", "float64"), ("bool", "float64"), ("longdouble", "float64")],
)  # fmt: skip
def test_dtypes(rng, given, expected):
    kernel = rng.integers(0, 2, (2, 3, 2, 4)).astype(given)
    parts = factorize_conv(kernel)
    dtypes = {parts.depthwise_kernel.dtype, parts.pointwise_kernel.dtype, parts.dense().dtype}
    assert dtypes == {np.dtype(expected)}
    assert all(dtype.isnative for dtype in dtypes)
    assert parts.relative_error < 4 * np.finfo(expected).eps


def test_float32_is_decomposed_in_float64(rng):
    kernel = rng.standard_normal((3, 3, 4, 16)).astype(np.float32)
    single, double = factorize_conv(kernel, 4), factorize_conv(kernel.astype(np.float64), 4)
    np.testing.assert_array_equal(single.depthwise_kernel, double.depthwise_kernel.astype(np.float32))
    np.testing.assert_array_equal(single.pointwise_kernel, double.pointwise_kernel.astype(np.float32))


@given(kernel=kernels())
def test_both_factors_of_a_term_have_the_same_norm_and_the_signs_are_settled(kernel):
    parts = factorize_conv(kernel)
    kh, kw, channels, rank = parts.depthwise_kernel.shape
    taps = parts.depthwise_kernel.reshape(kh * kw, channels, rank)
    mix = parts.pointwise_kernel.reshape(channels, rank, -1)
    expected = np.sqrt(parts.singular_values)
    np.testing.assert_allclose(np.sqrt((taps**2).sum(axis=0)), expected, rtol=1e-12)
    np.testing.assert_allclose(np.sqrt((mix**2).sum(axis=2)), expected, rtol=1e-12)
    assert (np.take_along_axis(taps, np.abs(taps).argmax(axis=0)[None], axis=0) >= 0).all()


@pytest.mark.parametrize("size", [1e-300, 1e-160, 1e160, 1e300])
def test_kernels_of_any_size(rng, size):
    parts = factorize_conv(rng.uniform(-1, 1, (3, 3, 2, 6)) * size)
    assert parts.relative_error < 1e-13
    assert parts.error < 1e-13 * size
    assert np.isfinite(parts.singular_values).all()
    assert factorize_conv(rng.uniform(-1, 1, (3, 3, 2, 6)) * size, tol=0.3).rank in range(1, 6)


def test_a_kernel_of_zeros():
    parts = factorize_conv(np.zeros((3, 3, 2, 6)), tol=0)
    assert (parts.rank, parts.error, parts.relative_error) == (1, 0.0, 0.0)
    assert not parts.dense().any()


def test_the_kernel_is_read_in_any_layout_and_never_changed(rng):
    kernel = rng.standard_normal((8, 5, 3, 3))  # PyTorch's
    before = kernel.copy()
    kernel.flags.writeable = False
    view = factorize_conv(kernel.transpose(2, 3, 1, 0), 2)
    copy = factorize_conv(np.ascontiguousarray(kernel.transpose(2, 3, 1, 0)), 2)
    np.testing.assert_array_equal(view.dense(), copy.dense())
    np.testing.assert_array_equal(kernel, before)
    assert view.depthwise_kernel.flags.c_contiguous
    assert view.pointwise_kernel.flags.c_contiguous
    np.testing.assert_array_equal(factorize_conv(before.transpose(2, 3, 1, 0).tolist(), 2).dense(), copy.dense())


def test_it_prints_one_line(rng):
    parts = factorize_conv(rng.standard_normal((3, 3, 4, 64)), 2)
    assert str(parts).startswith("kernel 3 x 3 x 4 -> 64: rank 2 of 9, relative error ")
    assert str(parts).endswith("; 584 multiplications a pixel, dense 2,304 (3.95x)")
    assert "array" not in repr(parts)


KERNEL = np.ones((3, 3, 2, 4))
BAD = {
    "three axes": (lambda: factorize_conv(np.ones((3, 3, 2))), ValueError, r"`kernel`.*\(kh, kw, C, F\).*\(3, 3, 2\)"),
    "no channels": (lambda: factorize_conv(np.ones((3, 3, 0, 4))), ValueError, r"`kernel`.*\(3, 3, 0, 4\)"),
    "complex": (lambda: factorize_conv(KERNEL * 1j), ValueError, r"`kernel`.*complex128"),
    "objects": (lambda: factorize_conv(KERNEL.astype(object)), ValueError, r"`kernel`.*object"),
    "masked": (lambda: factorize_conv(np.ma.masked_array(KERNEL)), ValueError, r"`kernel`.*masked"),
    "ragged": (lambda: factorize_conv([[1, 2], [3]]), ValueError, r"`kernel`.*sequence"),
    "nan": (lambda: factorize_conv(KERNEL * np.nan), ValueError, r"`kernel`.*NaN"),
    "infinity": (lambda: factorize_conv(KERNEL / 0.0), ValueError, r"`kernel`.*infinity"),
    "rank zero": (lambda: factorize_conv(KERNEL, 0), ValueError, r"`rank`.*1.*0"),
    "rank too high": (
        lambda: factorize_conv(KERNEL, 5),
        ValueError,
        r"`rank`.*which is 4 for `kernel` \(3, 3, 2, 4\); got 5",
    ),
    "half a rank": (lambda: factorize_conv(KERNEL, 1.5), TypeError, r"`rank`.*1\.5"),
    "negative tol": (lambda: factorize_conv(KERNEL, tol=-0.1), ValueError, r"`tol`.*-0\.1"),
    "nan tol": (lambda: factorize_conv(KERNEL, tol=float("nan")), ValueError, r"`tol`.*nan"),
    "text for tol": (lambda: factorize_conv(KERNEL, tol="1"), TypeError, r"`tol`.*'1'"),
    "rank and tol": (lambda: factorize_conv(KERNEL, 2, tol=0.1), ValueError, r"`rank` or `tol`.*2 and 0\.1"),
}


@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.parametrize(("call", "error", "message"), BAD.values(), ids=BAD.keys())
def test_bad_arguments_get_one_line(call, error, message):
    assert_refused(call, error, message)
