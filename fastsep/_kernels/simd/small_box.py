"""Register tiles of `small_box`: sums of integers down columns and along rows, and what they are divided by.

As in `simd.fir`, dtypes are static and no address is checked.
"""

from __future__ import annotations

from llvmlite import ir
from numba.extending import intrinsic

from fastsep._kernels.arguments import BOX_ROWS
from fastsep._kernels.simd.emitter import I32, I64, Emitter, declare
from fastsep._kernels.simd.memory import dtype_of, nothing, signature_of


@intrinsic
def add_rows(typing, src, acc, table, offset, vectors, size, sums):
    """Sums of the first `size` rows, `vectors` vectors of them."""
    source, arithmetic = dtype_of(src), dtype_of(acc)

    def generate(context, builder, signature, values):
        table, offset, vectors, size, sums = values[2:]
        e = Emitter(builder, arithmetic)

        def step(k, _):
            at = builder.add(offset, builder.mul(k, I64(e.count * source.itemsize)))

            def add(j, totals):
                return [e.add(totals[0], e.load(builder.add(e.word(table, j), at), source))]

            (total,) = e.loop(I64(0), size, [e.splat(0)], add)
            builder.store(total, e.at(builder.add(sums, builder.mul(k, I64(e.count * arithmetic.itemsize)))), align=1)
            return []

        e.loop(I64(0), vectors, [], step)

    return signature_of(src, acc, table, offset, vectors, size, sums), nothing(generate)


@intrinsic
def slide_down(typing, src, acc, table, offset, vectors, size, kept, sums, row, division):
    """Sums of `size` rows for `BOX_ROWS` rows of results, which go to `sums`, `row` bytes apart.

    Those at `kept` are of the first `size` rows. From each row to the next one value is added and one subtracted, and
    the last ones are kept for the next time. `division`: address of how sums are divided; 0: they are not.
    """
    source, arithmetic = dtype_of(src), dtype_of(acc)

    def generate(context, builder, signature, values):
        table, offset, vectors, size, kept, sums, row, division = values[2:]
        e = Emitter(builder, arithmetic)
        leaving = [builder.add(e.word(table, I64(r)), offset) for r in range(BOX_ROWS)]
        entering = [builder.add(e.word(table, builder.add(size, I64(r))), offset) for r in range(BOX_ROWS)]
        into = [builder.add(sums, builder.mul(row, I64(r))) for r in range(BOX_ROWS)]

        def slide(store):
            def step(k, _):
                at = builder.mul(k, I64(e.count * source.itemsize))
                to = builder.mul(k, I64(e.count * arithmetic.itemsize))
                total = e.load(builder.add(kept, to), arithmetic)
                for old, new, line in zip(leaving, entering, into, strict=True):
                    change = e.sub(e.load(builder.add(new, at), source), e.load(builder.add(old, at), source))
                    total = e.add(total, change)
                    builder.store(store(total), e.at(builder.add(line, to)), align=1)
                builder.store(total, e.at(builder.add(kept, to)), align=1)
                return []

            e.loop(I64(0), vectors, [], step)
            return []

        divided = builder.zext(builder.icmp_signed("!=", division, I64(0)), I64)
        e.switch(divided, {0: lambda: slide(lambda total: total), 1: lambda: slide(divider(e, division))})

    arguments = (src, acc, table, offset, vectors, size, kept, sums, row, division)
    return signature_of(*arguments), nothing(generate)


@intrinsic
def mean_along(typing, acc, dst, sums, row, vectors, size, step, division, targets, place):
    """Means of `size` sums, `step` bytes apart, of `BOX_ROWS` rows of them, `row` bytes apart.

    `vectors` vectors of row r go to targets[r] + place. `division`: address of how sums are divided.
    """
    arithmetic, result = dtype_of(acc), dtype_of(dst)

    def generate(context, builder, signature, values):
        sums, row, vectors, size, step, division, targets, place = values[2:]
        e = Emitter(builder, arithmetic)
        divide = divider(e, division)
        lines = [builder.add(sums, builder.mul(row, I64(r))) for r in range(BOX_ROWS)]
        into = [builder.add(e.word(targets, I64(r)), place) for r in range(BOX_ROWS)]
        kind = ir.VectorType(ir.IntType(8 * result.itemsize), e.count)

        def along(k, _):
            start = builder.mul(k, I64(e.count * arithmetic.itemsize))
            to = builder.mul(k, I64(e.count * result.itemsize))

            def load(at):
                return [e.load(builder.add(line, at), arithmetic) for line in lines]

            def add(at, totals):
                return [e.add(total, value) for total, value in zip(totals, load(at), strict=True)]

            # From address to address: the compiler cannot tell how often, or it would unroll the loop and have no
            # registers for all the addresses.
            second, stop = builder.add(start, step), builder.add(start, builder.mul(step, size))
            totals = e.loop(second, stop, load(start), add, step=step)
            for total, line in zip(totals, into, strict=True):
                mean = divide(total)
                if result.itemsize < arithmetic.itemsize:
                    mean = builder.trunc(mean, kind)
                builder.store(mean, e.at(builder.add(line, to)), align=1)
            return []

        e.loop(I64(0), vectors, [], along)

    return signature_of(acc, dst, sums, row, vectors, size, step, division, targets, place), nothing(generate)


def divider(e, division):
    """How vectors are divided by what stands at the address `division`: see `_plan.division`."""
    b = e.b
    if e.acc.itemsize == 4:
        floats = ir.VectorType(ir.FloatType(), e.count)
        divisor, magic = (b.bitcast(e.broadcast(division, I64(k)), floats) for k in range(2))

        def divide_as_floats(total):
            quotient = b.fdiv(b.sitofp(total, floats), divisor)
            return b.fptosi(b.fsub(b.fadd(quotient, magic), magic), e.vector)

        return divide_as_floats

    add, multiplier, scale, divisor, tie = (e.broadcast(division, I64(k)) for k in range(5))
    name = f"llvm.umul.fix.v{e.count}i16"
    high = declare(b.module, ir.FunctionType(e.vector, [e.vector, e.vector, I32]), name)

    def divide(total):
        total = e.add(total, add)
        quotient = total
        for factor in (multiplier, scale):
            quotient = b.call(high, [quotient, factor, I32(16)])
        middle = b.icmp_unsigned("==", e.sub(total, e.mul(quotient, divisor)), tie)
        odd = b.and_(quotient, e.splat(1))
        return e.sub(quotient, b.select(middle, odd, e.splat(0)))

    return divide
