"""Programs of several stages that run together, in one sweep over the image."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fastsep._call import Program, Request
from fastsep._engine.execution import Runner
from fastsep._engine.pipeline import Pipeline
from fastsep._plan import description
from fastsep._plan.description import Description, Stage
from fastsep._plan.plan import Plan
from fastsep._plan.spec import Filter, Step
from fastsep._validation.array_like import Array, DType

#: Sobel's smoothing taps, not divided by their sum: side and centre.
SOBEL = (1.0, 2.0)


class Sweep(Program):
    """A pipeline, or one kernel of several results."""

    def __init__(
        self, request: Request, runs: Pipeline | Runner, order: Sequence[int], stages: Sequence[Stage],
        firsts: Sequence[int],
    ) -> None:  # fmt: skip
        """`order`: for each result of the kernel its place among those asked for. `firsts`: for each result asked for
        the place of the first one that equals it."""
        super().__init__(request)
        self.runs, self.order, self.stages = runs, tuple(order), tuple(stages)
        self.again = [(place, first) for place, first in enumerate(firsts) if place != first]

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the kernel's results, of a gradient."""
        return tuple(self.stages[-1].plans[0].kernel[1].split("+"))

    def run(self, image: Array, outs: Sequence[Array], workers: int | None) -> None:
        results = [outs[place] for place in self.order]
        self.runs.run(image, results[0], workers, results[1:])
        self.repeat(outs)

    def repeat(self, outs: Sequence[Array]) -> None:
        """Copy results that are asked for again."""
        for place, first in self.again:
            outs[place][...] = outs[first]

    def describe(self) -> Description:
        arithmetic = self.stages[-1].plans[0].acc
        return description.of_stages("once over the image, strip by strip", arithmetic, self.stages, True, ())


def plan_of_step(
    strategy: str, kernel: tuple[str, ...], what: Filter | Step, shape: tuple[int, ...], dtype: DType, result: DType,
    modes: tuple[str, ...], cval: float, work: float,
) -> Plan:  # fmt: skip
    """The plan of a step of a pipeline over a plane, of which the planner knows nothing. `work`: for a pixel."""
    return Plan(
        strategy, kernel, what, shape, (1, 1, *shape, 1), ("reflect", *modes), cval, cval, dtype, dtype, result,  # type: ignore[arg-type]
        work * math.prod(shape), 1.0,
    )  # fmt: skip
