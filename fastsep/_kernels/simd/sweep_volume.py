"""Derivatives of volumes along rows: whole vectors of a few rows of one plane, from three planes, and on to the next.

As in `simd.sweep`, dtypes are static and no address is checked.
"""

from __future__ import annotations

from numba.core import types
from numba.extending import intrinsic

from fastsep._kernels.jit import sweep_bytes
from fastsep._kernels.simd.emitter import I64, Emitter
from fastsep._kernels.simd.memory import dtype_of, nothing


@intrinsic(prefer_literal=True)
def gradient_sweep(
    typing, src, acc, dst, form, channels, height, before, here, behind, offset, vectors, targets, place,
    ahead, further, taps,
):  # fmt: skip
    """3 x 3 x 3 derivatives of `height` rows of a plane, along `vectors` vectors of columns.

    `form` names the results with "+" between them: "dz", "dy", "dx", "magnitude", "orientation". `before`, `here` and
    `behind` are tables of rows of three planes, of which the first is the row above the first one of the results.
    `ahead`: where as many rows begin, one behind the other, that are to be fetched meanwhile; `further`: bytes from the
    results to those that are made next. `taps`: how often the middle one of three values counts in a smoothing, and
    what results are multiplied by. All else is as in `sweep.gradient_sweep`.

    Differences come first. What is beside a pixel is shuffled out of the registers of what has been summed up along
    the other axes; pixels of the rows of three planes would not fit there, and differences along rows are loaded.
    """
    source, arithmetic, result = dtype_of(src), dtype_of(acc), dtype_of(dst)
    names, shift, rows = form.literal_value.split("+"), channels.literal_value, height.literal_value
    wanted = {"dz", "dy", "dx"} if "magnitude" in names else set(names)
    wanted |= {"dy", "dx"} if "orientation" in names else set()
    summed = [name for name in ("dz", "dy") if name in wanted]  # with neighbours in registers

    def generate(context, builder, signature, values):
        *tables, offset, vectors, targets, place, ahead, further, taps = values[6:]
        e = Emitter(
            builder, arithmetic, sweep_bytes(form.literal_value, 2 * shift, arithmetic.itemsize) // arithmetic.itemsize
        )
        middle, factor = e.broadcast(taps, I64(0)), e.broadcast(taps, I64(1))
        source_step, result_step = I64(e.count * source.itemsize), I64(e.count * result.itemsize)
        pixel = shift * source.itemsize
        planes = [[builder.add(e.word(table, I64(r)), offset) for r in range(rows + 2)] for table in tables]
        into = [builder.add(e.word(targets, I64(r)), place) for r in range(rows * len(names))]
        following = [
            builder.add(builder.add(e.word(targets, I64(number * rows)), further), builder.mul(place, I64(rows)))
            for number in range(len(names))
        ]

        def load(r, at):
            return [e.load(builder.add(lines[r], at), source) for lines in planes]

        def smooth(before, here, after):
            return e.muladd(middle, here, e.add(before, after))

        def differences(after, before):
            return [e.sub(one, other) for one, other in zip(after, before, strict=True)]

        def along_row(before, here, after):
            return smooth(e.neighbours(before, here, e.count - shift), here, e.neighbours(here, after, shift))

        def sums(at):
            """Of each row of results, one after the other, what `summed` names before it is smoothed along rows."""
            around, depths = [], []
            for r in range(rows + 2):
                around.append(load(r, at))
                depths.append(e.sub(around[r][2], around[r][0]) if "dz" in wanted else None)
                if r < 2:
                    continue
                made = {}
                if "dz" in wanted:
                    made["dz"] = smooth(*depths[-3:])
                if "dy" in wanted:
                    made["dy"] = smooth(*differences(around[r], around[r - 2]))
                yield [made[name] for name in summed]

        def slopes(at):
            """Of each row of results, one after the other, what pixels differ by from those two further right, smoothed
            along the other axes."""
            across = []
            for r in range(rows + 2):
                across.append(smooth(*differences(load(r, builder.add(at, I64(2 * pixel))), load(r, at))))
                if r >= 2:
                    yield smooth(*across[-3:])

        def value_of(name, found):
            if name == "magnitude":  # of what comes out: squares of larger numbers would overflow sooner
                dz, dy, dx = (value_of(each, found) for each in ("dz", "dy", "dx"))
                return e.sqrt(e.muladd(dx, dx, e.muladd(dy, dy, e.mul(dz, dz))))
            if name == "orientation":  # of the derivatives as they come out
                return e.arctan2(value_of("dy", found), value_of("dx", found))
            return e.mul(found[name], factor)

        def step(k, carried):
            left, carried = carried[:beside], carried[beside:]
            kept = len(carried) // 2
            before, here, after = carried[:kept], carried[kept:], []
            now, to = builder.mul(k, source_step), builder.mul(k, result_step)
            # Line after line, and row after row: short rows side by side, in one page, are no stream that the hardware
            # would foresee. (Measured, 256^3: 17 ms; 19 in the order in which they are used, 28 without.)
            for r in range(rows):
                number = builder.add(builder.mul(k, I64(rows)), I64(r))
                e.prefetch(builder.add(ahead, builder.mul(number, source_step)))
                for row in following:
                    e.prefetch(builder.add(row, builder.mul(number, result_step)), write=True, level=1)
            across = slopes(now)
            made, last = [], []
            # Row by row, so that few vectors are alive at a time.
            for r, new in enumerate(sums(builder.add(now, source_step))):
                found = {}
                for name, value in zip(summed, new, strict=True):
                    found[name] = along_row(before[len(after)], here[len(after)], value)
                    after.append(value)
                if "dx" in wanted:
                    last.append(next(across))
                    found["dx"] = e.neighbours(left[r], last[r], e.count - shift)
                for number, name in enumerate(names):
                    made.append((value_of(name, found), builder.add(into[number * rows + r], to)))
            for value, address in made:
                e.store(value, address, result)
            return [*last, *here, *after]

        back = I64(-e.count * source.itemsize)
        first = list(slopes(back)) if "dx" in wanted else []
        beside = len(first)
        begin = [value for at in (back, I64(0)) for row in sums(at) for value in row]
        e.loop(I64(0), vectors, [*first, *begin], step)

    tokens = [src, acc, dst, form, channels, height]
    return types.void(*tokens, *[types.int64] * 10), nothing(generate)
