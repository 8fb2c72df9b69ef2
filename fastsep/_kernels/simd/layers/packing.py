"""Pixels as tiles read them, and results as the caller does: converted, spread over planes, interleaved."""

from __future__ import annotations

from llvmlite import ir
from numba.extending import intrinsic

from fastsep._kernels.simd.emitter import I32, I64, scalar_type
from fastsep._kernels.simd.layers.tile import Tile
from fastsep._kernels.simd.memory import dtype_of, nothing, signature_of


@intrinsic
def pack_pixels(typing, src, acc, address, step, count, groups, to, group_step):
    """Convert `groups` neighbouring blocks of `count` pixels, `step` bytes apart.

    The pixels of a block follow each other, blocks are `group_step` bytes apart. Pixel by pixel, as
    they lie in memory: images that are not in the cache are read at full speed.
    """
    source, arithmetic = dtype_of(src), dtype_of(acc)

    def generate(context, builder, signature, values):
        address, step, count, groups, to, group_step = values[2:]
        e = Tile(builder, arithmetic)

        def pixel(i, carried):
            address, to = carried

            def block(k, carried):
                address, to = carried
                e.b.store(e.load(address, source), e.at(to), align=e.size)
                return [builder.add(address, I64(e.count * source.itemsize)), builder.add(to, group_step)]

            e.loop(I64(0), groups, [address, to], block)
            return [builder.add(address, step), builder.add(to, I64(e.size))]

        e.loop(I64(0), count, [address, to], pixel)

    return signature_of(src, acc, address, step, count, groups, to, group_step), nothing(generate)


@intrinsic
def pack_values(typing, src, acc, address, step, count, to):
    """Convert `count` values, `step` bytes apart, to values that follow each other."""
    source, arithmetic = dtype_of(src), dtype_of(acc)
    scalar = scalar_type(source)

    def generate(context, builder, signature, values):
        address, step, count, to = values[2:]
        e = Tile(builder, arithmetic)
        whole = builder.sdiv(count, I64(e.count))

        def gather(address, number):
            gathered = ir.Constant(ir.VectorType(scalar, e.count), ir.Undefined)
            for lane in range(number):
                value = builder.load(e.at(address), align=1, typ=scalar)
                gathered = builder.insert_element(gathered, value, I32(lane))
                address = builder.add(address, step)
            return e.convert(gathered, source), address

        def vectors(i, carried):
            address, to = carried
            gathered, address = gather(address, e.count)
            builder.store(gathered, e.at(to), align=e.acc.itemsize)
            return [address, builder.add(to, I64(e.size))]

        def single(i, carried):
            address, to = carried
            gathered, address = gather(address, 1)
            value = builder.extract_element(gathered, I32(0))
            builder.store(value, e.at(to), align=e.acc.itemsize)
            return [address, builder.add(to, I64(e.acc.itemsize))]

        carried = e.loop(I64(0), whole, [address, to], vectors)
        e.loop(builder.mul(whole, I64(e.count)), count, carried, single)

    return signature_of(src, acc, address, step, count, to), nothing(generate)


