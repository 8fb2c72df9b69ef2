"""Local maxima as scikit-image selects them, by height and by distance from each other."""

from __future__ import annotations

import math
import operator
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastsep._call import takes_wrappers
from fastsep._ops.ndimage import order
from fastsep._ops.ndimage.calls import Packed, run, scipy_module
from fastsep._validation import scalars, scipy_arguments
from fastsep._validation.array_like import Array, StandIn, show


class Search(NamedTuple):
    """What makes a pixel a peak."""

    size: int | None  # of the window in which it is the largest ...
    footprint: Packed | None  # ... or that
    threshold: Any
    spacing: Any  # peaks are that far from each other
    norm: float  # Minkowski's, of which distance is
    workers: Any

    def largest(self, image: Array) -> Array:
        """The largest pixel within the window of each."""
        parameters = (self.size, self.footprint, 0, None)
        return run(order.MAXIMUM_FILTER, parameters, image, None, "nearest", 0.0, self.workers)

    def candidates(self, image: Array, mask: Array | None = None) -> Array:
        """Which pixels are peaks but for their distance; of a plateau, none where it is all there is (in `mask`)."""
        one_pixel = self.size == 1 if self.footprint is None else math.prod(self.footprint.shape) == 1
        above: Array = image > self.threshold
        if one_pixel or image.size == 1:
            return above
        found: Array = image == self.largest(image)
        if (found if mask is None else found[mask]).all():
            found[...] = False
            if mask is not None:  # pixels without neighbours in the mask
                found[mask ^ scipy_module().binary_opening(mask)] = True
        found &= above
        return found

    def selected(self, image: Array, found: Array, count: float) -> Array:
        """Where `found` is true, the highest pixel first: at most `count`, and none too close to a higher one."""
        places = np.flatnonzero(found)
        heights = image.take(places)
        by_height = np.argsort(-heights, kind="stable")  # small unsigned integers wrap, as in scikit-image
        coordinates = np.stack(np.unravel_index(places[by_height], found.shape), axis=1)
        most = int(count) if np.isfinite(count) else len(coordinates)
        if self.spacing > 1 and len(coordinates):
            near = _near(self.spacing, self.norm, found.shape)
            coordinates = coordinates[_apart(coordinates, near, found.shape, most)]
        return coordinates[:most]


def _near(spacing: float, norm: float, shape: Sequence[int]) -> Array:
    """Which pixels are nearer than `spacing` to the one in the middle."""
    # With roots in it, a distance of `spacing` along an axis may be rounded to less.
    furthest = math.ceil(spacing) - (norm == math.inf)
    reach = [min(furthest, size - 1) for size in shape]
    sizes = [size + 1 for size in reach]
    if norm == math.inf:
        near = np.ones(sizes, bool)
    else:
        from scipy.spatial import distance

        offsets = np.indices(sizes).reshape(len(sizes), -1).T
        distances = distance.cdist(np.zeros((1, len(sizes))), offsets, "minkowski", p=norm)
        if not np.isfinite(distances).all():
            raise ValueError(f"`p_norm` must be small enough for distances not to overflow, or infinity; got {norm}.")
        near = (distances < spacing).reshape(sizes)
    return near[np.ix_(*(abs(np.arange(-size, size + 1)) for size in reach))]


