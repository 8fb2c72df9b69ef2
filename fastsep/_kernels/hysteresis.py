"""Edge tracking: which weak pixels are connected to a strong one.

Bytes stand for pixels: `blocks.WEAK`, `STRONG`, or 0. From every strong one the weak pixels left and right of
it become `CONNECTED`, then those of the neighbouring lines that touch them, and so on. Around the pixels
there is a border of zeros, so that a line never runs into the next one.

Bands search within their own pixels. Then one thread follows what crosses from band to band: which
pixels are connected does not depend on who found it.
"""

from __future__ import annotations

from numba.extending import register_jitable

from fastsep._kernels import blocks as at
from fastsep._kernels import exact_simd, simd


@register_jitable
def _visit(block, codes, pixel, low, high, stack, count):
    """Mark the line of pixels around `pixel` and stack one pixel of each line that touches it.

    Only pixels of `low` .. `high` - 1 count. Returns how many are on the stack. Where that is full, they become
    STRONG, to be found by looking for them, and word 0 of the stack is set.
    """
    left = pixel
    while left > low and 0 < exact_simd.byte(codes, left - 1) < at.CONNECTED:
        left -= 1
    right = pixel + 1
    while right < high and 0 < exact_simd.byte(codes, right) < at.CONNECTED:
        right += 1
    for x in range(left, right):
        exact_simd.set_byte(codes, x, at.CONNECTED)
    reach = simd.word(block, at.REACH)
    for k in range(simd.word(block, at.LINES)):
        shift = simd.word(simd.word(block, at.LINES_AT), k)
        fresh = True
        for x in range(max(left - reach + shift, low), min(right + reach + shift, high)):
            if not 0 < exact_simd.byte(codes, x) < at.CONNECTED:
                fresh = True
                continue
            if fresh and count < at.STACK_WORDS - 1:
                count += 1
                simd.set_word(stack, count, x)
            elif fresh:
                exact_simd.set_byte(codes, x, at.STRONG)
                simd.set_word(stack, 0, 1)
            fresh = False
    return count


@register_jitable
def _follow(block, codes, pixel, low, high, stack):
    """Mark all that is connected to `pixel` by way of the stack."""
    count = _visit(block, codes, pixel, low, high, stack, 0)
    while count > 0:
        pixel = simd.word(stack, count)
        count -= 1
        if exact_simd.byte(codes, pixel) != at.CONNECTED:
            count = _visit(block, codes, pixel, low, high, stack, count)


@register_jitable
def _search(block, codes, low, high, stack):
    """Follow every strong pixel of `low` .. `high` - 1."""
    simd.set_word(stack, 0, 1)
    while simd.word(stack, 0) != 0:
        simd.set_word(stack, 0, 0)
        pixel = exact_simd.next_byte(codes, low, high, at.STRONG)
        while pixel < high:
            _follow(block, codes, pixel, low, high, stack)
            pixel = exact_simd.next_byte(codes, pixel, high, at.STRONG)


@register_jitable
def _join(block, codes, border, total, stack):
    """Follow what crosses `border`, the first pixel of a band."""
    reach = simd.word(block, at.REACH)
    furthest = simd.word(block, at.FURTHEST)
    stop = min(border + furthest, total)
    pixel = exact_simd.next_byte(codes, max(border - furthest, 0), stop, at.CONNECTED)
    while pixel < stop:
        for k in range(simd.word(block, at.LINES)):
            middle = pixel + simd.word(simd.word(block, at.LINES_AT), k)
            for x in range(max(middle - reach, 0), min(middle + reach + 1, total)):
                if 0 < exact_simd.byte(codes, x) < at.CONNECTED:
                    _follow(block, codes, x, 0, total, stack)
        pixel = exact_simd.next_byte(codes, pixel + 1, stop, at.CONNECTED)


def build():
    """The band function of all three steps, of which `PHASE` names one."""

    def band(block, index):
        codes = simd.word(block, at.DST)
        pixels = simd.word(block, at.DST_ROW)
        rows = simd.word(block, at.ROWS)
        bands = simd.word(block, at.BANDS)
        phase = simd.word(block, at.PHASE)
        stack = simd.word(block, at.SCRATCH) + index * simd.word(block, at.SCRATCH_BAND)
        low, high = rows * index // bands * pixels, rows * (index + 1) // bands * pixels
        if phase == at.SEARCH:
            _search(block, codes, low, high, stack)
        elif phase == at.JOIN:
            # One band for all; SRC says how many there were.
            parts = simd.word(block, at.SRC)
            for part in range(1, parts):
                _join(block, codes, rows * part // parts * pixels, rows * pixels, stack)
            _search(block, codes, 0, rows * pixels, stack)
        else:
            exact_simd.keep_bytes(codes, low, high, at.CONNECTED)

    return band
