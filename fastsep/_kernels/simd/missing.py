"""Pixels that are missing: looked for, replaced by zeros beside weights, and results divided by shares of weight.

As in `memory`, dtypes come first. `how` is a literal and says which values are meant: "nan", "equal" to a number or
"unequal" to it; "none".
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from fastsep._kernels.simd.emitter import I64, Emitter, scalar_type
from fastsep._kernels.simd.memory import dtype_of, nothing
from fastsep._kernels.simd.sweep import gradient_value

#: Vectors that are looked at in one go.
LOOKED_AT = 4


def _is_meant(b, dtype, how, value, number):
    """Which lanes of a vector of `dtype` are meant."""
    if how == "nan":
        return b.fcmp_unordered("uno", value, value)
    sign = "==" if how == "equal" else "!="
    if dtype.kind == "f":
        return (b.fcmp_ordered if how == "equal" else b.fcmp_unordered)(sign, value, number)
    return b.icmp_signed(sign, value, number)


@intrinsic(prefer_literal=True)
def any_meant(typing, src, how, address, count, number):
    """1 if any of `count` values at `address` is meant, else 0; `number`: address of what they are compared with."""
    dtype, which = dtype_of(src), how.literal_value

    def generate(context, builder, signature, values):
        address, count, number = values[2:]
        e = Emitter(builder, dtype)
        size = dtype.itemsize
        flags, bits = ir.VectorType(ir.IntType(1), e.count), ir.IntType(e.count)
        with_number = None if which == "nan" else e.broadcast(number, I64(0))

        def at(index):
            return builder.add(address, builder.mul(index, I64(size)))

        def look(value, found):
            return builder.or_(found, _is_meant(builder, dtype, which, value, with_number))

        def several(k, found):
            (found,) = found
            first = at(builder.mul(k, I64(LOOKED_AT * e.count)))
            loaded = [e.load(builder.add(first, I64(n * e.count * size)), dtype) for n in range(LOOKED_AT)]
            if which == "nan":  # two vectors with one comparison
                for one, other in zip(loaded[::2], loaded[1::2], strict=True):
                    found = builder.or_(found, builder.fcmp_unordered("uno", one, other))
                return [found]
            for value in loaded:
                found = look(value, found)
            return [found]

        def single(k, found):
            return [look(e.splat(e.load_scalar(at(k), dtype)), *found)]

        groups = builder.udiv(count, I64(LOOKED_AT * e.count))
        found = e.loop(I64(0), groups, [ir.Constant(flags, None)], several)
        (found,) = e.loop(builder.mul(groups, I64(LOOKED_AT * e.count)), count, found, single)
        return builder.zext(builder.icmp_unsigned("!=", builder.bitcast(found, bits), bits(0)), I64)

    return types.int64(src, how, types.int64, types.int64, types.int64), generate


@intrinsic
def spread(typing, src, acc, to, source, count, times):
    """Store each of `count` values of dtype `src` as `times` of `acc`; and up to a vector behind the last one."""
    origin, arithmetic = dtype_of(src), dtype_of(acc)

    def generate(context, builder, signature, values):
        to, source, count, times = values[2:]
        e = Emitter(builder, arithmetic)
        pixel = builder.mul(times, I64(arithmetic.itemsize))

        def store(k, _):
            value = e.splat(e.load_scalar(builder.add(source, builder.mul(k, I64(origin.itemsize))), origin))
            first = builder.add(to, builder.mul(k, pixel))

            def again(n, _):
                builder.store(value, e.at(first, builder.mul(n, I64(arithmetic.itemsize))), align=1)
                return []

            e.loop(I64(0), times, [], again, step=I64(e.count))
            return []

        e.loop(I64(0), count, [], store)

    return types.void(src, acc, types.int64, types.int64, types.int64, types.int64), nothing(generate)


@intrinsic(prefer_literal=True)
def select(typing, src, acc, how, weighing, source, given, vectors, number, pixels, weights):
    """Of `vectors` vectors store the pixels, with zeros for those that are missing, and their weights.

    `weighing`: "none": a pixel's weight is 1; "mask": that at `given`, 1 or 0; "product": any, and pixels are
    multiplied by it. Pixels keep their dtype, but that products are of the arithmetic's.
    """
    origin, arithmetic = dtype_of(src), dtype_of(acc)
    which, rule = how.literal_value, weighing.literal_value

    def generate(context, builder, signature, values):
        source, given, vectors, number, pixels, weights = values[4:]
        b, e = builder, Emitter(builder, arithmetic)
        kind = ir.VectorType(scalar_type(origin), e.count)
        zero, nothing_there = e.splat(0), ir.Constant(kind, None)
        with_number = None
        if which == "equal":
            with_number = Emitter(builder, origin, e.count).broadcast(number, I64(0))

        def vector(k, _):
            first = b.mul(k, I64(e.count))
            value = b.load(e.at(source, b.mul(first, I64(origin.itemsize))), align=1, typ=kind)
            along = b.mul(first, I64(arithmetic.itemsize))
            missing, weight = None, e.splat(1)
            if rule != "none":
                weight = e.load(b.add(given, along), arithmetic)
                missing = b.fcmp_unordered("<=", weight, zero)
            if which != "none":
                meant = _is_meant(b, origin, which, value, with_number)
                missing = meant if missing is None else b.or_(missing, meant)
            if rule == "product":
                value = b.select(missing, zero, e.mul(e.convert(value, origin), weight))
            elif missing is not None:  # else only what lies outside has no weight
                value = b.select(missing, nothing_there, value)
            if missing is not None:
                weight = b.select(missing, zero, weight)
            size = arithmetic.itemsize if rule == "product" else origin.itemsize
            b.store(value, e.at(pixels, b.mul(first, I64(size))), align=1)
            b.store(weight, e.at(weights, along), align=1)
            return []

        e.loop(I64(0), vectors, [], vector)

    return types.void(src, acc, how, weighing, *[types.int64] * 6), nothing(generate)


@intrinsic(prefer_literal=True)
def normalize(
    typing, sums_dtype, acc, dst, ways, sums, totals, weights, vectors, numbers, out, absent, streamed, ahead,
):  # fmt: skip
    """Store `vectors` vectors of sums, divided by the share of the kernel's weight that was found.

    `numbers`: address of the total of full weight, the least share of it that makes a result, what stands for others,
    and the shares from which and up to which weight is full. `ways`: of words "keep": nor has a pixel a result whose
    own weight, at `weights`, is 0; "over": where weight is full, what there is stays; "told": store at `absent` a byte
    for each result, 1 where there is none; "only": results where that byte was 1, and what there is stays elsewhere.
    `streamed`: see `store_or_stream`. `ahead`: pixels to be fetched meanwhile, which take less time than divisions.
    """
    origin, arithmetic, result = (dtype_of(dtype) for dtype in (sums_dtype, acc, dst))
    chosen = ways.literal_value.split()

    def generate(context, builder, signature, values):
        sums, totals, weights, vectors, numbers, out, absent, streamed, ahead = values[4:]
        b, e = builder, Emitter(builder, arithmetic)
        full, least, fill, low, high = (e.broadcast(numbers, I64(k)) for k in range(5))
        byte = ir.VectorType(ir.IntType(8), e.count)

        def vector(k, _):
            first = b.mul(k, I64(e.count))
            along = b.mul(first, I64(arithmetic.itemsize))
            e.prefetch(b.add(ahead, along))
            share = b.fdiv(e.load(b.add(totals, along), arithmetic), full)
            whole = b.and_(b.fcmp_ordered(">=", share, low), b.fcmp_ordered("<=", share, high))
            share = b.select(whole, e.splat(1), share)
            value = b.fdiv(e.load(b.add(sums, b.mul(first, I64(origin.itemsize))), origin), share)
            missing = b.fcmp_unordered("<", share, least)
            if "keep" in chosen:
                weight = e.load(b.add(weights, along), arithmetic)
                missing = b.or_(missing, b.fcmp_ordered("==", weight, e.splat(0)))
            value = b.select(missing, fill, value)
            place = b.add(out, b.mul(first, I64(result.itemsize)))
            if "only" in chosen:
                wanted = b.trunc(b.load(e.at(b.add(absent, first)), align=1, typ=byte), missing.type)
                stays, missing = b.or_(missing, b.not_(wanted)), b.and_(missing, wanted)
            elif "over" in chosen:
                stays = b.and_(whole, b.not_(missing))
            if "only" in chosen or "over" in chosen:
                there = b.load(e.at(place), align=1, typ=ir.VectorType(scalar_type(result), e.count))
                b.store(b.select(stays, there, e.narrow(value, result)), e.at(place), align=1)
            else:
                e.store_or_stream([(value, place)], result, streamed)
            if "told" in chosen or "only" in chosen:
                b.store(b.zext(missing, byte), e.at(b.add(absent, first)), align=1)
            return []

        e.loop(I64(0), vectors, [], vector)

    return types.void(sums_dtype, acc, dst, ways, *[types.int64] * 9), nothing(generate)


@intrinsic(prefer_literal=True)
def combine(
    typing, src, kept, acc, dst, ways, ending, sums, sums_plane, totals, totals_plane, pixels, weights, vectors,
    numbers, targets, merged, ahead,
):  # fmt: skip
    """Store `vectors` vectors of each result that is made of several sums, of pixels and of their weights.

    They lie as many bytes from each other as `sums_plane` and `totals_plane` say. targets[k] is the address of result
    k. If `merged` is 1, the plain results are there; they stay where all weights under the kernel are 1. `ways` and
    `ahead`: as in `normalize`. `ending` says what is made, and which numbers follow the total of full weight, the least
    one that makes a result, and what stands for others:

    - "unsharp": the mask of one blur: 1 + amount, amount, limits of the result, what pixels are multiplied by;
    - "difference": of two blurs, the wider one, whose total is meant, last: the total of the other, and its least one;
    - outputs of a gradient, such as "dy+dx": of the blur and its derivatives along x and y, as far as they need them.
    """
    image, weight, arithmetic, result = (dtype_of(dtype) for dtype in (src, kept, acc, dst))
    keeps, names = "keep" in ways.literal_value, ending.literal_value.split("+")

    def generate(context, builder, signature, values):
        sums, sums_plane, totals, totals_plane, pixels, weights, vectors, numbers, targets, merged, ahead = values[6:]
        b, e = builder, Emitter(builder, arithmetic)
        full, least, fill, *others = (e.broadcast(numbers, I64(k)) for k in range(NUMBERS.get(names[0], 3)))
        into = [e.word(targets, I64(k)) for k in range(len(names))]

        def vector(k, _):
            first = b.mul(k, I64(e.count))
            along, place = b.mul(first, I64(arithmetic.itemsize)), b.mul(first, I64(image.itemsize))
            e.prefetch(b.add(ahead, place))

            def row(start, plane, number):
                return e.load(b.add(b.add(start, b.mul(plane, I64(number))), along), arithmetic)

            def sum_of(number):
                return row(sums, sums_plane, number)

            def total_of(number):
                return row(totals, totals_plane, number)

            if names == ["difference"]:
                total, narrow = total_of(1), total_of(0)
                missing = b.or_(b.fcmp_unordered("<", total, least), b.fcmp_unordered("<", narrow, others[1]))
                blurs = (e.mul(sum_of(0), b.fdiv(others[0], narrow)), e.mul(sum_of(1), b.fdiv(full, total)))
                made = [e.sub(*blurs)]
            elif names == ["unsharp"]:
                total = total_of(0)
                missing = b.fcmp_unordered("<", total, least)
                above, amount, low, high, scale = others
                own = e.mul(e.load(b.add(pixels, place), image), scale)
                blurred = e.mul(sum_of(0), b.fdiv(full, total))
                value = e.sub(e.mul(above, own), e.mul(amount, blurred))
                lacking = b.fcmp_ordered("==", _weight(e, weights, first, weight), e.splat(0))
                made = [e.clip(b.select(lacking, blurred, value), low, high)]
            else:
                total = total_of(0)
                missing = b.fcmp_unordered("<", total, least)
                inverse = b.fdiv(e.splat(1), total)
                mean = e.mul(sum_of(0), inverse)
                slopes = [None, None]  # along y and x
                for number, axis in enumerate(slope_axes(names), start=1):
                    slope = e.sub(sum_of(number), e.mul(mean, total_of(number)))
                    slopes[axis] = e.mul(slope, inverse)
                made = [gradient_value(e, name, *slopes, exact=True) for name in names]
            if keeps:
                missing = b.or_(missing, b.fcmp_ordered("==", _weight(e, weights, first, weight), e.splat(0)))
            made = [b.select(missing, fill, value) for value in made]
            places = [b.add(to, b.mul(first, I64(result.itemsize))) for to in into]
            complete = b.fcmp_ordered("==", total, full)

            def merge():
                return [b.select(complete, e.load(at, result), value) for at, value in zip(places, made, strict=True)]

            for value, at in zip(e.switch(merged, {0: lambda: made, 1: merge}), places, strict=True):
                e.store(value, at, result)
            return []

        e.loop(I64(0), vectors, [], vector)

    return types.void(src, kept, acc, dst, ways, ending, *[types.int64] * 11), nothing(generate)


#: How many numbers `combine` reads, if not three.
NUMBERS = {"unsharp": 8, "difference": 5}


def slope_axes(names):
    """Along which axes derivatives are needed for these outputs of a gradient, in the order of their sums."""
    return (1, 0) if {*names} - {"dy", "dx"} or len({*names}) > 1 else (("dy", "dx").index(names[0]),)


def _weight(e, weights, first, dtype):
    """A vector of weights."""
    return e.load(e.b.add(weights, e.b.mul(first, I64(dtype.itemsize))), dtype)
