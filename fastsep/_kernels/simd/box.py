"""Register tiles of `box`: sums over windows, and of the groups that they are made of.

As in `simd.fir`, dtypes are static and no address is checked.
"""

from __future__ import annotations

from numba.extending import intrinsic

from fastsep._kernels.arguments import BOX_GROUP
from fastsep._kernels.jit import target
from fastsep._kernels.simd.emitter import I64, Emitter, lanes
from fastsep._kernels.simd.memory import dtype_of, nothing, signature_of
from fastsep._kernels.simd.taps import TapEmitter


def group_count(dtype) -> int:
    """Rows or columns of a group."""
    return BOX_GROUP // dtype.itemsize


def window_sums(e, element, group, n, groups, rest, ones, size):
    """sums[r] = element(r) + ... + element(r + size - 1), for r < n: no subtraction.

    With size = n * (1 + groups) + rest a window is the end of one group of n inputs, `groups`
    whole ones, whose sums group(k) gives, and the start of another. Ends and starts are running
    sums, so an output costs about five additions whatever the size. A window shorter than a
    group (groups < 0) is added up as it stands, with `ones` for taps.
    """
    b = e.b

    def long():
        ends = [element(I64(n - 1))]
        for r in range(n - 2, -1, -1):
            ends.append(e.add(element(I64(r)), ends[-1]))
        (middle,) = e.loop(I64(0), groups, [e.splat(0)], lambda k, c: [e.add(c[0], group(k))])
        first = b.mul(b.add(groups, I64(1)), I64(n))
        (start,) = e.loop(I64(0), rest, [middle], lambda k, c: [e.add(c[0], element(b.add(first, k)))])
        first = b.add(first, rest)
        sums = []
        for r in range(n):
            if r:
                start = e.add(start, element(b.add(first, I64(r - 1))))
            sums.append(e.add(ends[n - 1 - r], start))
        return sums

    def short():
        sums = []
        outputs = max(lanes(e.acc) ** 2 // e.count, 1)  # as many as there are registers for
        for first in range(0, n, outputs):
            sums += e.fir(lambda j, first=first: element(b.add(j, I64(first))), ones, size, None, outputs)
        return sums

    is_short = b.icmp_signed("<", groups, I64(0))
    return e.switch(b.zext(is_short, I64), {0: long, 1: short})


@intrinsic
def sum_group(typing, src, acc, table, offset, out):
    """Sum of a group of rows, as wide as a group."""
    source, arithmetic = dtype_of(src), dtype_of(acc)

    def generate(context, builder, signature, values):
        table, offset, out = values[2:]
        e = Emitter(builder, arithmetic, group_count(arithmetic))
        total = None
        for r in range(e.count):
            value = e.load(builder.add(e.word(table, I64(r)), offset), source)
            total = value if total is None else e.add(total, value)
        builder.store(total, e.at(out), align=BOX_GROUP)

    return signature_of(src, acc, table, offset, out), nothing(generate)


@intrinsic
def sum_columns(typing, acc, strip, step, out):
    """Sum of a group of columns of a strip, `step` bytes apart."""
    arithmetic = dtype_of(acc)

    def generate(context, builder, signature, values):
        strip, step, out = values[1:]
        e = Emitter(builder, arithmetic)
        size = target().vector_bytes
        total = None
        for r in range(group_count(arithmetic)):
            at = e.at(strip, builder.mul(I64(r), step))
            value = builder.load(at, align=size, typ=e.vector)
            total = value if total is None else e.add(total, value)
        builder.store(total, e.at(out), align=size)

    return signature_of(acc, strip, step, out), nothing(generate)


def _to_strips(tokens, *arguments):
    """The intrinsic `box_to_strips` or one like it: `tokens` are its dtypes.

    Of three dtypes the last one is what means are cast to.
    """
    source, arithmetic = dtype_of(tokens[0]), dtype_of(tokens[1])

    def generate(context, builder, signature, values):
        table, offset, group_table, group_offset, groups, rest, ones, size, strip, strip_bytes, *area = values[
            len(tokens) :
        ]
        e, part = TapEmitter(builder, arithmetic, group_count(arithmetic)), Emitter(builder, arithmetic)
        vector = target().vector_bytes

        def element(j):
            return e.load(builder.add(e.word(table, j), offset), source)

        def group(k):
            at = e.at(builder.add(e.word(group_table, k), group_offset))
            return builder.load(at, align=BOX_GROUP, typ=e.vector)

        rows = window_sums(e, element, group, e.count, groups, rest, ones, size)
        if area:
            result, height = dtype_of(tokens[2]), e.broadcast(*area, I64(1))

            def means():
                return [e.convert(e.cast(builder.fdiv(value, height), result), result) for value in rows]

            # A window of one row leaves columns alone: they are not cast.
            several = builder.zext(builder.icmp_signed(">", size, I64(1)), I64)
            rows = e.switch(several, {0: lambda: rows, 1: means})
        for first in range(0, e.count, part.count):
            at = builder.add(strip, builder.mul(I64(first // part.count), strip_bytes))
            for start in range(0, e.count, part.count):
                picks = range(start, start + part.count)
                block = [e.shuffle(row, row, picks) for row in rows[first : first + part.count]]
                for k, column in enumerate(part.transpose(block), start):
                    builder.store(column, e.at(at, k * vector), align=vector)

    return signature_of(*tokens, *arguments), nothing(generate)


@intrinsic
def box_to_strips(
    typing, src, acc, table, offset, group_table, group_offset, groups, rest, ones, size, strip, strip_bytes
):  # fmt: skip
    """Vertical window sums of a group of rows, as wide as a group, stored transposed as columns.

    `lanes` rows go to each strip; `strip_bytes`: from strip to strip.
    """
    return _to_strips(
        (src, acc), table, offset, group_table, group_offset, groups, rest, ones, size, strip, strip_bytes
    )


@intrinsic
def means_to_strips(
    typing, src, acc, dst, table, offset, group_table, group_offset, groups, rest, ones, size, strip, strip_bytes, area
):  # fmt: skip
    """`box_to_strips` of means, cast to `dst`: sums are divided by the second number at `area`, unless `size` is 1."""
    return _to_strips(
        (src, acc, dst), table, offset, group_table, group_offset, groups, rest, ones, size, strip, strip_bytes, area
    )


@intrinsic
def box_along_strip(typing, acc, strip, step, group_sums, groups, rest, ones, size, area):
    """Window sums of a group of columns of a strip, divided by the number at `area`, in place."""
    arithmetic = dtype_of(acc)

    def generate(context, builder, signature, values):
        strip, step, group_sums, groups, rest, ones, size, area = values[1:]
        e = TapEmitter(builder, arithmetic)
        vector = target().vector_bytes

        def element(j):
            at = e.at(strip, builder.mul(j, step))
            return builder.load(at, align=vector, typ=e.vector)

        def group(k):
            at = e.at(group_sums, builder.mul(k, step))
            return builder.load(at, align=vector, typ=e.vector)

        sums = window_sums(e, element, group, group_count(arithmetic), groups, rest, ones, size)
        divisor = e.broadcast(area, I64(0))
        for r, value in enumerate(sums):
            mean = builder.fdiv(value, divisor)
            builder.store(mean, e.at(strip, builder.mul(I64(r), step)), align=vector)

    arguments = (acc, strip, step, group_sums, groups, rest, ones, size, area)
    return signature_of(*arguments), nothing(generate)
