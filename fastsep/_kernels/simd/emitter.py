"""Vector code as LLVM IR: loads, stores, arithmetic, transposition and loops.

`Emitter` writes instructions at a builder's position; the modules beside it wrap them up as intrinsics.

Two rules keep results bit-identical however an image is cut: one fixed order of taps for each
pixel (see `taps`), and multiply-add as `llvm.fmuladd` rather than through fastmath flags. `fmuladd` and not
`fma`: on a CPU without the instruction `fma` becomes a library call for every lane.
"""

from __future__ import annotations

import math

import numpy as np
from llvmlite import ir

from fastsep._kernels.jit import target

#: Bytes of a vector that only AVX-512 has.
AVX512 = 64
#: Bytes between a store and the cache line that is asked for beside it.
WRITE_AHEAD = 256

#: By bytes of the arithmetic: (atan(z) / z - 1) / z^2 as a polynomial in z^2 up to tan(pi/8)^2, interpolated at
#: Chebyshev points; off by less than 1e-9 and 2e-15.
ARCTAN = {
    4: (-0.33333331761167767, 0.19999540483478087, -0.14263955592077773, 0.10743731427028859, -0.06451927996994399),
    8: (
        -0.33333333333333287, 0.19999999999932294, -0.1428571427000066, 0.11111109818181698, -0.09090856928168127,
        0.07691115268278492, -0.06650102238961333, 0.057386391282921036, -0.04489139265303654, 0.02281003537580667,
    ),
}  # fmt: skip

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


def scalar_type(dtype) -> ir.Type:
    if dtype.kind == "f" and dtype.itemsize > 2:
        return ir.FloatType() if dtype.itemsize == 4 else ir.DoubleType()
    return ir.IntType(8 * dtype.itemsize)  # float16, too, which is copied and compared, but no number


def _constant(vector: ir.VectorType, value) -> ir.Constant:
    return ir.Constant(vector, [value] * vector.count)


