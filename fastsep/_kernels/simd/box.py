"""Register tiles of `box`: sums over windows, and of the groups that they are made of.

As in `simd.fir`, dtypes are static and no address is checked.
"""

from __future__ import annotations

from numba.extending import intrinsic

from fastsep._kernels.arguments import BOX_GROUP
from fastsep._kernels.jit import target
from fastsep._kernels.simd.emitter import I64, Emitter
from fastsep._kernels.simd.memory import dtype_of, nothing, signature_of


def group_count(dtype) -> int:
    """Rows or columns of a group."""
    return BOX_GROUP // dtype.itemsize


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
        e, part = Emitter(builder, arithmetic, group_count(arithmetic)), Emitter(builder, arithmetic)
        vector = target().vector_bytes

        def element(j):
            return e.load(builder.add(e.word(table, j), offset), source)

        def group(k):
            at = e.at(builder.add(e.word(group_table, k), group_offset))
            return builder.load(at, align=BOX_GROUP, typ=e.vector)

        rows = e.box(element, group, e.count, groups, rest, ones, size)
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
        e = Emitter(builder, arithmetic)
        vector = target().vector_bytes

        def element(j):
            at = e.at(strip, builder.mul(j, step))
            return builder.load(at, align=vector, typ=e.vector)

        def group(k):
            at = e.at(group_sums, builder.mul(k, step))
            return builder.load(at, align=vector, typ=e.vector)

        sums = e.box(element, group, group_count(arithmetic), groups, rest, ones, size)
        divisor = e.broadcast(area, I64(0))
        for r, value in enumerate(sums):
            mean = builder.fdiv(value, divisor)
            builder.store(mean, e.at(strip, builder.mul(I64(r), step)), align=vector)

    arguments = (acc, strip, step, group_sums, groups, rest, ones, size, area)
    return signature_of(*arguments), nothing(generate)
