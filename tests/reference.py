"""The oracle: every filter in float64, one tap after the other, with no cleverness. NumPy only."""

from functools import cache

import numpy as np

from fastsep._plan.spec import Box, Dense, Extremum, FlatExtremum, Line, Roberts, Separable, Term


def positions(index, n, mode):
    """Where pixels at `index` (any integers) lie in a line of n; -1: outside, in constant mode."""
    if mode == "constant":
        return np.where((index >= 0) & (index < n), index, -1)
    if mode == "nearest":
        return np.clip(index, 0, n - 1)
    if mode == "wrap":
        return index % n
    if mode == "reflect":
        index = index % (2 * n)
        return np.where(index < n, index, 2 * n - 1 - index)
    period = max(2 * n - 2, 1)  # mirror
    index = index % period
    return np.where(index < n, index, period - index)


@cache
def shift(n, offset, mode):
    """Where the pixels of a line of n, seen `offset` pixels further, come from, and which of them from outside."""
    index = positions(np.arange(n) + offset, n, mode)
    return index, np.flatnonzero(index < 0)


def shifted(image, offset, axis, mode, cval):
    """`image` seen `offset` pixels further along `axis`."""
    index, outside = shift(image.shape[axis], offset, mode)
    result = image.take(index, axis)
    if outside.size:
        result[(slice(None),) * axis + (outside,)] = cval
    return result


def line_filter(image, line, axis, mode, cval, skip_zeros):
    result = np.zeros_like(image)
    for k, tap in enumerate(line.taps):
        if tap or not skip_zeros:
            result += tap * shifted(image, k - line.centre, axis, mode, cval)
    return result


def term_filter(image, term, what, first, modes, cval):
    for axis, (line, mode) in enumerate(zip(term.lines, modes, strict=True)):
        if line is not None:
            image = line_filter(image, line, first + axis, mode, cval, what.skip_zeros)
            if not what.chained:  # a dense kernel sees the border filtered by the passes before, too
                cval = cval * sum(line.taps)
    return image


def roberts(image, which, first, modes, cval):
    def at(down, right):
        return shifted(shifted(image, down, first, modes[0], cval), right, first + 1, modes[1], cval)

    positive = at(1, 1) - at(0, 0)
    negative = at(1, 0) - at(0, 1)
    magnitude = np.sqrt((positive**2 + negative**2) / 2)
    return {"pos_diag": positive, "neg_diag": negative, "magnitude": magnitude}[which]


def dense(what, image, first, modes, cval):
    result = np.zeros_like(image)
    for place, tap in np.ndenumerate(what.kernel):
        if tap:
            seen = image
            for axis, (k, centre, mode) in enumerate(zip(place, what.centre, modes, strict=True)):
                seen = shifted(seen, k - centre, first + axis, mode, cval)
            result += tap * seen
    return result


BETTER = {"minimum": np.minimum, "maximum": np.maximum}


def flat(what, image, first, modes, cval):
    result = np.full_like(image, {"minimum": np.inf, "maximum": -np.inf}[what.which])
    for place in np.argwhere(what.footprint):
        seen = image
        for axis, (k, centre, mode) in enumerate(zip(place, what.centre, modes, strict=True)):
            seen = shifted(seen, k - centre, first + axis, mode, cval)
        result = BETTER[what.which](result, seen)
    return result


def extremum(what, image, first, modes, cval):
    for axis, (size, centre, mode) in enumerate(zip(what.sizes, what.centres, modes, strict=True)):
        seen = [shifted(image, k - centre, first + axis, mode, cval) for k in range(size)]
        image = BETTER[what.which].reduce(seen)
    return image


