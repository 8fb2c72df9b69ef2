"""Intrinsics for results that equal SciPy's and scikit-image's to the last bit: their order of operations.

Products are rounded before they are added; nothing else differs from the tiles of `simd.fir`.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from fastsep._kernels.arguments import CENTRE, SYMMETRIC
from fastsep._kernels.jit import target
from fastsep._kernels.simd.emitter import I64, Emitter, tile
from fastsep._kernels.simd.memory import BYTES, dtype_of, nothing, signature_of
from fastsep._kernels.simd.taps import TapEmitter


@intrinsic
def exact_to_strip(typing, src, acc, table, offset, strip, taps, count, scale):
    """`fir.fir_to_strip` for symmetric taps; values are multiplied by the first of two numbers at `scale` first.

    The second is 1 (see `TapEmitter.fir_outside_in`).
    """
    source, arithmetic = dtype_of(src), dtype_of(acc)

    def generate(context, builder, signature, values):
        table, offset, strip, taps, count, scale = values[2:]
        e = TapEmitter(builder, arithmetic)
        factor, one = e.broadcast(scale, I64(0)), e.broadcast(scale, I64(1))
        rows = []
        outputs = tile(arithmetic)
        for first in range(0, e.count, outputs):
            start = builder.add(table, I64(8 * first))

            def element(j, start=start):
                return e.mul(e.load(builder.add(e.word(start, j), offset), source), factor)

            rows += e.fir_outside_in(element, taps, count, one, outputs)
        size = target().vector_bytes
        for k, column in enumerate(e.transpose(rows)):
            builder.store(column, e.at(strip, k * size), align=size)

    return signature_of(src, acc, table, offset, strip, taps, count, scale), nothing(generate)


@intrinsic(prefer_literal=True)
def divided_from_strip(typing, acc, exact, strip, taps, count, scale, table, offset, divisor):
    """`fir.fir_from_strip` for symmetric taps; with `divisor`, results are divided by the number there.

    The inverse of the divisor follows it. `exact`: in SciPy's order, for a literal of 1.
    """
    arithmetic, in_order = dtype_of(acc), bool(exact.literal_value)

    def generate(context, builder, signature, values):
        strip, taps, count, scale, table, offset, divisor = values[2:]
        e = TapEmitter(builder, arithmetic)
        one = e.broadcast(scale, I64(1))
        size = target().vector_bytes
        outputs = tile(arithmetic)
        columns = []
        for first in range(0, e.count, outputs):
            start = builder.add(strip, I64(first * size))

            def element(j, start=start):
                at = e.at(start, builder.mul(j, I64(size)))
                return builder.load(at, align=size, typ=e.vector)

            if in_order:
                columns += e.fir_outside_in(element, taps, count, one, outputs)
            else:
                columns += e.fir(element, taps, count, I64(SYMMETRIC + CENTRE), outputs)

        def divided():
            by, inverse = e.broadcast(divisor, I64(0)), e.broadcast(divisor, I64(1))
            return [e.divide(column, by, inverse) for column in columns]

        e.store_transposed(e.switch(divisor, {0: lambda: columns, 1: divided}), table, offset, arithmetic)

    return signature_of(acc, exact, strip, taps, count, scale, table, offset, divisor), nothing(generate)


@intrinsic
def divide_vector(typing, acc, address, divisors, inverses):
    """Divide one vector at `address`, in place."""
    arithmetic = dtype_of(acc)

    def generate(context, builder, signature, values):
        address, divisors, inverses = values[1:]
        e = Emitter(builder, arithmetic)
        value, divisor, inverse = (e.load(place, arithmetic) for place in (address, divisors, inverses))
        builder.store(e.divide(value, divisor, inverse), e.at(address), align=1)

    return signature_of(acc, address, divisors, inverses), nothing(generate)


def sobel(e, pixels):
    """The derivative along the first axis of 3 x 3 vectors, in SciPy's order and not scaled."""
    above, here, below = pixels
    # The tap of zero counts in SciPy: it turns an infinite value into NaN.
    down = [e.muladd(e.splat(0), here[k], e.sub(below[k], above[k])) for k in range(3)]
    return e.muladd(e.splat(2), down[1], e.add(down[0], down[2]))


