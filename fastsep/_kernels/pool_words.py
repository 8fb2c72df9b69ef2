"""The words that a pool's threads share, each that changes on a cache line of its own. Known without Numba."""

from __future__ import annotations

#: Calls posted so far.
POSTED = 0
#: 1 while a call may be helped with.
OPEN = 8
#: The next band that nobody has taken.
NEXT = 16
#: Threads that may be running bands, besides the caller's.
INSIDE = 24
#: The call: what its caller has done for it; addresses of kernel and argument block; number of bands.
STATE, KERNEL, BLOCK, BANDS = range(32, 36)
NEW, OPENED, CLOSED = range(3)
#: Calls that each thread has seen, from here on.
SEEN = 40
POOL_WORDS = 40
