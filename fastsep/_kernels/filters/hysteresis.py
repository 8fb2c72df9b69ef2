"""Edge tracking: which weak pixels are connected to a strong one.

Bytes stand for pixels: `arguments.WEAK`, `STRONG`, or 0. Weak pixels beside a strong one are looked for, a
vector at a time. From each of them the weak pixels left and right become strong, then those of the
neighbouring lines that touch them, and so on. Around the pixels there is a border of zeros, so that
a line never runs into the next one.

Bands search within their own pixels. Then one thread follows what crosses from band to band: which
pixels are connected does not depend on who found it.
"""

from __future__ import annotations

from fastsep._kernels import arguments as at
from fastsep._kernels.helper import helper
from fastsep._kernels.jit import target
from fastsep._kernels.simd import bit_exact, memory


def build():
    """The band function of all three steps, of which `step` names one."""
    search = _searcher(_follower())

    def band(block, index):
        args = at.Hysteresis(block)
        codes = args.dst
        pixels = args.dst_row
        rows = args.rows
        total = rows * pixels
        bands = args.bands
        step = args.step
        furthest = args.furthest
        stack = args.scratch
        low, high = rows * index // bands * pixels, rows * (index + 1) // bands * pixels
        # Pixels whose neighbours would lie outside are of the border of zeros.
        if step == at.SEARCH:
            search(args, codes, max(low, furthest), min(high, total - furthest), low, high, stack)
        elif step == at.JOIN:
            # One band for all.
            parts = args.searched
            for part in range(1, parts):
                border = rows * part // parts * pixels
                begin, end = max(border - furthest, furthest), min(border + furthest, total - furthest)
                search(args, codes, begin, end, 0, total, stack)
        else:
            bit_exact.keep_bytes(codes, low, high, at.STRONG)

    return band


def _follower():
    """`follow`."""

    @helper
    def visit(args, codes, pixel, low, high, stack, count):
        """Mark the line of weak pixels around `pixel` and stack one pixel of each line that touches it.

        Only pixels of `low` .. `high` - 1 count. Returns how many are on the stack. Those for which there
        is no room are found again by looking for them: word 0 of the stack is set.
        """
        left = pixel
        while left > low and bit_exact.byte(codes, left - 1) == at.WEAK:
            left -= 1
        right = pixel + 1
        while right < high and bit_exact.byte(codes, right) == at.WEAK:
            right += 1
        for x in range(left, right):
            bit_exact.set_byte(codes, x, at.STRONG)
        reach = args.reach
        for k in range(args.line_count):
            shift = memory.word(args.lines, k)
            fresh = True
            for x in range(max(left - reach + shift, low), min(right + reach + shift, high)):
                if bit_exact.byte(codes, x) != at.WEAK:
                    fresh = True
                    continue
                if fresh and count < at.STACK_WORDS - 1:
                    count += 1
                    memory.set_word(stack, count, x)
                elif fresh:
                    memory.set_word(stack, 0, 1)
                fresh = False
        return count

    @helper
    def follow(args, codes, pixel, low, high, stack):
        """Mark all weak pixels that are connected to a weak one."""
        count = visit(args, codes, pixel, low, high, stack, 0)
        while count > 0:
            pixel = memory.word(stack, count)
            count -= 1
            if bit_exact.byte(codes, pixel) == at.WEAK:
                count = visit(args, codes, pixel, low, high, stack, count)

    return follow


def _searcher(follow):
    """`search`."""
    vector = target().vector_bytes

    @helper
    def next_beside(args, codes, pixel, total):
        """The first weak pixel from `pixel` on, within a vector, that touches a strong one.

        If there is none: the pixel behind that vector, negated.
        """
        lines, number = args.lines, args.line_count
        reach = args.reach
        if pixel + vector + args.furthest <= total:
            step = bit_exact.beside_byte(codes, pixel, lines, number, reach, at.WEAK, at.STRONG)
            return pixel + step if step < vector else -(pixel + vector)
        # Near the end a vector's neighbours would lie outside.
        for x in range(-1, 2):
            if bit_exact.byte(codes, pixel + x) == at.STRONG:
                return pixel
        for k in range(number):
            for x in range(-reach, reach + 1):
                if bit_exact.byte(codes, pixel + memory.word(lines, k) + x) == at.STRONG:
                    return pixel
        return -(pixel + 1)

    @helper
    def search(args, codes, begin, end, low, high, stack):
        """Follow every weak pixel of `begin` .. `end` - 1 beside a strong one, within `low` .. `high` - 1."""
        total = args.rows * args.dst_row
        memory.set_word(stack, 0, 1)
        while memory.word(stack, 0) != 0:
            memory.set_word(stack, 0, 0)
            pixel = bit_exact.next_byte(codes, begin, end, at.WEAK)
            while pixel < end:
                found = next_beside(args, codes, pixel, total)
                pixel = abs(found)
                if 0 < found < end:
                    follow(args, codes, found, low, high, stack)
                pixel = bit_exact.next_byte(codes, pixel, end, at.WEAK)
            # Those for which there was no room may lie anywhere.
            furthest = args.furthest
            begin, end = max(low, furthest), min(high, total - furthest)

    return search
