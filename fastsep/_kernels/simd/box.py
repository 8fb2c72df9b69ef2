"""Register tiles of `box`: sums over windows, and of the groups that they are made of.

As in `simd.fir`, dtypes are static and no address is checked.
"""

from __future__ import annotations

from numba.extending import intrinsic

from fastsep._kernels.jit import target
from fastsep._kernels.simd.emitter import I64, Emitter
from fastsep._kernels.simd.memory import dtype_of, nothing, signature_of


@intrinsic
def sum_group(typing, src, acc, table, offset, out):
    """Sum of `lanes` rows, one vector wide."""
    source, arithmetic = dtype_of(src), dtype_of(acc)

    def generate(context, builder, signature, values):
        table, offset, out = values[2:]
        e = Emitter(builder, arithmetic)
        total = None
        for r in range(e.count):
            value = e.load(builder.add(e.word(table, I64(r)), offset), source)
            total = value if total is None else e.add(total, value)
        builder.store(total, e.at(out), align=target().vector_bytes)

    return signature_of(src, acc, table, offset, out), nothing(generate)


@intrinsic
def sum_columns(typing, acc, strip, step, out):
    """Sum of `lanes` columns of a strip, `step` bytes apart."""
    arithmetic = dtype_of(acc)

    def generate(context, builder, signature, values):
        strip, step, out = values[1:]
        e = Emitter(builder, arithmetic)
        size = target().vector_bytes
        total = None
        for r in range(e.count):
            at = e.at(strip, builder.mul(I64(r), step))
            value = builder.load(at, align=size, typ=e.vector)
            total = value if total is None else e.add(total, value)
        builder.store(total, e.at(out), align=size)

    return signature_of(acc, strip, step, out), nothing(generate)


def _to_strip(tokens, table, offset, group_table, group_offset, groups, rest, ones, size, strip, area=None):
    source, arithmetic = dtype_of(tokens[0]), dtype_of(tokens[1])

    def generate(context, builder, signature, values):
        table, offset, group_table, group_offset, groups, rest, ones, size, strip, *area = values[len(tokens) :]
        e = Emitter(builder, arithmetic)
        vector = target().vector_bytes

        def element(j):
            return e.load(builder.add(e.word(table, j), offset), source)

        def group(k):
            at = e.at(builder.add(e.word(group_table, k), group_offset))
            return builder.load(at, align=vector, typ=e.vector)

        rows = e.box(element, group, groups, rest, ones, size)
        if area:
            result, height = dtype_of(tokens[2]), e.broadcast(*area, I64(1))

            def means():
                return [e.convert(e.cast(builder.fdiv(value, height), result), result) for value in rows]

            # A window of one row leaves columns alone: they are not cast.
            several = builder.zext(builder.icmp_signed(">", size, I64(1)), I64)
            rows = e.switch(several, {0: lambda: rows, 1: means})
        for k, column in enumerate(e.transpose(rows)):
            builder.store(column, e.at(strip, k * vector), align=vector)

    more = () if area is None else (area,)
    arguments = (table, offset, group_table, group_offset, groups, rest, ones, size, strip, *more)
    return signature_of(*tokens, *arguments), nothing(generate)


@intrinsic
def box_to_strip(typing, src, acc, table, offset, group_table, group_offset, groups, rest, ones, size, strip):
    """Vertical window sums of `lanes` x `lanes` values, stored transposed as columns."""
    return _to_strip((src, acc), table, offset, group_table, group_offset, groups, rest, ones, size, strip)


@intrinsic
def means_to_strip(
    typing, src, acc, dst, table, offset, group_table, group_offset, groups, rest, ones, size, strip, area
):  # fmt: skip
    """`box_to_strip` of means, cast to `dst`: sums are divided by the second number at `area`, unless `size` is 1."""
    return _to_strip((src, acc, dst), table, offset, group_table, group_offset, groups, rest, ones, size, strip, area)


@intrinsic
def box_along_strip(typing, acc, strip, step, group_sums, groups, rest, ones, size, area):
    """Window sums of `lanes` columns of a strip, divided by the number at `area`, in place."""
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

        sums = e.box(element, group, groups, rest, ones, size)
        divisor = e.broadcast(area, I64(0))
        for r, value in enumerate(sums):
            mean = builder.fdiv(value, divisor)
            builder.store(mean, e.at(strip, builder.mul(I64(r), step)), align=vector)

    arguments = (acc, strip, step, group_sums, groups, rest, ones, size, area)
    return signature_of(*arguments), nothing(generate)
