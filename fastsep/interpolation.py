"""Images with missing pixels made complete. The options are those of `fastsep.filters`."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from fastsep import filters
from fastsep._call import NDIMAGE
from fastsep._docs import complete
from fastsep._plan import operators
from fastsep._types import Axis, Floats, Mode, Nan
from fastsep._validation import scalars
from fastsep._validation.array_like import Array, show
from fastsep._validation.axes import Frame

__all__ = ["interpolate_missing"]


def __dir__() -> list[str]:
    return __all__


def interpolate_missing(
    image: npt.ArrayLike,
    sigma: Floats = 1.0,
    *,
    weights: npt.ArrayLike | None = None,
    nan: Nan = "ignore",
    nodata: int | None = None,
    min_weight: float = 0.01,
    mode: Mode = "ignore",
    cval: float = 0.0,
    channel_axis: Axis | None = None,
    out: Array | None = None,
    workers: int | None = None,
) -> Array:
    """Fill in the missing pixels of an image, and leave all others as they are.

    A missing pixel becomes the mean of those that are not, weighted by a Gaussian: of standard deviation `sigma`, or
    where that finds none of them, or too few, of twice that, and so on. From 16 pixels on it is one of means over
    blocks, which are at most a quarter as long. Without any pixel to start from, the image stays as it is.

    Parameters
    ----------
    image : array_like, at least 1-D
        Bool, integer or float. NaN, `nodata`, pixels of weight 0, and those that a masked array hides, are missing.
    sigma : float or one float per spatial axis
        Standard deviation of the first Gaussian in pixels, which reaches int(4 * sigma + 0.5) of them; 0 leaves an
        axis alone.
    min_weight : float
        From 0 to 1: the part of the Gaussian's weight that pixels which are not missing must have. The larger, the
        wider are the Gaussians that fill wide holes, and the smoother what they make.
    mode : str or one str per spatial axis
        What lies outside the image: "ignore", nothing that counts, or as in all filters.
    out : ndarray, optional
        Array of the image's shape and dtype to write into, also returned. It may be the image itself.

    Returns
    -------
    ndarray of the image's shape and dtype
        Of a masked array one whose mask is empty, if any pixel is not missing.

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> fastsep.interpolate_missing([1.0, np.nan, 3.0, 3.0, np.nan]).round(3).tolist()
    [1.0, 2.1, 3.0, 3.0, 2.999]
    """
    from fastsep._ops.missing import calls  # as late as for the filters

    given = (nan, min_weight, False, nodata, None)
    (result,) = calls.apply(
        _scales, (sigma,), image, mode, cval, channel_axis, NDIMAGE, None, (out,), workers, weights, given
    )  # fmt: skip
    return result  # type: ignore[no-any-return]


complete((interpolate_missing,), filters.__doc__)


def _scales(frame: Frame, sigma: Any) -> Any:
    from fastsep._ops.missing.parts import Scales  # as above

    found = scalars.sigmas("sigma", sigma, len(frame.spatial), operators.TRUNCATE)
    if not max(found):
        raise ValueError(f"`sigma` must be above 0 along an axis; got {show(sigma)}.")
    return Scales(found)