@intrinsic
def suppress(typing, acc, image, image_row, above, here, below, vectors, limits, out, weak, strong):
    """Non-maximum suppression of `vectors` vectors of pixels, and two thresholds; a byte for each pixel.

    `above`, `here`, `below`: addresses of the magnitudes of three rows, `image`: of the middle row of
    the image whose gradient they are; neighbours on all sides are read, too. A pixel is kept if its
    magnitude is at least the first of `limits` and at least that on both sides across the edge,
    interpolated between the two neighbours that the gradient points between. It becomes `strong` if it is
    at least the second limit, too, else `weak`; all others become 0.
    """
    arithmetic = dtype_of(acc)

    def generate(context, builder, signature, values):
        image, image_row, above, here, below, vectors, limits, out, weak, strong = values[1:]
        b, e = builder, Emitter(builder, arithmetic)
        size = arithmetic.itemsize
        mask = ir.IntType(e.count)
        low, high = e.broadcast(limits, I64(0)), e.broadcast(limits, I64(1))
        zero, one = e.splat(0), e.splat(1)
        weak, strong = _bytes(b, e.count, weak), _bytes(b, e.count, strong)
        none = ir.Constant(weak.type, None)

        def step(k, _):
            offset = b.mul(k, I64(e.count * size))
            to = e.at(out, b.mul(k, I64(e.count)))

            def at(row, shift=0):
                return e.load(b.add(b.add(row, offset), I64(shift * size)), arithmetic)

            middle = at(here)
            enough = b.fcmp_ordered(">=", middle, low)
            some = b.icmp_unsigned("!=", b.bitcast(enough, mask), mask(0))
            look = b.append_basic_block("look")
            skip = b.append_basic_block("skip")
            after = b.append_basic_block("after")
            # Most vectors of a photograph hold no edge.
            b.cbranch(some, look, skip)
            b.position_at_end(skip)
            b.store(none, to, align=1)
            b.branch(after)
            b.position_at_end(look)
            # The gradient again, which costs less than to store and load it for all pixels.
            pixels = [[at(b.add(image, b.mul(image_row, I64(r))), c) for c in (-1, 0, 1)] for r in (-1, 0, 1)]
            y, x = sobel(e, pixels), sobel(e, list(zip(*pixels, strict=True)))
            # The same sign, or none: the gradient points down right or up left.
            falling = b.or_(
                b.and_(b.fcmp_ordered(">=", y, zero), b.fcmp_ordered(">=", x, zero)),
                b.and_(b.fcmp_ordered("<=", y, zero), b.fcmp_ordered("<=", x, zero)),
            )
            size_y, size_x = e.magnitude(y), e.magnitude(x)
            # Where both are equal the weight is 1 and the choice without effect but for infinite magnitudes.
            steeper, flatter = b.fcmp_ordered(">", size_y, size_x), b.fcmp_ordered("<", size_y, size_x)
            steep = b.select(falling, steeper, b.not_(flatter))
            weight = e.b.fdiv(b.select(steep, size_x, size_y), b.select(steep, size_y, size_x))
            rest = e.sub(one, weight)
            keep = enough
            # One side: below, or right, and between them; the other side mirrored.
            for row, shift in ((below, 1), (above, -1)):
                straight = b.select(steep, at(row), b.select(falling, at(here, shift), at(here, -shift)))
                slanted = b.select(falling, at(row, shift), at(row, -shift))
                value = e.add(e.mul(slanted, weight), e.mul(straight, rest))
                keep = b.and_(keep, b.fcmp_ordered("<=", value, middle))
            result = b.select(b.fcmp_ordered(">=", middle, high), strong, weak)
            b.store(b.select(keep, result, none), to, align=1)
            b.branch(after)
            b.position_at_end(after)
            return []

        e.loop(I64(0), vectors, [], step)

    arguments = (acc, image, image_row, above, here, below, vectors, limits, out, weak, strong)
    return signature_of(*arguments), nothing(generate)


@intrinsic
def classify(typing, src, address, vectors, limits, out, weak, strong):
    """A byte for each of `vectors` vectors of values: `strong` above both limits, `weak` above the first, else 0."""
    dtype = dtype_of(src)

    def generate(context, builder, signature, values):
        address, vectors, limits, out, weak, strong = values[1:]
        b, e = builder, Emitter(builder, dtype)
        low, high = e.broadcast(limits, I64(0)), e.broadcast(limits, I64(1))
        weak, strong = _bytes(b, e.count, weak), _bytes(b, e.count, strong)

        def step(k, _):
            value = e.load(b.add(address, b.mul(k, I64(e.count * dtype.itemsize))), dtype)
            code = b.select(b.fcmp_ordered(">", value, high), strong, weak)
            code = b.select(b.fcmp_ordered(">", value, low), code, ir.Constant(weak.type, None))
            b.store(code, e.at(out, b.mul(k, I64(e.count))), align=1)
            return []

        e.loop(I64(0), vectors, [], step)

    return signature_of(src, address, vectors, limits, out, weak, strong), nothing(generate)


def _bytes(b, count, value):
    """`count` equal bytes."""
    vector = ir.VectorType(ir.IntType(8), count)
    one = b.insert_element(ir.Constant(vector, ir.Undefined), b.trunc(value, ir.IntType(8)), ir.IntType(32)(0))
    return b.shuffle_vector(one, one, ir.Constant(ir.VectorType(ir.IntType(32), count), None))


@intrinsic
def byte(typing, address, index):
    """The byte number `index` of those at `address`."""

    def generate(context, builder, signature, values):
        place = builder.inttoptr(builder.add(*values), ir.PointerType())
        return builder.zext(builder.load(place, align=1, typ=ir.IntType(8)), I64)

    return types.int64(types.int64, types.int64), generate


