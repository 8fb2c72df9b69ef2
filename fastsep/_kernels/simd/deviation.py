"""Register tiles for planes in two parts: an image, and what smoothing changes in it (see `deviation`).

As in `simd.fir`, dtypes are static and no address is checked. Rows of the image are listed in `table`, those of the
other part, of the arithmetic's dtype, in `changes`.
"""

from __future__ import annotations

from numba.core import types
from numba.extending import intrinsic

from fastsep._kernels.arguments import LINE
from fastsep._kernels.jit import target
from fastsep._kernels.simd.emitter import I32, I64, Emitter, tile
from fastsep._kernels.simd.memory import dtype_of, nothing, signature_of
from fastsep._kernels.simd.sweep import each_vector, gradient_value


def weighted_rises(e, rise, taps, radius, unroll=1):
    """sums[r] = sum over j from 1 to `radius` of taps[j] (rise(radius + r + j - 1) - rise(radius + r - j)).

    The rises before the first one that is needed and behind the last one are loaded, too.
    """
    b, one, outputs = e.b, I64(1), tile(e.acc)
    held = [rise(b.add(b.sub(radius, one), I64(j))) for j in range(outputs + 1)]

    def step(k, carried):
        sums, below, above = (carried[n * outputs : (n + 1) * outputs] for n in range(3))
        tap = e.broadcast(taps, k)
        sums = [e.muladd(tap, e.sub(above[r], below[r]), sums[r]) for r in range(outputs)]
        below = [rise(b.sub(b.sub(radius, k), one)), *below[:-1]]
        above = [*above[1:], rise(b.add(b.add(radius, k), I64(outputs - 1)))]
        return [*sums, *below, *above]

    carried = [*[e.splat(0)] * outputs, *held[:-1], *held[1:]]
    return e.loop(one, b.add(radius, one), carried, step, unroll=unroll)[:outputs]


@intrinsic
def filter_down(typing, src, acc, table, offset, taps, radius, changes, place):
    """What smoothing changes along y, of `lanes` columns of `lanes` rows; table[j] is the row under the first tap."""
    source, arithmetic = dtype_of(src), dtype_of(acc)

    def generate(context, builder, signature, values):
        table, offset, taps, radius, changes, place = values[2:]
        e = Emitter(builder, arithmetic)
        for first in range(0, e.count, tile(arithmetic)):
            start = builder.add(table, I64(8 * first))

            def element(j, start=start, first=first):
                at = builder.add(e.word(start, j), offset)
                if first == 0:
                    e.prefetch(builder.add(at, I64(LINE)), level=1)  # as in `fir_to_strip`
                return e.load(at, source)

            # Each row is loaded twice: one kept in a register for the next difference is one too many (measured:
            # 3 to 15 % of the whole gradient).
            def rise(j, element=element):
                return e.sub(element(builder.add(j, I64(1))), element(j))

            for r, value in enumerate(weighted_rises(e, rise, taps, radius, unroll=2)):
                e.store(value, builder.add(e.word(changes, I64(first + r)), place), arithmetic)

    return signature_of(src, acc, table, offset, taps, radius, changes, place), nothing(generate)


@intrinsic
def rises_to_strip(typing, src, acc, table, offset, changes, place, channels, strip):
    """By how much pixels are less than the next ones, `channels` values further: `lanes` columns of `lanes` rows."""
    source, arithmetic = dtype_of(src), dtype_of(acc)

    def generate(context, builder, signature, values):
        table, offset, changes, place, channels, strip = values[2:]
        e = Emitter(builder, arithmetic)
        rows = []
        for r in range(e.count):
            parts = []
            for listed, column, dtype in ((table, offset, source), (changes, place, arithmetic)):
                at = builder.add(e.word(listed, I64(r)), column)
                after = builder.add(at, builder.mul(channels, I64(dtype.itemsize)))
                parts.append(e.sub(e.load(after, dtype), e.load(at, dtype)))
            rows.append(e.add(*parts))
        size = target().vector_bytes
        for k, column in enumerate(e.transpose(rows)):
            builder.store(column, e.at(strip, k * size), align=size)

    return signature_of(src, acc, table, offset, changes, place, channels, strip), nothing(generate)


