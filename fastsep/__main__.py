"""The command line: `fastsep demo`, `edges`, `blur`, `sharpen`, `factorize`, `explain`, `info`, `warmup`, `cache`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import fastsep
from fastsep import _batch, _commands
from fastsep._cli import console, demo, installation
from fastsep._refusal import Refusal


def main(argv: Sequence[str] | None = None) -> int:
    console.prepare()
    words = sys.argv[1:] if argv is None else list(argv)
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
    _batch.add_commands(commands)
    _commands.add_commands(commands)
    installation.add_commands(commands)

    if not words or words[0] not in commands.choices:
        parser.parse_args(words)  # help, the version, or an unknown option or command
        parser.error("a COMMAND is required")
    # By the command's own parser, which knows its usage, and takes options between other arguments.
    command: argparse.ArgumentParser = commands.choices[words[0]]
    return command.parse_intermixed_args(words[1:], argparse.Namespace(command=words[0]))


def _fail(line: str, code: int) -> int:
    console.warn(line)
    return code


if __name__ == "__main__":
    sys.exit(main())
