"""Local maxima, with scikit-image's name and results."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fastsep._ops.peaks import find
from fastsep._validation import arrays
from fastsep._validation.array_like import Array, is_labelled

__all__ = ["peak_local_max"]


def __dir__() -> list[str]:
    return __all__


def peak_local_max(
    image: npt.ArrayLike,
    min_distance: int = 1,
    threshold_abs: float | None = None,
    threshold_rel: float | None = None,
    exclude_border: bool | int | tuple[int, ...] = True,
    num_peaks: float = np.inf,
    footprint: npt.ArrayLike | None = None,
    labels: Array | None = None,
    num_peaks_per_label: float = np.inf,
    p_norm: float = np.inf,
    *,
    workers: int | None = None,
) -> Array:
    """Coordinates of the pixels that are the largest in their neighbourhood, the highest first.

    Of pixels of one height that are closer than `min_distance` the first one stays; an image, or a region, all
    of whose pixels are the largest has no peaks.

    Parameters
    ----------
    image : array_like, at least 1-D
        bool, integer or float. It is never changed.
    min_distance : int
        Peaks are the largest within 2 * min_distance + 1 pixels along each axis, or under `footprint`, and that
        far from each other.
    threshold_abs, threshold_rel : float, optional
        Peaks are larger than the first, default: the smallest pixel, and than the second times the largest pixel.
    exclude_border : bool, int or tuple of one int for each axis
        So many pixels at the border are no peaks; True: `min_distance`.
    num_peaks, num_peaks_per_label : int
        The largest number of peaks, in all and in each region.
    footprint : array_like, optional
        The neighbours that count, with as many axes as the image.
    labels : ndarray of int, optional
        Regions, of which each is searched by itself; 0 is none.
    p_norm : float
        Minkowski norm of the distance between peaks: 2 is Euclid's, infinity the largest difference along an axis.
    workers : int, optional
        Threads for this call; -1 is all cores. Default: what `fastsep.set_num_threads` or the machine allows. The
        result does not depend on it.

    Returns
    -------
    ndarray of int, shape (number of peaks, number of axes)
        For an image of PyTorch, JAX and the like an array of their kind.

    Raises
    ------
    ValueError
        For a bad value or an unsupported image.
    TypeError
        For an argument of the wrong kind.

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> image = np.zeros((7, 7))
    >>> image[3, 4], image[3, 2] = 1, 1.5
    >>> fastsep.peak_local_max(image).tolist(), fastsep.peak_local_max(image, min_distance=2).tolist()
    ([[3, 2], [3, 4]], [[3, 2]])
    """
    image = arrays.as_image(image)
    if is_labelled(image):
        image = arrays.as_image(image.data)  # positions have no labels
    if not isinstance(image, np.ndarray):
        raise ValueError(
            "`image` must be an array in memory, because peaks are chosen among all pixels: call `.compute()`; or"
            " compare it, which stays lazy, with its `fastsep.ndimage.maximum_filter`."
        )
    arrays.need_pixels(image, 1)
    return find(
        image, min_distance, threshold_abs, threshold_rel, exclude_border, num_peaks, footprint, labels,
        num_peaks_per_label, p_norm, workers,
    )  # fmt: skip
