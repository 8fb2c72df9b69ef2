"""Register tiles of taps of any length, and what rows and strips of them need.

In every intrinsic the dtypes come first; `table` is the address of an array of row addresses, `offset` the distance in
bytes from a row's start, `taps` the address of `count` taps in the arithmetic dtype. None of them checks an address.
"""

from __future__ import annotations

from functools import partial

from numba.extending import intrinsic

from fastsep._kernels.arguments import (
    ADD,
    ADD_SQUARE,
    LINE,
    STORE,
    STORE_SQUARE,
)
from fastsep._kernels.jit import target
from fastsep._kernels.simd.emitter import I64, WRITE_AHEAD, tile
from fastsep._kernels.simd.memory import dtype_of, nothing, signature_of
from fastsep._kernels.simd.taps import TapEmitter

# How a tile sums: (emitter, element, taps, count, kind, outputs) -> `outputs` vectors. See `TapEmitter.fir`.
_plain = TapEmitter.fir
_of_differences = partial(TapEmitter.fir, differences=True)
_evenly = partial(TapEmitter.fir, even=True)
_in_order = TapEmitter.fir_in_order


def _to_strip(tokens, table, offset, strip, taps, count, kind, sums, add=None):
    """The intrinsic `fir_to_strip` or one like it: `tokens` are its dtypes, `sums` tells how it sums.

    Of three dtypes the last one is what sums are cast to.
    """
    source, arithmetic = dtype_of(tokens[0]), dtype_of(tokens[1])

    def generate(context, builder, signature, values):
        table, offset, strip, taps, count, kind, *added_to = values[len(tokens) :]
        e = TapEmitter(builder, arithmetic)
        rows = []
        outputs = tile(arithmetic)
        for first in range(0, e.count, outputs):
            start = builder.add(table, I64(8 * first))

            def element(j, start=start, first=first):
                at = builder.add(e.word(start, j), offset)
                if first == 0:
                    # The next columns of the row: these rows are too many streams for the hardware to foresee
                    # (measured with 81 taps, 15 KiB rows and a second level of 2 MiB: 7 to 15 %).
                    e.prefetch(builder.add(at, I64(LINE)), level=1)
                return e.load(at, source)

            rows += sums(e, element, taps, count, kind, outputs)
        size = target().vector_bytes
        columns = e.cast_between(rows, kind, dtype_of(tokens[2]), e.transpose) if tokens[2:] else e.transpose(rows)
        places = [e.at(strip, k * size) for k in range(e.count)]

        def added():
            return [e.add(builder.load(at, align=size, typ=e.vector), v) for at, v in zip(places, columns, strict=True)]

        stored = e.switch(*added_to, {0: lambda: columns, 1: added}) if added_to else columns
        for place, column in zip(places, stored, strict=True):
            builder.store(column, place, align=size)

    more = () if add is None else (add,)
    return signature_of(*tokens, table, offset, strip, taps, count, kind, *more), nothing(generate)


@intrinsic
def fir_to_strip(typing, src, acc, table, offset, strip, taps, count, kind):
    """Filter `lanes` columns over `lanes` rows vertically and store them, transposed, as columns.

    table[j] is the row under the first tap of output row j.
    """
    return _to_strip((src, acc), table, offset, strip, taps, count, kind, _plain)


@intrinsic
def fir_into_strip(typing, src, acc, table, offset, strip, taps, count, kind, add):
    """`fir_to_strip` for lines of slopes, too; if `add` is 1 the results are added to what is there."""
    return _to_strip((src, acc), table, offset, strip, taps, count, kind, _evenly, add)


@intrinsic
def differences_to_strip(typing, src, acc, table, offset, strip, taps, count, kind):
    """`fir_to_strip` for taps of differences (see `TapEmitter.fir`)."""
    return _to_strip((src, acc), table, offset, strip, taps, count, kind, _of_differences)


@intrinsic
def cast_to_strip(typing, src, acc, dst, table, offset, strip, taps, count, kind):
    """`fir_to_strip` for results that equal SciPy's integers of dtype `dst` (see `TapEmitter.fir_in_order`)."""
    return _to_strip((src, acc, dst), table, offset, strip, taps, count, kind, _in_order)


@intrinsic
def load_strip(typing, src, acc, table, offset, strip):
    """Store `lanes` columns of the `lanes` rows in `table`, transposed, as columns."""
    source, arithmetic = dtype_of(src), dtype_of(acc)

    def generate(context, builder, signature, values):
        table, offset, strip = values[2:]
        e = TapEmitter(builder, arithmetic)
        rows = [e.load(builder.add(e.word(table, I64(r)), offset), source) for r in range(e.count)]
        size = target().vector_bytes
        for k, column in enumerate(e.transpose(rows)):
            builder.store(column, e.at(strip, k * size), align=size)

    return signature_of(src, acc, table, offset, strip), nothing(generate)


