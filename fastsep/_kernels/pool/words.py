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
#: Threads that look for calls now.
AWAKE = 32
#: The call: what its caller has done for it; addresses of kernel and argument block; number of bands; how many
#: threads were awake when it was posted.
STATE, KERNEL, BLOCK, BANDS, WERE_AWAKE = range(40, 45)
NEW, OPENED, CLOSED, DONE = range(4)
#: The system's clock: its address, which of its clocks is asked, and how long threads look in vain, in its units.
CLOCK, CLOCK_ID, MOMENT = range(48, 51)
#: Calls that each thread has seen, from here on.
SEEN = 56
POOL_WORDS = 56