@intrinsic
def rise_to_constant(typing, src, acc, table, offset, changes, place, constant, strip):
    """By how much one column of `lanes` rows is less than the number at `constant`."""
    source, arithmetic = dtype_of(src), dtype_of(acc)

    def generate(context, builder, signature, values):
        table, offset, changes, place, constant, strip = values[2:]
        e = Emitter(builder, arithmetic)
        pixels = change = e.splat(0)
        for r in range(e.count):
            pixel = e.load_scalar(builder.add(e.word(table, I64(r)), offset), source)
            pixels = builder.insert_element(pixels, pixel, I32(r))
            part = e.load_scalar(builder.add(e.word(changes, I64(r)), place), arithmetic)
            change = builder.insert_element(change, part, I32(r))
        value = e.sub(e.sub(e.broadcast(constant, I64(0)), pixels), change)
        builder.store(value, e.at(strip), align=target().vector_bytes)

    return signature_of(src, acc, table, offset, changes, place, constant, strip), nothing(generate)


@intrinsic
def negate_vector(typing, acc, to, source):
    """Copy one aligned vector, negated."""
    arithmetic = dtype_of(acc)

    def generate(context, builder, signature, values):
        e = Emitter(builder, arithmetic)
        size = target().vector_bytes
        value = builder.load(e.at(values[2]), align=size, typ=e.vector)
        builder.store(builder.fneg(value), e.at(values[1]), align=size)

    return signature_of(acc, to, source), nothing(generate)


def _strip_rise(e, strip, step):
    """What loads column j of a strip, in which they are `step` bytes apart."""
    return lambda j: e.b.load(e.at(strip, e.b.mul(j, step)), align=target().vector_bytes, typ=e.vector)


def _add_transposed(e, columns, before, changes, place):
    for r, row in enumerate(e.transpose(columns)):
        there = e.load(e.b.add(e.word(before, I64(r)), place), e.acc)
        e.store(e.add(there, row), e.b.add(e.word(changes, I64(r)), place), e.acc)


@intrinsic
def filter_and_add(typing, acc, strip, taps, radius, before, changes, place):
    """What smoothing changes along x, of `lanes` neighbouring columns, plus `before`."""
    arithmetic = dtype_of(acc)

    def generate(context, builder, signature, values):
        strip, taps, radius, before, changes, place = values[1:]
        e = Emitter(builder, arithmetic)
        size = target().vector_bytes
        columns = []
        for first in range(0, e.count, tile(arithmetic)):
            rise = _strip_rise(e, builder.add(strip, I64(first * size)), I64(size))
            columns += weighted_rises(e, rise, taps, radius)
        _add_transposed(e, columns, before, changes, place)

    return signature_of(acc, strip, taps, radius, before, changes, place), nothing(generate)


@intrinsic
def filter_along(typing, acc, strip, step, taps, radius):
    """The same of `tile` columns, `step` bytes apart, put where the columns under their first taps are."""
    arithmetic = dtype_of(acc)

    def generate(context, builder, signature, values):
        strip, step, taps, radius = values[1:]
        e = Emitter(builder, arithmetic)
        for r, value in enumerate(weighted_rises(e, _strip_rise(e, strip, step), taps, radius)):
            builder.store(value, e.at(strip, builder.mul(I64(r), step)), align=target().vector_bytes)

    return signature_of(acc, strip, step, taps, radius), nothing(generate)


@intrinsic
def add_strip(typing, acc, strip, before, changes, place):
    """`lanes` columns of a strip plus `before`."""
    arithmetic = dtype_of(acc)

    def generate(context, builder, signature, values):
        strip, before, changes, place = values[1:]
        e = Emitter(builder, arithmetic)
        rise = _strip_rise(e, strip, I64(target().vector_bytes))
        _add_transposed(e, [rise(I64(k)) for k in range(e.count)], before, changes, place)

    return signature_of(acc, strip, before, changes, place), nothing(generate)


