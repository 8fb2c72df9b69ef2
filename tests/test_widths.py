"""Promise: the same bits on every CPU with a fused multiply-add, however wide its vectors are.

Calls as on this CPU and as on one with AVX2 alone, in one process; and taps and decisions, which are made by Python
and NumPy, in processes whose NumPy uses no instructions but those that all CPUs have.
"""

import hashlib
import os
import platform
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # as a script there is no conftest

from case_kinds import disk
from helpers import MODES, finish_script, make_image, same_bits, say, skip_without, start_script

import fastsep
from fastsep import ndimage
from fastsep._engine.levels import for_level
from fastsep._kernels import jit
from fastsep._plan import operators

AVX2 = "x86-64-v3"  # the least that has a fused multiply-add
PLANES, COLOURS, VOLUMES = ((45, 131), (6, 300), (33, 13)), ((33, 41, 3), (20, 31, 5)), ((9, 23, 37),)

rng = np.random.default_rng(11)
FULL, FLAT, SOLID = rng.standard_normal((5, 7)), rng.standard_normal((6, 7)), rng.standard_normal((3, 4, 3))
FLAT -= FLAT.mean()
BANK = rng.standard_normal((6, 5, 7))
LINE, COLUMN = [0.5, -1.0, 0.0, 2.0, 0.25], [1.0, 2.5, 0.3]
EVERYTHING = {"output": ("dy", "dx", "magnitude", "orientation")}


def of(name, *arguments, module=fastsep, **options):
    def run(image):
        return getattr(module, name)(image, *arguments, **options)

    return run


def scipys(name, *arguments, **options):
    return of(name, *arguments, module=ndimage, **options)