def exact(what, image, *, first=0, modes, cval=0.0, scale=1.0):
    """The filter `what` of `image` in float64, before any rounding to the result's dtype."""
    image = np.asarray(image, np.float64) * scale
    with np.errstate(all="ignore"):
        if isinstance(what, Roberts):
            return roberts(image, what.which, first, modes, cval)
        if isinstance(what, Extremum):
            return extremum(what, image, first, modes, cval)
        if isinstance(what, FlatExtremum):
            return flat(what, image, first, modes, cval)
        if isinstance(what, Dense):
            return dense(what, image, first, modes, cval)
        if isinstance(what, Box):
            what = Separable((Term(tuple(Line((1 / n,) * n, n // 2) for n in what.sizes)),))
        terms = [term_filter(image, term, what, first, modes, cval) for term in what.terms]
        result = np.sqrt(sum(t * t for t in terms)) if what.combine == "magnitude" else sum(terms)
        return result if what.clip is None else np.clip(result, *what.clip)


def in_turn(image, what, result, modes, cval):
    """SciPy's integers: its filter along one axis after the other, or with a kernel of any form."""
    from scipy import ndimage

    result = np.dtype(result)
    if isinstance(what, Dense):
        return as_bytes(ndimage.correlate(image, what.kernel, result, modes[0], cval))
    for axis, mode in enumerate(modes):
        if isinstance(what, Box):
            size, centre = what.sizes[axis], what.middles[axis]
            if size > 1:
                image = ndimage.uniform_filter1d(image, size, axis, result, mode, cval, centre - size // 2)
        elif (line := what.terms[0].lines[axis]) is not None:
            origin = line.centre - len(line.taps) // 2
            image = ndimage.correlate1d(image, line.taps, axis, result, mode, cval, origin)
    return as_bytes(image)


def as_bytes(array):
    """SciPy writes any byte into an array of bools; to the engine they are bytes."""
    return array.view(np.uint8) if array.dtype.kind == "b" else array


def conv2d_exact(x, kernel, *, depthwise, stride, dilation, pads, mode, cval):
    """Cross-correlation in float64 of x (N, H, W, C) with a kernel (kh, kw, C, F), or (kh, kw, C, M) if `depthwise`."""
    x, kernel = np.asarray(x, np.float64), np.asarray(kernel, np.float64)
    for axis, (before, after) in zip((1, 2), pads, strict=True):
        index = positions(np.arange(-before, x.shape[axis] + after), x.shape[axis], mode)
        x = np.take(x, index, axis)
        x[(slice(None),) * axis + (index < 0,)] = cval
    height, width, channels, last = kernel.shape
    rows = (x.shape[1] - (height - 1) * dilation[0] - 1) // stride[0] + 1
    cols = (x.shape[2] - (width - 1) * dilation[1] - 1) // stride[1] + 1
    result = np.zeros((len(x), rows, cols, channels * last if depthwise else last))
    with np.errstate(all="ignore"):
        for i, j in np.ndindex(height, width):
            seen = x[:, i * dilation[0] :: stride[0], j * dilation[1] :: stride[1]][:, :rows, :cols]
            if depthwise:
                result += (seen[..., None] * kernel[i, j]).reshape(result.shape)
            else:
                result += seen @ kernel[i, j]
    return result


def assert_close(result, expected, image):
    """Agreement as promised for the dtype of `result`; `image` gives the range.

    float64 1e-12 and float32 1e-6 of the range: sums of a few dozen products of either, with room
    for another order. An integer is the exact value rounded, hence 0.5 away from it, and more by
    what float32 arithmetic loses.
    """
    scale = max(
        1.0,
        *(float(np.abs(a[np.isfinite(a)]).max(initial=0)) for a in (expected, np.asarray(image))),
    )
    slack = {"f8": 1e-12 * scale, "f4": 1e-6 * scale}.get(result.dtype.str[1:], 0.5 + 1e-6 * scale)
    if result.dtype.kind != "f":
        expected = np.clip(expected, np.iinfo(result.dtype).min, np.iinfo(result.dtype).max)
    assert result.shape == expected.shape
    result, expected = result.astype(float), expected.astype(float)
    with np.errstate(invalid="ignore"):
        close = (np.abs(result - expected) <= slack).all()
    if not close:  # which takes its time, knows that NaN is NaN, and says what differs
        np.testing.assert_allclose(result, expected, rtol=0, atol=slack)
