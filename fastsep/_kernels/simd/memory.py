"""Words, bytes and vectors in memory: read, set, copied, converted, prefetched; and calls by address."""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.numpy_support import as_dtype

from fastsep._kernels.jit import target
from fastsep._kernels.simd.emitter import I32, I64, POINTER, Emitter, declare, scalar_type

BYTES = np.dtype(np.uint8)


def dtype_of(token):
    return as_dtype(token.dtype)


def signature_of(*arguments):
    """Dtype tokens and literals as they are, everything else as int64."""
    kept = (types.DType, types.Literal)
    return types.void(*[a if isinstance(a, kept) else types.int64 for a in arguments])


def nothing(generate):
    """`generate` as the code of an intrinsic that gives no result."""

    def generate_nothing(context, builder, signature, values):
        generate(context, builder, signature, values)
        return context.get_dummy_value()

    return generate_nothing


@intrinsic
def copy_bytes(typing, target_address, source_address, count):
    """memmove."""

    def generate(context, builder, signature, values):
        to, source, count = values
        kind = ir.FunctionType(ir.VoidType(), [POINTER, POINTER, I64, ir.IntType(1)])
        move = declare(builder.module, kind, "llvm.memmove.p0.p0.i64")
        pointers = [builder.inttoptr(v, POINTER) for v in (to, source)]
        builder.call(move, [*pointers, count, ir.IntType(1)(0)])

    return signature_of(target_address, source_address, count), nothing(generate)


@intrinsic
def clear_bytes(typing, address, count):
    """memset to zero."""

    def generate(context, builder, signature, values):
        address, count = values
        kind = ir.FunctionType(ir.VoidType(), [POINTER, ir.IntType(8), I64, ir.IntType(1)])
        fill = declare(builder.module, kind, "llvm.memset.p0.i64")
        builder.call(fill, [builder.inttoptr(address, POINTER), ir.IntType(8)(0), count, ir.IntType(1)(0)])

    return signature_of(address, count), nothing(generate)


@intrinsic
def copy_value(typing, src, to, source):
    """Copy one value of dtype `src`."""
    kind = scalar_type(dtype_of(src))

    def generate(context, builder, signature, values):
        to, source = (builder.inttoptr(v, POINTER) for v in values[1:])
        builder.store(builder.load(source, align=1, typ=kind), to, align=1)

    return signature_of(src, to, source), nothing(generate)


@intrinsic(prefer_literal=True)
def copy_values(typing, src, count, to, source):
    """Copy `count` values of dtype `src`, a number known when this is compiled."""
    values_at_once = count.literal_value

    def generate(context, builder, signature, values):
        kind = ir.VectorType(scalar_type(dtype_of(src)), values_at_once)
        to, source = (builder.inttoptr(v, POINTER) for v in values[2:])
        builder.store(builder.load(source, align=1, typ=kind), to, align=1)

    return signature_of(src, count, to, source), nothing(generate)


@intrinsic
def convert_values(typing, src, acc, to, source, count):
    """Copy `count` values of dtype `src` as `acc`: whole vectors, then one by one."""
    origin, arithmetic = dtype_of(src), dtype_of(acc)

    def generate(context, builder, signature, values):
        to, source, count = values[2:]
        e = Emitter(builder, arithmetic)

        def copy(index, load):
            place = builder.add(source, builder.mul(index, I64(origin.itemsize)))
            into = builder.add(to, builder.mul(index, I64(arithmetic.itemsize)))
            builder.store(load(place), e.at(into), align=1)
            return []

        vectors = builder.sdiv(count, I64(e.count))
        e.loop(I64(0), vectors, [], lambda k, _: copy(builder.mul(k, I64(e.count)), lambda at: e.load(at, origin)))
        start = builder.mul(vectors, I64(e.count))
        e.loop(start, count, [], lambda k, _: copy(k, lambda at: e.load_scalar(at, origin)))

    return signature_of(src, acc, to, source, count), nothing(generate)


