"""Promise: order statistics are computed in the image's own dtype, and lose no value of it."""

import numpy as np
import pytest

from fastsep._plan import dtypes

INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


@pytest.mark.parametrize("name", [*INTEGERS, "float16", "float32", "float64"])
def test_dtypes_that_kernels_know_are_kept_in_native_byte_order(name):
    assert dtypes.order_dtype(np.dtype(name)) == name
    assert dtypes.order_dtype(np.dtype(name).newbyteorder()).isnative


@pytest.mark.parametrize(("image", "kernels"), [("bool", "uint8"), ("longdouble", "float64")])
def test_other_dtypes_are_computed_in_one_that_holds_their_values(image, kernels):
    assert dtypes.order_dtype(np.dtype(image)) == kernels


@pytest.mark.parametrize(
    ("dtype", "value", "border"),
    [
        ("uint8", -0.5, 0), ("uint8", 2.9, 2), ("uint8", 300, 255), ("uint8", -1, 0), ("uint8", np.nan, 0),
        ("int8", -2.9, -2), ("int8", -np.inf, -128), ("int64", np.inf, 2.0**63), ("float32", 0.1, 0.1),
    ],
)  # fmt: skip
def test_a_border_of_integers_is_truncated_and_in_range(dtype, value, border):
    assert dtypes.order_border(np.dtype(dtype), value) == border


def test_bool_results_are_made_of_any_number_that_is_not_zero():
    values = np.array([0, 1, 2, 255], np.uint8)
    np.testing.assert_array_equal(dtypes.finish(values, np.dtype(bool)), [False, True, True, True])
