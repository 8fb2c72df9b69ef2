"""How far the taps of a sum of terms must reach, against sums that were found."""

import numpy as np
import pytest

import fastsep
from fastsep._reach import least_reaches


def middle(shape):
    return tuple(n // 2 for n in shape)


def disc(radius):
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return (x * x + y * y <= radius * radius).astype(np.int64)


def kernels(rng):
    for size in (3, 8, 15, 31):
        for shape in ((size, size), (size, size + 4), (5, size), (size, 4)):
            noise = rng.integers(-2, 3, shape)
            yield from (noise, noise + noise[::-1], noise - noise[:, ::-1], noise + noise[::-1, ::-1])
            yield np.outer(noise[:, 0], noise[0]) + np.outer(noise[:, 1], noise[1])
            yield noise * (rng.random(shape) < 0.1)
    yield from map(disc, (2, 5, 9, 15))
    yield from (rng.integers(-1, 2, shape) for shape in ((3, 4, 5), (5, 5, 5), (7,)))


def reaches_of(lines, centre):
    """How far each of several different lines reaches, the farthest first."""
    different = {tuple(line) for line in lines}
    return sorted((max(abs(i - centre) for i, tap in enumerate(line) if tap) for line in different), reverse=True)


def test_no_exact_sum_of_terms_reaches_less_far(rng):
    exact = 0
    for kernel in kernels(rng):
        if not kernel.any():
            continue
        terms = fastsep.factorize(kernel).terms
        exact += fastsep.factorize(kernel).exact
        centre = middle(kernel.shape)
        for axis, least in enumerate(least_reaches(kernel, centre, 99)):
            found = reaches_of([term.taps[axis] for term in terms], centre[axis])
            assert len(least.far) <= len(found)
            assert all(far <= own for far, own in zip(least.far, found, strict=False)), kernel.shape
    assert exact > 20


def test_the_ranks_of_what_lies_beyond_are_told(rng):
    for kernel in kernels(rng):
        centre = middle(kernel.shape)
        for axis, least in enumerate(least_reaches(kernel, centre, 99)):
            lines = np.moveaxis(kernel, axis, 0).reshape(kernel.shape[axis], -1)
            distances = abs(np.arange(len(lines)) - centre[axis])
            for distance in range(-1, len(lines)):
                beyond = lines[distances > distance]
                rank = np.linalg.matrix_rank(beyond.astype(float)) if beyond.size else 0
                assert sum(far > distance for far in least.far) == rank


def test_taps_are_mirrored_where_the_kernel_is_even_or_odd_about_its_middle():
    even, neither = np.array([1, 2, 1]), np.array([1, 2, 4])
    for one, mirrored in ((even, True), (np.array([1, 0, -1]), True), (neither, False), (np.array([1, 1]), False)):
        found = least_reaches(np.outer(one, neither), (len(one) // 2, 1), 9)
        assert [reaches.mirrored for reaches in found] == [mirrored, False]


@pytest.mark.parametrize("most", [1, 3, 40])
def test_not_more_terms_are_told_of_than_asked_for(most):
    for reaches in least_reaches(disc(15), (15, 15), most):
        assert len(reaches.far) == min(most, 10)