def _along_strip(acc, strip, step, taps, count, kind, out, add, sums_of):
    arithmetic = dtype_of(acc)

    def generate(context, builder, signature, values):
        strip, step, taps, count, kind, out, add = values[1:]
        e = TapEmitter(builder, arithmetic)
        size = target().vector_bytes

        def element(j):
            return builder.load(e.at(strip, builder.mul(j, step)), align=size, typ=e.vector)

        outputs = tile(arithmetic)
        sums = sums_of(e, element, taps, count, kind, outputs)
        places = [e.at(out, builder.mul(I64(r), step)) for r in range(outputs)]

        def added():
            return [e.add(builder.load(at, align=size, typ=e.vector), v) for at, v in zip(places, sums, strict=True)]

        for place, value in zip(places, e.switch(add, {0: lambda: sums, 1: added}), strict=True):
            builder.store(value, place, align=size)

    return signature_of(acc, strip, step, taps, count, kind, out, add), nothing(generate)


@intrinsic
def fir_along_strip(typing, acc, strip, step, taps, count, kind, out, add):
    """Filter `tile` columns of a strip, `step` bytes apart, from the one under the first tap.

    The results are stored at `out`, or added to what is there if `add` is 1.
    """
    return _along_strip(acc, strip, step, taps, count, kind, out, add, _plain)


@intrinsic
def differences_along_strip(typing, acc, strip, step, taps, count, kind, out, add):
    """`fir_along_strip` for taps of differences (see `TapEmitter.fir`)."""
    return _along_strip(acc, strip, step, taps, count, kind, out, add, _of_differences)


@intrinsic
def slopes_along_strip(typing, acc, strip, step, taps, count, kind, out, add):
    """`fir_along_strip` for lines of slopes, too."""
    return _along_strip(acc, strip, step, taps, count, kind, out, add, _evenly)


@intrinsic
def ordered_along_strip(typing, acc, strip, step, taps, count, kind, out, add):
    """`fir_along_strip` with SciPy's operations in its order."""
    return _along_strip(acc, strip, step, taps, count, kind, out, add, _in_order)


def _from_strip(typing, acc, dst, strip, taps, count, kind, table, offset, sums, cast=False, streamed=None):
    arithmetic, result = dtype_of(acc), dtype_of(dst)
    more = () if streamed is None else (streamed,)

    def generate(context, builder, signature, values):
        strip, taps, count, kind, table, offset, *past = values[2:]
        e = TapEmitter(builder, arithmetic)
        size = target().vector_bytes
        outputs = tile(arithmetic)
        columns = []
        for first in range(0, e.count, outputs):
            start = builder.add(strip, I64(first * size))

            def element(j, start=start):
                at = e.at(start, builder.mul(j, I64(size)))
                return builder.load(at, align=size, typ=e.vector)

            columns += sums(e, element, taps, count, kind, outputs)
        if past:
            e.stream_transposed(columns, table, offset, result, *past)
        else:
            e.store_transposed(columns, table, offset, result, cast)

    return signature_of(acc, dst, strip, taps, count, kind, table, offset, *more), nothing(generate)


@intrinsic
def fir_from_strip(typing, acc, dst, strip, taps, count, kind, table, offset):
    """Filter `lanes` neighbouring columns and store them, transposed back, as pieces of rows.

    What `fir_along_strip` and `store_strip` do for one channel, without a detour through memory.
    """
    return _from_strip(typing, acc, dst, strip, taps, count, kind, table, offset, _plain)


@intrinsic
def fir_past_caches(typing, acc, dst, strip, taps, count, kind, table, offset, streamed):
    """`fir_from_strip`, if `streamed` is 1 with non-temporal stores: results are whole cache lines then."""
    return _from_strip(typing, acc, dst, strip, taps, count, kind, table, offset, _plain, streamed=streamed)


@intrinsic
def differences_from_strip(typing, acc, dst, strip, taps, count, kind, table, offset):
    """`fir_from_strip` for taps of differences (see `TapEmitter.fir`)."""
    return _from_strip(typing, acc, dst, strip, taps, count, kind, table, offset, _of_differences)


@intrinsic
def slopes_from_strip(typing, acc, dst, strip, taps, count, kind, table, offset):
    """`fir_from_strip` for lines of slopes, too."""
    return _from_strip(typing, acc, dst, strip, taps, count, kind, table, offset, _evenly)


