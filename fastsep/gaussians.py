"""Derivatives of the blurred image, as SciPy has them. The options are those of `fastsep.filters`."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from fastsep import filters
from fastsep._call import OWN, apply
from fastsep._docs import complete
from fastsep._plan import operators, spec
from fastsep._types import Axis, Floats, Mode
from fastsep._validation import scalars
from fastsep._validation.array_like import Array
from fastsep._validation.axes import Frame

__all__ = ["gaussian_gradient_magnitude", "gaussian_laplace"]


def __dir__() -> list[str]:
    return __all__


def gaussian_gradient_magnitude(
    image: npt.ArrayLike,
    sigma: Floats,
    *,
    mode: Mode = "reflect",
    cval: float = 0.0,
    truncate: float = 4.0,
    channel_axis: Axis | None = None,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
) -> Array:
    """Edge magnitude of the blurred image, by derivatives of a Gaussian.

    sqrt(sum over axes of the squared first derivatives), the same as
    `scipy.ndimage.gaussian_gradient_magnitude` of a float image, except that of several modes each
    counts for its own axis only. Integer images are not rescaled.

    Parameters
    ----------
    sigma : float, one float per spatial axis, or dict by dimension
        Standard deviation in pixels. An axis with 0 is neither blurred nor differentiated: its term
        is the image blurred along the others.
    truncate : float
        The taps reach int(truncate * sigma + 0.5) pixels to each side.

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> step = np.repeat([0.0, 1.0], 4)
    >>> fastsep.gaussian_gradient_magnitude(step, 1).round(2).tolist()
    [0.0, 0.01, 0.12, 0.36, 0.36, 0.12, 0.01, 0.0]
    """
    return apply(_gradient_magnitude, (sigma, truncate), image, mode, cval, channel_axis, OWN, dtype, out, workers)


def gaussian_laplace(
    image: npt.ArrayLike,
    sigma: Floats,
    *,
    mode: Mode = "reflect",
    cval: float = 0.0,
    truncate: float = 4.0,
    channel_axis: Axis | None = None,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
) -> Array:
    """Laplacian of Gaussian: the sum over axes of the second derivatives of the blurred image.

    The same as `scipy.ndimage.gaussian_laplace` of a float image: negative on a bright spot, where
    `laplace` is positive. Integer images are not rescaled.

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> spot = np.array([0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0])
    >>> fastsep.gaussian_laplace(spot, 1).round(2).tolist()
    [0.04, 0.16, 0.0, -0.4, 0.0, 0.16, 0.04]
    """
    return apply(_laplace, (sigma, truncate), image, mode, cval, channel_axis, OWN, dtype, out, workers)


complete((gaussian_gradient_magnitude,), filters.__doc__)
complete((gaussian_laplace,), gaussian_gradient_magnitude.__doc__)


def _gradient_magnitude(frame: Frame, sigma: Any, truncate: Any) -> spec.Filter:
    truncate = scalars.not_negative("truncate", truncate)
    return operators.gaussian_gradient_magnitude(scalars.sigmas("sigma", sigma, len(frame.spatial), truncate), truncate)


def _laplace(frame: Frame, sigma: Any, truncate: Any) -> spec.Filter:
    truncate = scalars.not_negative("truncate", truncate)
    return operators.gaussian_laplace(scalars.sigmas("sigma", sigma, len(frame.spatial), truncate), truncate)
