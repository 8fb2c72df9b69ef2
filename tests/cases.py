"""One table of cases that together reach every kernel family."""

import numpy as np
import pytest
from case_kinds import (
    box,
    canny,
    cast_lines,
    casts,
    connected,
    cross,
    dense,
    disk,
    edge,
    extremum,
    flat,
    from_taps,
    gradients,
    named,
    rank,
    smooth,
)

from fastsep import filters
from fastsep._plan import operators
from fastsep._plan.spec import Box, Dense, Roberts

F4, F8, U1 = ("float32", "float32"), ("float64", "float64"), ("uint8", "uint8")
U1_F8, U1_F4, U1_I2 = ("uint8", "float64"), ("uint8", "float32"), ("uint8", "int16")
I2, U2, I2_F4, F4_U1, U2_F8 = (
    ("int16", "int16"),
    ("uint16", "uint16"),
    ("int16", "float32"),
    ("float32", "uint8"),
    ("uint16", "float64"),
)


ODD, EVEN = (0.5, -1.0, 0.0, 2.0, 0.25, 0.125, -0.75), (1.0, -0.5, 0.0, 3.0)
WHOLE, WHOLE_EVEN = (3.0, -1.0, 2.0, 0.0, 1.0), (1.0, 4.0, -2.0, 1.0, 0.0, 1.0)
BOTH = "magnitude+orientation"
KERNEL = np.outer(ODD[:5], EVEN[:3]) / 3 + np.eye(5, 3)
GAUSS = operators.gaussian((1.6, 2.3), (0, 0), 4.0)
CASES = {
    # sweeps
    "smooth 1": from_taps(smooth(1), ("sweep", "smooth1", "1"), (F4, U1)),
    "smooth 2": from_taps(smooth(2), ("sweep", "smooth2", "1"), (F8, U1_F4)),
    "smooth 3": from_taps(smooth(3), ("sweep", "smooth3", "1"), (F4, U2)),
    "smooth 4": from_taps(smooth(4), ("sweep", "smooth4", "1"), (F4, U1_F8)),
    "smooth 1 RGB": from_taps(smooth(1), ("sweep", "smooth1", "3"), (U1, F8), 3),
    "smooth 2, 2 channels": from_taps(smooth(2), ("sweep", "smooth2", "2"), (F4,), 2),
    "dy": edge("sobel", 2, (0,), ("sweep", "dy", "1"), (F4, I2_F4)),
    "dx": edge("scharr", 2, (1,), ("sweep", "dx", "1"), (F8, F4_U1)),
    "dx in int16": from_taps(((1, 2, 1), (-1, 0, 1)), ("sweep", "dx", "1", "uint8", "int16"), (U1_I2,)),
    "magnitude": edge("sobel", 2, (0, 1), ("sweep", "magnitude", "1"), (F4, U1_F8)),
    "magnitude RGB": edge("prewitt", 2, (0, 1), ("sweep", "magnitude", "3"), (F4, U1_F8), 3),
    "farid": edge("farid", 2, (0, 1), ("sweep", "wide2 magnitude", "1"), (F4, U1_F4, F8)),
    "farid RGB": edge("farid", 2, (0, 1), ("sweep", "wide2 magnitude", "3"), (F4, U1_F8), 3),
    "farid dy": edge("farid", 2, (0,), ("sweep", "wide2 dy", "1"), (F4, U1_F4)),
    "farid dx": edge("farid", 2, (1,), ("sweep", "wide2 dx", "1"), (F4, I2_F4, F8)),
    "roberts": named("roberts", Roberts("magnitude"), ("sweep", "roberts_magnitude"), (F4, U1_F8)),
    "roberts +": named("roberts_pos_diag", Roberts("pos_diag"), ("sweep", "roberts_pos"), (F4, U2_F8)),
    "roberts -": named("roberts_neg_diag", Roberts("neg_diag"), ("sweep", "roberts_neg"), (F4,)),
    "magnitude of a volume": edge("sobel", 3, (0, 1, 2), ("sweep_volume", "magnitude", "1"), (F4, U1_F4, U1_F8, F8)),
    "magnitude of a volume RGB": edge("prewitt", 3, (0, 1, 2), ("sweep_volume", "magnitude", "3"), (F4, U1_F8), 3),
    "dz": edge("scharr", 3, (0,), ("sweep_volume", "dz", "1"), (F4, I2_F4)),
    "dy of a volume": edge("prewitt", 3, (1,), ("sweep_volume", "dy", "1"), (F8, F4_U1)),
    "dx of a volume, 2 channels": edge("scharr", 3, (2,), ("sweep_volume", "dx", "2"), (F4, U1_F8), 2),
    # taps of any length
    "gaussian": named("gaussian", GAUSS, ("fir", "plane"), (F4, U1, F8), sigma=(1.6, 2.3)),
    "gaussian RGB": named("gaussian", GAUSS, ("fir", "plane"), (U1, F4), 3, sigma=(1.6, 2.3)),
    "wide gaussian": named(
        "gaussian",
        operators.gaussian((14.0, 6.0), (1, 0), 4.0),
        ("fir", "plane"),
        (F4, F8),
        sigma=(14, 6),
        order=(1, 0),
    ),
    "odd and even taps": from_taps((ODD, EVEN), ("fir", "plane"), (F4, F8)),
    "whole taps": from_taps((WHOLE_EVEN, WHOLE), ("fir", "plane"), (U1, U1_I2)),
    "one axis": from_taps((None, ODD), ("fir", "plane"), (F4,)),
    "laplace": named("laplace", operators.laplace(2), ("sweep", "laplace", "1"), (F4, U1_F8)),
    "laplace RGB": named("laplace", operators.laplace(2), ("sweep", "laplace", "3"), (F4, U1), 3),
    # differences first
    "farid of five channels": edge("farid", 2, (0, 1), ("fir", "plane differences terms"), (F4, U1_F4), 5),
    "farid of five channels in float64": edge("farid", 2, (0, 1), ("fir", "plane terms"), (F8, U1_F8), 5),
    "farid dx of five channels": edge("farid", 2, (1,), ("fir", "plane differences"), (F4, U1_F4), 5),
    "second derivative": named(
        "gaussian",
        operators.gaussian((1.6, 2.3), (2, 1), 4.0),
        ("fir", "plane differences"),
        (F4, U1_F4),
        sigma=(1.6, 2.3),
        order=(2, 1),
    ),
    "derivative along rows RGB": named(
        "gaussian",
        operators.gaussian((2.3, 1.6), (0, 2), 4.0),
        ("fir", "plane differences"),
        (F4, F4_U1),
        3,
        sigma=(2.3, 1.6),
        order=(0, 2),
    ),
    "any taps of sum zero": from_taps((EVEN, (0.5, -0.75, 0.0, 0.25)), ("fir", "plane differences"), (F4, U1_F4)),
    "any taps of sum zero, down": from_taps(((0.5, -0.75, 0.25), ODD), ("fir", "plane differences"), (F4, I2_F4)),
    "difference of gaussians": named(
        "difference_of_gaussians",
        operators.difference_of_gaussians((0.7, 1.1), (1.4, 2.5), 4.0),
        ("fir", "plane slopes terms"),
        (F4, U1_F4),
        low_sigma=(0.7, 1.1),
        high_sigma=(1.4, 2.5),
    ),
    "difference RGB": named(
        "difference_of_gaussians",
        operators.difference_of_gaussians((0.7, 0.7), (1.4, 1.4), 4.0),
        ("fir", "plane slopes terms"),
        (F4,),
        3,
        low_sigma=0.7,
        high_sigma=1.4,
    ),
    "difference of distant gaussians": named(
        "difference_of_gaussians",
        operators.difference_of_gaussians((1.1, 0.7), (2.5, 2.4), 4.0),
        ("fir", "plane slopes terms"),
        (F4, F4_U1),
        low_sigma=(1.1, 0.7),
        high_sigma=(2.5, 2.4),
    ),
    "difference of distant gaussians RGB": named(
        "difference_of_gaussians",
        operators.difference_of_gaussians((0.7, 0.5), (1.4, 2.4), 4.0),
        ("fir", "plane slopes terms"),
        (F4, U1_F4),
        3,
        low_sigma=(0.7, 0.5),
        high_sigma=(1.4, 2.4),
    ),
    "laplacian of gaussian": named(
        "gaussian_laplace",
        operators.gaussian_laplace((1.6, 2.3), 4.0),
        ("fir", "plane slopes terms"),
        (F4, I2_F4),
        rescales=False,
        sigma=(1.6, 2.3),
    ),
    "gradient magnitude of gaussian": named(
        "gaussian_gradient_magnitude",
        operators.gaussian_gradient_magnitude((1.6, 2.3), 4.0),
        ("fir", "plane slopes terms"),
        (F4, U1_F4),
        rescales=False,
        sigma=(1.6, 2.3),
    ),
    "gradient magnitude of gaussian RGB": named(
        "gaussian_gradient_magnitude",
        operators.gaussian_gradient_magnitude((2.3, 1.6), 4.0),
        ("fir", "plane slopes terms"),
        (F4,),
        3,
        rescales=False,
        sigma=(2.3, 1.6),
    ),
    "unsharp": named(
        "unsharp_mask",
        operators.unsharp((1.7, 1.7), 2.0, 4.0, None),
        ("fir", "plane terms"),
        (F4, F8),
        rescales=False,
        radius=1.7,
        amount=2.0,
        preserve_range=True,
    ),
    "volume": named("gaussian", operators.gaussian((1.1,) * 3, (0,) * 3, 4.0), ("fir", "volume"), (F4, U1), sigma=1.1),
    "volume, any taps": from_taps((EVEN, ODD, WHOLE), ("fir", "volume"), (F4,)),
    "volume terms": edge("sobel", 3, (0, 1, 2), ("fir", "volume terms"), (F8, U1_F8), 5),
    "volume terms, differences": edge("sobel", 3, (0, 1), ("fir", "volume differences terms"), (F4, U1_F4)),
    "volume, differences of rows": edge("scharr", 3, (1,), ("fir", "volume differences"), (F4,), 5),
    "volume, differences of columns": edge("sobel", 3, (2,), ("fir", "volume differences"), (F4, I2_F4), 5),
    "volume, second derivative": named(
        "gaussian",
        operators.gaussian((0.7, 1.1, 0.9), (0, 1, 2), 4.0),
        ("fir", "volume differences"),
        (F4,),
        3,
        sigma=(0.7, 1.1, 0.9),
        order=(0, 1, 2),
    ),
    "difference in a volume": named(
        "difference_of_gaussians",
        operators.difference_of_gaussians((0.7, 1.1, 0.8), (1.4, 1.5, 2.0), 4.0),
        ("fir", "volume differences terms"),
        (F4, U1_F4),
        low_sigma=(0.7, 1.1, 0.8),
        high_sigma=(1.4, 1.5, 2.0),
    ),
    "curvature of a volume": named(
        "gaussian_laplace",
        operators.gaussian_laplace((0.7, 1.1, 0.9), 4.0),
        ("fir", "volume differences terms"),
        (F4,),
        rescales=False,
        sigma=(0.7, 1.1, 0.9),
    ),
    "volume, any taps of sum zero": from_taps(
        (EVEN, (0.5, -0.75, 0.0, 0.25), WHOLE), ("fir", "volume differences"), (F4, U1_F4)
    ),
    # any kernel
    "dense": dense(1, (5, 7), (F4, U1, F8)),
    "dense, even": dense(2, (4, 6), (F8, U2_F8), zeros=0),
    "dense, wide": dense(3, (3, 21), (F4,)),
    "dense, tall RGB": dense(4, (11, 2), (F4, U1_F4), 3),
    "dense, whole": dense(5, (3, 3), (U1_F8, U1_I2), whole=True),
    "dense, differences": dense(9, (7, 6), (F4, U1_F4), zeros=0, form="differences"),
    "dense, differences, RGB": dense(10, (5, 4), (F4, U1_F4), 3, form="differences"),
    "dense of a volume": dense(6, (3, 4, 3), (F4, U1_F8)),
    "dense of a volume of one column": dense(7, (2, 3, 1), (F8, I2_F4), 2),
    "dense in four axes": dense(8, (2, 3, 2, 3), (F4,)),
    "laplace of a volume": named("laplace", operators.laplace(3), ("dense", "differences"), (F4, U1_F4)),
    "laplace of five channels": named("laplace", operators.laplace(2), ("dense", "differences"), (F4, U1), 5),
    # boxes
    "small box": box((3, 4), ("fir", "plane"), (F4, U1_F8)),
    "large box": box((29, 18), ("box",), (F4, U1, F8)),
    "large box RGB": box((5, 67), ("box",), (F4, U1), 3),
    "tall box": box((29, 4), ("box",), (F4,)),
    "small box of integers": box((4, 3), ("small_box",), (U2, ("int16", "int16"))),
    "small box of bytes": box((4, 5), ("small_box",), (U1, U1_I2)),
    "small box of bytes RGB": box((16, 7), ("small_box",), (U1,), 3),
    "small box along rows": box((1, 21), ("small_box",), (U1,)),
    # minima and maxima
    "minimum": extremum("minimum", (3, 3), (1, 1), ("extremum", "minimum"), (U1, F4)),
    "maximum, even": extremum("maximum", (2, 6), (1, 3), ("extremum", "maximum"), (F4, U2)),
    "minimum, beside the pixel": extremum("minimum", (7, 5), (0, 4), ("extremum", "minimum"), (U1, F8)),
    "maximum, tall": extremum("maximum", (29, 4), (11, 0), ("extremum", "maximum"), (U1, I2)),
    "minimum, wide": extremum("minimum", (12, 170), (6, 85), ("extremum", "minimum"), (U1, F4)),
    "maximum RGB": extremum("maximum", (9, 11), (4, 5), ("extremum", "maximum"), (U1, F4), 3),
    "minimum along rows": extremum("minimum", (1, 21), (0, 10), ("extremum", "minimum"), (U1, U2)),
    "maximum along columns": extremum("maximum", (40, 1), (20, 0), ("extremum", "maximum"), (U1, F8)),
    "minimum, any footprint": flat(11, "minimum", (5, 7), (2, 3), (U1, F4)),
    "maximum, wide footprint": flat(12, "maximum", (2, 40), (1, 3), (U1, F4)),
    "minimum, any footprint RGB": flat(13, "minimum", (7, 4), (6, 0), (U1, F4), 3),
    "maximum of a footprint in a volume": flat(14, "maximum", (3, 4, 3), (1, 2, 1), (U1, F8)),
    # integers as SciPy's
    "cast gaussian": casts(cast_lines(*smooth(8)), ("fir", "plane cast"), (U1, ("float32", "int16"))),
    "cast odd and even taps": casts(cast_lines(ODD, EVEN), ("fir", "plane cast"), (U1, I2)),
    "cast RGB": casts(cast_lines(ODD, smooth(3)[1]), ("fir", "plane cast"), (U1, I2), 3),
    "cast of a volume": casts(cast_lines(smooth(2)[0], EVEN, ODD), ("fir", "volume cast"), (U1, I2)),
    "cast of four axes": casts(cast_lines(*smooth(1), *smooth(1)), ("passes",), (U1,)),
    "cast derivative": casts(cast_lines((-1.0, 0.0, 1.0), (1.0, 2.0, 1.0)), ("sweep", "dy", "1"), (U1, I2)),
    "cast means": casts(Box((5, 4), cast=True), ("small_box",), (U1, U2)),
    "cast means of large windows": casts(Box((29, 30), cast=True), ("box", "cast"), (U1, I2)),
    "cast kernel": casts(Dense(KERNEL, (2, 1), cast=True), ("dense", "ordered cast"), (U1, I2)),
    # ranks
    "median of nine": rank(np.ones((3, 3)), "registers", ("uint8", "float32")),
    "median of nine, RGB": rank(np.ones((3, 3)), "registers", ("uint8", "int8"), 3),
    "median of nine, many channels": rank(np.ones((3, 3)), "rows", ("uint8",), 5),
    "median, even": rank(np.ones((4, 5)), "rows", ("uint8", "uint16", "float64"), centre=(1, 0)),
    "median RGB": rank(np.ones((5, 5)), "rows", ("uint8", "float32"), 3),
    "median of a cross": rank(cross(1), "registers", ("uint8", "int16")),
    "median of a line": rank(np.ones((1, 3)), "rows", ("uint8", "float32")),
    "rank in a disk": rank(disk(3), "table", ("uint8", "float32"), number=20),
    "rank in a corner": rank([[0, 1, 0], [0, 0, 1]], "table", ("uint8", "float64"), centre=(0, 2)),
    "rank of a large window": rank(np.ones((9, 12)), "table", ("uint8", "float32"), 2, number=90),
    "median by cumulative histograms": rank(np.ones((15, 13)), "cumulative", ("uint8", "int8"), centre=(4, 7)),
    "rank by cumulative histograms RGB": rank(np.ones((12, 19)), "cumulative", ("uint8", "int8"), 3, number=90),
    "median by histograms": rank(np.ones((15, 19)), "histogram", ("uint8", "int8"), centre=(4, 7)),
    "rank by histograms RGB": rank(np.ones((14, 19)), "histogram", ("uint8", "int8"), 3, number=90),
    "median of a volume": rank(np.ones((3, 3, 3)), "table", ("uint8", "float32")),
    "rank in four axes": rank(np.ones((2, 1, 2, 3)), "table", ("uint8", "float32"), number=0),
    # axis after axis
    "minimum of a volume": extremum("minimum", (3, 10, 4), (1, 5, 2), ("passes",), (U1, F4)),
    "box of a volume": box((3, 17, 4), ("passes",), (F4, U1)),
    "four axes": named("gaussian", operators.gaussian((0.8,) * 4, (0,) * 4, 4.0), ("passes",), (F4,), sigma=0.8),
    "edges of four axes": edge("sobel", 4, (0, 1, 2, 3), ("passes",), (F4,)),
    # several results
    "gradient": gradients("sobel", ("sweep", f"dy+dx+{BOTH}", "1"), (F4, F8)),
    "gradient of five taps": gradients("farid", ("sweep", f"wide2 dy+dx+{BOTH}", "1"), (F4, U1_F8)),
    "gradient RGB": gradients("scharr", ("sweep", f"dy+dx+{BOTH}", "3"), (F4, F8), 3),
    "gradient of a volume": gradients("prewitt", ("polar", "orientation"), (F4, U1_F8), ndim=3, sigma=(0.6, 0.9, 1.1)),
    # one behind the other
    "smoothed gradient": gradients("sobel", ("sweep", f"dy+dx+{BOTH}", "1"), (F8, U1_F8), sigma=(1.2, 0.7)),
    "smoothed gradient RGB": gradients("sobel", ("sweep", f"dy+dx+{BOTH}", "3"), (F8, U1_F8), 3, sigma=(0, 1.5)),
    "gradient of a sum": gradients("sobel", ("gradient_of_sum", f"dy+dx+{BOTH}", "1"), (F4, U1_F4), sigma=(1.2, 0.7)),
    "gradient of a sum RGB": gradients(
        "scharr", ("gradient_of_sum", f"dy+dx+{BOTH}", "3"), (F4, I2_F4), 3, sigma=(0, 1.5)
    ),
    "smoothed farid": gradients("farid", ("sweep", f"wide2 dy+dx+{BOTH}", "1"), (F4, F8), sigma=(0.8, 1.7)),
    "central differences": gradients("central", ("polar", f"dy+dx+{BOTH}"), (F4, I2_F4)),
    "smoothed central differences": gradients("central", ("polar", f"dy+dx+{BOTH}"), (F4, F8), 2, sigma=(1.1, 0)),
    "gradient of a gaussian": gradients("gaussian", ("polar", f"dy+dx+{BOTH}"), (F4, U1_F8), sigma=(1.3, 0.9)),
    "canny": canny(0.8, ("suppress", "float64"), (F8, U1_F8)),
    "canny, wide": canny((2.1, 0), ("suppress", "float64"), (U2_F8, F8)),
    "canny in float32": canny(0.8, ("suppress", "float32"), (F4, U1_F4)),
    # connected pixels
    "hysteresis": connected(0.2, 0.97, 2, (("float32", "bool"), ("float64", "bool"))),
    "hysteresis of bytes": connected(110, 252, 2, (("uint8", "bool"),)),
    "hysteresis in a volume": connected(0.4, 0.97, 3, (("float32", "bool"),)),
}
#: Of these only slow tests: they differ from others by a number of channels, or a dtype, that kernels are compiled for.
SELDOM = {
    "smooth 1 RGB", "smooth 2, 2 channels", "dx in int16", "farid RGB", "laplace RGB", "gradient RGB",
    "smoothed gradient RGB", "gradient of a sum RGB", "magnitude of a volume RGB", "dx of a volume, 2 channels",
    "median of nine, many channels", "median RGB", "median of a line",
}  # fmt: skip


def cases(chosen=lambda case: True):
    """Names of cases as parameters of a test."""
    return [
        pytest.param(name, marks=[pytest.mark.slow] * (name in SELDOM)) for name, case in CASES.items() if chosen(case)
    ]


def edge_filters():
    """Every public filter that a row of the table of edge operators makes, as the oracle takes it for 2-D images."""
    found = {}
    for operator in operators.EDGES:
        for name, axes in ((operator, (0, 1)), (f"{operator}_h", (0,)), (f"{operator}_v", (1,))):
            if name in filters.__all__:  # an operator that scikit-image lacks may do without the last two
                found[name] = operators.edges(operator, 2, axes)
    return found
