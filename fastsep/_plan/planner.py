"""The decision how a filter runs: from the filter, a shape and dtypes to a `Plan`.

A plan names the kernel that runs it and the arithmetic, and folds the scale of the values into the taps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from fastsep._plan import dtypes, fft_tiles, ranking, tuning
from fastsep._plan.arithmetic import F32, F64, I16, I32, U8, U16, arithmetic_dtype
from fastsep._plan.borders import beyond
from fastsep._plan.casting import EPSILON, as_scipy_reads, is_whole, sums_exactly
from fastsep._plan.differences import (
    by_slopes,
    cancelling,
    has_same_border,
    is_antisymmetric,
    is_row_first,
    is_symmetric,
    is_zero_sum,
    loses_digits,
    middle,
    takes_differences,
    takes_slopes,
)
from fastsep._plan.plan import Axes, Context, Plan
from fastsep._plan.spec import (
    IDENTITY,
    Box,
    Dense,
    Extremum,
    Filter,
    FlatExtremum,
    Fourier,
    Line,
    Rank,
    Roberts,
    Separable,
    Term,
    lines_of,
)
from fastsep._validation.array_like import Array, DType


def prepare(
    what: Filter,
    shape: tuple[int, ...],
    src_dtype: DType,
    dst_dtype: DType,
    *,
    first: int,
    modes: tuple[str, ...],
    cval: float,
    scale: float,
) -> Plan:
    """Decide how `what` runs on a C-contiguous image of `shape`.

    `first` leading axes are a batch, len(modes) spatial axes follow, then at most one axis of
    channels. Values are multiplied by `scale` before anything else; `cval` is on that scale.
    """
    src, dst = np.dtype(src_dtype), np.dtype(dst_dtype)
    axes = Axes.of(what, shape, first, modes)
    acc = arithmetic_dtype(what, axes, src, dst, scale, cval / scale)
    context = Context(shape, first, axes, modes, cval, scale, src, acc, dst)
    plans = (strategy(what, context) for strategy in STRATEGIES[type(what)])
    return next(plan for plan in plans if plan is not None)  # the last strategy takes all


#: Up to this radius neighbours are shuffled out of registers; beyond it transposing is cheaper (measured).
SHORT_RADIUS = 4

#: Sweeps are compiled for each number of channels, so only for those that images have.
SWEEP_CHANNELS = 4

#: Larger taps than this may not fit 16-bit lanes: a gradient's are products of two.
SMALL_TAP = 2**7

#: The kernel of `laplace` in two dimensions.
LAPLACIAN = np.array([[0.0, -1.0, 0.0], [-1.0, 4.0, -1.0], [0.0, -1.0, 0.0]])

#: Windows up to this size are added up tap by tap: cheaper than running sums (measured).
SMALL_BOX = 15

#: Sums of so many integers, and what is added to round them, fit into the lanes of `small_box` (see `_plan.division`).
MOST_SUMMED = 256

#: So are integers along a row (measured: a window of 10 x 25 bytes takes 0.84 times as long so, one of 8 x 32 1.1).
SMALL_ROW = {U8: 25, U16: SMALL_BOX, I16: SMALL_BOX}

#: Medians of windows of at most so many pixels have kernels of their own, which are two to four times as fast as one
#: that reads what to compare from a table, and take a second to compile (measured).
COMPILED_WINDOW = 49

#: What a histogram takes for a result, in operations of networks (measured).
HISTOGRAM_WORK, CUMULATIVE_WORK = 2000.0, 800.0


def _roberts(what: Roberts, context: Context) -> Plan:
    form = {"pos_diag": "roberts_pos", "neg_diag": "roberts_neg", "magnitude": "roberts_magnitude"}[what.which]
    weight = context.scale * (math.sqrt(0.5) if what.which == "magnitude" else 1.0)
    return _sweep(form, (weight, weight), context)


def _sweep(form: str, weights: tuple[float, float], context: Context) -> Plan:
    # The two weights travel as a line of taps: the side and the centre of the smoothing taps.
    what = Separable((Term((Line(weights, 0), IDENTITY)),))
    return context.plan("sweep", ("sweep", form, str(context.axes.channels)), what, 12.0)


def _in_lines(what: Separable, context: Context) -> Plan:
    """Taps along one axis after the other, in the cheapest form that there is for them."""
    if what.cast:
        return _cast(what, context)
    what = what.of_axes(context.axes.start, context.axes.stop)
    for sweep in (_gradient, _wide_gradient, _volume_gradient, _smoothing):
        plan = sweep(what, context)
        if plan is not None:
            return plan
    return _fir(what, context)


def _cast(what: Separable, context: Context) -> Plan:
    """Lines whose sums are cast after each axis, in 16-bit lanes where that wraps as the casts do."""
    if len(what.terms) > 1:
        return _cast_laplacian(what, context) or _passes(what, context)
    what = replace(what.of_axes(context.axes.start, context.axes.stop), exact=False)  # but where sums are exact anyway
    if _wraps(context) and is_whole(what) and all(abs(tap) < SMALL_TAP for line in lines_of(what) for tap in line.taps):
        words = context._replace(acc=I16)
        plan = _gradient(what, words) or _smoothing(what, words)
        if plan is not None:
            return plan
    return _fir(what, context)


def _cast_laplacian(what: Separable, context: Context) -> Plan | None:
    """Second differences along both axes of a plane, summed: the sweep of the Laplacian."""
    slope = what.terms[0].lines[0]
    if slope is None or [term.lines for term in what.terms] != [(slope, None), (None, slope)]:
        return None
    side = slope.taps[0]
    if slope != Line((side, -2 * side, side), 1):
        return None
    return _laplacian(Dense(-side * LAPLACIAN, (1, 1), cast=True), context)


def _wraps(context: Context) -> bool:
    """Whether integers are so small that 16-bit arithmetic wraps as casts do."""
    return context.src.kind != "f" and max(context.src.itemsize, context.dst.itemsize) <= 2


def _gradient(what: Separable, context: Context) -> Plan | None:
    """The sweep for a 3 x 3 gradient or one of its components, if that is what this is."""
    if len(context.axes.sizes) != 2 or not _may_sweep(what, context, 1):
        return None
    found = [piece for piece in map(_slope_and_smooth, what.terms) if piece is not None]
    if len(found) != len(what.terms):
        return None
    if what.combine == "sum" and len(found) == 1:
        form, side, centre = found[0]
    elif what.combine == "magnitude" and len(found) == 2:
        if {found[0][0], found[1][0]} != {"dy", "dx"} or found[0][1:] != found[1][1:]:
            return None
        form, side, centre = ("magnitude", *found[0][1:])
    else:
        return None
    side, centre = side * context.scale, centre * context.scale
    # Small integers: 16-bit lanes, twice as many as float32 has, if nothing can overflow.
    whole = float(side).is_integer() and float(centre).is_integer()
    bound = 2 * (2 * abs(side) + abs(centre)) * 255
    if context.src == np.uint8 and context.dst == I16 and form != "magnitude" and whole and bound < 2**15:
        context = context._replace(acc=I16)
    return _sweep(form, (side, centre), context)


def _may_sweep(what: Separable, context: Context, radius: int) -> bool:
    """Whether a sweep that takes differences of so many neighbours is right for the image and its borders."""
    axes = context.axes
    if axes.channels > SWEEP_CHANNELS or not context.sweeps(radius) or what.clip is not None:
        return False
    if not what.skip_zeros and context.src.kind == "f":
        return False  # zero taps have to meet NaN and inf
    return has_same_border(what, axes.modes, context.cval)


def _wide_gradient(what: Separable, context: Context) -> Plan | None:
    """The sweep for a gradient of a larger but short radius, or one of its components, if that is what this is."""
    if len(context.axes.sizes) != 2:
        return None
    found = _slope_and_side(what)
    if found is None or found[0].centre != found[1].centre:
        return None
    slope, side = found
    radius = slope.centre
    if not 2 <= radius <= SHORT_RADIUS or not _may_sweep(what, context, radius):
        return None
    if what.skip_zeros and 0.0 in (*slope.taps[radius + 1 :], *side.taps):
        return None
    along: dict[tuple[Line | None, ...], str] = {(slope, side): "dy", (side, slope): "dx"}
    forms = {along.get(term.lines, "") for term in what.terms}
    if what.combine == "magnitude" and len(what.terms) == 2 and forms == {"dy", "dx"}:
        form = "magnitude"
    elif what.combine == "sum" and len(what.terms) == 1 and "" not in forms:
        (form,) = forms
    else:
        return None
    what = Separable((Term((slope.scaled(context.scale), side)),))
    return context.plan("sweep", ("sweep", f"wide{radius} {form}", str(context.axes.channels)), what, 4 * radius + 12.0)


def _volume_gradient(what: Separable, context: Context) -> Plan | None:
    """The sweep for the magnitude of a 3 x 3 x 3 gradient or one of its components, if that is what this is."""
    if len(context.axes.sizes) != 3 or not what.skip_zeros or not _may_sweep(what, context, 1):
        return None
    found = _slope_and_side(what)
    if found is None or any(len(line.taps) != 3 for line in found):
        return None
    slope, side = found
    if min(side.taps) <= 0:
        return None
    derivatives = [Term(tuple(slope if k == axis else side for k in range(3))) for axis in range(3)]
    if what.combine == "magnitude" and what.terms == tuple(derivatives):
        form = "magnitude"
    elif what.combine == "sum" and len(what.terms) == 1 and what.terms[0] in derivatives:
        form = ("dz", "dy", "dx")[derivatives.index(what.terms[0])]
    else:
        return None
    # Smoothing taps are divided by the outer ones: that saves a multiplication for each smoothing, and costs one for
    # each result.
    outer, middle, _ = side.taps
    taps = Line((middle / outer, slope.taps[2] * outer**2 * context.scale), 0)
    work = 30.0 if form == "magnitude" else 14.0
    what = Separable((Term((taps, None, None)),))
    return context.plan("sweep_volume", ("sweep_volume", form, str(context.axes.channels)), what, work)


def _slope_and_side(what: Separable) -> tuple[Line, Line] | None:
    """The antisymmetric and the symmetric line of all terms, if there are these two and no others."""
    lines = {line for term in what.terms for line in term.lines if line is not None}
    slopes, sides = [line for line in lines if is_antisymmetric(line)], [line for line in lines if is_symmetric(line)]
    return (slopes[0], sides[0]) if (len(lines), len(slopes), len(sides)) == (2, 1, 1) else None


def _slope_and_smooth(term: Term) -> tuple[str, float, float] | None:
    """("dy" or "dx", side, centre) if one axis has (-d, 0, d) and the other (s, c, s)."""
    taps = [line.taps for line in term.lines if line is not None and len(line.taps) == 3 and line.centre == 1]
    if len(taps) != 2:
        return None
    y, x = taps
    for form, slope, smooth in (("dy", y, x), ("dx", x, y)):
        if slope[1] == 0 and slope[0] == -slope[2] and smooth[0] == smooth[2]:
            return form, slope[2] * smooth[0], slope[2] * smooth[1]
    return None


def _smoothing(what: Separable, context: Context) -> Plan | None:
    """The sweep for symmetric taps of one short radius along both axes, if that is what this is."""
    if len(what.terms) > 1 or what.combine != "sum" or what.clip is not None or len(context.axes.sizes) != 2:
        return None
    if what.exact or what.divisors is not None:
        return None
    y, x = what.terms[0].lines
    if y is None or x is None:
        return None
    radius = len(y.taps) // 2
    if not 1 <= radius <= SHORT_RADIUS // context.axes.channels:
        return None
    for line in (y, x):
        if len(line.taps) != 2 * radius + 1 or line.centre != radius or line.taps != line.taps[::-1]:
            return None
        if (what.skip_zeros and 0.0 in line.taps) or is_zero_sum(line):
            return None
    # Beyond a constant border the sweep sees the constant before the vertical pass, not after it.
    if context.axes.modes[1] == "constant" and context.cval != 0 and what.chained:
        return None
    what = Separable((Term((y.scaled(context.scale), x)),), chained=what.chained)
    return context.plan("sweep", ("sweep", f"smooth{radius}", str(context.axes.channels)), what, 4 * radius + 10.0)


def _fir(what: Separable, context: Context) -> Plan:
    volume = len(context.axes.sizes) == 3
    terms = []
    for term in what.terms:
        missing: list[Line | None] = [None] * (3 - len(term.lines))
        z, y, x = [*missing, *term.lines]
        # The scale goes into the taps of the first pass.
        if what.cast:
            # An axis that is left alone stays None: nothing is cast behind it.
            terms.append(Term(tuple(line and as_scipy_reads(line) for line in (z, y, x))))
        elif what.exact:
            terms.append(Term((None, y or IDENTITY, x or IDENTITY)))
        elif volume:
            terms.append(Term(((z or IDENTITY).scaled(context.scale), y, x)))
        else:
            terms.append(Term((None, (y or IDENTITY).scaled(context.scale), x)))
    form = "volume" if volume else "plane"
    # float64 has digits to spare, and there infinity stays what it is: the difference of two would be NaN.
    careful = context.acc == F32 and not what.cast and loses_digits(what, context.scale)
    if volume and careful and takes_slopes(what, context.axes.modes, context.cval):
        form += " differences"
        terms = cancelling(terms)
    elif not volume and not what.exact and what.divisors is None and careful and takes_differences(what):
        form += " differences"
        # The first term of a sum is not added to anything: that saves a pass, which rows that come first need most.
        same_border = has_same_border(what, context.axes.modes, context.cval)
        terms.sort(key=lambda term: is_row_first(term, same_border), reverse=True)
        sloped = by_slopes(what, terms) if same_border else None
        if sloped is not None:
            form, terms = "plane slopes", sloped
    if what.combine == "each":
        form += " each"
    elif len(terms) > 1 or what.combine != "sum" or what.clip is not None:
        form += " terms"
    elif what.cast:
        form += " cast"
    elif what.exact or what.divisors is not None:
        form += " exact" if what.exact else " divided"
    what = replace(what, terms=tuple(terms))
    return context.plan("fir", ("fir", form), what, sum(len(line.taps) for line in lines_of(what)) + 8.0)


def _box(what: Box, context: Context) -> Plan:
    sizes = what.sizes[context.axes.start : context.axes.stop]
    middles = what.middles[context.axes.start : context.axes.stop]
    missing = 3 - len(sizes)
    box = Box((*(1,) * missing, *sizes), (*(0,) * missing, *middles), what.cast)
    if _is_small(box, context) and (missing or what.cast):
        # Integers: no division but the last one rounds, and of bytes twice as many lanes as float32 has.
        acc = U16 if context.src == U8 else I32
        if not missing:
            return _passes(what, context)
        return context._replace(acc=acc).plan("small_box", ("small_box",), box, 14.0 + 2 * sizes[-1])
    if max(sizes) <= SMALL_BOX and what.cast:
        ones = (Line((1.0,) * n, at, n) if n > 1 else None for n, at in zip(sizes, middles, strict=True))
        return _fir(Separable((Term(tuple(ones)),), chained=True, cast=True), context)
    if max(sizes) <= SMALL_BOX and context.dst.kind == "f":
        lines = (Line((1.0 / n,) * n, at) if n > 1 else None for n, at in zip(sizes, middles, strict=True))
        term = Separable((Term(tuple(lines)),))
        return _smoothing(term, context) or _fir(term, context)
    if not missing:
        return _passes(what, context)
    return context.plan("box", ("box", "cast" if what.cast else "mean"), box, 24.0)


def _is_small(what: Box, context: Context) -> bool:
    """Whether sums of integers under this window are exact in small integers and added up along rows in little time."""
    src, dst = context.src, context.dst
    if src not in SMALL_ROW or context.scale != 1 or (dst != src and (src, dst) not in ((U8, U16), (U8, I16))):
        return False
    most = max(what.sizes) if what.cast else math.prod(what.sizes)
    return 1 < most <= MOST_SUMMED and what.sizes[-1] <= SMALL_ROW[src]


def _extremum(what: Extremum, context: Context) -> Plan:
    if len(context.axes.sizes) > 2:
        return _passes(what, context)
    what = what.of_axes(context.axes.start, context.axes.stop).within(context.axes.sizes)
    if len(what.sizes) == 1:
        what = Extremum(what.which, (1, *what.sizes), (0, *what.centres))
    return context.plan("extremum", ("extremum", what.which), what, 14.0 + 2.0 * math.log2(max(what.sizes)))


def _laplacian(what: Dense, context: Context) -> Plan | None:
    """The sweep for a multiple of the Laplacian of a plane, if that is what this is: its five taps from registers."""
    axes = context.axes
    if len(axes.sizes) != 2 or axes.channels > SWEEP_CHANNELS or what.centre != (1, 1):
        return None
    weight = float(what.kernel[1, 1]) / 4 if what.kernel.shape == (3, 3) else 0.0
    if not weight or (what.kernel != weight * LAPLACIAN).any():
        return None
    if what.cast:
        if not _wraps(context) or not weight.is_integer() or abs(weight) >= SMALL_TAP:
            return None
        context = context._replace(acc=I16)
    return _sweep("laplace", (weight * context.scale, 0.0), context)


def _dense(what: Dense, context: Context) -> Plan:
    taps = what.kernel * context.scale
    if what.cast:
        taps = np.where(np.abs(taps) > EPSILON, taps, 0.0)
    kernel, centre, slices = _in_planes(taps, what.centre, context.axes)
    form = "differences" if context.acc == F32 and middle(kernel) is not None else "sums"
    what = Dense(kernel, centre, what.cast)
    if what.cast:
        digits = 24 if context.acc == F32 else 53
        exact = sums_exactly(what, context.src, context.dst, context.border, digits)
        form = "sums cast" if exact else "ordered cast"
    plan = context.plan("dense", ("dense", form), what, float(np.count_nonzero(kernel)) + 8.0)
    return plan._replace(slices=slices)


def _flat(what: FlatExtremum, context: Context) -> Plan:
    footprint, centre, slices = _in_planes(what.footprint, what.centre, context.axes)
    what = FlatExtremum(what.which, footprint, centre)
    # Measured: 2 ns for a vector of results and a row of the footprint, in bytes as in float32.
    plan = context.plan("flat", ("flat", what.which), what, 6.0 + 6.0 * footprint.any(2).sum())
    return plan._replace(slices=slices)


def _fourier(what: Fourier, context: Context) -> Plan:
    kernel = what.kernel
    blocks = fft_tiles.cut(context.shape, context.first, kernel.shape, context.acc.itemsize)
    plan = context.plan("fft", ("fft",), Fourier(kernel * context.scale, what.centre), 0.0)
    return plan._replace(blocks=blocks, axes=(context.first, context.modes), work=blocks.work)


def _histograms(what: Rank, context: Context) -> Plan | None:
    """Histograms of bytes, for windows that are so large that they pay."""
    from fastsep._kernels import selection  # for ranks alone: starts without them take 2 ms less

    footprint, centre, _ = _in_planes(what.footprint, what.centre, context.axes)
    if len(context.axes.sizes) > 2 or not ranking.has_histograms(footprint, context.src):
        return None
    if footprint.size <= ranking.MOST_COMPARED:
        height = selection.height(footprint)
        network = selection.network(footprint.tobytes(), footprint.shape, what.rank, height)
        if network.operations <= tuning.HISTOGRAM_PAYS * height:
            return None
    few = footprint.size <= ranking.MOST_IN_BYTES
    name, work = ("cumulative", CUMULATIVE_WORK) if few else ("histogram", HISTOGRAM_WORK)
    return context.plan(name, (name,), Rank(footprint, centre, what.rank), work)


def _network(what: Rank, context: Context) -> Plan:
    from fastsep._kernels import selection, stages  # as above

    footprint, centre, slices = _in_planes(what.footprint, what.centre, context.axes)
    height = selection.height(footprint)
    network = selection.network(footprint.tobytes(), footprint.shape, what.rank, height)
    median = what.rank == np.count_nonzero(footprint) // 2
    small = (
        len(footprint) == 1 and footprint.size <= COMPILED_WINDOW and network.comparisons and footprint[:, :, 0].any()
    )
    form = "table"
    if median and small:
        channels, name = context.axes.channels, selection.name(footprint, what.rank, height)
        near = channels <= SWEEP_CHANNELS and context.reaches(2)
        form = f"registers {channels} {name}" if near and stages.fits_registers(network) else f"rows {name}"
    work = network.operations / height + 8.0
    plan = context.plan("rank", ("rank", form), Rank(footprint, centre, what.rank), work)
    return plan._replace(slices=slices)


def _in_planes(kernel: Array, centre: tuple[int, ...], axes: Axes) -> tuple[Array, tuple[int, ...], Array]:
    """A kernel as a stack of those of its planes that are not all zero, its centre there, and their `_slices`."""
    kernel = kernel[(0,) * axes.start + (slice(None),) * (axes.stop - axes.start)]
    kernel = kernel.reshape(kernel.shape[: axes.stop - axes.start])
    centre = centre[axes.start : axes.stop]
    if len(centre) == 1:
        kernel, centre = kernel[None], (0, *centre)
    slices = _slices(axes.sizes[:-2], kernel.shape[:-2], centre[:-2], axes.modes[:-2])
    flat = kernel.reshape(-1, *kernel.shape[-2:])
    used = np.asarray(flat.any(axis=(1, 2)))
    used[0] |= not used.any()
    return flat[used], centre[-2:], np.ascontiguousarray(slices[:, used])


def _slices(
    sizes: tuple[int, ...], kernel: tuple[int, ...], centre: tuple[int, ...], modes: tuple[str, ...]
) -> Array:  # (planes, offsets)
    """For each plane, counted along the leading axes, which plane stands at each offset of the kernel."""
    found = np.zeros((1, 1), np.int64)
    for size, count, at, mode in zip(sizes, kernel, centre, modes, strict=True):
        index = np.arange(size)[:, None] + np.arange(count) - at  # (size, count)
        index = beyond(index, size, mode)
        both = found[:, None, :, None] * size + index[None, :, None, :]
        both[np.broadcast_to((found < 0)[:, None, :, None] | (index < 0)[None, :, None, :], both.shape)] = -1
        found = both.reshape(found.shape[0] * size, found.shape[1] * count)
    return found


def _many_axes(what: Filter, context: Context) -> Plan | None:
    return _passes(what, context) if len(context.axes.sizes) > 3 else None


def _passes(what: Filter, context: Context) -> Plan:
    """One pass over the array for each leading axis, and one for the last two."""
    axes = context.axes
    what = what.of_axes(axes.start, axes.stop)
    chains = what.passes()
    later = between = context.dst if what.cast else context.acc
    if what.cast and "constant" in axes.modes:
        later = dtypes.border_dtype(between, F64, context.cval)
    single = len(chains) == 1 and what.combine == "sum" and what.clip is None
    passes = []
    for pieces in chains:
        plans: list[Plan] = []
        seen = context.cval
        for number, (piece, total) in enumerate(pieces):
            if what.cast and all(piece.idle()):
                continue  # what is left alone is not cast
            # The last two axes; or one axis, with everything behind it as a second one left alone.
            last = number == len(pieces) - 1
            if last:
                sizes: tuple[int, ...] = (*axes.sizes[-2:], axes.channels)
                modes = axes.modes[-2:]
            else:
                sizes = (axes.sizes[number], math.prod(axes.sizes[number + 1 :]) * axes.channels)
                modes = (axes.modes[number], "reflect")
            plans.append(
                prepare(
                    piece, (axes.planes * math.prod(axes.sizes[:number]), *sizes),
                    later if plans else context.src, context.dst if last and single else between,
                    first=1, modes=modes, cval=seen, scale=1.0 if plans else context.scale,
                )
            )  # fmt: skip
            seen *= 1.0 if what.chained else total
        passes.append(tuple(plans))
    work = sum(plan.work for plans in passes for plan in plans) / math.prod(axes.view()[0])
    return context.plan("passes", ("passes",), what, work, tuple(passes))


#: How each kind of filter may be planned: by the first of these that takes it.
STRATEGIES: dict[type[Filter], tuple[Callable[..., Plan | None], ...]] = {
    Separable: (_many_axes, _in_lines),
    Box: (_many_axes, _box),
    Extremum: (_extremum,),
    FlatExtremum: (_flat,),
    Roberts: (_roberts,),
    Dense: (_laplacian, _dense),
    Fourier: (_fourier,),
    Rank: (_histograms, _network),
}
