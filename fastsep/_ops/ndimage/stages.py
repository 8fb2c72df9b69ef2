"""What `explain` gets to see of filters that are composed of others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from fastsep._call import FilterProgram, NotRun, Program
from fastsep._plan import description
from fastsep._plan.description import Description, Stage
from fastsep._plan.spec import Halo
from fastsep._validation.array_like import Array, DType


class Stages(Program):
    """Programs that run one after the other, and compare pixels."""

    source = None

    def __init__(self, programs: list[tuple[str, Program]]) -> None:
        self.programs = programs
        self.wraps = programs[0][1].wraps
        self.accelerated = all(program.accelerated for _, program in programs)

    @property
    def halo(self) -> Halo:
        # A border that reflects the results of one step needs them as far inside as the next step reaches outside.
        halos = zip(*(program.halo for _, program in self.programs), strict=True)
        return tuple((reach, reach) for reach in (sum(map(max, sides)) for sides in halos))

    def describe(self) -> Description:
        stages = []
        for name, program in self.programs:
            if not isinstance(program, FilterProgram):  # by SciPy, or of several steps itself
                return program.describe()
            stages.append(Stage(name, (program.what,), (program.runner.plan,)))
        return description.of_stages("", stages[0].plans[0].acc, stages, True, ())


def raise_not_run(image: Array, *steps: Callable[[Any, Any], Any]) -> NoReturn:
    """Raise what says of all steps, for an image that is a stand-in, what would run."""
    programs = []
    found: NotRun
    for step in steps:
        try:
            step(image, None)
        except NotRun as instead:
            found = instead
            if instead.program is None:
                raise
            programs.append((step.__name__, instead.program))
    raise NotRun(Stages(programs), found.result, found.direct, found.shape, None, 1)


class Parts(Program):
    """Programs for real and imaginary parts, side by side."""

    source = None

    def __init__(self, programs: list[Program]) -> None:
        self.programs = programs
        self.wraps = programs[0].wraps
        self.accelerated = all(program.accelerated for program in programs)
        # What is decided by a look at all pixels would have to be decided for each part.
        self.local = all(program.local and program.look is None for program in programs)

    @property
    def unit(self) -> int:
        return max(program.unit for program in self.programs)

    @property
    def halo(self) -> Halo:
        halos = zip(*(program.halo for program in self.programs), strict=True)
        return tuple((max(before), max(after)) for before, after in (zip(*sides, strict=True) for sides in halos))

    def describe(self) -> Description:
        found = [program.describe() for program in self.programs]
        return found[0]._replace(
            terms=tuple(dict.fromkeys(term for each in found for term in each.terms)),
            multiplications=_sum([each.multiplications for each in found]),
            dense_multiplications=_sum([each.dense_multiplications for each in found]),
            halo=self.halo, error=sum(each.error for each in found), seconds=_sum([each.seconds for each in found]),
            notes=(f"{len(found)} filters of real and imaginary parts, the first of them like this", *found[0].notes),
        )  # fmt: skip


def _sum(values: list[Any]) -> Any:
    return None if None in values else sum(values)


def raise_not_run_of_parts(result: DType, *parts: Callable[[], Any]) -> NoReturn:
    """Raise what says of all parts what would run. `result`: the complex dtype."""
    programs = []
    found: NotRun
    for part in parts:
        try:
            part()
        except NotRun as instead:
            found = instead
            programs.append(instead.program)
    program = None if None in programs else Parts(programs)  # None: the image is empty
    raise NotRun(program, result.newbyteorder("="), found.direct, found.shape, None, 1)
