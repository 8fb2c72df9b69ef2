"""The register tile of dense kernels: taps in runs along columns."""

from __future__ import annotations

from numba.core import types
from numba.extending import intrinsic

from fastsep._kernels.arguments import Run
from fastsep._kernels.simd.emitter import I64, WRITE_AHEAD
from fastsep._kernels.simd.memory import dtype_of, nothing
from fastsep._kernels.simd.taps import TapEmitter


@intrinsic(prefer_literal=True)
def dense_tile(typing, acc, dst, form, height, runs, count, table, offset, targets, place, centre, shift, total):
    """Dense correlation of `height` rows, one vector wide, stored at targets[r] + place.

    `form`: as in `filters.dense`. `runs`: address of `count` runs of taps (see `arguments`); table[j]: the address of
    source row j. "differences": taps apply to differences (see `TapEmitter.slide_differences`), those of the first
    pixel of a run from one pixel of the window: that of output row r lies in the row centre[r], `shift` bytes from its
    left end; `total`: address of the sum of all taps, by which it counts itself.
    """
    arithmetic, result = dtype_of(acc), dtype_of(dst)
    rows = height.literal_value
    differences, ordered = form.literal_value == "differences", form.literal_value == "ordered cast"
    cast = form.literal_value.endswith("cast")

    def generate(context, builder, signature, values):
        runs, count, table, offset, targets, place, centre, shift, total = values[4:]
        e = TapEmitter(builder, arithmetic)
        sums, middles = [e.splat(0)] * rows, None
        if differences:
            column = builder.add(offset, shift)
            middles = [e.load(builder.add(e.word(centre, I64(r)), column), arithmetic) for r in range(rows)]
            sums = [e.mul(e.broadcast(total, I64(0)), middle) for middle in middles]

        def run(k, sums):
            words = builder.add(runs, builder.mul(k, I64(8 * Run.length)))
            first = builder.add(table, builder.mul(e.word(words, I64(Run.row)), I64(8)))
            column = builder.add(offset, e.word(words, I64(Run.offset)))

            def element(j):
                return e.load(builder.add(e.word(first, j), column), arithmetic)

            taps, count = e.word(words, I64(Run.taps)), e.word(words, I64(Run.count))
            if ordered:
                tap = e.broadcast(taps, I64(0))
                return [e.add(total, e.mul(tap, element(I64(r)))) for r, total in enumerate(sums)]
            if differences:
                return e.slide_differences(element, taps, count, sums, middles)
            return e.slide(element, taps, count, sums, False)

        sums = e.loop(I64(0), count, sums, run)
        for r, value in enumerate(sums):
            to = builder.add(e.word(targets, I64(r)), place)
            e.store(value, to, result, cast=cast)
            # As many streams as there are rows are too many for the hardware.
            e.prefetch(builder.add(to, I64(WRITE_AHEAD)), write=True, level=1)

    arguments = [runs, count, table, offset, targets, place]
    middle = [types.int64 if differences else centre, types.int64, types.int64]
    return types.void(acc, dst, form, height, *[types.int64] * len(arguments), *middle), nothing(generate)
