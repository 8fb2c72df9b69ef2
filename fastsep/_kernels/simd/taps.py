"""Vector code of a register tile: loops over taps, each of which makes several neighbouring results together."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from fastsep._kernels.arguments import (
    ANTISYMMETRIC,
    CAST,
    CENTRE,
    DIVIDED,
    EVEN,
    GENERAL,
    SPARSE,
    SYMMETRIC,
)
from fastsep._kernels.simd.emitter import I64, Emitter


class TapEmitter(Emitter):
    """Emits sums of inputs times taps; the taps of a pixel have one order, whatever is computed beside it."""

    def fir(self, element, taps, count, kind, outputs, differences=False, even=False):
        """sums[r] = sum over k of taps[k] * element(r + k), for r < `outputs`.

        `element(j)` loads input j, counted from the one under the first tap of the first output.
        Each input is loaded once: inputs slide through registers from tap to tap. With symmetric
        taps the two inputs that share a tap are added first, which halves the multiplications, and
        element(radius - 1) and element(radius + outputs) are loaded even when the radius is 0.
        `kind` None means GENERAL at compile time. With `even`, taps are equal or negated in pairs with none in the
        middle, or symmetric, or GENERAL: whatever takes time to compile and is not needed is left out.

        With `differences` every input enters as a difference of two, so that nothing is lost where inputs differ
        little from each other. Then taps[radius] of symmetric taps is the sum of all, taps[radius + j] the sum of
        those from j on outwards; of general ones, taps[k] is the sum of those up to k, negated, and the last one
        the sum of all.
        """
        b = self.b
        one = I64(1)

        def general(skip):
            return self.slide(element, taps, count, [self.splat(0)] * outputs, skip)

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
                sums = [self.muladd(tap, combine(above[r], below[r]), sums[r]) for r in range(outputs)]
                # One input further out on either side; the last step loads one it does not use.
                below = [element(b.sub(b.sub(radius, k), one)), *below[:-1]]
                above = [*above[1:], element(b.add(b.add(radius, k), I64(outputs)))]
                return [*sums, *below, *above]

            carried = [*sums, *below, *above]
            return self.loop(one, b.add(radius, one), carried, step)[:outputs]

        def paired_evenly(combine):
            radius = b.lshr(count, one)
            held = [element(b.add(b.sub(radius, one), I64(j))) for j in range(outputs + 1)]

            def step(k, carried):
                sums = carried[:outputs]
                below = carried[outputs : 2 * outputs]
                above = carried[2 * outputs :]
                tap = self.broadcast(taps, b.add(radius, k))
                sums = [self.muladd(tap, combine(above[r], below[r]), sums[r]) for r in range(outputs)]
                below = [element(b.sub(b.sub(radius, k), I64(2))), *below[:-1]]
                above = [*above[1:], element(b.add(b.add(radius, k), I64(outputs)))]
                return [*sums, *below, *above]

            carried = [*[self.splat(0)] * outputs, *held[:outputs], *held[1:]]
            return self.loop(I64(0), radius, carried, step)[:outputs]

        def paired_differences():
            # sum_j t_j (x[j] + x[-j]) + t_0 x[0] = sum_j c_j ((x[j] - x[j-1]) - (x[1-j] - x[-j])) + (sum of t) x[0]
            radius = b.lshr(count, one)
            held = [element(b.add(b.sub(radius, one), I64(j))) for j in range(outputs + 2)]
            total = self.broadcast(taps, radius)
            sums = [self.mul(total, held[r + 1]) for r in range(outputs)]
            slopes = [self.sub(after, before) for before, after in pairwise(held)]

            def step(k, carried):
                sums = carried[:outputs]
                below = carried[outputs : 2 * outputs]
                above = carried[2 * outputs : 3 * outputs]
                first, last = carried[3 * outputs :]
                tap = self.broadcast(taps, b.add(radius, k))
                sums = [self.muladd(tap, self.sub(above[r], below[r]), sums[r]) for r in range(outputs)]
                further_below = element(b.sub(b.sub(radius, k), one))
                further_above = element(b.add(b.add(radius, k), I64(outputs)))
                below = [self.sub(first, further_below), *below[:-1]]
                above = [*above[1:], self.sub(further_above, last)]
                return [*sums, *below, *above, further_below, further_above]

            # Several steps at once, or half of the instructions move values from register to register (measured: 1.5
            # times the time of the whole line).
            carried = [*sums, *slopes[:outputs], *slopes[1:], held[0], held[-1]]
            return self.loop(one, b.add(radius, one), carried, step, unroll=4)[:outputs]

        def general_differences():
            last = b.sub(count, one)
            total = self.broadcast(taps, last)
            sums = [self.mul(total, element(b.add(last, I64(r)))) for r in range(outputs)]
            return self.slide(lambda j: self.sub(element(b.add(j, one)), element(j)), taps, last, sums, False)

        if kind is None:
            return general(skip=False)
        form = b.and_(kind, I64(CENTRE - 1))
        if differences:
            return self.switch(
                form,
                {
                    SYMMETRIC: paired_differences,
                    ANTISYMMETRIC: lambda: paired(self.sub),
                    GENERAL: general_differences,
                },
            )
        if even:
            return self.switch(
                b.and_(kind, I64(EVEN + CENTRE - 1)),
                {
                    EVEN + SYMMETRIC: lambda: paired_evenly(self.add),
                    EVEN + ANTISYMMETRIC: lambda: paired_evenly(self.sub),
                    SYMMETRIC: lambda: paired(self.add),
                    GENERAL: lambda: general(skip=False),
                },
            )
        return self.switch(
            form,
            {
                SYMMETRIC: lambda: paired(self.add),
                ANTISYMMETRIC: lambda: paired(self.sub),
                SPARSE: lambda: general(skip=True),
                GENERAL: lambda: general(skip=False),
            },
        )

    def fir_apart(self, element, taps, count, kind, outputs):
        """`fir` where results share no inputs, and no taps are SPARSE: element(r, k) loads the one under tap k of r."""
        b = self.b

        def general():
            def step(k, sums):
                tap = self.broadcast(taps, k)
                return [self.muladd(tap, element(r, k), sums[r]) for r in range(outputs)]

            return self.loop(I64(0), count, [self.splat(0)] * outputs, step)

        def paired(combine):
            radius = b.lshr(count, I64(1))
            tap = self.broadcast(taps, radius)
            counts = b.icmp_signed("!=", b.and_(kind, I64(CENTRE)), I64(0))
            zero = self.splat(0)
            sums = [b.select(counts, self.mul(tap, element(r, radius)), zero) for r in range(outputs)]

            def step(k, sums):
                behind, before = b.add(radius, k), b.sub(radius, k)
                tap = self.broadcast(taps, behind)
                return [
                    self.muladd(tap, combine(element(r, behind), element(r, before)), sums[r]) for r in range(outputs)
                ]

            return self.loop(I64(1), b.add(radius, I64(1)), sums, step)

        return self.switch(
            b.and_(kind, I64(CENTRE - 1)),
            {
                SYMMETRIC: lambda: paired(self.add),
                ANTISYMMETRIC: lambda: paired(self.sub),
                GENERAL: general,
            },
        )

    def fir_between(self, element, taps, count, kind, outputs):
        """`fir` for taps that lie between pixels: inputs are what neighbours differ by.

        Of symmetric and antisymmetric taps there are as many on either side, and none in the middle;
        element(-1) and element(outputs + count - 1) are loaded then.
        """
        b = self.b
        zeros = [self.splat(0)] * outputs

        def paired(combine):
            half = b.lshr(count, I64(1))
            held = [element(b.add(half, I64(j - 1))) for j in range(outputs + 1)]

            def step(k, carried):
                sums, below, above = (carried[n * outputs : (n + 1) * outputs] for n in range(3))
                tap = self.broadcast(taps, b.add(half, k))
                sums = [self.muladd(tap, combine(above[r], below[r]), sums[r]) for r in range(outputs)]
                # One input further out on either side; the last step loads one it does not use.
                below = [element(b.sub(half, b.add(k, I64(2)))), *below[:-1]]
                above = [*above[1:], element(b.add(b.add(half, k), I64(outputs)))]
                return [*sums, *below, *above]

            return self.loop(I64(0), half, [*zeros, *held[:-1], *held[1:]], step)[:outputs]

        return self.switch(
            b.and_(kind, I64(CENTRE - 1)),
            {
                SYMMETRIC: lambda: paired(self.add),
                ANTISYMMETRIC: lambda: paired(self.sub),
                GENERAL: lambda: self.slide(element, taps, count, zeros, False),
            },
        )

    def fir_in_order(self, element, taps, count, kind, outputs):
        """`fir` with SciPy's operations in its order.

        Behind the taps there stand 1 and, for DIVIDED, what sums are divided by, and its inverse.
        """
        b = self.b
        one = self.broadcast(taps, count)
        last = b.sub(count, I64(1))

        def general():
            tap = self.broadcast(taps, last)
            sums = [self.mul(element(b.add(last, I64(r))), tap) for r in range(outputs)]
            return self.slide(element, taps, last, sums, False, apart=True)

        sums = self.switch(
            b.and_(kind, I64(CENTRE - 1)),
            {
                SYMMETRIC: lambda: self.fir_outside_in(element, taps, count, one, outputs),
                ANTISYMMETRIC: lambda: self.fir_outside_in(element, taps, count, one, outputs, self.sub),
                GENERAL: general,
            },
        )

        def divided():
            by, inverse = (self.broadcast(taps, b.add(count, I64(k))) for k in (1, 2))
            return [self.divide(value, by, inverse) for value in sums]

        return self.switch(b.and_(kind, I64(DIVIDED)), {0: lambda: sums, DIVIDED: divided})

    def cast_between(self, sums, kind, dtype, arrange=list):
        """What the next axis reads of sums that SciPy stores in an integer `dtype`, if `kind` says so.

        `arrange`: how vectors are rearranged meanwhile; words take less time than float64.
        """

        def cast():
            b = self.b
            words = [self.cast_word(value, dtype) for value in sums]
            extend = b.zext if dtype.kind == "u" else b.sext
            words = arrange([extend(b.trunc(word, self._lanes_of(dtype)), word.type) for word in words])
            back = b.uitofp if dtype == np.uint64 else b.sitofp
            return [back(word, self.vector) for word in words]

        return self.switch(self.b.and_(kind, I64(CAST)), {0: lambda: arrange(sums), CAST: cast})

    def fir_outside_in(self, element, taps, count, one, outputs, combine=None):
        """`fir` for symmetric taps as SciPy computes it: the centre, then pairs from the outermost inwards.

        With `self.sub` to `combine` pairs, antisymmetric taps; the one in the middle may be any.

        Products are rounded before they are added, so that results equal SciPy's to the last bit. `one`
        is the number 1, which the compiler must not know: a multiply-add by it is an addition, and runs
        where multiplications do. Of two additions one does (measured: 4 % of the whole).
        """
        b = self.b
        combine = combine or self.add
        radius = b.lshr(count, I64(1))
        tap = self.broadcast(taps, radius)
        sums = [self.mul(element(b.add(radius, I64(r))), tap) for r in range(outputs)]
        # Inputs k below the centre of each output, and count - 1 - k below: one more of each in every step.
        below = [element(I64(r)) for r in range(outputs)]
        above = [element(b.add(b.sub(count, I64(1)), I64(r))) for r in range(outputs)]

        def step(k, carried):
            sums = carried[:outputs]
            below = carried[outputs : 2 * outputs]
            above = carried[2 * outputs :]
            tap = self.broadcast(taps, k)
            products = [self.mul(combine(below[r], above[r]), tap) for r in range(outputs)]
            sums = [
                self.muladd(product, one, sums[r]) if r % 2 else self.add(sums[r], product)
                for r, product in enumerate(products)
            ]
            # One input further in on either side.
            below = [*below[1:], element(b.add(k, I64(outputs)))]
            above = [element(b.sub(b.sub(count, I64(2)), k)), *above[:-1]]
            return [*sums, *below, *above]

        return self.loop(I64(0), radius, [*sums, *below, *above], step)[:outputs]

    def slide(self, element, taps, count, sums, skip, apart=False):
        """sums[r] + sum over k of taps[k] * element(r + k); with `skip`, zero taps are not multiplied.

        `apart`: products are rounded before they are added.
        """
        b = self.b
        outputs = len(sums)
        window = [element(I64(j)) for j in range(outputs - 1)]

        def step(k, carried):
            sums, held = carried[:outputs], carried[outputs:]
            held = [*held, element(b.add(k, I64(outputs - 1)))]
            tap = self.broadcast(taps, k)
            if apart:
                new = [self.add(sums[r], self.mul(tap, held[r])) for r in range(outputs)]
            else:
                new = [self.muladd(tap, held[r], sums[r]) for r in range(outputs)]
            if skip:
                # NaN and inf under a zero tap must not spread.
                keep = b.fcmp_unordered("!=", tap, self.splat(0))
                new = [b.select(keep, new[r], sums[r]) for r in range(outputs)]
            return [*new, *held[1:]]

        return self.loop(I64(0), count, [*sums, *window], step)[:outputs]

    def slide_differences(self, element, taps, count, sums, middles):
        """`slide` of what inputs differ from middles[r], if taps[k] is the sum of all from number k on.

        The first input counts by what it differs from middles[r], each other one by what it differs from the one
        before it: a subtraction for each input, not for each tap and output.
        """
        outputs = len(sums)
        first = [element(I64(j)) for j in range(outputs)]
        tap = self.broadcast(taps, I64(0))
        sums = [self.muladd(tap, self.sub(first[r], middles[r]), sums[r]) for r in range(outputs)]
        window = [self.sub(after, before) for before, after in pairwise(first)]

        def step(k, carried):
            sums, held, last = carried[:outputs], carried[outputs:-1], carried[-1]
            new = element(self.b.add(k, I64(outputs - 1)))
            held = [*held, self.sub(new, last)]
            tap = self.broadcast(taps, k)
            sums = [self.muladd(tap, held[r], sums[r]) for r in range(outputs)]
            return [*sums, *held[1:], new]

        return self.loop(I64(1), count, [*sums, *window, first[-1]], step)[:outputs]
