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
from fastsep._kernels.rows import scratch_of
from fastsep._kernels.simd import bit_exact, memory


def build():
    """The band function of all three steps, of which `PHASE` names one."""
    vector = target().vector_bytes

    @helper
    def visit(block, codes, pixel, low, high, stack, count):
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
        reach = memory.word(block, at.REACH)
        for k in range(memory.word(block, at.LINES)):
            shift = memory.word(memory.word(block, at.LINES_AT), k)
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
    def follow(block, codes, pixel, low, high, stack):
        """Mark all weak pixels that are connected to a weak one."""
        count = visit(block, codes, pixel, low, high, stack, 0)
        while count > 0:
            pixel = memory.word(stack, count)
            count -= 1
            if bit_exact.byte(codes, pixel) == at.WEAK:
                count = visit(block, codes, pixel, low, high, stack, count)

    @helper
    def next_beside(block, codes, pixel, total):
        """The first weak pixel from `pixel` on, within a vector, that touches a strong one.

        If there is none: the pixel behind that vector, negated.
        """
        lines, number = memory.word(block, at.LINES_AT), memory.word(block, at.LINES)
        reach = memory.word(block, at.REACH)
        if pixel + vector + memory.word(block, at.FURTHEST) <= total:
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
    def search(block, codes, begin, end, low, high, stack):
        """Follow every weak pixel of `begin` .. `end` - 1 beside a strong one, within `low` .. `high` - 1."""
        total = memory.word(block, at.ROWS) * memory.word(block, at.DST_ROW)
        memory.set_word(stack, 0, 1)
        while memory.word(stack, 0) != 0:
            memory.set_word(stack, 0, 0)
            pixel = bit_exact.next_byte(codes, begin, end, at.WEAK)
            while pixel < end:
                found = next_beside(block, codes, pixel, total)
                pixel = abs(found)
                if 0 < found < end:
                    follow(block, codes, found, low, high, stack)
                pixel = bit_exact.next_byte(codes, pixel, end, at.WEAK)
            # Those for which there was no room may lie anywhere.
            furthest = memory.word(block, at.FURTHEST)
            begin, end = max(low, furthest), min(high, total - furthest)

    def band(block, index):
        codes = memory.word(block, at.DST)
        pixels = memory.word(block, at.DST_ROW)
        rows = memory.word(block, at.ROWS)
        total = rows * pixels
        bands = memory.word(block, at.BANDS)
        phase = memory.word(block, at.PHASE)
        furthest = memory.word(block, at.FURTHEST)
        stack = scratch_of(block, index)
        low, high = rows * index // bands * pixels, rows * (index + 1) // bands * pixels
        # Pixels whose neighbours would lie outside are of the border of zeros.
        if phase == at.SEARCH:
            search(block, codes, max(low, furthest), min(high, total - furthest), low, high, stack)
        elif phase == at.JOIN:
            # One band for all; SRC says how many there were.
            parts = memory.word(block, at.SRC)
            for part in range(1, parts):
                border = rows * part // parts * pixels
                begin, end = max(border - furthest, furthest), min(border + furthest, total - furthest)
                search(block, codes, begin, end, 0, total, stack)
        else:
            bit_exact.keep_bytes(codes, low, high, at.STRONG)

    return band
