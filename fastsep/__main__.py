"""The command line: `fastsep run` runs other people's programs, all other commands are fastsep's own.

A program may set what NumPy reads when it is imported (`OMP_NUM_THREADS`), so that nothing here imports NumPy before.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    words = sys.argv[1:] if argv is None else list(argv)
    if words[:1] == ["run"]:
        from fastsep._cli import run

        return run.main(words[1:])
    if words and words[0].endswith(".py"):
        from fastsep._cli import run

        return run.main(words)
    from fastsep._cli import commands

    return commands.main(words)


if __name__ == "__main__":
    sys.exit(main())