@intrinsic
def cast_from_strip(typing, acc, dst, strip, taps, count, kind, table, offset):
    """`fir_from_strip` with SciPy's operations in its order; integers are stored as C casts."""
    return _from_strip(typing, acc, dst, strip, taps, count, kind, table, offset, _in_order, cast=True)


def _term_along_strip(typing, acc, strip, step, taps, count, kind, out, how, between):
    arithmetic = dtype_of(acc)

    def generate(context, builder, signature, values):
        strip, step, taps, count, kind, out, how = values[1:]
        e = TapEmitter(builder, arithmetic)
        size = target().vector_bytes

        def element(j):
            return builder.load(e.at(strip, builder.mul(j, step)), align=size, typ=e.vector)

        outputs = tile(arithmetic)
        sums = (e.fir_between if between else e.fir)(element, taps, count, kind, outputs)
        places = [e.at(out, builder.mul(I64(r), step)) for r in range(outputs)]

        def each(change):
            return lambda: [
                change(v, builder.load(at, align=size, typ=e.vector)) for at, v in zip(places, sums, strict=True)
            ]

        cases = {
            STORE: lambda: sums,
            ADD: each(e.add),
            STORE_SQUARE: lambda: [e.mul(v, v) for v in sums],
            ADD_SQUARE: each(lambda v, old: e.muladd(v, v, old)),
        }
        for place, value in zip(places, e.switch(how, cases), strict=True):
            builder.store(value, place, align=size)

    return signature_of(acc, strip, step, taps, count, kind, out, how), nothing(generate)


@intrinsic
def term_along_strip(typing, acc, strip, step, taps, count, kind, out, how):
    """`fir_along_strip` for one of several terms; `how` its results join what is at `out`: STORE, ADD and so on."""
    return _term_along_strip(typing, acc, strip, step, taps, count, kind, out, how, False)


@intrinsic
def term_between_strip(typing, acc, strip, step, taps, count, kind, out, how):
    """`term_along_strip` for taps that lie between pixels (see `TapEmitter.fir_between`)."""
    return _term_along_strip(typing, acc, strip, step, taps, count, kind, out, how, True)


def _last_from_strip(typing, acc, dst, strip, taps, count, kind, sums, root, table, offset, between):
    arithmetic, result = dtype_of(acc), dtype_of(dst)

    def generate(context, builder, signature, values):
        strip, taps, count, kind, sums, root, table, offset = values[2:]
        e = TapEmitter(builder, arithmetic)
        size = target().vector_bytes
        outputs = tile(arithmetic)
        columns = []
        for first in range(0, e.count, outputs):
            start = builder.add(strip, I64(first * size))

            def element(j, start=start):
                return builder.load(e.at(start, builder.mul(j, I64(size))), align=size, typ=e.vector)

            columns += (e.fir_between if between else e.fir)(element, taps, count, kind, outputs)
        others = [builder.load(e.at(sums, k * size), align=size, typ=e.vector) for k in range(e.count)]
        pairs = list(zip(columns, others, strict=True))
        cases = {
            0: lambda: [e.add(v, other) for v, other in pairs],
            1: lambda: [e.sqrt(e.muladd(v, v, other)) for v, other in pairs],
        }
        e.store_transposed(e.switch(root, cases), table, offset, result)

    return signature_of(acc, dst, strip, taps, count, kind, sums, root, table, offset), nothing(generate)


@intrinsic
def last_from_strip(typing, acc, dst, strip, taps, count, kind, sums, root, table, offset):
    """`fir_from_strip` for the last of several terms: the others are added first, `lanes` columns of them at `sums`.

    If `root` is 1, these are squares, and results are the root of the sum of squares.
    """
    return _last_from_strip(typing, acc, dst, strip, taps, count, kind, sums, root, table, offset, False)


@intrinsic
def last_between_strip(typing, acc, dst, strip, taps, count, kind, sums, root, table, offset):
    """`last_from_strip` for taps that lie between pixels (see `TapEmitter.fir_between`)."""
    return _last_from_strip(typing, acc, dst, strip, taps, count, kind, sums, root, table, offset, True)


