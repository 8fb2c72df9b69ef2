"""The emitter of a tile of sums."""

from __future__ import annotations

from llvmlite import ir

from fastsep._kernels.jit import target
from fastsep._kernels.simd.emitter import I32, I64, POINTER, Emitter, declare


class Tile(Emitter):
    """An emitter of one tile of sums."""

    def __init__(self, builder, acc):
        super().__init__(builder, acc)
        self.size = target().vector_bytes

    def aligned(self, address, offset=0):
        return self.b.load(self.at(address, offset), align=self.size, typ=self.vector)

    def unaligned(self, address, offset=0):
        return self.b.load(self.at(address, offset), align=self.acc.itemsize, typ=self.vector)

    def opaque(self, value):
        """The same value, about whose origin the optimiser knows nothing."""
        kind = ir.FunctionType(I64, [I64])
        return self.b.asm(kind, "", "=r,0", [value], False)

    def spaced(self, address, step, count):
        """Addresses of `count` vectors, `step` bytes apart: a number, or a value known at run time.

        In the latter case every third has a register to itself, and those between are one and two
        index registers further. Left alone, the optimiser keeps all in memory and increments each.
        """
        if isinstance(step, int):
            return [self.b.add(address, I64(j * step)) for j in range(count)]
        double = self.b.add(step, step)
        third = self.b.add(double, step)
        addresses = []
        for j in range(count):
            if j % 3 == 0:
                address = self.opaque(self.b.add(address, third) if j else address)
            addresses.append([address, self.b.add(address, step), self.b.add(address, double)][j % 3])
        return addresses

    def filter_row(self, values, parts, pace):
        """Add the products of a row of inputs: each part is a row of weights and the sums they are added to."""
        for j, value in enumerate(values):
            for weights, sums in parts:
                for r in range(len(sums)):
                    if 0 <= j - r * pace < len(weights):
                        sums[r] = self.muladd(value, weights[j - r * pace], sums[r])

    def scalar_at(self, address, offset=0):
        value = self.b.load(self.at(address, offset), align=self.acc.itemsize, typ=self.scalar)
        return self.splat(value)

    def limited(self, values, limits):
        low, high = self.broadcast(limits, I64(0)), self.broadcast(limits, I64(1))
        return [self.clip(value, low, high) for value in values]

    def store_first(self, value, address, count):
        """Store the first `count` lanes."""
        i32 = ir.VectorType(I32, self.count)
        numbers = ir.Constant(i32, list(range(self.count)))
        wanted = self.b.trunc(count, I32)
        undefined = ir.Constant(i32, ir.Undefined)
        wanted = self.b.insert_element(undefined, wanted, I32(0))
        wanted = self.b.shuffle_vector(wanted, undefined, ir.Constant(i32, [0] * self.count))
        mask = self.b.icmp_signed("<", numbers, wanted)
        kind = ir.FunctionType(ir.VoidType(), [self.vector, POINTER, I32, mask.type])
        name = f"llvm.masked.store.v{self.count}f{8 * self.acc.itemsize}.p0"
        store = declare(self.b.module, kind, name)
        self.b.call(store, [value, self.at(address), I32(1), mask])