PLAIN = [
    "farid",
    "farid_h",
    "farid_v",
    "laplace",
    "prewitt",
    "prewitt_h",
    "prewitt_v",
    "roberts",
    "roberts_neg_diag",
    "roberts_pos_diag",
    "scharr",
    "scharr_h",
    "scharr_v",
    "sobel",
    "sobel_h",
    "sobel_v",
    "unsharp_mask",
    "corner_harris",
    "corner_shi_tomasi",
    "structure_tensor",
    "black_tophat",
    "closing",
    "dilation",
    "erosion",
    "opening",
    "white_tophat",
    "median",
    "peak_local_max",
    "canny",
    "gradient",
    "gaussian",
]
#: Of every public function that takes an image, by its name and what is special.
OF_PLANES = {
    **{name: of(name) for name in PLAIN},
    "gaussian, wide": of("gaussian", (5.5, 3.0)),
    "gaussian, derivative": of("gaussian", 2, order=(1, 2)),
    "gaussian, missing pixels": lambda x: fastsep.gaussian(x, 2, weights=np.indices(x.shape).sum(0) % 3 / 2),
    "interpolate_missing": lambda x: fastsep.interpolate_missing(x, 2, weights=np.indices(x.shape).sum(0) % 5 == 0),
    "box": of("box", 21),
    "box, short": of("box", (3, 40)),
    "box, small": of("box", (4, 5)),
    "difference_of_gaussians": of("difference_of_gaussians", 1, 2.2),
    "difference_of_gaussians, distant": of("difference_of_gaussians", 1, 9),
    "gaussian_gradient_magnitude": of("gaussian_gradient_magnitude", 1.5),
    "gaussian_laplace": of("gaussian_laplace", (2.3, 1.1)),
    "gradient, all": of("gradient", **EVERYTHING),
    "gradient, wide": of("gradient", "farid", **EVERYTHING),
    "gradient, smoothed": of("gradient", "scharr", sigma=1.3, **EVERYTHING),
    "gradient, of a gaussian": of("gradient", "gaussian", sigma=1.3, **EVERYTHING),
    "canny, quantiles": of("canny", 2, use_quantiles=True, low_threshold=0.5, high_threshold=0.8),
    "canny, float32": of("canny", 1.4, dtype=np.float32),
    "corner_harris, eps": of("corner_harris", "eps", sigma=2, mode="reflect"),
    "hessian_matrix": of("hessian_matrix", 1.5, use_gaussian_derivatives=False),
    "hessian_matrix, gaussian": of("hessian_matrix", 1.5, use_gaussian_derivatives=True),
    "apply_hysteresis_threshold": of("apply_hysteresis_threshold", 0.3, 0.9),
    "separable_filter": of("separable_filter", [LINE, [1.0, 2.0, 4.0, 3.0]]),
    "separable_filter, symmetric": of("separable_filter", [[1.0, 2.0, 4.0, 2.0, 1.0], [3.0, 1.0, 3.0]]),
    "correlate": of("correlate", FULL, method="direct"),
    "correlate, sum zero": of("correlate", FLAT, method="direct"),
    "correlate, terms": of("correlate", FULL, method="separable"),
    "correlate, auto": of("correlate", np.outer(LINE, COLUMN)),
    "convolve": of("convolve", FULL),
    "correlate_bank": of("correlate_bank", BANK, method="separable"),
    "correlate_bank, direct": of("correlate_bank", BANK, method="direct"),
    "median, disk": of("median", disk(3)),
    "dilation, disk": of("dilation", disk(3)),
    **{f"ndimage.{name}": scipys(name) for name in ("laplace", "sobel", "prewitt")},
    "ndimage.gaussian_filter": scipys("gaussian_filter", 2),
    "ndimage.gaussian_filter1d": scipys("gaussian_filter1d", 1.5),
    "ndimage.gaussian_laplace": scipys("gaussian_laplace", 1.2),
    "ndimage.gaussian_gradient_magnitude": scipys("gaussian_gradient_magnitude", 1.2),
    "ndimage.uniform_filter": scipys("uniform_filter", 19),
    "ndimage.uniform_filter1d": scipys("uniform_filter1d", 33),
    "ndimage.convolve": scipys("convolve", FULL),
    "ndimage.correlate": scipys("correlate", np.outer(LINE, COLUMN)),
    "ndimage.convolve1d": scipys("convolve1d", COLUMN),
    "ndimage.correlate1d": scipys("correlate1d", LINE),
    "ndimage.generic_laplace": scipys("generic_laplace", lambda x, at, *rest: ndimage.correlate1d(x, LINE, at, *rest)),
    "ndimage.generic_gradient_magnitude": scipys("generic_gradient_magnitude", ndimage.sobel),
    "ndimage.percentile_filter": scipys("percentile_filter", 30, 5),
    "ndimage.rank_filter": scipys("rank_filter", 3, 4),
    **{f"ndimage.{name}": scipys(name, 5) for name in (
        "maximum_filter", "maximum_filter1d", "minimum_filter", "minimum_filter1d", "median_filter", "grey_closing",
        "grey_dilation", "grey_erosion", "grey_opening", "black_tophat", "white_tophat", "morphological_gradient",
        "morphological_laplace",
    )},
}  # fmt: skip
OF_COLOURS = {
    name: of(name, *arguments, channel_axis=-1)
    for name, arguments in {
        "gaussian": (1.7,), "sobel": (), "farid": (), "laplace": (), "unsharp_mask": (), "box": (19,),
        "difference_of_gaussians": (1, 2.5), "gaussian_laplace": (1.5,), "gradient": ("scharr",), "correlate": (FULL,),
    }.items()
} | {
    "gradient, wide": of("gradient", "farid", **EVERYTHING, channel_axis=-1),
    "gaussian, derivative": of("gaussian", 0.5, order=(0, 1), channel_axis=-1),
    "gaussian, wide derivative": of("gaussian", 1, order=(1, 0), channel_axis=-1, dtype=np.float32),
}  # fmt: skip
OF_VOLUMES = {
    **{name: of(name) for name in ("sobel", "laplace", "structure_tensor")},
    "gaussian": of("gaussian", 1.1),
    "box": of("box", (3, 17, 20)),
    "farid": of("farid", axis=1),
    "difference_of_gaussians": of("difference_of_gaussians", 1, 1.7),
    "gradient": of("gradient", sigma=1, output=("dz", "dy", "dx", "magnitude", "orientation")),
    "correlate": of("correlate", SOLID, method="direct"),
    "median": of("median", np.ones((3, 3, 3))),
    "ndimage.gaussian_filter": scipys("gaussian_filter", 1.1),
    "ndimage.uniform_filter": scipys("uniform_filter", 17),
}
SETS = {"plane": (OF_PLANES, PLANES), "colours": (OF_COLOURS, COLOURS), "volume": (OF_VOLUMES, VOLUMES)}
#: Functions without a sum of their own, or whose results are no pixels.
NO_IMAGE = {
    "ArgumentError", "BankFactorization", "ConvCost", "ConvFactorization", "Explanation", "Factorization", "RankOne",
    "clear_caches", "conv_cost", "explain", "factorize", "factorize_bank", "factorize_conv", "get_num_threads",
    "filter_blocks", "is_separable", "patch", "patched", "patched_calls",
    "set_num_threads", "show_config", "unpatch", "warmup",
}  # fmt: skip
LAYERS = {
    "conv2d", "depthwise_conv2d", "pointwise_conv2d", "separable_conv2d", "Conv2D", "DepthwiseConv2D", "SeparableConv2D"
}  # fmt: skip


def test_the_walk_knows_every_public_function():
    walked = {name.split(",")[0] for name in OF_PLANES}
    public = (set(fastsep.__all__) - NO_IMAGE - LAYERS) | {f"ndimage.{name}" for name in ndimage.__all__}
    assert walked == public


def arrays(result):
    return result if isinstance(result, (list, tuple)) else [result]


def check(call, images):
    """The call gives the same bits on this CPU and with AVX2 alone."""
    skip_without(AVX2)
    if jit.own_target().vector_bytes <= jit.LEVELS[AVX2][0]:
        pytest.skip("this CPU has vectors of one width")
    expected = [arrays(call(image)) for image in images]
    with for_level(AVX2):
        for image, ours in zip(images, expected, strict=True):
            for one, other in zip(arrays(call(image)), ours, strict=True):
                assert same_bits(one, other), (image.shape, image.dtype)


