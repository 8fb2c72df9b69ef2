"""The median, as scikit-image has it. Other ranks are in `fastsep.ndimage`.

Parameters
----------
image : array_like, at least 1-D
    bool, integer or float. It is never changed, unless it is also `out`. An array of dask gives an array of dask,
    which is computed when it is asked for; `out` must then be None. Arrays of xarray, PyTorch, JAX and others give
    results of their own kind; the notes of `fastsep.filters` tell how.
out : ndarray, optional
    Array of the image's shape to write into, also returned. It may be the image itself or overlap it.
mode : str
    What lies outside the image, as in SciPy: "reflect" (d c b a | a b c d | d c b a), "constant" (`cval`),
    "nearest" (a a a a | a b c d | d d d d), "mirror" (d c b | a b c d | c b a), "wrap" (a b c d | a b c d | a b
    c d); "grid-mirror", "grid-constant" and "grid-wrap" mean reflect, constant and wrap.
cval : float
    Value outside the image for mode "constant".
channel_axis : int or name of a dimension, optional
    An axis that is not filtered.
workers : int, optional
    Threads for this call; -1 is all cores. Default: what `fastsep.set_num_threads` or the machine allows; for an
    array of dask, one for each of its tasks. The result does not depend on it.

Returns
-------
ndarray of the image's shape and dtype, or `out`

Raises
------
ValueError
    For a bad value, an unsupported image or an unsuitable `out`. An unknown mode, a footprint of a wrong number
    of axes and a wrong shape of `out` are a RuntimeError too; an axis out of range is
    `numpy.exceptions.AxisError`.
TypeError
    For an argument of the wrong kind.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fastsep._docs import complete
from fastsep._ops.ndimage import order
from fastsep._ops.ndimage.calls import Packed, run
from fastsep._types import Axis
from fastsep._validation import arrays, axes
from fastsep._validation.array_like import Array

__all__ = ["median"]


def __dir__() -> list[str]:
    return __all__


def median(
    image: npt.ArrayLike,
    footprint: npt.ArrayLike | None = None,
    out: Array | None = None,
    mode: str = "nearest",
    cval: float = 0.0,
    behavior: str = "ndimage",
    *,
    channel_axis: Axis | None = None,
    workers: int | None = None,
) -> Array:
    """Median under a footprint; of an even number of pixels the larger one of the middle two.

    The image keeps its dtype, and the result is exact. NaN counts as larger than all numbers, as in `numpy.sort`.

    Parameters
    ----------
    footprint : array_like, optional
        Which neighbours of a pixel count, with as many axes as are filtered: those that are not 0. Default: all
        within a distance of 1 along each axis, 3 x 3 pixels in two dimensions.
    behavior : {"ndimage"}
        scikit-image's other one, "rank", is another filter, with other borders, and is refused.

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> fastsep.median(np.array([1, 9, 2, 3, 8])).tolist()
    [1, 2, 3, 3, 8]
    """
    image = arrays.as_image(image)
    if behavior != "ndimage":
        raise ValueError(f"`behavior` must be ndimage; got {behavior!r}. For rank call `skimage.filters.rank.median`.")
    if out is not None and type(image) is np.ndarray:
        arrays.check_writeable(out)
        arrays.check_shape(out, image.shape)
    channel = axes.channel(axes.by_position("channel_axis", channel_axis, image), image.ndim)
    spatial = tuple(axis for axis in range(image.ndim) if axis != channel)
    size, packed = (3, None) if footprint is None else (None, Packed.of(np.asarray(footprint, dtype=bool)))
    parameters = (size, packed, 0, None if channel is None else spatial)
    return run(order.MEDIAN_FILTER, parameters, image, out, mode, cval, workers)


complete((median,), __doc__)
