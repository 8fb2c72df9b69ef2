"""What is measured: for every operation a function (image, parameters) that sets up who does it, and how."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks._contest import Contest
from benchmarks.operations import derivatives, edges, kernels, layers, smoothing

OPERATIONS: dict[str, Callable[..., Contest]] = {
    "gaussian": smoothing.gaussian,
    "gaussian_default": smoothing.gaussian_default,
    "box": smoothing.box,
    "difference_of_gaussians": smoothing.difference_of_gaussians,
    "unsharp_mask": smoothing.unsharp_mask,
    "separable_filter": smoothing.separable_filter,
    "sobel_x_int16": smoothing.sobel_x_int16,
    **derivatives.by_operator(),  # sobel, sobel_h, sobel_v, and so on
    "sobel_default": derivatives.sobel_default,
    "roberts": derivatives.roberts,
    "laplace": derivatives.laplace,
    "gaussian_gradient_magnitude": derivatives.gaussian_gradient_magnitude,
    "gaussian_laplace": derivatives.gaussian_laplace,
    "gradient": derivatives.gradient,
    "smooth_gradient": derivatives.smooth_gradient,
    "structure_tensor": derivatives.structure_tensor,
    "hessian_matrix": derivatives.hessian_matrix,
    "canny": edges.canny,
    "apply_hysteresis_threshold": edges.apply_hysteresis_threshold,
    "corner_harris": edges.corner_harris,
    "corner_shi_tomasi": edges.corner_shi_tomasi,
    "correlate": kernels.correlate,
    "convolve": kernels.convolve,
    "correlate_bank": kernels.correlate_bank,
    "factorize": kernels.factorize,
    "is_separable": kernels.is_separable,
    "factorize_bank": kernels.factorize_bank,
    "factorize_conv": kernels.factorize_conv,
    "conv_cost": kernels.conv_cost,
    "explain": kernels.explain,
    "conv2d": layers.conv2d,
    "depthwise_conv2d": layers.depthwise_conv2d,
    "pointwise_conv2d": layers.pointwise_conv2d,
    "separable_conv2d": layers.separable_conv2d,
    "SeparableConv2D": layers.SeparableConv2D,
    "Conv2D": layers.Conv2D,
    "DepthwiseConv2D": layers.DepthwiseConv2D,
    "mobilenet_v1": layers.mobilenet_v1,
}
