"""The words that a pool's threads share, each that changes on a cache line of its own. Known without Numba."""

from __future__ import annotations

#: Calls posted so far.
POSTED = 0
#: 1 while a call may be helped with.
OPEN = 8
#: Bands taken so far; of these those that helpers have taken: they begin with the last, the caller with the first.
TAKEN, FROM_BEHIND = 16, 17
#: Threads that may be running bands, besides the caller's.
INSIDE = 24
#: Threads that look for calls now.
AWAKE = 32
#: Threads that have joined this call, besides the caller's.
JOINED = 40
#: The call: what its caller has done for it; address of the kernel; address of the argument block, and bytes from there
#: to that of the next thread (0: all share one); number of bands; how many threads may run them; how many were awake
#: when it was posted.
STATE, KERNEL, BLOCK, STRIDE, BANDS, THREADS, WERE_AWAKE = range(48, 55)
NEW, OPENED, CLOSED, DONE = range(4)
#: The system's functions that tell the time and let another thread run: their addresses, and which clock is asked. In
#: the clock's units: how long the caller of a call looks in vain, at least and at most; how long a helper does; and how
#: long a helper stays for the end of a call.
CLOCK, CLOCK_ID, YIELD, WAIT, LONG_WAIT, LOOKING, STAYING = range(56, 63)
#: Calls that each thread has seen, from here on.
SEEN = 64
POOL_WORDS = 64