@intrinsic(prefer_literal=True)
def pack_channels(typing, src, acc, channels, stride, address, count, to, group_step):
    """Convert `count` pixels of a few channels, `stride` pixels apart, to planes `group_step` bytes apart.

    At least a vector of pixels; the last vectors overlap with those before. What is under a vector of each plane
    is loaded once and taken apart in registers, for three channels and stride 1 by 2 shuffles a plane.
    """
    source, arithmetic = dtype_of(src), dtype_of(acc)
    number, pace = channels.literal_value, stride.literal_value

    def generate(context, builder, signature, values):
        address, count, to, group_step = values[4:]
        e = Tile(builder, arithmetic)
        each = arithmetic.itemsize
        last = builder.sub(count, I64(e.count))
        vectors = builder.sdiv(builder.add(count, I64(e.count - 1)), I64(e.count))
        # The last of the loaded vectors ends with the last pixel: behind it nothing may be read.
        end = (e.count - 1) * pace * number + number
        places = [min(k * e.count, end - e.count) for k in range(-(-end // e.count))]

        def body(i, carried):
            at = builder.mul(i, I64(e.count))
            at = builder.select(builder.icmp_signed("<", at, last), at, last)
            start = builder.add(address, builder.mul(at, I64(pace * number * source.itemsize)))
            parts = [e.load(builder.add(start, I64(place * source.itemsize)), source) for place in places]
            place = builder.add(to, builder.mul(at, I64(each)))
            for channel in range(number):
                # Lane i of the plane is value (i * pace * number + channel) of the parts.
                wanted = [divmod(lane * pace * number + channel, e.count) for lane in range(e.count)]
                wanted = [(k, k * e.count + lane - places[k]) for k, lane in wanted]
                plane = parts[0]
                for k in range(1, len(parts)):
                    picks = []
                    for lane, (part, value) in enumerate(wanted):
                        kept = value if k == 1 and part == 0 else lane
                        picks.append(e.count + value if part == k else kept)
                    plane = e.shuffle(plane, parts[k], picks)
                builder.store(plane, e.at(builder.add(place, builder.mul(group_step, I64(channel)))), align=each)
            return []

        e.loop(I64(0), vectors, [], body)

    return signature_of(src, acc, channels, stride, address, count, to, group_step), nothing(generate)


@intrinsic
def pack_row(typing, src, acc, address, count, to):
    """Convert `count` values that follow each other, in whole vectors of which the last overlap.

    With fewer values than a vector holds, a vector is read and written all the same.
    """
    source, arithmetic = dtype_of(src), dtype_of(acc)

    def generate(context, builder, signature, values):
        address, count, to = values[2:]
        e = Tile(builder, arithmetic)
        last = builder.sub(count, I64(e.count))
        last = builder.select(builder.icmp_signed("<", last, I64(0)), I64(0), last)
        vectors = builder.sdiv(builder.add(count, I64(e.count - 1)), I64(e.count))

        def body(i, carried):
            at = builder.mul(i, I64(e.count))
            at = builder.select(builder.icmp_signed("<", at, last), at, last)
            value = e.load(builder.add(address, builder.mul(at, I64(source.itemsize))), source)
            place = builder.add(to, builder.mul(at, I64(e.acc.itemsize)))
            builder.store(value, e.at(place), align=e.acc.itemsize)
            return []

        e.loop(I64(0), vectors, [], body)

    return signature_of(src, acc, address, count, to), nothing(generate)


@intrinsic(prefer_literal=True)
def join(typing, acc, number, address, step, to):
    """Interleave `number` vectors, `step` bytes apart: all first lanes, all second lanes, ..."""
    arithmetic = dtype_of(acc)
    parts = number.literal_value

    def generate(context, builder, signature, values):
        address, step, to = values[2:]
        e = Tile(builder, arithmetic)
        loaded = [e.unaligned(address, builder.mul(step, I64(k))) for k in range(parts)]
        for place in range(parts):
            # Lane i is lane v // parts of part v % parts, where v = place * count + i.
            wanted = [divmod(place * e.count + i, parts) for i in range(e.count)]
            joined = loaded[0]
            for k in range(1, parts):
                picks = []
                for i, (lane, part) in enumerate(wanted):
                    kept = lane if k == 1 and part == 0 else i
                    picks.append(e.count + lane if part == k else kept)
                joined = e.shuffle(joined, loaded[k], picks)
            builder.store(joined, e.at(to, place * e.size), align=e.acc.itemsize)

    return signature_of(acc, number, address, step, to), nothing(generate)


@intrinsic
def transpose(typing, acc, address, step, to, to_step):
    """Store lane i of all of `lanes` vectors, `step` bytes apart, `to_step` * i bytes after `to`."""
    arithmetic = dtype_of(acc)

    def generate(context, builder, signature, values):
        address, step, to, to_step = values[1:]
        e = Tile(builder, arithmetic)
        rows = [e.unaligned(address, builder.mul(step, I64(k))) for k in range(e.count)]
        for i, value in enumerate(e.transpose(rows)):
            builder.store(value, e.at(to, builder.mul(to_step, I64(i))), align=e.acc.itemsize)

    return signature_of(acc, address, step, to, to_step), nothing(generate)


@intrinsic
def fill_vectors(typing, acc, value, count, to):
    """Store the value at address `value` in `count` vectors."""
    arithmetic = dtype_of(acc)

    def generate(context, builder, signature, values):
        value, count, to = values[1:]
        e = Tile(builder, arithmetic)
        filled = e.scalar_at(value)

        def body(i, carried):
            builder.store(filled, e.at(carried[0]), align=e.size)
            return [builder.add(carried[0], I64(e.size))]

        e.loop(I64(0), count, [to], body)

    return signature_of(acc, value, count, to), nothing(generate)


@intrinsic
def copy_value(typing, acc, address, to):
    """Copy one value."""
    arithmetic = dtype_of(acc)

    def generate(context, builder, signature, values):
        address, to = values[1:]
        e = Tile(builder, arithmetic)
        value = builder.load(e.at(address), align=e.acc.itemsize, typ=e.scalar)
        builder.store(value, e.at(to), align=e.acc.itemsize)

    return signature_of(acc, address, to), nothing(generate)


@intrinsic
def copy_vectors(typing, acc, address, step, count, to):
    """Copy `count` vectors, `step` bytes apart, to where they follow each other."""
    arithmetic = dtype_of(acc)

    def generate(context, builder, signature, values):
        address, step, count, to = values[1:]
        e = Tile(builder, arithmetic)

        def body(i, carried):
            address, to = carried
            builder.store(e.aligned(address), e.at(to), align=e.size)
            return [builder.add(address, step), builder.add(to, I64(e.size))]

        e.loop(I64(0), count, [address, to], body)

    return signature_of(acc, address, step, count, to), nothing(generate)