@intrinsic(prefer_literal=True)
def gradient_of_sum(
    typing, src, acc, dst, form, channels, height, table, offset, changes, shift, vectors, targets, place, weights,
):  # fmt: skip
    """`gradient_sweep` of an image in `table` and what smoothing changes, together.

    Differences of either are taken before they are added, so that the digits of both count.
    """
    dtypes, arithmetic, result = (dtype_of(src), dtype_of(acc)), dtype_of(acc), dtype_of(dst)
    names = form.literal_value.split("+")
    next_one, rows = channels.literal_value, height.literal_value
    wants_y, wants_x = names != ["dx"], names != ["dy"]

    def generate(context, builder, signature, values):
        table, offset, changes, shift, vectors, targets, place, weights = values[6:]
        e = Emitter(builder, arithmetic)
        side, centre = e.broadcast(weights, I64(0)), e.broadcast(weights, I64(1))
        starts = ((table, offset), (changes, shift))
        lines = [[builder.add(e.word(listed, I64(r)), at) for r in range(rows + 2)] for listed, at in starts]
        into = [builder.add(e.word(targets, I64(r)), place) for r in range(rows * len(names))]

        def load(r, vector, ahead):
            """The vectors of both parts in a row, `ahead` values further on."""
            loaded = []
            for line, dtype in zip(lines, dtypes, strict=True):
                at = builder.add(builder.mul(vector, I64(e.count * dtype.itemsize)), I64(ahead * dtype.itemsize))
                loaded.append(e.load(builder.add(line[r], at), dtype))
            return loaded

        def rise(first, second):
            """What the second pair of vectors is more than the first."""
            return e.add(*(e.sub(after, before) for before, after in zip(first, second, strict=True)))

        def smooth(before, here, after):
            return e.muladd(side, e.add(before, after), e.mul(centre, here))

        def falls(vector):
            """What the rows above those of the results are less than the rows below them."""
            found = [load(r, vector, 0) for r in range(rows + 2)] if wants_y else []
            return [rise(above, below) for above, below in zip(found, found[2:], strict=False)]

        def step(k, carried):
            before, here = carried[: len(carried) // 2], carried[len(carried) // 2 :]
            to = builder.mul(k, I64(e.count * result.itemsize))
            slopes, middles, after = [], [], []
            # Row by row, so that few vectors are alive at a time. The pixels beside those here are loaded for dx, and
            # shuffled out of differences for dy, which leaves registers for eight rows.
            for r in range(rows + 2):
                if wants_x:
                    slopes.append(rise(load(r, k, -next_one), load(r, k, next_one)))
                if wants_y:
                    middles.append(load(r, builder.add(k, I64(1)), 0))
                if r < 2:
                    continue
                dy = dx = None
                if wants_y:
                    n = r - 2
                    after.append(rise(middles[n], middles[r]))
                    left = e.neighbours(before[n], here[n], e.count - next_one)
                    dy = smooth(left, here[n], e.neighbours(here[n], after[n], next_one))
                if wants_x:
                    dx = smooth(*slopes[-3:])
                for number, name in enumerate(names):
                    value = gradient_value(e, name, dy, dx)
                    e.store(value, builder.add(into[number * rows + r - 2], to), result)
            return [*here, *after]

        e.loop(I64(0), vectors, [*falls(I64(-1)), *falls(I64(0))], step)

    tokens = [src, acc, dst, form, channels, height]
    return types.void(*tokens, *[types.int64] * 8), nothing(generate)


@intrinsic
def difference_of_sums(typing, acc, high, low, second_high, second_low, factor, count, to):
    """`difference` of sums of two values each, which are subtracted before they are added."""
    arithmetic = dtype_of(acc)

    def generate(context, builder, signature, values):
        *addresses, factor, count, to = values[1:]
        e = Emitter(builder, arithmetic)
        scale = e.broadcast(factor, I64(0))

        def value(load):
            high, low, second_high, second_low = (load(address) for address in addresses)
            return e.mul(e.add(e.sub(second_high, second_low), e.sub(high, low)), scale)

        each_vector(e, e.acc, count, to, value)

    return signature_of(acc, high, low, second_high, second_low, factor, count, to), nothing(generate)
