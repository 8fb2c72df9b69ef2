"""What holds for any image, whatever the filter's numbers are."""

import numpy as np
import pytest
from helpers import MODES, slow
from hypothesis import given
from hypothesis import strategies as st

import fastsep
from fastsep import filters

# Linear filters of an image: every one that is not a magnitude and does not clip.
LINEAR = {
    "gaussian": lambda image, **options: fastsep.gaussian(image, 1.2, **options),
    "gaussian derivative": lambda image, **options: fastsep.gaussian(image, 0.9, order=(1, 0), **options),
    "difference of gaussians": lambda image, **options: fastsep.difference_of_gaussians(image, 0.8, **options),
    "unsharp": lambda image, **options: fastsep.unsharp_mask(image, 1, 2, True, **options),
    "laplace": fastsep.laplace,
    "box": lambda image, **options: fastsep.box(image, (3, 4), **options),
    "sobel": lambda image, **options: fastsep.sobel(image, axis=0, **options),
    "farid": fastsep.farid_v,
    "roberts": fastsep.roberts_pos_diag,
    "taps": lambda image, **options: fastsep.separable_filter(image, ([1, 2, 3, 4], [-1, 0, 2]), **options),
}
# Every filter, and the filter that does the same to the transposed image.
TRANSPOSED = {
    **{name: (name, name) for name in ("gaussian", "laplace", "sobel", "scharr", "prewitt", "farid", "roberts")},
    **{name: (f"{name}_h", f"{name}_v") for name in ("sobel", "scharr", "prewitt", "farid")},
}
ARGUMENTS = {"box": (3,), "difference_of_gaussians": (1,)}


@st.composite
def images(draw, dtype="float64", least=1):
    shape = draw(st.tuples(st.integers(least, 17), st.integers(least, 17)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if np.dtype(dtype).kind == "f":
        return (rng.random(shape) * 2 - 1).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype, endpoint=True)


def close(result, expected):
    # float64 images of size one through taps whose absolute values sum to at most a few dozen
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("name", LINEAR)
@given(image=images(), mode=st.sampled_from(MODES), factor=st.floats(-4, 4), seed=st.integers(0, 99))
def test_filters_are_linear(name, image, mode, factor, seed):
    other = np.random.default_rng(seed).random(image.shape)
    linear = LINEAR[name]
    close(
        linear(image + factor * other, mode=mode),
        linear(image, mode=mode) + factor * linear(other, mode=mode),
    )


@pytest.mark.parametrize("name", LINEAR)
@given(image=images(least=2), down=st.integers(-5, 5), right=st.integers(-5, 5))
def test_filters_commute_with_shifts_around_the_border(name, image, down, right):
    linear = LINEAR[name]
    shifted = np.roll(image, (down, right), (0, 1))
    close(linear(shifted, mode="wrap"), np.roll(linear(image, mode="wrap"), (down, right), (0, 1)))


@pytest.mark.parametrize("names", TRANSPOSED.values(), ids="-".join)
@given(image=images(), mode=st.sampled_from(MODES))
def test_transposing_swaps_the_axes(names, image, mode):
    one, other = (getattr(fastsep, name) for name in names)
    close(one(image.T, mode=mode), other(image, mode=mode).T)


@given(
    first=st.lists(st.integers(-9, 9), min_size=1, max_size=9),
    second=st.lists(st.integers(-9, 9), min_size=1, max_size=9),
)
def test_the_response_to_an_impulse_is_the_flipped_taps(first, second):
    impulse = np.zeros((19, 21))
    impulse[9, 10] = 1
    result = fastsep.separable_filter(impulse, (first, second), mode="constant")
    top, left = 9 - (len(first) - 1 - len(first) // 2), 10 - (len(second) - 1 - len(second) // 2)
    expected = np.zeros_like(impulse)
    expected[top : top + len(first), left : left + len(second)] = np.outer(first[::-1], second[::-1])
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("name", LINEAR)
@given(value=st.floats(-3, 3), mode=st.sampled_from(MODES))
def test_a_constant_image_stays_constant(name, value, mode):
    if mode == "constant" and name in ("gaussian derivative", "taps"):
        mode = "wrap"  # as in SciPy, their second pass sees cval itself outside, not cval filtered
    result = LINEAR[name](np.full((7, 6), value), mode=mode, cval=value)
    close(result, np.full_like(result, result[3, 3]))


@pytest.mark.parametrize(
    "name", ["gaussian", "sobel", "box", "unsharp_mask", *slow("scharr", "prewitt", "farid", "roberts", "laplace")]
)
@given(image=images("uint8"))
def test_uint8_never_wraps(name, image):
    arguments = ARGUMENTS.get(name, ())
    result = getattr(fastsep, name)(image, *arguments, dtype="uint8")
    wide = getattr(fastsep, name)(image.astype("float64"), *arguments, **preserving(name))
    # Half a step of rounding, and float32 arithmetic on values below 2**11.
    assert np.abs(result - wide.clip(0, 255)).max() <= 0.5 + 1e-3


def preserving(name):
    return {"preserve_range": True} if name == "unsharp_mask" else {}


@pytest.mark.parametrize("name", filters.__all__)
@given(image=images("float32"))
def test_the_image_is_left_alone_unless_it_is_out(name, image):
    arguments = ARGUMENTS.get(name, ())
    before = image.copy()
    expected = getattr(fastsep, name)(image, *arguments)
    np.testing.assert_array_equal(image, before)
    assert not np.may_share_memory(expected, image)
    getattr(fastsep, name)(image, *arguments, out=image)
    np.testing.assert_array_equal(image, expected)
