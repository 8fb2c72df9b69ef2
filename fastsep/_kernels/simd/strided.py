"""Register tiles of taps that are applied at every n-th pixel alone.

In all intrinsics the dtypes come first; `taps` is the address of `count` taps in the arithmetic dtype. The order of
operations is that of `fir`, and so are the bits. None of them checks an address.

The first two are for any taps and strides. The others are for symmetric taps of a `radius` and for `STRIDE`, both
known when they are compiled: inputs that results share are loaded once.
"""

from __future__ import annotations

from numba.extending import intrinsic

from fastsep._kernels.arguments import LINE
from fastsep._kernels.jit import target
from fastsep._kernels.simd.emitter import I64, tile
from fastsep._kernels.simd.memory import dtype_of, nothing, signature_of
from fastsep._kernels.simd.taps import TapEmitter

#: The stride that has kernels of its own: that of pyramids.
STRIDE = 2


@intrinsic
def strided_to_strip(typing, src, acc, table, apart, offset, strip, taps, count, kind):
    """Filter `lanes` columns vertically at `lanes` rows and store them, transposed, as columns.

    `table`: address of an array of row addresses; its entry r * `apart` + k is the row under tap k of result r.
    `offset`: distance of the columns in bytes from a row's start.
    """
    source, arithmetic = dtype_of(src), dtype_of(acc)

    def generate(context, builder, signature, values):
        table, apart, offset, strip, taps, count, kind = values[2:]
        e = TapEmitter(builder, arithmetic)
        starts = [builder.add(table, builder.mul(apart, I64(8 * r))) for r in range(e.count)]
        rows = []
        # So many together that the addresses fit into registers, too.
        for first in range(0, e.count, tile(arithmetic)):

            def element(r, k, first=first):
                return _of_row(e, e.word(starts[first + r], k), offset, source)

            rows += e.fir_apart(element, taps, count, kind, tile(arithmetic))
        _store_columns(e, rows, strip)

    return signature_of(src, acc, table, apart, offset, strip, taps, count, kind), nothing(generate)


@intrinsic(prefer_literal=True)
def halves_to_strip(typing, src, acc, radius, table, offset, strip, taps):
    """`strided_to_strip`, where `apart` is `STRIDE`."""
    source, arithmetic, reach = dtype_of(src), dtype_of(acc), radius.literal_value

    def generate(context, builder, signature, values):
        table, offset, strip, taps = values[3:]
        e = TapEmitter(builder, arithmetic)
        _store_columns(
            e, _symmetric(e, lambda j: _of_row(e, e.word(table, I64(j)), offset, source), taps, reach), strip
        )

    return signature_of(src, acc, radius, table, offset, strip, taps), nothing(generate)


@intrinsic
def strided_along_strip(typing, acc, strip, step, stride, taps, count, kind, out):
    """Filter a strip, whose columns are `step` bytes apart, at `lanes` columns, `stride` bytes apart.

    The first one is that of which the column under the first tap is at `strip`. Results go to `out`, `step` bytes
    apart.
    """
    arithmetic = dtype_of(acc)

    def generate(context, builder, signature, values):
        strip, step, stride, taps, count, kind, out = values[1:]
        e = TapEmitter(builder, arithmetic)
        starts = [builder.add(strip, builder.mul(stride, I64(r))) for r in range(e.count)]

        def element(r, k):
            return _column(e, builder.add(starts[r], builder.mul(k, step)))

        _store_apart(e, e.fir_apart(element, taps, count, kind, e.count), out, step)

    return signature_of(acc, strip, step, stride, taps, count, kind, out), nothing(generate)


@intrinsic(prefer_literal=True)
def halves_along_strip(typing, acc, radius, strip, step, taps, out):
    """`strided_along_strip`, where `stride` is `STRIDE` steps."""
    arithmetic, reach = dtype_of(acc), radius.literal_value

    def generate(context, builder, signature, values):
        strip, step, taps, out = values[2:]
        e = TapEmitter(builder, arithmetic)

        def element(j):
            return _column(e, builder.add(strip, builder.mul(step, I64(j))))

        _store_apart(e, _symmetric(e, element, taps, reach), out, step)

    return signature_of(acc, radius, strip, step, taps, out), nothing(generate)


def _symmetric(e, element, taps, radius):
    """`lanes` results of symmetric taps, `STRIDE` inputs apart; element(j) loads input j."""
    tap = [e.broadcast(taps, I64(radius + k)) for k in range(radius + 1)]
    held = {}
    sums = []
    for r in range(e.count):
        middle = STRIDE * r + radius
        for j in range(middle - radius, middle + radius + 1):
            if j not in held:
                held[j] = element(j)
        total = e.mul(tap[0], held[middle])
        for k in range(1, radius + 1):
            total = e.muladd(tap[k], e.add(held[middle + k], held[middle - k]), total)
        sums.append(total)
    return sums


def _of_row(e, row, offset, source):
    """A vector of a row."""
    at = e.b.add(row, offset)
    e.prefetch(e.b.add(at, I64(LINE)), level=1)  # rows are too many streams for the hardware
    return e.load(at, source)


def _column(e, address):
    return e.b.load(e.at(address), align=target().vector_bytes, typ=e.vector)


def _store_columns(e, rows, strip):
    for k, column in enumerate(e.transpose(rows)):
        e.b.store(column, e.at(strip, k * target().vector_bytes), align=target().vector_bytes)


def _store_apart(e, columns, out, step):
    for r, column in enumerate(columns):
        e.b.store(column, e.at(out, e.b.mul(step, I64(r))), align=target().vector_bytes)
