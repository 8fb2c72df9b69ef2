"""The numbers of the filters: known values, sums, symmetry."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from fastsep._plan import operators
from fastsep._plan.spec import Dense, Line


def dense(what):
    """The kernel of a sum of terms, to correlate with."""
    if isinstance(what, Dense):
        return what.kernel
    total = 0
    for term in what.terms:
        kernel = np.ones(())
        for line in term.lines:
            kernel = np.multiply.outer(kernel, np.array(line.taps) if line else np.array([0.0, 1.0, 0.0]))
        total = total + kernel
    return total


@given(st.floats(0.05, 20), st.integers(0, 3), st.floats(0.5, 6))
def test_gaussian_taps_are_those_of_scipy(sigma, order, truncate):
    line = operators.gaussian_line(sigma, order, truncate)
    impulse = np.zeros(2 * line.centre + 1)
    impulse[line.centre] = 1
    response = ndimage.gaussian_filter1d(impulse, sigma, order=order, truncate=truncate, mode="constant")
    np.testing.assert_allclose(line.taps[::-1], response, rtol=0, atol=1e-13 * np.abs(response).max())


@given(st.floats(0.05, 20))
def test_gaussian_taps_sum_to_one_and_are_symmetric(sigma):
    line = operators.gaussian_line(sigma, 0, 4.0)
    assert abs(sum(line.taps) - 1) < 1e-14
    assert line.taps == line.taps[::-1]
    assert line.centre == len(line.taps) // 2 == int(4 * sigma + 0.5)


def test_a_vanishing_sigma_leaves_the_axis_alone():
    assert operators.gaussian_line(0.0, 0, 4.0) is None
    assert operators.gaussian_line(1e-15, 2, 4.0) is None
    assert operators.gaussian_line(0.01, 0, 4.0) == Line((1.0,), 0)


@pytest.mark.parametrize("name", operators.EDGES)
def test_edge_operators_are_antisymmetric_along_and_normalised_across(name):
    edge = operators.EDGES[name]
    assert edge.derivative == tuple(-tap for tap in edge.derivative[::-1])
    assert edge.smoothing == edge.smoothing[::-1]
    assert sum(edge.smoothing) * edge.scale == pytest.approx(1, abs=1e-15)
    assert edge.derivative[0] > 0  # in convolution order: positive where the image rises


def test_known_kernels():
    np.testing.assert_array_equal(4 * dense(operators.edges("sobel", 2, (0,))), [[-1, -2, -1], [0, 0, 0], [1, 2, 1]])
    np.testing.assert_array_equal(
        16 * dense(operators.edges("scharr", 2, (1,))), [[-3, 0, 3], [-10, 0, 10], [-3, 0, 3]]
    )
    np.testing.assert_allclose(3 * dense(operators.edges("prewitt", 2, (1,))), [[-1, 0, 1]] * 3, rtol=1e-15)
    np.testing.assert_array_equal(dense(operators.laplace(2)), [[0, -1, 0], [-1, 4, -1], [0, -1, 0]])


def test_a_magnitude_is_divided_by_the_root_of_the_number_of_axes():
    one, three = operators.edges("sobel", 3, (0,)), operators.edges("sobel", 3, (0, 2))
    assert (one.combine, three.combine) == ("sum", "magnitude")
    np.testing.assert_allclose(
        np.array(three.terms[0].lines[0].taps),
        np.array(one.terms[0].lines[0].taps) / np.sqrt(3),
        rtol=1e-15,
    )


def test_band_passes_take_constants_away_and_sharpening_keeps_them():
    for axis, term in enumerate(operators.difference_of_gaussians((1.0, 1.5), (2.0, 3.0), 4.0).terms):
        sums = [sum(line.taps) for line in term.lines]
        assert sums == pytest.approx([0.0 if k == axis else 1.0 for k in range(2)], abs=1e-14)
    (only,) = operators.difference_of_gaussians((1.0, 0.0), (2.0, 0.0), 4.0).terms
    assert only.lines[1] is None
    (identity, blurred) = operators.unsharp((1.0, 1.0), 2.5, 4.0, None).terms
    products = [np.prod([sum(line.taps) for line in term.lines if line]) for term in (identity, blurred)]
    assert sum(products) == pytest.approx(1, abs=1e-14)


def test_the_centre_of_even_taps_is_right_of_the_middle():
    (term,) = operators.separable(((1.0, 2.0), None, (1.0, 2.0, 3.0))).terms
    assert [line and line.centre for line in term.lines] == [1, None, 1]


def test_filters_of_equal_parameters_are_equal_and_hashable():
    assert hash(operators.gaussian((1.0, 2.0), (0, 0), 4.0)) == hash(operators.gaussian((1.0, 2.0), (0, 0), 4.0))
    assert operators.edges("farid", 2, (0, 1)) == operators.edges("farid", 2, (0, 1))