def _apart(coordinates: Array, near: Array, shape: Sequence[int], most: int) -> list[int]:
    """Which of the coordinates, from the first on, are not near to an earlier one of these."""
    padded = [size + length - 1 for size, length in zip(shape, near.shape, strict=True)]
    taken = np.zeros(padded, bool)  # pixel i is at i + reach
    middles = np.ravel_multi_index(tuple((coordinates + [length // 2 for length in near.shape]).T), padded).tolist()
    windows = np.lib.stride_tricks.sliding_window_view(taken, near.shape, writeable=True)
    at: Any = taken.reshape(-1)
    at, all_near = memoryview(at), bool(near.all())
    kept: list[int] = []
    for number, middle in enumerate(middles):
        if at[middle]:
            continue
        if len(kept) >= most:
            break
        kept.append(number)
        window = windows[tuple(coordinates[number])]
        window[...] = True if all_near else window | near
    return kept


def border_widths(value: Any, distance: Any, ndim: int) -> tuple[int, ...]:
    """How many pixels along each axis are no peaks because they are near the border."""
    if isinstance(value, bool):
        return (distance if value else 0,) * ndim
    several = isinstance(value, tuple)
    if several and len(value) != ndim:
        raise ValueError(f"`exclude_border` must be one value or one for each of {ndim} axes; got {show(value)}.")
    widths = value if several else (value,) * ndim
    try:
        widths = tuple(map(operator.index, widths))
    except TypeError:
        # scikit-image's exceptions
        raise (ValueError if several else TypeError)(
            f"`exclude_border` must be a bool, an integer or a tuple of integers; got {show(value)}."
        ) from None
    if min(widths) < 0:
        raise ValueError(f"`exclude_border` must not be negative; got {show(value)}.")
    return widths


def clear_border(values: Array, widths: Sequence[int]) -> Array:
    """Zero within `widths` of the border."""
    for axis, width in enumerate(widths):
        if width:
            lines = np.moveaxis(values, axis, 0)
            lines[:width] = 0
            lines[-width:] = 0
    return values


def threshold(image: Array, absolute: Any, relative: Any) -> Any:
    """What peaks are larger than."""
    found = image.min() if absolute is None else absolute
    return found if relative is None else max(found, relative * image.max())


def within_labels(
    search: Search, image: Array, labels: Array, widths: Sequence[int], each: float, count: float
) -> Array:
    """The peaks of every region by itself, as if nothing else were in the image."""
    lowest = np.finfo(image.dtype).min if image.dtype.kind == "f" else np.iinfo(image.dtype).min
    inner = clear_border(labels.astype(int, casting="safe"), widths)
    found = [np.empty((0, image.ndim), int)]
    for number, region in enumerate(scipy_module().find_objects(inner), start=1):
        if region is None:
            continue
        mask = labels[region] == number
        part = np.where(mask, image[region], lowest)
        coordinates = search.selected(part, search.candidates(part, mask), each)
        found.append(coordinates + [along.start for along in region])
    coordinates = np.concatenate(found)
    if len(coordinates) > count:
        chosen = np.zeros(image.shape, bool)
        chosen[tuple(coordinates.T)] = True
        coordinates = search.selected(image, chosen, count)
    return coordinates


@takes_wrappers
def find(
    image: Array, min_distance: Any, threshold_abs: Any, threshold_rel: Any, exclude_border: Any, num_peaks: Any,
    footprint: Any, labels: Any, num_peaks_per_label: Any, p_norm: Any, workers: Any,
) -> Array:  # fmt: skip
    """The coordinates of the peaks."""
    packed = None if footprint is None else Packed.of(np.asarray(footprint, dtype=bool))
    if packed is not None:
        scipy_arguments.check_window("footprint", packed.shape, image.ndim)
    scalars.not_negative("min_distance", min_distance)
    if min_distance < 1 and (packed is None or math.prod(packed.shape) == 1):
        warnings.warn(
            "When min_distance < 1, every pixel above both thresholds is a peak.", RuntimeWarning, stacklevel=4
        )
    widths = border_widths(exclude_border, min_distance, image.ndim)
    norm = scalars.number("p_norm", p_norm)
    if not norm >= 1:
        raise ValueError(f"`p_norm` must be at least 1; got {show(p_norm)}.")
    size = 2 * min_distance + 1 if packed is None else None
    if type(image) is StandIn:  # without pixels there is nothing to tell but of their maximum
        Search(size, packed, None, min_distance, norm, workers).largest(image)
    if image.dtype.kind == "b":
        image = image.view(np.uint8)
    search = Search(size, packed, threshold(image, threshold_abs, threshold_rel), min_distance, norm, workers)
    if labels is not None:
        return within_labels(search, image, np.asarray(labels), widths, num_peaks_per_label, num_peaks)
    return search.selected(image, clear_border(search.candidates(image), widths), num_peaks)