@intrinsic
def set_byte(typing, address, index, value):
    """Set it."""

    def generate(context, builder, signature, values):
        place = builder.inttoptr(builder.add(*values[:2]), ir.PointerType())
        builder.store(builder.trunc(values[2], ir.IntType(8)), place, align=1)

    return signature_of(address, index, value), nothing(generate)


@intrinsic
def next_byte(typing, address, start, stop, value):
    """The first index of `start` .. `stop` - 1 whose byte is `value`, else `stop`: a vector of bytes at a time."""

    def generate(context, builder, signature, values):
        address, start, stop, value = values
        b = builder
        e = Emitter(builder, BYTES)
        value = b.trunc(value, ir.IntType(8))
        wanted = e.splat(value)
        mask = ir.IntType(e.count)
        head, wide, on, hit, tail, single, step, end = (
            b.append_basic_block(name) for name in ("head", "wide", "on", "hit", "tail", "single", "step", "end")
        )
        before = b.block
        b.branch(head)
        b.position_at_end(head)
        index = b.phi(I64)
        index.add_incoming(start, before)
        following = b.add(index, I64(e.count))
        b.cbranch(b.icmp_signed("<=", following, stop), wide, tail)
        b.position_at_end(wide)
        found = b.bitcast(b.icmp_unsigned("==", e.load(b.add(address, index), BYTES), wanted), mask)
        b.cbranch(b.icmp_unsigned("!=", found, mask(0)), hit, on)
        b.position_at_end(on)
        index.add_incoming(following, on)
        b.branch(head)
        b.position_at_end(hit)
        inside = b.add(index, _as_word(b, b.cttz(found, ir.IntType(1)(1))))
        b.branch(end)
        # Fewer bytes than a vector has are left.
        b.position_at_end(tail)
        place = b.phi(I64)
        place.add_incoming(index, head)
        b.cbranch(b.icmp_signed("<", place, stop), single, end)
        b.position_at_end(single)
        here = b.load(e.at(address, place), align=1, typ=ir.IntType(8))
        b.cbranch(b.icmp_unsigned("==", here, value), end, step)
        b.position_at_end(step)
        place.add_incoming(b.add(place, I64(1)), step)
        b.branch(tail)
        b.position_at_end(end)
        result = b.phi(I64)
        for source, block in ((inside, hit), (stop, tail), (place, single)):
            result.add_incoming(source, block)
        return result

    return types.int64(*[types.int64] * 4), generate


def _as_word(b, value):
    return b.zext(value, I64) if value.type.width < 64 else value


@intrinsic
def beside_byte(typing, address, start, lines, count, reach, weak, strong):
    """Which of the bytes from `start` on, one for each byte of a vector, are `weak` and have a `strong` neighbour.

    Neighbours are the bytes before and behind, and of each of `count` lines, whose distances stand at
    `lines`, the nearest and `reach` to either side of it. Returns how far away the first one is, or
    the vector's length if there is none.
    """

    def generate(context, builder, signature, values):
        address, start, lines, count, reach, weak, strong = values
        b = builder
        e = Emitter(builder, BYTES)
        wanted, other = (e.splat(b.trunc(value, ir.IntType(8))) for value in (weak, strong))
        here = b.add(address, start)
        mask = ir.IntType(e.count)

        def compare(shift, value):
            same = b.icmp_unsigned("==", e.load(b.add(here, shift), BYTES), value)
            return b.bitcast(same, mask)

        def line(k, found):
            shift = e.word(lines, k)
            return e.loop(
                b.neg(reach), b.add(reach, I64(1)), found, lambda x, c: [b.or_(c[0], compare(b.add(shift, x), other))]
            )

        beside = b.or_(compare(I64(-1), other), compare(I64(1), other))
        (beside,) = e.loop(I64(0), count, [beside], line)
        found = b.and_(compare(I64(0), wanted), beside)
        return _as_word(b, b.cttz(found, ir.IntType(1)(0)))

    return types.int64(*[types.int64] * 7), generate


@intrinsic
def keep_bytes(typing, address, start, stop, value):
    """Make 1 of each of these bytes that is `value`, 0 of all others."""

    def generate(context, builder, signature, values):
        address, start, stop, value = values
        b = builder
        e = Emitter(builder, BYTES)
        value = b.trunc(value, ir.IntType(8))
        wanted = e.splat(value)

        def wide(k, _):
            place = b.add(b.add(address, start), b.mul(k, I64(e.count)))
            same = b.icmp_unsigned("==", e.load(place, BYTES), wanted)
            b.store(b.zext(same, e.vector), e.at(place), align=1)
            return []

        def single(k, _):
            place = e.at(b.add(address, k))
            same = b.icmp_unsigned("==", b.load(place, align=1, typ=ir.IntType(8)), value)
            b.store(b.zext(same, ir.IntType(8)), place, align=1)
            return []

        vectors = b.sdiv(b.sub(stop, start), I64(e.count))
        e.loop(I64(0), vectors, [], wide)
        e.loop(b.add(start, b.mul(vectors, I64(e.count))), stop, [], single)

    return signature_of(address, start, stop, value), nothing(generate)
