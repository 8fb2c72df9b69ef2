"""Register tiles, emitted as LLVM vector IR. The only file of the package that knows vector lanes.

Every function here is a Numba intrinsic that takes dtypes (static: Numba types them), addresses and
counts, and emits straight-line vector code or one tap loop. None of them checks an address.

Two rules keep results bit-identical however an image is cut: one fixed order of taps for each
pixel, and multiply-add as `llvm.fmuladd` rather than through fastmath flags. `fmuladd` and not
`fma`: on a CPU without the instruction `fma` becomes a library call for every lane.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from fastsep._kernels.blocks import ANTISYMMETRIC, CENTRE, GENERAL, SPARSE, SYMMETRIC
from fastsep._kernels.jit import sweep_height, target

#: Bytes between a store and the cache line that is asked for beside it.
WRITE_AHEAD = 256

I32 = ir.IntType(32)
I64 = ir.IntType(64)
POINTER = ir.PointerType()


def lanes(dtype) -> int:
    """Values of `dtype` in one vector register."""
    return target().vector_bytes // dtype.itemsize


def tile(dtype) -> int:
    """Outputs that one register tile computes together.

    Eight sliding windows and eight sums fit in 32 vector registers, four and four in 16.
    """
    return min(target().tile, lanes(dtype))


# --- scalar and vector types ---------------------------------------------------------------------


def _scalar(dtype) -> ir.Type:
    if dtype.kind == "f":
        return ir.FloatType() if dtype.itemsize == 4 else ir.DoubleType()
    return ir.IntType(8 * dtype.itemsize)


def _dtype_of(token):
    from numba.np.numpy_support import as_dtype

    return as_dtype(token.dtype)


def _constant(vector: ir.VectorType, value) -> ir.Constant:
    return ir.Constant(vector, [value] * vector.count)


class Emitter:
    """Emits vector code for arithmetic in `acc` with `count` lanes at the builder's position."""

    def __init__(self, builder, acc):
        self.b = builder
        self.acc = acc
        self.count = lanes(acc)
        self.scalar = _scalar(acc)
        self.vector = ir.VectorType(self.scalar, self.count)
        self.float = acc.kind == "f"

    # addresses -----------------------------------------------------------------------------------

    def at(self, address, offset=0):
        if not isinstance(offset, int):
            address = self.b.add(address, offset)
        elif offset:
            address = self.b.add(address, I64(offset))
        return self.b.inttoptr(address, POINTER)

    def word(self, address, index):
        """The 64-bit integer number `index` of the table at `address`."""
        return self.b.load(self.at(address, self.b.mul(index, I64(8))), align=8, typ=I64)

    # loads and stores ----------------------------------------------------------------------------

    def load(self, address, dtype, align=1):
        """`count` values of `dtype` at `address`, converted to `acc`."""
        source = ir.VectorType(_scalar(dtype), self.count)
        value = self.b.load(self.at(address), align=align, typ=source)
        return self.convert(value, dtype)

    def convert(self, value, dtype):
        if dtype == self.acc:
            return value
        if not self.float:
            widen = self.b.zext if dtype.kind == "u" else self.b.sext
            return widen(value, self.vector)
        if dtype.kind == "f":
            return (self.b.fpext if dtype.itemsize < self.acc.itemsize else self.b.fptrunc)(
                value, self.vector
            )
        wide = ir.VectorType(I32, self.count)
        # Through int32: zero extension and a signed conversion are one instruction each.
        value = (self.b.zext if dtype.kind == "u" else self.b.sext)(value, wide)
        return self.b.sitofp(value, self.vector)

    def store(self, value, address, dtype, align=1):
        """Store `value` at `address` as `dtype`: integers rounded half to even and saturated."""
        self.b.store(self.narrow(value, dtype), self.at(address), align=align)

    def store_transposed(self, columns, table, offset, dtype):
        """Store `count` columns as pieces of the rows listed in `table`."""
        for r, row in enumerate(self.transpose(columns)):
            place = self.b.add(self.word(table, I64(r)), offset)
            self.store(row, place, dtype)
            # Results go to as many rows as there are lanes, too many streams for the hardware.
            self.prefetch(self.b.add(place, I64(WRITE_AHEAD)), write=True)

    def narrow(self, value, dtype):
        if dtype == self.acc:
            return value
        into = ir.VectorType(_scalar(dtype), self.count)
        if dtype.kind == "f":
            return (self.b.fptrunc if dtype.itemsize < self.acc.itemsize else self.b.fpext)(
                value, into
            )
        low = 0 if dtype.kind == "u" else -(1 << (8 * dtype.itemsize - 1))
        high = low + (1 << (8 * dtype.itemsize)) - 1
        value = self.clamp(value, self.splat(low), self.splat(high))
        # Adding 1.5 * 2^mantissa rounds half to even and leaves the integer in the low bits: one
        # addition on every CPU, where llvm.rint may be a library call. The clamp keeps it in range.
        magic = self.splat(1.5 * 2.0 ** (23 if self.acc.itemsize == 4 else 52))
        bits = ir.VectorType(ir.IntType(8 * self.acc.itemsize), self.count)
        return self.b.trunc(self.b.bitcast(self.b.fadd(value, magic), bits), into)

    def prefetch(self, address, write):
        """Ask for a cache line: into the second level for reading, the first for writing."""
        kind = ir.FunctionType(ir.VoidType(), [POINTER, I32, I32, I32])
        function = _declare(self.b.module, kind, "llvm.prefetch.p0")
        level = I32(3 if write else 2)
        self.b.call(function, [self.at(address), I32(int(write)), level, I32(1)])

    # arithmetic ----------------------------------------------------------------------------------

    def splat(self, value):
        """A vector of equal lanes, from a Python number or a scalar value."""
        if isinstance(value, (int, float)):
            return _constant(self.vector, float(value) if self.float else int(value))
        undefined = ir.Constant(self.vector, ir.Undefined)
        one = self.b.insert_element(undefined, value, I32(0))
        return self.b.shuffle_vector(one, undefined, _constant(ir.VectorType(I32, self.count), 0))

    def broadcast(self, address, index):
        """Lane-wide copy of tap number `index` of the table at `address`."""
        offset = self.b.mul(index, I64(self.acc.itemsize))
        value = self.b.load(self.at(address, offset), align=self.acc.itemsize, typ=self.scalar)
        return self.splat(value)

    def add(self, a, b):
        return self.b.fadd(a, b) if self.float else self.b.add(a, b)

    def sub(self, a, b):
        return self.b.fsub(a, b) if self.float else self.b.sub(a, b)

    def mul(self, a, b):
        return self.b.fmul(a, b) if self.float else self.b.mul(a, b)

    def muladd(self, a, b, c):
        if not self.float:
            return self.b.add(self.b.mul(a, b), c)
        name = f"llvm.fmuladd.v{self.count}f{8 * self.acc.itemsize}"
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        return self.b.call(_declare(self.b.module, kind, name), [a, b, c])

    def sqrt(self, a):
        name = f"llvm.sqrt.v{self.count}f{8 * self.acc.itemsize}"
        kind = ir.FunctionType(self.vector, [self.vector])
        return self.b.call(_declare(self.b.module, kind, name), [a])

    def clamp(self, value, low, high):
        """Limit to [low, high]; a NaN becomes `low`."""
        value = self.b.select(self.b.fcmp_ordered(">", value, low), value, low)
        return self.b.select(self.b.fcmp_ordered("<", value, high), value, high)

    def clip(self, value, low, high):
        """Limit to [low, high]; a NaN stays."""
        value = self.b.select(self.b.fcmp_ordered("<", value, low), low, value)
        return self.b.select(self.b.fcmp_ordered(">", value, high), high, value)

    # shuffles ------------------------------------------------------------------------------------

    def shuffle(self, a, b, picks):
        return self.b.shuffle_vector(a, b, ir.Constant(ir.VectorType(I32, len(picks)), list(picks)))

    def neighbours(self, a, b, shift):
        """Lanes `shift` .. `shift + count - 1` of `a` followed by `b`."""
        if shift == 0:
            return a
        if shift == self.count:
            return b
        return self.shuffle(a, b, range(shift, shift + self.count))

    def transpose(self, rows):
        """Transpose `count` vectors of `count` lanes.

        First inside 16-byte chunks with unpacks, then whole chunks with even/odd picks: each step
        is one instruction on SSE2, AVX2 and AVX-512 (64 for 16 x 16 float32).
        """
        n = self.count
        per_chunk = min(n, 16 // self.acc.itemsize)
        v = list(rows)
        width = 1
        while width < per_chunk:
            picks_low = self._unpack(per_chunk, width, 0)
            picks_high = self._unpack(per_chunk, width, per_chunk // 2)
            out = list(v)
            for group in range(0, n, 2 * width):
                for k in range(width):
                    a, b = v[group + k], v[group + width + k]
                    out[group + 2 * k] = self.shuffle(a, b, picks_low)
                    out[group + 2 * k + 1] = self.shuffle(a, b, picks_high)
            v = out
            width *= 2
        chunks = n // per_chunk
        if chunks == 1:
            return v
        for j in range(per_chunk):
            column = [v[g * per_chunk + j] for g in range(chunks)]
            for c, value in enumerate(self._transpose_chunks(column, per_chunk)):
                v[c * per_chunk + j] = value
        return v

    def _unpack(self, per_chunk, width, start):
        """Interleave groups of `width` lanes of two vectors, from one half of each chunk."""
        picks = []
        for chunk in range(0, self.count, per_chunk):
            for first in range(start, start + per_chunk // 2, width):
                picks += [chunk + first + k for k in range(width)]
                picks += [self.count + chunk + first + k for k in range(width)]
        return picks

    def _transpose_chunks(self, v, per_chunk):
        chunks = len(v)

        def picks(odd):
            take = [c for c in range(2 * chunks) if c % 2 == odd]
            return [c * per_chunk + k for c in take for k in range(per_chunk)]

        if chunks == 2:
            return [self.shuffle(v[0], v[1], picks(0)), self.shuffle(v[0], v[1], picks(1))]
        even = [self.shuffle(v[i], v[i + 1], picks(0)) for i in (0, 2)]
        odd = [self.shuffle(v[i], v[i + 1], picks(1)) for i in (0, 2)]
        return [
            self.shuffle(even[0], even[1], picks(0)),
            self.shuffle(odd[0], odd[1], picks(0)),
            self.shuffle(even[0], even[1], picks(1)),
            self.shuffle(odd[0], odd[1], picks(1)),
        ]

    # loops ---------------------------------------------------------------------------------------

    def loop(self, start, stop, carried, body):
        """for i in range(start, stop): carried = body(i, carried). Returns the last `carried`."""
        b = self.b
        before = b.block
        head = b.append_basic_block("taps")
        inside = b.append_basic_block("tap")
        after = b.append_basic_block("done")
        b.branch(head)
        b.position_at_end(head)
        index = b.phi(I64)
        index.add_incoming(start, before)
        phis = []
        for value in carried:
            phi = b.phi(value.type)
            phi.add_incoming(value, before)
            phis.append(phi)
        b.cbranch(b.icmp_signed("<", index, stop), inside, after)
        b.position_at_end(inside)
        values = body(index, phis)
        index.add_incoming(b.add(index, I64(1)), b.block)
        for phi, value in zip(phis, values, strict=True):
            phi.add_incoming(value, b.block)
        b.branch(head)
        b.position_at_end(after)
        return phis

    def switch(self, kind, cases):
        """Run the case whose key equals `kind`; each returns as many vectors as the others."""
        b = self.b
        end = b.append_basic_block("end")
        arms = []
        last = len(cases) - 1
        for number, (key, emit) in enumerate(cases.items()):
            if number < last:
                arm = b.append_basic_block("arm")
                other = b.append_basic_block("other")
                b.cbranch(b.icmp_signed("==", kind, I64(key)), arm, other)
                b.position_at_end(arm)
            values = emit()
            arms.append((b.block, values))
            b.branch(end)
            if number < last:
                b.position_at_end(other)
        b.position_at_end(end)
        merged = []
        for k in range(len(arms[0][1])):
            phi = b.phi(self.vector)
            for block, values in arms:
                phi.add_incoming(values[k], block)
            merged.append(phi)
        return merged

    # the FIR tile --------------------------------------------------------------------------------

    def fir(self, element, taps, count, kind, outputs):
        """sums[r] = sum over k of taps[k] * element(r + k), for r < `outputs`.

        `element(j)` loads input j, counted from the one under the first tap of the first output.
        Each input is loaded once: inputs slide through registers from tap to tap. With symmetric
        taps the two inputs that share a tap are added first, which halves the multiplications, and
        element(radius - 1) and element(radius + outputs) are loaded even when the radius is 0.
        `kind` None means GENERAL at compile time.
        """
        b = self.b
        one = I64(1)

        def general(skip):
            window = [element(I64(j)) for j in range(outputs - 1)]
            zero = self.splat(0)

            def step(k, carried):
                sums, held = carried[:outputs], carried[outputs:]
                held = [*held, element(b.add(k, I64(outputs - 1)))]
                tap = self.broadcast(taps, k)
                new = [self.muladd(tap, held[r], sums[r]) for r in range(outputs)]
                if skip:
                    # A zero tap is not multiplied: NaN and inf under it must not spread.
                    keep = b.fcmp_unordered("!=", tap, zero)
                    new = [b.select(keep, new[r], sums[r]) for r in range(outputs)]
                return [*new, *held[1:]]

            return self.loop(I64(0), count, [zero] * outputs + window, step)[:outputs]

        def paired(combine):
            radius = b.lshr(count, one)
            held = [element(b.add(b.sub(radius, one), I64(j))) for j in range(outputs + 2)]
            tap = self.broadcast(taps, radius)
            counts = b.icmp_signed("!=", b.and_(kind, I64(CENTRE)), I64(0))
            zero = self.splat(0)
            sums = [b.select(counts, self.mul(tap, held[r + 1]), zero) for r in range(outputs)]
            below, above = held[:outputs], held[2:]

            def step(k, carried):
                sums = carried[:outputs]
                below = carried[outputs : 2 * outputs]
                above = carried[2 * outputs :]
                tap = self.broadcast(taps, b.add(radius, k))
                sums = [
                    self.muladd(tap, combine(above[r], below[r]), sums[r]) for r in range(outputs)
                ]
                # One input further out on either side; the last step loads one it does not use.
                below = [element(b.sub(b.sub(radius, k), one)), *below[:-1]]
                above = [*above[1:], element(b.add(b.add(radius, k), I64(outputs)))]
                return [*sums, *below, *above]

            carried = [*sums, *below, *above]
            return self.loop(one, b.add(radius, one), carried, step)[:outputs]

        if kind is None:
            return general(skip=False)
        return self.switch(
            b.and_(kind, I64(CENTRE - 1)),
            {
                SYMMETRIC: lambda: paired(self.add),
                ANTISYMMETRIC: lambda: paired(self.sub),
                SPARSE: lambda: general(skip=True),
                GENERAL: lambda: general(skip=False),
            },
        )

    def box(self, element, group, groups, rest, ones, size):
        """sums[r] = element(r) + ... + element(r + size - 1), for r < `count`: no subtraction.

        With size = count * (1 + groups) + rest a window is the end of one group of `count` inputs,
        `groups` whole ones, whose sums group(k) gives, and the start of another. Ends and starts
        are running sums, so an output costs about five additions whatever the size. A window
        shorter than a group (groups < 0) is added up as it stands, with `ones` for taps.
        """
        b = self.b
        n = self.count

        def long():
            ends = [element(I64(n - 1))]
            for r in range(n - 2, -1, -1):
                ends.append(self.add(element(I64(r)), ends[-1]))
            (middle,) = self.loop(
                I64(0), groups, [self.splat(0)], lambda k, c: [self.add(c[0], group(k))]
            )
            first = b.mul(b.add(groups, I64(1)), I64(n))
            (start,) = self.loop(
                I64(0), rest, [middle], lambda k, c: [self.add(c[0], element(b.add(first, k)))]
            )
            first = b.add(first, rest)
            sums = []
            for r in range(n):
                if r:
                    start = self.add(start, element(b.add(first, I64(r - 1))))
                sums.append(self.add(ends[n - 1 - r], start))
            return sums

        end = b.icmp_signed("<", groups, I64(0))
        return self.switch(
            b.zext(end, I64),
            {0: long, 1: lambda: self.fir(element, ones, size, None, n)},
        )


def _declare(module, kind, name):
    found = module.globals.get(name)
    return found if found is not None else ir.Function(module, kind, name)


def _signature(*arguments):
    """Dtype tokens as they are, everything else as int64."""
    return types.void(*[a if isinstance(a, types.DType) else types.int64 for a in arguments])


def _void(generate):
    def generate_void(context, builder, signature, values):
        generate(context, builder, signature, values)
        return context.get_dummy_value()

    return generate_void


# --- intrinsics ----------------------------------------------------------------------------------
# In every one, the dtypes come first; `table` is the address of an array of row addresses, `offset`
# the distance in bytes from a row's start, `taps` the address of `count` taps in the arithmetic dtype.


@intrinsic
def fir_to_strip(typing, src, acc, table, offset, strip, taps, count, kind):
    """Filter `lanes` columns over `lanes` rows vertically and store them, transposed, as columns.

    table[j] is the row under the first tap of output row j.
    """
    source, arithmetic = _dtype_of(src), _dtype_of(acc)

    def generate(context, builder, signature, values):
        table, offset, strip, taps, count, kind = values[2:]
        e = Emitter(builder, arithmetic)
        rows = []
        outputs = tile(arithmetic)
        for first in range(0, e.count, outputs):
            start = builder.add(table, I64(8 * first))

            def element(j, start=start):
                return e.load(builder.add(e.word(start, j), offset), source)

            rows += e.fir(element, taps, count, kind, outputs)
        size = target().vector_bytes
        for k, column in enumerate(e.transpose(rows)):
            builder.store(column, e.at(strip, k * size), align=size)

    return _signature(src, acc, table, offset, strip, taps, count, kind), _void(generate)


@intrinsic
def fir_along_strip(typing, acc, strip, step, taps, count, kind, out):
    """Filter `tile` columns of a strip, `step` bytes apart, from the one under the first tap."""
    arithmetic = _dtype_of(acc)

    def generate(context, builder, signature, values):
        strip, step, taps, count, kind, out = values[1:]
        e = Emitter(builder, arithmetic)
        size = target().vector_bytes

        def element(j):
            return builder.load(e.at(strip, builder.mul(j, step)), align=size, typ=e.vector)

        for r, value in enumerate(e.fir(element, taps, count, kind, tile(arithmetic))):
            builder.store(value, e.at(out, builder.mul(I64(r), step)), align=size)

    return _signature(acc, strip, step, taps, count, kind, out), _void(generate)


@intrinsic
def fir_from_strip(typing, acc, dst, strip, taps, count, kind, table, offset):
    """Filter `lanes` neighbouring columns and store them, transposed back, as pieces of rows.

    What `fir_along_strip` and `store_strip` do for one channel, without a detour through memory.
    """
    arithmetic, result = _dtype_of(acc), _dtype_of(dst)

    def generate(context, builder, signature, values):
        strip, taps, count, kind, table, offset = values[2:]
        e = Emitter(builder, arithmetic)
        size = target().vector_bytes
        outputs = tile(arithmetic)
        columns = []
        for first in range(0, e.count, outputs):
            start = builder.add(strip, I64(first * size))

            def element(j, start=start):
                at = e.at(start, builder.mul(j, I64(size)))
                return builder.load(at, align=size, typ=e.vector)

            columns += e.fir(element, taps, count, kind, outputs)
        e.store_transposed(columns, table, offset, result)

    return _signature(acc, dst, strip, taps, count, kind, table, offset), _void(generate)


@intrinsic
def store_strip(typing, acc, dst, strip, table, offset):
    """Transpose `lanes` columns of a strip back and store them as `lanes` pieces of rows."""
    arithmetic, result = _dtype_of(acc), _dtype_of(dst)

    def generate(context, builder, signature, values):
        strip, table, offset = values[2:]
        e = Emitter(builder, arithmetic)
        size = target().vector_bytes
        columns = [
            builder.load(e.at(strip, k * size), align=size, typ=e.vector) for k in range(e.count)
        ]
        e.store_transposed(columns, table, offset, result)

    return _signature(acc, dst, strip, table, offset), _void(generate)


@intrinsic
def copy_bytes(typing, target_address, source_address, count):
    """memmove."""

    def generate(context, builder, signature, values):
        to, source, count = values
        kind = ir.FunctionType(ir.VoidType(), [POINTER, POINTER, I64, ir.IntType(1)])
        move = _declare(builder.module, kind, "llvm.memmove.p0.p0.i64")
        pointers = [builder.inttoptr(v, POINTER) for v in (to, source)]
        builder.call(move, [*pointers, count, ir.IntType(1)(0)])

    return _signature(target_address, source_address, count), _void(generate)


@intrinsic
def copy_value(typing, src, to, source):
    """Copy one value of dtype `src`."""
    kind = _scalar(_dtype_of(src))

    def generate(context, builder, signature, values):
        to, source = (builder.inttoptr(v, POINTER) for v in values[1:])
        builder.store(builder.load(source, align=1, typ=kind), to, align=1)

    return _signature(src, to, source), _void(generate)


@intrinsic
def copy_values(typing, src, acc, to, source):
    """Copy two times `lanes` values of dtype `src`."""
    kind = ir.VectorType(_scalar(_dtype_of(src)), 2 * lanes(_dtype_of(acc)))

    def generate(context, builder, signature, values):
        to, source = (builder.inttoptr(v, POINTER) for v in values[2:])
        builder.store(builder.load(source, align=1, typ=kind), to, align=1)

    return _signature(src, acc, to, source), _void(generate)


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

    return _signature(address, index, value), _void(generate)


@intrinsic
def copy_vector(typing, acc, to, source):
    """Copy one aligned vector."""
    arithmetic = _dtype_of(acc)

    def generate(context, builder, signature, values):
        e = Emitter(builder, arithmetic)
        size = target().vector_bytes
        value = builder.load(e.at(values[2]), align=size, typ=e.vector)
        builder.store(value, e.at(values[1]), align=size)

    return _signature(acc, to, source), _void(generate)


@intrinsic
def fill_vector(typing, acc, to, source):
    """Fill one aligned vector with the scalar of the arithmetic dtype at address `source`."""
    arithmetic = _dtype_of(acc)

    def generate(context, builder, signature, values):
        e = Emitter(builder, arithmetic)
        value = e.broadcast(values[2], I64(0))
        builder.store(value, e.at(values[1]), align=target().vector_bytes)

    return _signature(acc, to, source), _void(generate)


@intrinsic
def fir_to_rows(typing, src, acc, table, offset, out, out_row, taps, count, kind):
    """Filter `lanes` columns over `tile` rows vertically; store rows `out_row` bytes apart."""
    source, arithmetic = _dtype_of(src), _dtype_of(acc)

    def generate(context, builder, signature, values):
        table, offset, out, out_row, taps, count, kind = values[2:]
        e = Emitter(builder, arithmetic)

        def element(j):
            return e.load(builder.add(e.word(table, j), offset), source)

        for r, value in enumerate(e.fir(element, taps, count, kind, tile(arithmetic))):
            builder.store(value, e.at(out, builder.mul(I64(r), out_row)), align=1)

    return _signature(src, acc, table, offset, out, out_row, taps, count, kind), _void(generate)


@intrinsic
def combine(typing, acc, sums, value, operation):
    """Bring one aligned vector into the sums: 0 set, 1 add, 2 set the square, 3 add the square."""
    arithmetic = _dtype_of(acc)

    def generate(context, builder, signature, values):
        sums, value, operation = values[1:]
        e = Emitter(builder, arithmetic)
        size = target().vector_bytes
        new = builder.load(e.at(value), align=size, typ=e.vector)
        old = builder.load(e.at(sums), align=size, typ=e.vector)
        (result,) = e.switch(
            operation,
            {
                0: lambda: [new],
                1: lambda: [e.add(old, new)],
                2: lambda: [e.mul(new, new)],
                3: lambda: [e.muladd(new, new, old)],
            },
        )
        builder.store(result, e.at(sums), align=size)

    return _signature(acc, sums, value, operation), _void(generate)


@intrinsic
def finish(typing, acc, sums, root, limits):
    """Root of one aligned vector if `root`; clipped to the two numbers at `limits` unless 0."""
    arithmetic = _dtype_of(acc)

    def generate(context, builder, signature, values):
        sums, root, limits = values[1:]
        e = Emitter(builder, arithmetic)
        size = target().vector_bytes
        value = builder.load(e.at(sums), align=size, typ=e.vector)
        (value,) = e.switch(root, {1: lambda: [e.sqrt(value)], 0: lambda: [value]})

        def clipped():
            return [e.clip(value, e.broadcast(limits, I64(0)), e.broadcast(limits, I64(1)))]

        (value,) = e.switch(limits, {0: lambda: [value], 1: clipped})
        builder.store(value, e.at(sums), align=size)

    return _signature(acc, sums, root, limits), _void(generate)


@intrinsic(prefer_literal=True)
def gradient_sweep(
    typing, src, acc, dst, form, channels, height, table, offset, vectors, targets, second, place,
    weights,
):  # fmt: skip
    """3 x 3 derivatives of `height` rows, along `vectors` vectors of columns.

    `form` names the result: "dy", "dx", "both", "magnitude", or one of Roberts' differences.
    table[0] is the row above the first output row. Columns from one vector before `offset` to one
    behind the last are read; each is loaded once and its neighbours are shuffled out of registers.
    Results go to targets[r] + place, for "both" dx goes to second[r] + place.
    `weights`: address of the smoothing taps' side and centre, with all scaling in them.
    """
    source, arithmetic, result = _dtype_of(src), _dtype_of(acc), _dtype_of(dst)
    what, shift, rows = form.literal_value, channels.literal_value, height.literal_value

    def generate(context, builder, signature, values):
        table, offset, vectors, targets, second, place, weights = values[6:]
        e = Emitter(builder, arithmetic)
        side, centre = e.broadcast(weights, I64(0)), e.broadcast(weights, I64(1))
        source_step = I64(e.count * source.itemsize)
        result_step = I64(e.count * result.itemsize)
        lines = [builder.add(e.word(table, I64(r)), offset) for r in range(rows + 2)]
        into = [builder.add(e.word(targets, I64(r)), place) for r in range(rows)]
        into_second = [builder.add(e.word(second, I64(r)), place) for r in range(rows)]

        def load(r, at):
            return e.load(builder.add(lines[r], at), source)

        def step(k, carried):
            now = builder.mul(k, source_step)
            before, here = carried[: rows + 2], carried[rows + 2 :]
            after = [load(r, builder.add(now, source_step)) for r in range(rows + 2)]
            to = builder.mul(k, result_step)

            def put(value, r, where=into):
                e.store(value, builder.add(where[r], to), result)

            slopes, smooth = [], []
            for r in range(rows + 2):
                left = e.neighbours(before[r], here[r], e.count - shift)
                right = e.neighbours(here[r], after[r], shift)
                if what.startswith("roberts"):
                    slopes.append(right)
                    continue
                if what != "dy":
                    slopes.append(e.sub(right, left))
                if what != "dx":
                    smooth.append(e.muladd(side, e.add(left, right), e.mul(centre, here[r])))
            for r in range(rows):
                if what.startswith("roberts"):
                    down = e.sub(slopes[r + 2], here[r + 1])
                    up = e.sub(here[r + 2], slopes[r + 1])
                    if what == "roberts_magnitude":
                        square = e.muladd(up, up, e.mul(down, down))
                        put(e.mul(e.sqrt(square), side), r)
                    else:
                        put(e.mul(down if what == "roberts_pos" else up, side), r)
                    continue
                if what != "dy":
                    dx = e.muladd(
                        side, e.add(slopes[r], slopes[r + 2]), e.mul(centre, slopes[r + 1])
                    )
                if what != "dx":
                    dy = e.sub(smooth[r + 2], smooth[r])
                if what == "magnitude":
                    put(e.sqrt(e.muladd(dy, dy, e.mul(dx, dx))), r)
                elif what == "dx":
                    put(dx, r)
                else:
                    put(dy, r)
                if what == "both":
                    put(dx, r, into_second)
            return [*here, *after]

        back = I64(-e.count * source.itemsize)
        start = [load(r, back) for r in range(rows + 2)] + [
            load(r, I64(0)) for r in range(rows + 2)
        ]
        e.loop(I64(0), vectors, start, step)

    tokens = [src, acc, dst, form, channels, height]
    return types.void(*tokens, *[types.int64] * 7), _void(generate)


@intrinsic
def sum_group(typing, src, acc, table, offset, out):
    """Sum of `lanes` rows, one vector wide."""
    source, arithmetic = _dtype_of(src), _dtype_of(acc)

    def generate(context, builder, signature, values):
        table, offset, out = values[2:]
        e = Emitter(builder, arithmetic)
        total = None
        for r in range(e.count):
            value = e.load(builder.add(e.word(table, I64(r)), offset), source)
            total = value if total is None else e.add(total, value)
        builder.store(total, e.at(out), align=target().vector_bytes)

    return _signature(src, acc, table, offset, out), _void(generate)


@intrinsic
def sum_columns(typing, acc, strip, step, out):
    """Sum of `lanes` columns of a strip, `step` bytes apart."""
    arithmetic = _dtype_of(acc)

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

    return _signature(acc, strip, step, out), _void(generate)


@intrinsic
def box_to_strip(
    typing, src, acc, table, offset, group_table, group_offset, groups, rest, ones, size, strip
):
    """Vertical window sums of `lanes` x `lanes` values, stored transposed as columns."""
    source, arithmetic = _dtype_of(src), _dtype_of(acc)

    def generate(context, builder, signature, values):
        table, offset, group_table, group_offset, groups, rest, ones, size, strip = values[2:]
        e = Emitter(builder, arithmetic)
        vector = target().vector_bytes

        def element(j):
            return e.load(builder.add(e.word(table, j), offset), source)

        def group(k):
            at = e.at(builder.add(e.word(group_table, k), group_offset))
            return builder.load(at, align=vector, typ=e.vector)

        rows = e.box(element, group, groups, rest, ones, size)
        for k, column in enumerate(e.transpose(rows)):
            builder.store(column, e.at(strip, k * vector), align=vector)

    arguments = (src, acc, table, offset, group_table, group_offset, groups, rest, ones, size)
    return _signature(*arguments, strip), _void(generate)


@intrinsic
def box_along_strip(typing, acc, strip, step, group_sums, groups, rest, ones, size, area):
    """Window sums of `lanes` columns of a strip, divided by the number at `area`, in place."""
    arithmetic = _dtype_of(acc)

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
    return _signature(*arguments), _void(generate)


@intrinsic
def prefetch_rows(typing, acc, address, row_bytes):
    """Ask for one cache line of each of `lanes` rows."""
    arithmetic = _dtype_of(acc)

    def generate(context, builder, signature, values):
        address, row_bytes = values[1:]
        e = Emitter(builder, arithmetic)
        for r in range(e.count):
            e.prefetch(builder.add(address, builder.mul(I64(r), row_bytes)), write=False)

    return _signature(acc, address, row_bytes), _void(generate)


@intrinsic(prefer_literal=True)
def smooth_sweep(
    typing, src, acc, dst, radius, channels, height, table, offset, vectors, targets, second, place,
    taps_y, taps_x,
):  # fmt: skip
    """Symmetric taps of one small radius along both axes; arguments as in `gradient_sweep`.

    Neighbours along a row are shuffled out of the vectors before, here and after. The order of
    operations is that of `fir`, and so are the bits.
    """
    source, arithmetic, result = _dtype_of(src), _dtype_of(acc), _dtype_of(dst)
    reach, shift, rows = radius.literal_value, channels.literal_value, height.literal_value

    def generate(context, builder, signature, values):
        table, offset, vectors, targets, second, place, taps_y, taps_x = values[6:]
        e = Emitter(builder, arithmetic)
        source_step = I64(e.count * source.itemsize)
        result_step = I64(e.count * result.itemsize)
        taken = rows + 2 * reach
        lines = [builder.add(e.word(table, I64(r)), offset) for r in range(taken)]
        into = [builder.add(e.word(targets, I64(r)), place) for r in range(rows)]
        down = [e.broadcast(taps_y, I64(reach + k)) for k in range(reach + 1)]
        across = [e.broadcast(taps_x, I64(reach + k)) for k in range(reach + 1)]

        def vertical(at):
            inputs = [e.load(builder.add(lines[r], at), source) for r in range(taken)]
            sums = []
            for r in range(rows):
                total = e.mul(down[0], inputs[r + reach])
                for k in range(1, reach + 1):
                    pair = e.add(inputs[r + reach + k], inputs[r + reach - k])
                    total = e.muladd(down[k], pair, total)
                sums.append(total)
            return sums

        def step(k, carried):
            before, here = carried[:rows], carried[rows:]
            now = builder.mul(k, source_step)
            after = vertical(builder.add(now, source_step))
            to = builder.mul(k, result_step)
            for r in range(rows):
                total = e.mul(across[0], here[r])
                for j in range(1, reach + 1):
                    left = e.neighbours(before[r], here[r], e.count - j * shift)
                    right = e.neighbours(here[r], after[r], j * shift)
                    total = e.muladd(across[j], e.add(right, left), total)
                e.store(total, builder.add(into[r], to), result)
            return [*here, *after]

        back = I64(-e.count * source.itemsize)
        e.loop(I64(0), vectors, vertical(back) + vertical(I64(0)), step)

    tokens = [src, acc, dst, radius, channels, height]
    return types.void(*tokens, *[types.int64] * 8), _void(generate)