@intrinsic
def any_beyond(typing, src, address, count, limit):
    """1 if any of `count` values is NaN or larger in magnitude than the number at `limit`, else 0."""
    dtype = dtype_of(src)

    def generate(context, builder, signature, values):
        address, count, limit = values[1:]
        e = Emitter(builder, dtype)
        flags = ir.VectorType(ir.IntType(1), e.count)
        most = e.broadcast(limit, I64(0))
        size = dtype.itemsize

        def look(value, found):
            return [builder.or_(found, builder.fcmp_unordered(">", e.magnitude(value), most))]

        def vector(k, found):
            return look(e.load(builder.add(address, builder.mul(k, I64(e.count * size))), dtype), *found)

        def single(k, found):
            return look(e.splat(e.load_scalar(builder.add(address, builder.mul(k, I64(size))), dtype)), *found)

        vectors = builder.udiv(count, I64(e.count))
        found = e.loop(I64(0), vectors, [ir.Constant(flags, None)], vector)
        (found,) = e.loop(builder.mul(vectors, I64(e.count)), count, found, single)
        bits = ir.IntType(e.count)
        return builder.zext(builder.icmp_unsigned("!=", builder.bitcast(found, bits), bits(0)), I64)

    return types.int64(src, types.int64, types.int64, types.int64), generate


@intrinsic
def word(typing, address, index):
    """The int64 number `index` of the array at `address`."""

    def generate(context, builder, signature, values):
        address, index = values
        pointer = builder.inttoptr(builder.add(address, builder.mul(index, I64(8))), POINTER)
        return builder.load(pointer, align=8, typ=I64)

    return types.int64(types.int64, types.int64), generate


@intrinsic
def set_word(typing, address, index, value):
    """Store an int64."""

    def generate(context, builder, signature, values):
        address, index, value = values
        pointer = builder.inttoptr(builder.add(address, builder.mul(index, I64(8))), POINTER)
        builder.store(value, pointer, align=8)

    return signature_of(address, index, value), nothing(generate)


@intrinsic
def copy_vector(typing, acc, to, source):
    """Copy one aligned vector."""
    arithmetic = dtype_of(acc)

    def generate(context, builder, signature, values):
        e = Emitter(builder, arithmetic)
        size = target().vector_bytes
        value = builder.load(e.at(values[2]), align=size, typ=e.vector)
        builder.store(value, e.at(values[1]), align=size)

    return signature_of(acc, to, source), nothing(generate)


@intrinsic
def negate_vector(typing, acc, to, source):
    """Copy one aligned vector with its signs turned."""
    arithmetic = dtype_of(acc)

    def generate(context, builder, signature, values):
        e = Emitter(builder, arithmetic)
        size = target().vector_bytes
        value = builder.load(e.at(values[2]), align=size, typ=e.vector)
        builder.store(builder.fneg(value), e.at(values[1]), align=size)

    return signature_of(acc, to, source), nothing(generate)


@intrinsic
def fill_vector(typing, acc, to, source):
    """Fill one aligned vector with the scalar of the arithmetic dtype at address `source`."""
    arithmetic = dtype_of(acc)

    def generate(context, builder, signature, values):
        e = Emitter(builder, arithmetic)
        value = e.broadcast(values[2], I64(0))
        builder.store(value, e.at(values[1]), align=target().vector_bytes)

    return signature_of(acc, to, source), nothing(generate)


@intrinsic(prefer_literal=True)
def prefetch_rows(typing, acc, count, address, row_bytes):
    """Ask for one cache line of each of `count` rows, a literal."""
    return _prefetching(acc, count)


@intrinsic(prefer_literal=True)
def prefetch_targets(typing, acc, count, address, row_bytes):
    """`prefetch_rows` of rows that are to be written."""
    return _prefetching(acc, count, write=True, level=1)


def _prefetching(acc, count, **how):
    arithmetic, rows = dtype_of(acc), count.literal_value

    def generate(context, builder, signature, values):
        address, row_bytes = values[2:]
        e = Emitter(builder, arithmetic)
        for r in range(rows):
            e.prefetch(builder.add(address, builder.mul(I64(r), row_bytes)), **how)

    return types.void(acc, count, types.int64, types.int64), nothing(generate)


@intrinsic
def call(typing, address, first, second):
    """Call the kernel at `address`, with Numba's native calling convention."""

    def generate(context, builder, signature, values):
        kind = ir.FunctionType(I32, [POINTER, POINTER, I64, I64])
        address, first, second = values
        unused = cgutils.alloca_once(builder, I64, size=2)
        function = builder.inttoptr(address, kind.as_pointer())
        builder.call(function, [unused, unused, first, second])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate
