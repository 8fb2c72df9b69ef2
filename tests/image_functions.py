"""A call of every function that takes an image, for the tests of images of other packages."""

from functools import partial

import numpy as np

import fastsep
import fastsep.ndimage as ndi

RNG = np.random.default_rng(19)
IMAGE = RNG.random((20, 31), np.float32)
MASK = IMAGE > 0.1
WEIGHTS = IMAGE**2
BATCH = RNG.random((2, 12, 14, 3), np.float32)
KERNEL, KERNELS = RNG.random((3, 3)), RNG.random((4, 3, 3))
TAPS = (1.0, 2.0, 1.0)
DENSE = RNG.random((3, 3, 3, 5), np.float32)
DEPTHWISE, POINTWISE = RNG.random((3, 3, 3), np.float32), RNG.random((3, 5), np.float32)

_EDGES = ("sobel", "scharr", "prewitt", "farid")
_MORPHOLOGY = ("erosion", "dilation", "opening", "closing", "white_tophat", "black_tophat")


def second(image, axis, output, mode, cval):
    return ndi.correlate1d(image, [1, -2, 1], axis, output, mode, cval)


#: Of images with two axes.
FUNCTIONS = {
    "gaussian": partial(fastsep.gaussian, sigma=(2, 1)),
    "difference_of_gaussians": partial(fastsep.difference_of_gaussians, low_sigma=1),
    "unsharp_mask": fastsep.unsharp_mask,
    "box": partial(fastsep.box, size=5),
    "laplace": fastsep.laplace,
    "separable_filter": partial(fastsep.separable_filter, taps=TAPS),
    "correlate": partial(fastsep.correlate, kernel=KERNEL),
    "convolve": partial(fastsep.convolve, kernel=KERNEL),
    "correlate_bank": partial(fastsep.correlate_bank, kernels=KERNELS),
    "gradient": partial(fastsep.gradient, output=("dx", "magnitude")),
    "interpolate_missing": fastsep.interpolate_missing,
    "canny": fastsep.canny,
    "apply_hysteresis_threshold": partial(fastsep.apply_hysteresis_threshold, low=0.3, high=0.8),
    "structure_tensor": fastsep.structure_tensor,
    "hessian_matrix": partial(fastsep.hessian_matrix, use_gaussian_derivatives=False),
    "corner_harris": fastsep.corner_harris,
    "corner_shi_tomasi": fastsep.corner_shi_tomasi,
    "gaussian_laplace": partial(fastsep.gaussian_laplace, sigma=1),
    "gaussian_gradient_magnitude": partial(fastsep.gaussian_gradient_magnitude, sigma=1),
    "median": fastsep.median,
    **{name: getattr(fastsep, name) for name in (*_MORPHOLOGY, *_EDGES)},
    **{name: getattr(fastsep, name) for edge in _EDGES for name in (f"{edge}_h", f"{edge}_v")},
    **{name: getattr(fastsep, name) for name in ("roberts", "roberts_pos_diag", "roberts_neg_diag")},
}
#: With arguments that take other ways through the package.
VARIANTS = {
    "sobel with a mask": partial(fastsep.sobel, mask=MASK),
    "canny with a mask": partial(fastsep.canny, mask=MASK),
    "gradient of one output": partial(fastsep.gradient, output="magnitude"),
    "hysteresis of pixels": partial(fastsep.apply_hysteresis_threshold, low=IMAGE / 2, high=0.8),
    "gaussian of missing pixels": partial(fastsep.gaussian, weights=WEIGHTS, mode="ignore"),
    "unsharp mask of missing pixels": partial(fastsep.unsharp_mask, weights=MASK),
    "gradient of missing pixels": partial(fastsep.gradient, operator="gaussian", output=("dx", "dy"), nan="ignore"),
    "ndimage: missing pixels": partial(ndi.uniform_filter, pixel_weights=WEIGHTS),
    "gaussian of channels": partial(fastsep.gaussian, sigma=(0, 2), channel_axis=0),
    "median of channels": partial(fastsep.median, footprint=np.ones(3), channel_axis=0),
    "ndimage: an output dtype": partial(ndi.gaussian_filter, sigma=1, output=np.float64),
    "ndimage: complex weights": partial(ndi.correlate, weights=KERNEL * (1 + 2j)),
    "ndimage: by SciPy": partial(ndi.correlate, weights=KERNEL * np.inf),
    "ndimage: a footprint": partial(ndi.grey_opening, footprint=np.ones((3, 3))),
}
#: Those of `fastsep.ndimage`.
NDIMAGE = {
    **{name: partial(getattr(ndi, name), weights=TAPS) for name in ("correlate1d", "convolve1d")},
    **{name: partial(getattr(ndi, name), weights=KERNEL) for name in ("correlate", "convolve")},
    **{f"gaussian_{name}": partial(getattr(ndi, f"gaussian_{name}"), sigma=1)
       for name in ("filter", "filter1d", "laplace", "gradient_magnitude")},
    **{f"{name}{axes}": partial(getattr(ndi, f"{name}{axes}"), size=3)
       for name in ("uniform_filter", "minimum_filter", "maximum_filter") for axes in ("", "1d")},
    **{name: partial(getattr(ndi, name), size=3) for name in (
        "median_filter", "grey_erosion", "grey_dilation", "grey_opening", "grey_closing", "morphological_gradient",
        "morphological_laplace", "white_tophat", "black_tophat",
    )},
    "rank_filter": partial(ndi.rank_filter, rank=2, size=3),
    "percentile_filter": partial(ndi.percentile_filter, percentile=30, size=3),
    "generic_laplace": partial(ndi.generic_laplace, derivative2=second),
    "generic_gradient_magnitude": partial(ndi.generic_gradient_magnitude, derivative=ndi.sobel),
    **{name: getattr(ndi, name) for name in ("sobel", "prewitt", "laplace")},
}  # fmt: skip
#: Those of batches of images with channels.
LAYERS = {
    "conv2d": partial(fastsep.conv2d, kernel=DENSE, stride=2),
    "depthwise_conv2d": partial(fastsep.depthwise_conv2d, kernel=DEPTHWISE),
    "pointwise_conv2d": partial(fastsep.pointwise_conv2d, kernel=POINTWISE),
    "separable_conv2d": partial(fastsep.separable_conv2d, depthwise_kernel=DEPTHWISE, pointwise_kernel=POINTWISE),
    "Conv2D": fastsep.Conv2D(DENSE),
    "DepthwiseConv2D": fastsep.DepthwiseConv2D(DEPTHWISE, padding="same"),
    "SeparableConv2D": fastsep.SeparableConv2D(DEPTHWISE, POINTWISE),
}

#: Every call with a plain image of its kind.
CALLS = {
    **{name: (call, IMAGE) for name, call in (FUNCTIONS | VARIANTS).items()},
    **{f"ndimage.{name}": (call, IMAGE) for name, call in NDIMAGE.items()},
    **{name: (call, BATCH) for name, call in LAYERS.items()},
}


def listed(result):
    """The results of a call, of which some have several."""
    return list(result) if isinstance(result, tuple | list) else [result]