class Emitter:
    """Emits vector code for arithmetic in `acc` with `count` lanes at the builder's position.

    With more lanes than a register has, a vector is several registers.
    """

    def __init__(self, builder, acc, count=None):
        self.b = builder
        self.acc = acc
        self.count = count or lanes(acc)
        self.scalar = scalar_type(acc)
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
        source = ir.VectorType(scalar_type(dtype), self.count)
        value = self.b.load(self.at(address), align=align, typ=source)
        return self.convert(value, dtype)

    def load_scalar(self, address, dtype):
        """One value of `dtype` at `address`, converted to `acc`."""
        value = self.b.load(self.at(address), align=1, typ=scalar_type(dtype))
        one = ir.Constant(ir.VectorType(value.type, self.count), ir.Undefined)
        wide = self.convert(self.b.insert_element(one, value, I32(0)), dtype)
        return self.b.extract_element(wide, I32(0))

    def convert(self, value, dtype):
        if dtype == self.acc:
            return value
        if not self.float:
            widen = self.b.zext if dtype.kind == "u" else self.b.sext
            return widen(value, self.vector)
        if dtype.kind == "f":
            return (self.b.fpext if dtype.itemsize < self.acc.itemsize else self.b.fptrunc)(value, self.vector)
        if dtype.itemsize >= 4:
            return (self.b.uitofp if dtype.kind == "u" else self.b.sitofp)(value, self.vector)
        wide = ir.VectorType(I32, self.count)
        # Through int32: zero extension and a signed conversion are one instruction each.
        value = (self.b.zext if dtype.kind == "u" else self.b.sext)(value, wide)
        return self.b.sitofp(value, self.vector)

    def store(self, value, address, dtype, align=1, cast=False):
        """Store `value` at `address` as `dtype`: integers rounded half to even and saturated; with `cast` see there."""
        self.b.store((self.cast if cast else self.narrow)(value, dtype), self.at(address), align=align)

    def store_or_stream(self, places, dtype, streamed, ahead=0):
        """Store each (value, address) of `places` as `dtype`; with a non-temporal store if `streamed` is 1.

        Then addresses are multiples of a vector's size, and `dtype` is that of the arithmetic. All at once: with a
        branch for each a sweep takes up to 1.04 times as long. `ahead`: bytes from a place that is not streamed to that
        which is prefetched; 0: none is.
        """
        b = self.b
        stores = [(self.narrow(value, dtype), address) for value, address in places]

        def stream():
            hint = b.module.add_metadata([I32(1)])
            for value, address in stores:
                stored = b.store(value, self.at(address), align=self.count * dtype.itemsize)
                stored.set_metadata("nontemporal", hint)
            return []

        def store():
            for value, address in stores:
                b.store(value, self.at(address), align=1)
                if ahead:
                    self.prefetch(b.add(address, I64(ahead)), write=True, level=1)
            return []

        if dtype == self.acc:
            self.switch(streamed, {0: store, 1: stream})
        else:
            store()

    def stream_transposed(self, columns, table, offset, dtype, streamed):
        """`store_transposed`, if `streamed` is 1 with non-temporal stores (see `store_or_stream`)."""
        rows = self.transpose(columns)
        places = [(row, self.b.add(self.word(table, I64(r)), offset)) for r, row in enumerate(rows)]
        self.store_or_stream(places, dtype, streamed, WRITE_AHEAD)

    def store_transposed(self, columns, table, offset, dtype, cast=False):
        """Store `count` columns as pieces of the rows listed in `table`."""
        if cast:
            columns = [self.cast_word(column, dtype) for column in columns]
        for r, row in enumerate(self.transpose(columns)):
            place = self.b.add(self.word(table, I64(r)), offset)
            if cast:
                self.b.store(self.b.trunc(row, self._lanes_of(dtype)), self.at(place), align=1)
            else:
                self.store(row, place, dtype)
            # Results go to as many rows as there are lanes, too many streams for the hardware.
            self.prefetch(self.b.add(place, I64(WRITE_AHEAD)), write=True, level=1)

    def narrow(self, value, dtype):
        if dtype == self.acc:
            return value
        into = ir.VectorType(scalar_type(dtype), self.count)
        if not self.float:
            return self.b.trunc(value, into)  # modulo 2^n: all that 16-bit arithmetic is used for
        if dtype.kind == "f":
            return (self.b.fptrunc if dtype.itemsize < self.acc.itemsize else self.b.fpext)(value, into)
        low = 0 if dtype.kind == "u" else -(1 << (8 * dtype.itemsize - 1))
        high = low + (1 << (8 * dtype.itemsize)) - 1
        value = self.clamp(value, self.splat(low), self.splat(high))
        # Adding 1.5 * 2^mantissa rounds half to even and leaves the integer in the low bits: one
        # addition on every CPU, where llvm.rint may be a library call. The clamp keeps it in range.
        magic = self.splat(1.5 * 2.0 ** (23 if self.acc.itemsize == 4 else 52))
        bits = ir.VectorType(ir.IntType(8 * self.acc.itemsize), self.count)
        return self.b.trunc(self.b.bitcast(self.b.fadd(value, magic), bits), into)

    def cast(self, value, dtype):
        """`value` as an integer of `dtype`, as C casts it on x86-64: truncated and wrapped."""
        return self.b.trunc(self.cast_word(value, dtype), self._lanes_of(dtype))

    def _lanes_of(self, dtype):
        return ir.VectorType(scalar_type(dtype), self.count)

    def cast_word(self, value, dtype):
        """`cast`, but for the last step, which leaves the low bits: an int32, or an int64 for uint32 and what is wider.

        Values beyond these, and NaN, become their smallest number, as with the instructions that C uses. (LLVM leaves
        open what they become; it is what these give.)
        """
        b = self.b
        if dtype.itemsize < 4 or dtype == np.int32:
            return b.fptosi(value, ir.VectorType(I32, self.count))
        wide = ir.VectorType(I64, self.count)
        if dtype != np.uint64:
            return b.fptosi(value, wide)
        half = self.splat(2.0**63)
        upper = b.fcmp_ordered(">=", value, half)
        word = b.fptosi(b.select(upper, self.sub(value, half), value), wide)
        return b.xor(word, b.select(upper, _constant(wide, -(2**63)), _constant(wide, 0)))

    def prefetch(self, address, *, write=False, level=2):
        """Ask for a cache line, to be brought into this level of the cache."""
        kind = ir.FunctionType(ir.VoidType(), [POINTER, I32, I32, I32])
        function = declare(self.b.module, kind, "llvm.prefetch.p0")
        locality = I32(4 - level)
        self.b.call(function, [self.at(address), I32(int(write)), locality, I32(1)])

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
        return self.b.call(declare(self.b.module, kind, name), [a, b, c])

    def sqrt(self, a):
        return self._of_each("sqrt", a)

    def magnitude(self, a):
        return self._of_each("fabs", a)

    def _of_each(self, function, a):
        name = f"llvm.{function}.v{self.count}f{8 * self.acc.itemsize}"
        kind = ir.FunctionType(self.vector, [self.vector])
        return self.b.call(declare(self.b.module, kind, name), [a])

    def divide(self, a, divisor, inverse):
        """`a` / `divisor`, correctly rounded; `inverse`: 1 / `divisor`, correctly rounded.

        Markstein, "Computation of elementary functions on the IBM RISC System/6000 processor" (1990):
        two multiply-adds make up for the error of the product. Eight times the speed of a division.
        """
        if not target().fused:
            return self.b.fdiv(a, divisor)
        quotient = self.mul(a, inverse)
        error = self.muladd(self.b.fneg(quotient), divisor, a)
        better = self.muladd(error, inverse, quotient)
        # Where the quotient is infinite the correction is NaN.
        return self.b.select(self.b.fcmp_ordered("==", better, better), better, quotient)

    def arctan2(self, y, x):
        """numpy.arctan2: within 1e-7 for float32 and 1e-15 for float64, relative to pi.

        With z = small / large in [0, 1], atan(z) = pi/4 + atan((small - large) / (small + large)) where
        z > tan(pi/8), and on what is left an odd polynomial (Chebyshev fit, see `ARCTAN`).
        """
        b = self.b
        a, c = self.magnitude(y), self.magnitude(x)
        steep = b.fcmp_ordered(">", a, c)
        large, small = b.select(steep, a, c), b.select(steep, c, a)
        # Their ratio counts only: the sum of large ones must not overflow, and small ones must not be subnormal.
        scale = b.select(b.fcmp_ordered(">", large, self.splat(1.0)), self.splat(0.5), self.splat(1.0))
        scale = b.select(b.fcmp_ordered("<", large, self.splat(2.0**-60)), self.splat(2.0**60), scale)
        large, small = self.mul(large, scale), self.mul(small, scale)
        same = b.fcmp_ordered("==", a, c)  # also both zero or both infinite
        beyond = b.fcmp_ordered(">", small, self.mul(large, self.splat(math.tan(math.pi / 8))))
        above = b.select(beyond, self.sub(small, large), small)
        under = b.select(beyond, self.add(small, large), large)
        z = b.fdiv(b.select(same, self.splat(0), above), b.select(same, self.splat(1), under))
        square = self.mul(z, z)
        terms = ARCTAN[self.acc.itemsize]
        value = self.splat(terms[-1])
        for term in terms[-2::-1]:
            value = self.muladd(value, square, self.splat(term))
        value = self.muladd(self.mul(value, square), z, z)
        eighth = b.or_(beyond, b.and_(same, b.fcmp_unordered("!=", a, self.splat(0))))
        value = b.select(eighth, self.add(value, self.splat(math.pi / 4)), value)
        value = b.select(steep, self.sub(self.splat(math.pi / 2), value), value)
        bits = ir.VectorType(ir.IntType(8 * self.acc.itemsize), self.count)
        sign = _constant(bits, 1 << (8 * self.acc.itemsize - 1))
        left = b.icmp_signed("<", b.bitcast(x, bits), _constant(bits, 0))
        value = b.select(left, self.sub(self.splat(math.pi), value), value)
        value = b.or_(b.bitcast(value, bits), b.and_(b.bitcast(y, bits), sign))
        value = b.bitcast(value, self.vector)
        return b.select(b.fcmp_unordered("uno", y, x), self.add(x, y), value)

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

    def neighbours(self, a, b, shift, many=False):
        """Lanes `shift` .. `shift + count - 1` of `a` followed by `b`; `many`: there are many different shifts."""
        if shift == 0:
            return a
        if shift == self.count:
            return b
        lane = {4: "d", 8: "q"}.get(self.acc.itemsize)
        if many and lane is not None and self.count * self.acc.itemsize == AVX512 == target().vector_bytes:
            # Named, since LLVM permutes floats by tables, one for every shift, and overwrites a vector each time
            # (measured: nine taps along both axes take 1.15 times as long; but five 0.88 times).
            kind = ir.FunctionType(self.vector, [self.vector] * 2)
            align = ir.InlineAsm(kind, f"valign{lane} $${shift}, $1, $2, $0", "=v,v,v")
            return self.b.call(align, [a, b])
        return self.shuffle(a, b, range(shift, shift + self.count))

    def transpose(self, rows):
        """Transpose `count` vectors of `count` lanes, of the arithmetic or of integers.

        First inside 16-byte chunks with unpacks, then whole chunks with even/odd picks: each step
        is one instruction on SSE2, AVX2 and AVX-512 (64 for 16 x 16 float32).
        """
        n = self.count
        width = rows[0].type.element
        size = width.width // 8 if isinstance(width, ir.IntType) else self.acc.itemsize
        per_chunk = min(n, 16 // size)
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

    def loop(self, start, stop, carried, body, unroll=1, step=None):
        """for i in range(start, stop, step): carried = body(i, carried). Returns the last `carried`.

        `unroll`: iterations that are written out one behind the other, as long as so many are left. `step`: None is 1.
        """
        b = self.b
        if unroll > 1:
            times = b.sdiv(b.sub(stop, start), I64(unroll))

            def several(k, values):
                index = b.add(start, b.mul(k, I64(unroll)))
                for number in range(unroll):
                    values = body(b.add(index, I64(number)), values)
                return values

            carried = self.loop(I64(0), times, carried, several)
            start = b.add(start, b.mul(times, I64(unroll)))
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
        index.add_incoming(b.add(index, I64(1) if step is None else step), b.block)
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


def declare(module, kind, name):
    found = module.globals.get(name)
    return found if found is not None else ir.Function(module, kind, name)
