"""How threads of a pool share the bands of a call without the interpreter.

Python's lock costs a helping thread tens of microseconds whenever it wants something of the
interpreter; most calls are shorter. So a thread that has helped looks for the next call in compiled
code, for a moment, takes bands from there, and returns to the interpreter only to sleep (measured: a
layer of 0.42 ms on one thread takes 0.27 on two where a helper asks the interpreter, and 0.23 so).

Other programs and libraries have threads, too. Whoever looks in vain lets any that wait for its core run, and sleeps
soon: while the caller of a call sleeps, its core can take a helper that somebody else keeps from running.
"""

from __future__ import annotations

from fastsep._kernels.arguments import BLOCK_WORDS, SCRATCH
from fastsep._kernels.helper import helper
from fastsep._kernels.pool import atomic
from fastsep._kernels.pool.words import (
    AWAKE,
    BANDS,
    BLOCK,
    CLOCK,
    CLOCK_ID,
    CLOSED,
    DONE,
    FROM_BEHIND,
    INSIDE,
    JOINED,
    KERNEL,
    LONG_WAIT,
    LOOKING,
    OPEN,
    OPENED,
    POSTED,
    STATE,
    STAYING,
    STRIDE,
    TAKEN,
    THREADS,
    WAIT,
    WERE_AWAKE,
    YIELD,
)
from fastsep._kernels.simd.memory import call, copy_bytes, set_word, word


def build(role: str):
    """The kernels of the thread that calls ("post", then "share") and of one that helps ("serve")."""

    @helper
    def at(words, number):
        return words + 8 * number

    @helper
    def now(words):
        return atomic.now(word(words, CLOCK), word(words, CLOCK_ID))

    @helper
    def pause(words):
        """Between two looks."""
        atomic.pause()
        atomic.let_run(word(words, YIELD))

    @helper
    def block_of(words, thread):
        """The argument block of a thread of the call: the caller's, or a copy with scratch memory of its own behind."""
        block, stride = word(words, BLOCK), word(words, STRIDE)
        if thread == 0 or stride == 0:
            return block
        own = block + thread * stride
        copy_bytes(own, block, 8 * BLOCK_WORDS)
        set_word(own, SCRATCH, own + 8 * BLOCK_WORDS)
        return own

    @helper
    def run_bands(words, thread):
        """Run bands that nobody has taken yet; how many.

        The caller's from the first on, helpers' from the last backwards: so in calls that follow each other a core gets
        much the same bands, whose weights and results are in its own cache (measured, two threads: a layer of
        7 x 7 x 1024 and MobileNetV1 take 0.9 of the time).
        """
        last = word(words, BANDS) - 1
        if atomic.add(at(words, TAKEN), 1) > last:
            return 0
        block = block_of(words, thread)
        count = 0
        while True:
            band = count if thread == 0 else last - atomic.add(at(words, FROM_BEHIND), 1)
            call(word(words, KERNEL), block, band)
            count += 1
            if atomic.add(at(words, TAKEN), 1) >= word(words, BANDS):  # the caller may call it off
                return count

    def post(words, unused):
        """Let helpers see the call that the words hold."""
        atomic.store(at(words, TAKEN), 0)
        atomic.store(at(words, FROM_BEHIND), 0)
        atomic.store(at(words, JOINED), 0)
        atomic.store(at(words, OPEN), 1)
        atomic.add(at(words, POSTED), 1)
        # Behind the post: a thread that is not counted here any more looks once more before it sleeps.
        set_word(words, WERE_AWAKE, atomic.load(at(words, AWAKE)))
        set_word(words, STATE, OPENED)

    def share(words, unused):
        """Run a call together with whoever helps; return when all have left it, or after a moment.

        Called again, it only waits once more.
        """
        wait = word(words, WAIT)
        if word(words, STATE) == OPENED:
            set_word(words, STATE, CLOSED)
            start = now(words)
            count = run_bands(words, 0)
            # Whoever counts itself in from here on finds the call closed, all others are waited for.
            atomic.store(at(words, OPEN), 0)
            if count > 0:  # a helper's last band takes as long as those here
                wait = max(wait, min((now(words) - start) // count, word(words, LONG_WAIT)))
        end = now(words) + wait
        while atomic.load(at(words, INSIDE)) != 0:
            if now(words) >= end:
                return
            pause(words)
        set_word(words, STATE, DONE)

    @helper
    def help_until_idle(words, seen):
        """Help with calls until none has come for a moment; the number of those seen.

        A moment from the end of the last one: where calls come in a row, its caller brings the next one, but it may
        still be at its last band, or take long to wake up (measured: 0.1 to 0.4 ms).
        """
        stay = now(words)  # a call in which it takes part may last as long as this
        end = stay + word(words, LOOKING)
        while True:
            posted = atomic.load(at(words, POSTED))
            if posted != seen:
                seen = posted
                atomic.add(at(words, INSIDE), 1)
                if atomic.load(at(words, OPEN)) != 0:
                    thread = atomic.add(at(words, JOINED), 1) + 1
                    if thread < word(words, THREADS):
                        run_bands(words, thread)
                atomic.add(at(words, INSIDE), -1)
                time = now(words)
                stay, end = time + word(words, STAYING), time + word(words, LOOKING)
            else:
                time = now(words)
                if time < stay and atomic.load(at(words, STATE)) != DONE:
                    end = time + word(words, LOOKING)
                elif time >= end:
                    return seen
                pause(words)

    def serve(words, last):
        """Help with calls until none has come for a moment. The word at `last` counts those seen."""
        seen = word(last, 0)
        while True:
            atomic.add(at(words, AWAKE), 1)
            seen = help_until_idle(words, seen)
            atomic.add(at(words, AWAKE), -1)
            if atomic.load(at(words, POSTED)) == seen:
                break
        set_word(last, 0, seen)

    return {"post": post, "share": share, "serve": serve}[role]
