"""Several ways to compute the same, and what was chosen of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastsep._plan.plan import Plan
from fastsep._plan.spec import Filter


class Alternatives:
    """Several ways to compute the same, of which `choose` takes one (see `_ops.choice`)."""

    def choose(self, make: Callable[[Filter], Plan], tame: bool) -> Any:
        """`tame`: what lies beyond the border is neither NaN nor infinite."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to apply a kernel."""

    method: str
    what: Filter | None  # None: not possible here
    finite: bool  # NaN and inf in the image would reach further than the kernel does
    note: str  # what it amounts to, or why it is not possible
    error: float  # L1 norm of what it leaves of the kernel
    size: float  # sum of the magnitudes of its products of taps


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen, and why."""

    plan: Plan
    chosen: Candidate
    fallback: Plan | None  # for an image with NaN or infinity, or values beyond `limit`
    limit: float
    others: tuple[tuple[Candidate, float], ...]  # with their estimated nanoseconds
    separable: Callable[[], tuple[Candidate, float]] | None  # the separable one, where only its price is too high

    @property
    def rejected(self) -> list[tuple[Candidate, float]]:
        """What else was possible, with its estimated nanoseconds, and what was not."""
        if self.separable is None:
            return list(self.others)
        return [(option, cost) for option, cost in self.others if option.method != "separable"] + [self.separable()]