@intrinsic
def fir_rows(typing, acc, dst, rows, offset, taps, count, kind, targets, place):
    """Filter `lanes` columns over `tile` rows vertically and store them as pieces of the rows in `targets`."""
    arithmetic, result = dtype_of(acc), dtype_of(dst)

    def generate(context, builder, signature, values):
        rows, offset, taps, count, kind, targets, place = values[2:]
        e = TapEmitter(builder, arithmetic)

        def element(j):
            at = builder.add(e.word(rows, j), offset)
            e.prefetch(builder.add(at, I64(LINE)), level=1)  # as in `fir_to_strip`
            return e.load(at, arithmetic)

        for r, value in enumerate(e.fir(element, taps, count, kind, tile(arithmetic))):
            to = builder.add(e.word(targets, I64(r)), place)
            e.store(value, to, result)
            # Results go to as many rows as there are lanes, too many streams for the hardware.
            e.prefetch(builder.add(to, I64(WRITE_AHEAD)), write=True, level=1)

    return signature_of(acc, dst, rows, offset, taps, count, kind, targets, place), nothing(generate)


def _store_strip(typing, acc, dst, strip, table, offset, cast):
    arithmetic, result = dtype_of(acc), dtype_of(dst)

    def generate(context, builder, signature, values):
        strip, table, offset = values[2:]
        e = TapEmitter(builder, arithmetic)
        size = target().vector_bytes
        columns = [builder.load(e.at(strip, k * size), align=size, typ=e.vector) for k in range(e.count)]
        e.store_transposed(columns, table, offset, result, cast)

    return signature_of(acc, dst, strip, table, offset), nothing(generate)


@intrinsic
def store_strip(typing, acc, dst, strip, table, offset):
    """Transpose `lanes` columns of a strip back and store them as `lanes` pieces of rows."""
    return _store_strip(typing, acc, dst, strip, table, offset, False)


@intrinsic
def cast_strip(typing, acc, dst, strip, table, offset):
    """`store_strip` as C casts."""
    return _store_strip(typing, acc, dst, strip, table, offset, True)


def _across(tokens, first, step, taps, count, kind, out, out_step, sums):
    arithmetic = dtype_of(tokens[0])

    def generate(context, builder, signature, values):
        first, step, taps, count, kind, out, out_step = values[len(tokens) :]
        e = TapEmitter(builder, arithmetic)
        size = target().vector_bytes

        def element(j):
            return builder.load(e.at(first, builder.mul(j, step)), align=size, typ=e.vector)

        rows = sums(e, element, taps, count, kind, tile(arithmetic))
        if tokens[1:]:
            rows = e.cast_between(rows, kind, dtype_of(tokens[1]))
        for r, value in enumerate(rows):
            builder.store(value, e.at(out, builder.mul(I64(r), out_step)), align=size)

    return signature_of(*tokens, first, step, taps, count, kind, out, out_step), nothing(generate)


@intrinsic
def fir_across(typing, acc, first, step, taps, count, kind, out, out_step):
    """Filter `lanes` columns over `tile` planes, `step` bytes apart; store them `out_step` bytes apart.

    `first`: where the plane under the first tap of the first output is.
    """
    return _across((acc,), first, step, taps, count, kind, out, out_step, _plain)


@intrinsic
def cast_across(typing, acc, dst, first, step, taps, count, kind, out, out_step):
    """`fir_across` for results that equal SciPy's integers of dtype `dst` (see `TapEmitter.fir_in_order`)."""
    return _across((acc, dst), first, step, taps, count, kind, out, out_step, _in_order)


@intrinsic
def fir_to_rows(typing, src, acc, table, offset, out, out_row, taps, count, kind):
    """Filter `lanes` columns over `tile` rows vertically; store rows `out_row` bytes apart."""
    source, arithmetic = dtype_of(src), dtype_of(acc)

    def generate(context, builder, signature, values):
        table, offset, out, out_row, taps, count, kind = values[2:]
        e = TapEmitter(builder, arithmetic)

        def element(j):
            return e.load(builder.add(e.word(table, j), offset), source)

        for r, value in enumerate(e.fir(element, taps, count, kind, tile(arithmetic))):
            builder.store(value, e.at(out, builder.mul(I64(r), out_row)), align=1)

    return signature_of(src, acc, table, offset, out, out_row, taps, count, kind), nothing(generate)


