"""What kernels can do that no filter asks for by itself."""

import numpy as np
import pytest

from fastsep._engine import execution
from fastsep._plan import operators, planner
from fastsep._plan.spec import Box


@pytest.mark.parametrize("size", [3, 16, 21])
def test_a_box_of_any_size_multiplies_by_the_scale_first(size, rng):
    image = rng.random((40, 50), dtype="float32")
    one, half = (
        execution.Runner(
            planner.prepare(
                Box((size, size)), image.shape, image.dtype, image.dtype,
                first=0, modes=("reflect", "constant"), cval=0.0, scale=scale,
            )
        ).run(image, None, 1)
        for scale in (1.0, 0.5)
    )  # fmt: skip
    np.testing.assert_array_equal(half, one / 2)


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (23, 61), (40, 200)])
def test_one_sweep_gives_both_derivatives(rng, shape):
    image = rng.random(shape, dtype="float32")
    single = [
        planner.prepare(
            operators.edges("sobel", 2, (axis,)), shape, image.dtype, image.dtype,
            first=0, modes=("reflect", "mirror"), cval=0.0, scale=1.0,
        )
        for axis in (0, 1)
    ]  # fmt: skip
    expected = [execution.Runner(plan).run(image, None, 1) for plan in single]
    kernel = ("sweep", "dy+dx", *single[0].kernel[2:])
    dy, dx = np.empty_like(image), np.empty_like(image)
    execution.Runner(single[0]._replace(kernel=kernel)).run(image, dy, 2, [dx])
    np.testing.assert_array_equal(dy, expected[0])
    np.testing.assert_array_equal(dx, expected[1])
