"""Register tiles that go along rows: whole vectors of a few rows, and from each on to the next.

As in `simd.fir`, dtypes are static and no address is checked.
"""

from __future__ import annotations

from numba.core import types
from numba.extending import intrinsic

from fastsep._kernels.jit import sweep_bytes, sweep_radius
from fastsep._kernels.simd.emitter import I32, I64, Emitter
from fastsep._kernels.simd.memory import BYTES, dtype_of, nothing, signature_of


def _emitter(builder, acc, form, channels):
    return Emitter(builder, acc, sweep_bytes(form, channels, acc.itemsize) // acc.itemsize)


def gradient_value(e, name, dy, dx, exact=False):
    """What `name` says of a gradient."""
    if name in ("dy", "dx"):
        return dy if name == "dy" else dx
    if name == "magnitude":
        return e.sqrt(e.add(e.mul(dy, dy), e.mul(dx, dx)) if exact else e.muladd(dy, dy, e.mul(dx, dx)))
    if name == "orientation":
        return e.arctan2(dy, dx)
    factors = {"y": dy, "x": dx}
    return e.mul(factors[name[0]], factors[name[1]])


@intrinsic(prefer_literal=True)
def gradient_sweep(
    typing, src, acc, dst, form, channels, height, table, offset, vectors, targets, place, streamed, taps_y, taps_x,
):  # fmt: skip
    """3 x 3 derivatives of `height` rows, along `vectors` vectors of columns.

    `form` names one of Roberts' differences, or the Laplacian, or the results with "+" between them: "dy",
    "dx", "magnitude", "orientation", or the products "yy", "yx", "xx"; with "exact " before them, in
    SciPy's order of operations, rounded after each, for weights of 1 and 2.
    table[0] is the row above the first output row. Columns from one vector before `offset` to one
    behind the last are read; each is loaded once and its neighbours are shuffled out of registers.
    Row r of result k goes to targets[k * height + r] + place; `streamed`: see `Emitter.store_or_stream`.
    `taps_y`: address of the smoothing taps' side and centre, with all scaling in them; `taps_x` is of no use here.
    """
    source, arithmetic, result = dtype_of(src), dtype_of(acc), dtype_of(dst)
    exact, names = form.literal_value.startswith("exact "), form.literal_value.removeprefix("exact ").split("+")
    shift, rows = channels.literal_value, height.literal_value
    roberts = names[0].removeprefix("roberts_") if names[0].startswith("roberts") else None
    laplace = names == ["laplace"]
    # Only what is asked for is computed; of a single derivative not even the other's smoothing.
    wants_y, wants_x = names != ["dx"], names != ["dy"]

    def generate(context, builder, signature, values):
        table, offset, vectors, targets, place, streamed, weights, _ = values[6:]
        e = _emitter(builder, arithmetic, form.literal_value, shift)
        side, centre = e.broadcast(weights, I64(0)), e.broadcast(weights, I64(1))
        source_step = I64(e.count * source.itemsize)
        result_step = I64(e.count * result.itemsize)
        lines = [builder.add(e.word(table, I64(r)), offset) for r in range(rows + 2)]
        into = [builder.add(e.word(targets, I64(r)), place) for r in range(rows * len(names))]

        def load(r, at):
            return e.load(builder.add(lines[r], at), source)

        def across(v):
            """Left and right neighbours of the vectors here."""
            before, here, after = v
            return e.neighbours(before, here, e.count - shift), e.neighbours(here, after, shift)

        def smooth(before, here, after):
            return e.muladd(side, e.add(before, after), e.mul(centre, here))

        def derivatives(triples):
            """(dy, dx) of each row, from the vectors before, here and after of each source row.

            Differences come first: they are exact, or nearly so, where pixels are large and differ little.
            """
            sides, slopes = [], []
            # Row by row, so that few vectors are alive at a time.
            for r, triple in enumerate(triples):
                left, right = across(triple)
                sides.append((left, right))
                slopes.append(e.sub(right, left) if wants_x else None)
                if r < 2:
                    continue
                dy = dx = None
                if wants_y:
                    left_above, right_above = sides[r - 2]
                    middle = e.sub(triple[1], triples[r - 2][1])
                    dy = smooth(e.sub(left, left_above), middle, e.sub(right, right_above))
                if wants_x:
                    dx = smooth(*slopes[-3:])
                yield dy, dx

        def exact_derivatives(triples, downs):
            """The same in SciPy's order; `downs`: those along y of each row, before, here and after."""
            slopes = []
            for triple in triples:
                left, right = across(triple)
                slopes.append(e.muladd(e.splat(0), triple[1], e.sub(right, left)))
            # Doubling is exact, so that multiply-add rounds once, as SciPy does.
            for r in range(rows):
                left, right = across(downs[r])
                dy = e.muladd(centre, downs[r][1], e.add(left, right))
                yield dy, e.muladd(centre, slopes[r + 1], e.add(slopes[r], slopes[r + 2]))

        def down(column):
            # The tap of zero counts in SciPy: it turns an infinite value into NaN.
            if not exact:
                return []
            return [e.muladd(e.splat(0), column[r + 1], e.sub(column[r + 2], column[r])) for r in range(rows)]

        def step(k, carried):
            now = builder.mul(k, source_step)
            kept = len(carried) // 2
            before, here = carried[:kept], carried[kept:]
            made = []
            after = [load(r, builder.add(now, source_step)) for r in range(rows + 2)]
            after += down(after)
            to = builder.mul(k, result_step)
            triples = list(zip(before, here, after, strict=True))
            triples, downs = triples[: rows + 2], triples[rows + 2 :]
            if laplace:
                for r, (above, triple, below) in enumerate(zip(triples, triples[1:], triples[2:], strict=False)):
                    left, right = across(triple)
                    middle = triple[1]
                    column = e.add(e.sub(middle, above[1]), e.sub(middle, below[1]))
                    row = e.add(e.sub(middle, left), e.sub(middle, right))
                    made.append((e.mul(e.add(column, row), side), builder.add(into[r], to)))
                e.store_or_stream(made, result, streamed)
                return [*here, *after]
            if roberts is not None:
                rights = [across(triple)[1] for triple in triples]
                for r in range(rows):
                    falling = e.sub(rights[r + 2], here[r + 1])
                    rising = e.sub(here[r + 2], rights[r + 1])
                    difference = falling if roberts == "pos" else rising
                    if roberts == "magnitude":
                        difference = e.sqrt(e.muladd(rising, rising, e.mul(falling, falling)))
                    made.append((e.mul(difference, side), builder.add(into[r], to)))
                e.store_or_stream(made, result, streamed)
                return [*here, *after]
            for r, (dy, dx) in enumerate(exact_derivatives(triples, downs) if exact else derivatives(triples)):
                for number, name in enumerate(names):
                    value, address = gradient_value(e, name, dy, dx, exact), builder.add(into[number * rows + r], to)
                    if len(names) == 1:
                        made.append((value, address))
                    else:  # so that few vectors are alive at a time
                        e.store(value, address, result)
            if made:
                e.store_or_stream(made, result, streamed)
            return [*here, *after]

        def begin(at):
            column = [load(r, at) for r in range(rows + 2)]
            return column + down(column)

        back = I64(-e.count * source.itemsize)
        e.loop(I64(0), vectors, begin(back) + begin(I64(0)), step)

    tokens = [src, acc, dst, form, channels, height]
    return types.void(*tokens, *[types.int64] * 8), nothing(generate)


@intrinsic(prefer_literal=True)
def wide_sweep(
    typing, src, acc, dst, form, channels, height, table, offset, vectors, targets, place, streamed, taps_y, taps_x,
):  # fmt: skip
    """Derivatives of any small radius; arguments as in `gradient_sweep`, with "wide2 " or the like before the results.

    `taps_y` and `taps_x`: addresses of the antisymmetric taps of a derivative and of the symmetric ones across it.
    """
    source, arithmetic, result = dtype_of(src), dtype_of(acc), dtype_of(dst)
    names, reach = form.literal_value.split()[-1].split("+"), sweep_radius(form.literal_value)
    shift, rows = channels.literal_value, height.literal_value
    wants_y, wants_x = names != ["dx"], names != ["dy"]

    def generate(context, builder, signature, values):
        table, offset, vectors, targets, place, _, slopes, sides = values[6:]
        e = _emitter(builder, arithmetic, form.literal_value, shift)
        source_step = I64(e.count * source.itemsize)
        result_step = I64(e.count * result.itemsize)
        taken = rows + 2 * reach
        lines = [builder.add(e.word(table, I64(r)), offset) for r in range(taken)]
        into = [builder.add(e.word(targets, I64(r)), place) for r in range(rows * len(names))]
        slope = [e.broadcast(slopes, I64(reach + k)) for k in range(reach + 1)]
        side = [e.broadcast(sides, I64(reach + k)) for k in range(reach + 1)]

        def column(at):
            """Vectors of all source rows, and the derivatives along y of the output rows."""
            inputs = [e.load(builder.add(lines[r], at), source) for r in range(taken)]
            downs = [difference(inputs[r : r + 2 * reach + 1]) for r in range(rows if wants_y else 0)]
            return [*(inputs if wants_x else []), *downs]

        def difference(window):
            total = e.mul(slope[1], e.sub(window[reach + 1], window[reach - 1]))
            for k in range(2, reach + 1):
                total = e.muladd(slope[k], e.sub(window[reach + k], window[reach - k]), total)
            return total

        def smooth(window):
            total = e.mul(side[0], window[reach])
            for k in range(1, reach + 1):
                total = e.muladd(side[k], e.add(window[reach + k], window[reach - k]), total)
            return total

        def along(before, here, after):
            """What stands left and right of the vector here, and itself."""
            left = [e.neighbours(before, here, e.count - j * shift) for j in range(reach, 0, -1)]
            return [*left, here, *(e.neighbours(here, after, j * shift) for j in range(1, reach + 1))]

        def step(k, carried):
            kept = len(carried) // 2
            now, to = builder.mul(k, source_step), builder.mul(k, result_step)
            after = column(builder.add(now, source_step))
            triples = list(zip(carried[:kept], carried[kept:], after, strict=True))
            inputs, downs = triples[: taken if wants_x else 0], triples[taken if wants_x else 0 :]
            across = []
            for r in range(rows):
                dy = dx = None
                if wants_y:
                    dy = smooth(along(*downs[r]))
                if wants_x:
                    # Row by row, so that few vectors are alive at a time.
                    while len(across) < r + 2 * reach + 1:
                        across.append(difference(along(*inputs[len(across)])))
                    dx = smooth(across[r : r + 2 * reach + 1])
                for number, name in enumerate(names):
                    value = gradient_value(e, name, dy, dx)
                    e.store(value, builder.add(into[number * rows + r], to), result)
            return [*carried[kept:], *after]

        back = I64(-e.count * source.itemsize)
        e.loop(I64(0), vectors, column(back) + column(I64(0)), step)

    tokens = [src, acc, dst, form, channels, height]
    return types.void(*tokens, *[types.int64] * 8), nothing(generate)


@intrinsic(prefer_literal=True)
def smooth_sweep(
    typing, src, acc, dst, form, channels, height, table, offset, vectors, targets, place, streamed, taps_y, taps_x,
):  # fmt: skip
    """Symmetric taps of one small radius along both axes; arguments as in `gradient_sweep`, `form` "smooth2" or so.

    Neighbours along a row are shuffled out of the vectors before, here and after. The order of
    operations is that of `fir`, and so are the bits.
    """
    tokens = (src, acc, dst, form, channels, height)

    def generate(context, builder, signature, values):
        e = _emitter(builder, dtype_of(acc), form.literal_value, channels.literal_value)
        _smooth(e, tokens, values[6:], lambda made, to: e.store_or_stream(made, dtype_of(dst), values[11]))

    return types.void(*tokens, *[types.int64] * 8), nothing(generate)


def _smooth(e, tokens, values, store):
    """Code of `smooth_sweep`; store(made, to) stores each (value, address), `to` bytes behind the first ones."""
    source, result = dtype_of(tokens[0]), dtype_of(tokens[2])
    form, shift, rows = (token.literal_value for token in tokens[3:])
    reach = sweep_radius(form)
    table, offset, vectors, targets, place, _, taps_y, taps_x = values
    builder = e.b
    source_step = I64(e.count * source.itemsize)
    result_step = I64(e.count * result.itemsize)
    taken = rows + 2 * reach
    lines = [builder.add(e.word(table, I64(r)), offset) for r in range(taken)]
    into = [builder.add(e.word(targets, I64(r)), place) for r in range(rows)]
    down = [e.broadcast(taps_y, I64(reach + k)) for k in range(reach + 1)]
    across = [e.broadcast(taps_x, I64(reach + k)) for k in range(reach + 1)]

    def vertical(at):
        inputs = [e.load(builder.add(lines[r], at), source) for r in range(taken)]
        sums = []
        for r in range(rows):
            total = e.mul(down[0], inputs[r + reach])
            for k in range(1, reach + 1):
                pair = e.add(inputs[r + reach + k], inputs[r + reach - k])
                total = e.muladd(down[k], pair, total)
            sums.append(total)
        return sums

    def step(k, carried):
        before, here = carried[:rows], carried[rows:]
        now = builder.mul(k, source_step)
        after = vertical(builder.add(now, source_step))
        to = builder.mul(k, result_step)
        made = []
        for r in range(rows):
            total = e.mul(across[0], here[r])
            for j in range(1, reach + 1):
                left = e.neighbours(before[r], here[r], e.count - j * shift, reach > 2)
                right = e.neighbours(here[r], after[r], j * shift, reach > 2)
                total = e.muladd(across[j], e.add(right, left), total)
            made.append((total, builder.add(into[r], to)))
        store(made, to)
        return [*here, *after]

    back = I64(-e.count * source.itemsize)
    e.loop(I64(0), vectors, vertical(back) + vertical(I64(0)), step)


@intrinsic(prefer_literal=True)
def corner_sweep(
    typing, src, acc, dst, form, channels, height, table, offset, vectors, targets, place, streamed, taps_y, taps_x,
    beside, plane, measured, factor,
):  # fmt: skip
    """`smooth_sweep`, and then, unless `measured` is 0, the measure of `corner` behind "smooth2 " or so in `form`.

    The results are the first of the three values of a matrix then, the others are at beside[r] and `plane` bytes
    further on. `factor` is an address. All are of one dtype.
    """
    tokens = (src, acc, dst, form, channels, height)
    arithmetic, measure = dtype_of(acc), form.literal_value.split()[1]

    def generate(context, builder, signature, values):
        place, streamed = values[10:12]
        beside, plane, measured, factor = values[14:]
        e = _emitter(builder, arithmetic, form.literal_value, channels.literal_value)
        constant = e.broadcast(factor, I64(0))
        mixed = [builder.add(e.word(beside, I64(r)), place) for r in range(height.literal_value)]
        cols = [builder.add(row, plane) for row in mixed]

        def store(made, to):
            def measures():
                found = []
                for (value, address), *others in zip(made, mixed, cols, strict=True):
                    b, c = (e.load(builder.add(row, to), arithmetic) for row in others)
                    found.append((_measure(e, measure, value, b, c, constant), address))
                e.store_or_stream(found, arithmetic, streamed)
                return []

            def sums():
                e.store_or_stream(made, arithmetic, I64(0))
                return []

            e.switch(builder.zext(builder.icmp_signed("!=", measured, I64(0)), I64), {0: sums, 1: measures})

        _smooth(e, tokens, values[6:14], store)

    return types.void(*tokens, *[types.int64] * 12), nothing(generate)


@intrinsic(prefer_literal=True)
def polar(typing, acc, dst, form, dy, dx, vectors, targets):
    """What `form` names (see `gradient_sweep`) of `vectors` vectors of both derivatives.

    targets[k] is the address of the first vector of result k.
    """
    arithmetic, result = dtype_of(acc), dtype_of(dst)
    names = form.literal_value.split("+")

    def generate(context, builder, signature, values):
        dy, dx, vectors, targets = values[3:]
        e = Emitter(builder, arithmetic)
        into = [e.word(targets, I64(number)) for number in range(len(names))]

        def step(k, _):
            at = builder.mul(k, I64(e.count * arithmetic.itemsize))
            to = builder.mul(k, I64(e.count * result.itemsize))
            y, x = (e.load(builder.add(row, at), arithmetic) for row in (dy, dx))
            for name, row in zip(names, into, strict=True):
                e.store(gradient_value(e, name, y, x), builder.add(row, to), result)
            return []

        e.loop(I64(0), vectors, [], step)

    return types.void(acc, dst, form, *[types.int64] * 4), nothing(generate)


def _measure(e, name, a, b, c, constant):
    """What the matrix ((a, b), (b, c)) says of a corner: see `corner`."""
    trace = e.add(a, c)
    if name == "shi_tomasi":
        gap = e.sub(a, c)
        root = e.sqrt(e.add(e.mul(gap, gap), e.mul(e.splat(4), e.mul(b, b))))
        return e.mul(e.sub(trace, root), e.splat(0.5))
    determinant = e.sub(e.mul(a, c), e.mul(b, b))
    if name == "harris":
        return e.sub(determinant, e.mul(constant, e.mul(trace, trace)))
    return e.b.fdiv(e.mul(e.splat(2), determinant), e.add(trace, constant))


@intrinsic(prefer_literal=True)
def corner(typing, acc, form, rows, mixed, cols, vectors, factor, out):
    """What the matrices ((rows, mixed), (mixed, cols)) of `vectors` vectors of pixels say of corners.

    `form`: "harris" (det - factor * trace^2), "noble" (2 det / (trace + factor)) or "shi_tomasi", the
    smaller eigenvalue. `factor` is an address.
    """
    arithmetic, name = dtype_of(acc), form.literal_value

    def generate(context, builder, signature, values):
        rows, mixed, cols, vectors, factor, out = values[2:]
        e = Emitter(builder, arithmetic)
        constant = e.broadcast(factor, I64(0))

        def step(k, _):
            at = builder.mul(k, I64(e.count * arithmetic.itemsize))
            a, b, c = (e.load(builder.add(row, at), arithmetic) for row in (rows, mixed, cols))
            value = _measure(e, name, a, b, c, constant)
            e.store(value, builder.add(out, at), arithmetic)
            return []

        e.loop(I64(0), vectors, [], step)

    return types.void(acc, form, *[types.int64] * 6), nothing(generate)


def each_vector(e, src, count, to, value):
    """Store `count` values at `to`: value(load), with load(address) the input of dtype `src` that belongs to it.

    Whole vectors, the last of which overlaps with the one before; one by one if they do not fill a vector.
    """
    b = e.b
    lanes = I64(e.count)

    def at(address, number, dtype):
        return b.add(address, b.mul(number, I64(dtype.itemsize)))

    def vector(number):
        result = value(lambda address: e.load(at(address, number, src), src))
        e.store(result, at(to, number, e.acc), e.acc)
        return []

    def single(number):
        result = value(lambda address: e.splat(e.load_scalar(at(address, number, src), src)))
        b.store(b.extract_element(result, I32(0)), e.at(at(to, number, e.acc)), align=e.acc.itemsize)
        return []

    few = b.icmp_signed("<", count, lanes)
    whole = b.sdiv(count, lanes)
    rest = b.select(few, I64(0), b.sub(count, b.mul(whole, lanes)))
    e.loop(I64(0), whole, [], lambda k, _: vector(b.mul(k, lanes)))
    some = b.zext(b.icmp_signed(">", rest, I64(0)), I64)
    e.loop(I64(0), some, [], lambda k, _: vector(b.sub(count, lanes)))
    e.loop(I64(0), b.select(few, count, I64(0)), [], lambda k, _: single(k))


@intrinsic
def difference(typing, src, acc, high, low, factor, count, to):
    """(high - low) * factor of `count` values from either address on (see `each_vector`); `factor` is an address."""
    source, arithmetic = dtype_of(src), dtype_of(acc)

    def generate(context, builder, signature, values):
        high, low, factor, count, to = values[2:]
        e = Emitter(builder, arithmetic)
        scale = e.broadcast(factor, I64(0))
        each_vector(e, source, count, to, lambda load: e.mul(e.sub(load(high), load(low)), scale))

    return signature_of(src, acc, high, low, factor, count, to), nothing(generate)


@intrinsic
def stream(typing, to, address, count):
    """Copy `count` bytes, whole vectors, with non-temporal stores; `to` is a multiple of a vector's size."""

    def generate(context, builder, signature, values):
        to, address, count = values
        e = Emitter(builder, BYTES)
        size = I64(e.count)
        hint = builder.module.add_metadata([I32(1)])

        def step(k, _):
            at = builder.mul(k, size)
            store = builder.store(e.load(builder.add(address, at), BYTES), e.at(to, at), align=e.count)
            store.set_metadata("nontemporal", hint)
            return []

        e.loop(I64(0), builder.udiv(count, size), [], step)

    return signature_of(to, address, count), nothing(generate)


@intrinsic
def finish_streams(typing):
    """Make non-temporal stores visible to other threads."""

    def generate(context, builder, signature, values):
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), generate
