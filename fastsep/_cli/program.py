"""Runs a program in this process as `python` would: its modules, arguments, paths, errors and exit codes are the same.

Only a program that looks at its stack sees a difference: functions of this file have called it.
"""

from __future__ import annotations

import builtins
import os
import pkgutil
import runpy
import sys
import types
from collections.abc import Callable
from importlib.machinery import BuiltinImporter, SourceFileLoader, SourcelessFileLoader
from typing import Any, NamedTuple

from fastsep._patch import wrappers


class Program(NamedTuple):
    """What stands behind `python` on a command line."""

    kind: str  # "-m", "-c", "-" or "file"
    name: str  # of the module or the file, or the code itself
    arguments: list[str]


def begins(word: str) -> bool:
    """Whether a program, and no option, begins with this word of a command line."""
    return not word.startswith("-") or word == "-" or word.startswith(("-m", "-c"))


def parse(words: list[str]) -> Program:
    """Of the words of a command line, the first of which begins the program."""
    first, *rest = words
    if first == "-":
        return Program("-", "<stdin>", rest)
    if not first.startswith("-"):
        return Program("file", first, rest)
    kind, attached = first[:2], first[2:]  # Python takes `-mmodule`, too
    if not attached and not rest:
        raise ValueError(f"{kind} needs an argument")
    return Program(kind, attached, rest) if attached else Program(kind, rest[0], rest[1:])


def execute(program: Program) -> None:
    """Run it, to its end or its error."""
    main = _new_main()
    sys.argv = [program.name if program.kind == "file" else program.kind, *program.arguments]
    try:
        if program.kind == "-m":
            _look_first_in(os.getcwd())
            runpy._run_module_as_main(program.name)  # type: ignore[attr-defined]  # as Python does itself
        elif program.kind == "file" and pkgutil.get_importer(program.name) is not None:  # a folder or a zip archive
            sys.path[: 0 if sys.flags.safe_path else 1] = [os.path.join(os.getcwd(), program.name)]
            runpy._run_module_as_main("__main__", alter_argv=False)  # type: ignore[attr-defined]
        elif program.kind == "-" and sys.stdin.isatty():
            import code

            code.interact(local=vars(main))
        else:
            exec(_code(program, main), vars(main))
    except BaseException:
        sys.excepthook = _without_our_frames(sys.excepthook)
        raise


def _new_main() -> types.ModuleType:
    """A module `__main__` as Python makes it, in the place of the command line's."""
    main = types.ModuleType("__main__")
    main.__loader__ = BuiltinImporter
    if sys.version_info < (3, 14):
        main.__annotations__ = {}
    main.__builtins__ = builtins  # type: ignore[attr-defined]
    sys.modules["__main__"] = main
    return main


def _look_first_in(folder: str) -> None:
    """Let `folder` take the place of the command line's own, which Python has put first."""
    if not sys.flags.safe_path:  # with `-P` it has put none
        sys.path[0] = folder


def _code(program: Program, main: types.ModuleType) -> Any:
    """What to execute, in `main`."""
    if program.kind == "-c":
        _look_first_in("")
        return compile(program.name, "<string>", "exec", dont_inherit=True)
    if program.kind == "-":
        _look_first_in("")
        main.__file__ = program.name
        vars(main)["__cached__"] = None
        return compile(sys.stdin.buffer.read(), program.name, "exec", dont_inherit=True)

    path = os.path.join(os.getcwd(), program.name)
    _look_first_in(os.path.dirname(os.path.realpath(path)))
    main.__file__ = path
    vars(main)["__cached__"] = None
    try:
        with open(path, "rb") as file:
            source = file.read()
    except OSError as error:
        sys.stderr.write(f"{sys.executable}: can't open file {path!r}: [Errno {error.errno}] {error.strerror}\n")
        sys.exit(2)
    if path.endswith(".pyc"):
        main.__loader__ = SourcelessFileLoader("__main__", path)
        return main.__loader__.get_code("__main__")
    main.__loader__ = SourceFileLoader("__main__", path)
    return compile(source, path, "exec", dont_inherit=True)


def _without_our_frames(show: Callable[..., Any]) -> Callable[..., Any]:
    """What prints an exception that nobody catches, `show`, as if fastsep's functions had not been called."""

    def hook(kind: type[BaseException], error: BaseException, trace: types.TracebackType | None) -> None:
        sys.excepthook = show
        trace = _of_program(trace)
        show(kind, error.with_traceback(trace), trace)

    return hook


def _of_program(trace: types.TracebackType | None) -> types.TracebackType | None:
    """Only the frames that this file has called, less those of what stands in the place of functions."""
    first = None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == execute.__code__.co_filename:
            first = trace.tb_next
        while trace.tb_next is not None and trace.tb_next.tb_frame.f_code.co_filename == wrappers.FILE:
            trace.tb_next = trace.tb_next.tb_next
        trace = trace.tb_next
    return first
