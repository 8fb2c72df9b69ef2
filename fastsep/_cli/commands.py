"""All commands but `run`: `demo`, `edges`, `blur`, `sharpen`, `factorize`, `explain`, `info`, `warmup`, `cache`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import fastsep
from fastsep._cli import console, demo, installation, kernel_commands, picture_commands, run
from fastsep._cli.errors import Refusal


def main(words: Sequence[str]) -> int:
    console.prepare()
    prefix = "fastsep"
    try:
        try:
            options = _parse(words)
            prefix = f"fastsep {options.command}"
            with console.terminable(), console.verbose(getattr(options, "verbose", False)):
                status: int = options.run(options)
            return status
        finally:
            console.flush()
    except Refusal as error:
        return _fail(f"{prefix}: {error}", 2)
    except console.Terminated:
        return _fail(f"{prefix}: terminated", console.TERMINATED)
    except KeyboardInterrupt:
        return _fail(f"{prefix}: interrupted", console.INTERRUPTED)
    except BrokenPipeError:
        console.discard_output()
        return console.PIPE_CLOSED
    except OSError as error:  # such as a full disk behind standard output
        console.discard_output()
        return _fail(f"{prefix}: {error.strerror or error}", 1)


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="fastsep",
        description="Fast filters for images, under scikit-image's names.",
    )
    parser.add_argument("--version", action="version", version=f"fastsep {fastsep.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    demo.add_command(commands)
    picture_commands.add_commands(commands)
    kernel_commands.add_commands(commands)
    commands.add_parser("run", help=run.HELP)  # for the list: what it does is not done from here
    installation.add_commands(commands)

    if not words:
        parser.error("a COMMAND is required")
    if words[0] not in commands.choices:
        if words[0] in ("-h", "--help", "--version"):
            parser.parse_args(words[:1])
        parser.error(
            f"{words[0]!r} is no COMMAND (one of {', '.join(commands.choices)}) and no script that ends in .py; "
            "fastsep run starts other programs"
        )
    # By the command's own parser, which knows its usage, and takes options between other arguments.
    command: argparse.ArgumentParser = commands.choices[words[0]]
    return command.parse_intermixed_args(words[1:], argparse.Namespace(command=words[0]))


def _fail(line: str, code: int) -> int:
    console.warn(line)
    return code