@intrinsic
def slopes_to_rows(typing, src, acc, table, offset, out, out_row, taps, count, kind, step, span, middle, total):
    """`fir_to_rows` of differences: of what lies `step` rows and `span` bytes behind a value, and that value.

    Unless `total` is 0, the value in the row `middle` of the table counts by itself, by the number there.
    """
    source, arithmetic = dtype_of(src), dtype_of(acc)

    def generate(context, builder, signature, values):
        table, offset, out, out_row, taps, count, kind, step, span, middle, total = values[2:]
        e = TapEmitter(builder, arithmetic)

        def value(j):
            return e.load(builder.add(e.word(table, j), offset), source)

        def element(j):
            behind = builder.add(builder.add(e.word(table, builder.add(j, step)), offset), span)
            return e.sub(e.load(behind, source), value(j))

        sums = e.fir(element, taps, count, kind, tile(arithmetic), even=True)

        def counted():
            factor = e.broadcast(total, I64(0))
            return [e.muladd(factor, value(builder.add(middle, I64(r))), sums[r]) for r in range(len(sums))]

        counts = builder.zext(builder.icmp_signed("!=", total, I64(0)), I64)
        for r, value_of_row in enumerate(e.switch(counts, {0: lambda: sums, 1: counted})):
            builder.store(value_of_row, e.at(out, builder.mul(I64(r), out_row)), align=1)

    arguments = (table, offset, out, out_row, taps, count, kind, step, span, middle, total)
    return signature_of(src, acc, *arguments), nothing(generate)


@intrinsic
def add_squares(typing, acc, sums, values, count, add):
    """Squares of `count` aligned vectors, added to the sums if `add` is 1, else put in their place."""
    arithmetic = dtype_of(acc)

    def generate(context, builder, signature, arguments):
        sums, values, count, add = arguments[1:]
        e = TapEmitter(builder, arithmetic)
        size = target().vector_bytes

        def each(change):
            def step(k, _):
                offset = builder.mul(k, I64(size))
                place = e.at(sums, offset)
                new = builder.load(e.at(values, offset), align=size, typ=e.vector)
                old = builder.load(place, align=size, typ=e.vector)
                builder.store(change(new, old), place, align=size)
                return []

            e.loop(I64(0), count, [], step)
            return []

        e.switch(
            add,
            {
                0: lambda: each(lambda new, old: e.mul(new, new)),
                1: lambda: each(lambda new, old: e.muladd(new, new, old)),
            },
        )

    return signature_of(acc, sums, values, count, add), nothing(generate)


@intrinsic
def finish(typing, acc, sums, count, root, limits):
    """Roots of `count` aligned vectors if `root`; clipped to the two numbers at `limits` unless 0."""
    arithmetic = dtype_of(acc)

    def generate(context, builder, signature, arguments):
        sums, count, root, limits = arguments[1:]
        e = TapEmitter(builder, arithmetic)
        size = target().vector_bytes

        def each(change):
            def step(k, _):
                place = e.at(sums, builder.mul(k, I64(size)))
                value = builder.load(place, align=size, typ=e.vector)
                builder.store(change(value), place, align=size)
                return []

            e.loop(I64(0), count, [], step)
            return []

        def clipped():
            low, high = e.broadcast(limits, I64(0)), e.broadcast(limits, I64(1))
            return each(lambda value: e.clip(value, low, high))

        e.switch(root, {0: list, 1: lambda: each(e.sqrt)})
        e.switch(limits, {0: list, 1: clipped})

    return signature_of(acc, sums, count, root, limits), nothing(generate)


@intrinsic
def subtract_slopes(typing, acc, values, step, slopes, count):
    """slopes[k] = values[k + one step] - values[k] - slopes[k] for `count` aligned vectors; `step` in bytes."""
    arithmetic = dtype_of(acc)

    def generate(context, builder, signature, arguments):
        values, step, slopes, count = arguments[1:]
        e = TapEmitter(builder, arithmetic)
        size = target().vector_bytes

        def each(k, _):
            offset = builder.mul(k, I64(size))
            here = e.at(values, offset)
            following = e.at(builder.add(values, step), offset)
            place = e.at(slopes, offset)
            one, other, old = (builder.load(at, align=size, typ=e.vector) for at in (following, here, place))
            builder.store(e.sub(e.sub(one, other), old), place, align=size)
            return []

        e.loop(I64(0), count, [], each)

    return signature_of(acc, values, step, slopes, count), nothing(generate)


@intrinsic
def add_vectors(typing, acc, sums, values, count):
    """Add `count` aligned vectors to the sums."""
    arithmetic = dtype_of(acc)

    def generate(context, builder, signature, arguments):
        sums, values, count = arguments[1:]
        e = TapEmitter(builder, arithmetic)
        size = target().vector_bytes

        def each(k, _):
            offset = builder.mul(k, I64(size))
            place = e.at(sums, offset)
            one, old = (builder.load(at, align=size, typ=e.vector) for at in (e.at(values, offset), place))
            builder.store(e.add(one, old), place, align=size)
            return []

        e.loop(I64(0), count, [], each)

    return signature_of(acc, sums, values, count), nothing(generate)
