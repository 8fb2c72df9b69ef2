"""Grey morphology with scikit-image's names and results.

The options below mean the same in every function; each function's page repeats them.

Parameters
----------
image : array_like, at least 1-D
    bool, integer or float. It is never changed, unless it is also `out`. It is compared in its own dtype. An array of
    dask gives an array of dask, which is computed when it is asked for; `out` must then be None. Arrays of xarray,
    PyTorch, JAX and others give results of their own kind; the notes of `fastsep.filters` tell how.
footprint : ndarray or sequence of (ndarray, int), optional
    Which neighbours of a pixel count, with as many axes as are filtered: those that are not 0. Default:
    the pixel and its neighbours along each axis. Its middle lies on the pixel; of an even length the left one
    of both. Of a sequence each footprint is applied so many times, one after the other. The cost of a footprint
    of ones does not depend on its size.
out : ndarray, optional
    Array of the image's shape to write into, also returned. It may be the image itself or overlap it.
mode : str
    What lies outside the image, as in SciPy: "reflect" (d c b a | a b c d | d c b a), "constant" (`cval`),
    "nearest" (a a a a | a b c d | d d d d), "mirror" (d c b | a b c d | c b a), "wrap" (a b c d | a b c d | a b
    c d); or "max" or "min", the largest or smallest value of the image's dtype, or "ignore", whichever of both
    no result notices: "max" where the image is eroded, "min" where it is dilated.
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
    A NaN under the footprint makes the result NaN.

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

from collections.abc import Sequence
from typing import TypeAlias

import numpy.typing as npt

from fastsep._docs import complete
from fastsep._ops.morphology import run
from fastsep._types import Axis
from fastsep._validation.array_like import Array

__all__ = ["black_tophat", "closing", "dilation", "erosion", "opening", "white_tophat"]


def __dir__() -> list[str]:
    return __all__


Footprint: TypeAlias = Array | Sequence[tuple[Array, int]]


def erosion(
    image: npt.ArrayLike,
    footprint: Footprint | None = None,
    out: Array | None = None,
    *,
    mode: str = "reflect",
    cval: float = 0.0,
    channel_axis: Axis | None = None,
    workers: int | None = None,
) -> Array:
    """Smallest value under a footprint: bright regions shrink.

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> fastsep.erosion(np.array([4, 5, 1, 5, 4])).tolist()
    [4, 1, 1, 1, 4]
    """
    return run(image, "erosion", footprint, out, mode, cval, channel_axis, workers)


def dilation(
    image: npt.ArrayLike,
    footprint: Footprint | None = None,
    out: Array | None = None,
    *,
    mode: str = "reflect",
    cval: float = 0.0,
    channel_axis: Axis | None = None,
    workers: int | None = None,
) -> Array:
    """Largest value under a footprint, which is not mirrored: bright regions grow.

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> fastsep.dilation(np.array([4, 5, 1, 1, 4])).tolist()
    [5, 5, 5, 4, 4]
    """
    return run(image, "dilation", footprint, out, mode, cval, channel_axis, workers)


def opening(
    image: npt.ArrayLike,
    footprint: Footprint | None = None,
    out: Array | None = None,
    *,
    mode: str = "reflect",
    cval: float = 0.0,
    channel_axis: Axis | None = None,
    workers: int | None = None,
) -> Array:
    """Erosion, then dilation by the mirrored footprint: bright spots smaller than it vanish.

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> fastsep.opening(np.array([1, 5, 1, 5, 5, 5])).tolist()
    [1, 1, 1, 5, 5, 5]
    """
    return run(image, "opening", footprint, out, mode, cval, channel_axis, workers)


def closing(
    image: npt.ArrayLike,
    footprint: Footprint | None = None,
    out: Array | None = None,
    *,
    mode: str = "reflect",
    cval: float = 0.0,
    channel_axis: Axis | None = None,
    workers: int | None = None,
) -> Array:
    """Dilation, then erosion by the mirrored footprint: dark spots smaller than it vanish.

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> fastsep.closing(np.array([5, 1, 5, 1, 1, 1])).tolist()
    [5, 5, 5, 1, 1, 1]
    """
    return run(image, "closing", footprint, out, mode, cval, channel_axis, workers)


def white_tophat(
    image: npt.ArrayLike,
    footprint: Footprint | None = None,
    out: Array | None = None,
    *,
    mode: str = "reflect",
    cval: float = 0.0,
    channel_axis: Axis | None = None,
    workers: int | None = None,
) -> Array:
    """The image minus its opening: bright spots smaller than the footprint.

    Differences of integers wrap where the opening is above the image, which it can be near the border but in
    mode "ignore".

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> fastsep.white_tophat(np.array([1, 5, 1, 5, 5, 5])).tolist()
    [0, 4, 0, 0, 0, 0]
    """
    return run(image, "white_tophat", footprint, out, mode, cval, channel_axis, workers)


def black_tophat(
    image: npt.ArrayLike,
    footprint: Footprint | None = None,
    out: Array | None = None,
    *,
    mode: str = "reflect",
    cval: float = 0.0,
    channel_axis: Axis | None = None,
    workers: int | None = None,
) -> Array:
    """The closing minus the image: dark spots smaller than the footprint.

    Differences of integers wrap where the closing is below the image, which it can be near the border but in
    mode "ignore".

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> fastsep.black_tophat(np.array([5, 1, 5, 1, 1, 1])).tolist()
    [0, 4, 0, 0, 0, 0]
    """
    return run(image, "black_tophat", footprint, out, mode, cval, channel_axis, workers)


complete((globals()[name] for name in __all__), __doc__)
