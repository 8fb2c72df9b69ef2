"""Division of sums of integers by a constant: of bytes in lanes of 16 bits, of 16-bit integers by way of float32."""

from __future__ import annotations

from typing import NamedTuple

#: No remainder of a division is as large.
NEVER = 2**16 - 1


class Division(NamedTuple):
    """A sum over `divisor` is q = ((sum + add) * multiplier >> 16) * scale >> 16.

    Where sum + add - q * divisor equals `tie`, the sum lies in the middle between q - 1 and q, and the even one counts.
    """

    add: int
    multiplier: int
    scale: int
    divisor: int
    tie: int


def float_division(divisor: int, truncated: bool) -> tuple[float, float]:
    """How to divide sums of `divisor` 16-bit integers in float32: by what, and what is added and subtracted then.

    The quotient, at most 2^16, is off by less than 2^-8: it is truncated, or rounded half to even, as if it was exact.
    """
    return float(divisor), 0.0 if truncated else 1.5 * 2**23


def division(divisor: int, truncated: bool) -> Division:
    """How to divide sums of at most 255 * `divisor`, of 2 or more: truncated, or rounded half to even.

    The multiplier is 2^(16 + shift) / divisor, rounded to 16 bits: up, if that makes its product with the divisor at
    most 2^shift larger; else down, which makes it at most as much smaller, and one is added to the sum. Robison, "N-bit
    unsigned division via N-bit multiply-add" (2005).
    """
    half = 0 if truncated else divisor // 2
    shift = divisor.bit_length() - 1
    whole = 2 ** (16 + shift)
    up = -(-whole // divisor)
    one = int(up >= 2**16 or up * divisor - whole > 2**shift)
    tie = NEVER if truncated or divisor % 2 else one
    return Division(half + one, up - one, 2 ** (16 - shift), divisor, tie)
