"""`fastsep run`: a program as it is, with fastsep's functions in the place of scikit-image's and SciPy's."""

from __future__ import annotations

import argparse
import os
import pathlib
from collections.abc import Sequence

import fastsep
from fastsep._cli import program
from fastsep._cli.files import obstacle

HELP = "run a program with its filters of scikit-image and SciPy replaced"
USAGE = "fastsep run [--report [FILE.json]] [--internal] (SCRIPT | -m MODULE | -c CODE | -) [ARGUMENT ...]"


def main(words: Sequence[str]) -> int:
    options, started = _parse(list(words))
    # For processes that the program starts: the line in `fastsep.pth` reads it.
    os.environ["FASTSEP_PATCH"] = "internal" if options.internal else "1"
    fastsep.patch(internal=options.internal)
    if options.report is not None:
        from fastsep._cli import report

        report.at_exit(options.report)
    program.execute(started)
    return 0


def _parse(words: list[str]) -> tuple[argparse.Namespace, program.Program]:
    parser = argparse.ArgumentParser(
        prog="fastsep run",
        usage=USAGE,
        allow_abbrev=False,
        description="Run a program as Python does, with fastsep's functions in the place of those of the same name in "
        "scikit-image and SciPy, wherever results are the same. Processes that it starts are treated likewise, if they "
        "run Python and find fastsep installed.",
        epilog="What stands behind SCRIPT, MODULE or CODE is the program's. "
        "Example: fastsep run --report count.py cells.tif",
    )
    parser.add_argument(
        "--report",
        nargs="?",
        const="",
        metavar="FILE.json",
        help="at the end, tell what was replaced and how much time that saved, on standard error or in a file",
    )
    parser.add_argument("--internal", action="store_true", help="replace what scikit-image calls inside, too")
    own = _number_of_options(words)
    options, others = parser.parse_known_args(words[:own])
    if others:
        parser.error(
            f"{others[0]} is no option of fastsep; Python's own stand before: python {others[0]} -m fastsep run"
        )
    if words[own : own + 1] == ["--"]:
        own += 1
    if own == len(words):
        parser.error("a SCRIPT, -m MODULE, -c CODE or - is required")
    try:
        started = program.parse(words[own:])
    except ValueError as error:
        parser.error(str(error))
    if options.report:
        reason = obstacle(pathlib.Path(options.report))
        if reason:
            parser.error(f"argument --report: cannot write {options.report}: {reason}")
        options.report = os.path.abspath(options.report)  # the program may go to another folder
    return options, started


def _number_of_options(words: list[str]) -> int:
    """How many words stand before the program."""
    number = 0
    while number < len(words) and words[number] != "--" and not program.begins(words[number]):
        # Left to itself, argparse would take the name of a script for that of the report.
        names_report = words[number] == "--report" and "".join(words[number + 1 : number + 2]).endswith(".json")
        number += 1 + names_report
    return number