WALK = [(dtype, kind, name) for dtype in ("float32", "uint8") for kind, (calls, _) in SETS.items() for name in calls]
#: Two kernels, of different families, are enough for every day.
DAILY = [("float32", "plane", "box"), ("float32", "plane", "gaussian")]


@pytest.mark.parametrize(
    ("dtype", "kind", "name"), [pytest.param(*each, marks=[pytest.mark.slow] * (each not in DAILY)) for each in WALK]
)
def test_functions(dtype, kind, name):
    calls, shapes = SETS[kind]
    images = [make_image(np.random.default_rng(number), dtype, shape) for number, shape in enumerate(shapes)]
    check(calls[name], images)


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_borders(mode):
    image = make_image(np.random.default_rng(3), "float32", (40, 61))
    check(
        lambda image: [fastsep.box(image, (20, 33), mode=mode, cval=0.3), fastsep.gaussian(image, 2, mode=mode)],
        [image],
    )


CHANNELS = (1, 2, 3, 5, 8, 9, 12, 16, 17, 24, 33)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", sorted(LAYERS - {"Conv2D", "DepthwiseConv2D", "SeparableConv2D"}))
def test_layers(name, dtype):
    """Of few and of many channels, which are laid out by the lanes of a vector."""
    rng = np.random.default_rng(7)

    def drawn(*shape):
        return rng.standard_normal(shape).astype(dtype)

    for channels in CHANNELS:
        for filters in (1, 8, 17, 40):
            images = [drawn(13, 17, channels)]
            if name == "conv2d":
                check(of(name, drawn(3, 3, channels, filters), padding="same", bias=drawn(filters)), images)
            elif name == "pointwise_conv2d":
                check(of(name, drawn(channels, filters), activation="relu"), images)
            elif name == "depthwise_conv2d":
                several = filters % 2
                kernel = drawn(3, 3 + 2 * several, channels, 1 + several)
                check(of(name, kernel, stride=1 + (filters > 20)), images)
            elif filters % 2:
                check(of(name, drawn(1, 3, channels, 2), drawn(2 * channels, filters)), images)
            else:
                check(of(name, drawn(3, 3, channels), drawn(channels, filters), padding="same"), images)


KERNELS = [
    (size, terms) for size in (3, 7, 9, 15, 21, 31) for terms in (1, 2, 3, 6, 31) if terms <= size or terms == 31
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_way_is_taken(dtype):
    """Of those that differ in how they round. No pixel is filtered."""
    skip_without("x86-64-v4")
    rng = np.random.default_rng(5)
    kernels = [rng.standard_normal((size, terms)) @ rng.standard_normal((terms, size)) for size, terms in KERNELS]
    images = [np.zeros(shape, dtype) for shape in ((20, 20), (3, 500), (128, 128), (500, 700))]

    def ways():
        return [
            (fastsep.explain(fastsep.correlate, image, kernel).strategy, image.shape, kernel.shape)
            for image in images for kernel in kernels
        ]  # fmt: skip

    found = []
    for level in jit.LEVELS:
        with for_level(level):
            found.append(ways())
    assert found[0] == found[1] == found[2]
    assert {way for way, _, _ in found[0]} == {"direct", "lines", "fft"}


def numbers():
    """What Python and NumPy make: a digest of taps, and of the terms of kernels that take one."""
    rng = np.random.default_rng(13)
    digest = hashlib.sha256()
    lines = [
        operators.gaussian_line(sigma, order, 4.0).taps
        for sigma in (*np.arange(0.3, 12, 0.17), 31.4, 100.0) for order in range(3)
    ]  # fmt: skip
    for taps in ([3, 5], [9, 9], [17, 4], [40, 127], [4, 5, 3]):
        kernel = np.ones(())
        for size in taps:
            kernel = np.multiply.outer(kernel, rng.standard_normal(size))
        (term,) = fastsep.factorize(kernel).terms
        lines += term.taps
    for line in lines:
        digest.update(np.array(line).tobytes())
    return digest.hexdigest()


def test_taps_do_not_depend_on_what_numpy_and_blas_find():
    """They have loops for several CPUs: the last bits of an exponential, and of sums of products, differ."""
    found = np.show_config(mode="dicts")["SIMD Extensions"]["found"]
    others = {"NPY_DISABLE_CPU_FEATURES": " ".join(found)}
    if platform.machine() in ("x86_64", "AMD64"):
        others["OPENBLAS_CORETYPE"] = "Prescott"
    status, output = finish_script(start_script(__file__, **others))
    assert status == 0, output
    assert output.split() == [numbers()]


if __name__ == "__main__":
    assert os.environ["NPY_DISABLE_CPU_FEATURES"] or not np.show_config(mode="dicts")["SIMD Extensions"]["found"]
    say(numbers())
