"""The commands that print what the library knows of a kernel or a filter: `factorize` and `explain`."""

from __future__ import annotations

import argparse
import ast
from typing import Any

import numpy as np

import fastsep
from fastsep import corners, correlation, edges, filters, gaussians
from fastsep._cli import as_json, kernel_text
from fastsep._cli.errors import Refusal, one_line

# What stands for an image on the command line: pixels do not count.
SHAPE, DTYPE = "1080x1920", "float32"


def add_commands(commands: Any) -> None:
    """Add `factorize` and `explain` to a parser's sub-commands."""
    command = commands.add_parser("factorize", help="write a kernel as a sum of separable ones")
    command.add_argument("kernel", help=kernel_text.HELP)
    command.add_argument("--rank", type=int, metavar="N", help="at most N terms")
    command.add_argument("--tol", type=float, metavar="X", help="as few terms as leave at most X of the kernel")
    command.add_argument("--bank", action="store_true", help="the kernels (n, kh, kw) of a file: terms for all of them")
    command.add_argument("--json", action="store_true", help="print the terms as JSON, with all digits")
    command.set_defaults(run=run_factorize)

    command = commands.add_parser(
        "explain",
        help="tell how a filter would run",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='example: fastsep explain correlate "kernel=1 2 1; 2 4 2; 1 2 1" --shape 2160x3840',
    )
    command.add_argument("filter", help="name of a filter, such as gaussian or correlate")
    command.add_argument(
        "arguments", nargs="*", metavar="NAME=VALUE", help=f"its arguments; a kernel is {kernel_text.HELP}"
    )
    command.add_argument("--shape", default=SHAPE, help="of the image (default: %(default)s)")
    command.add_argument("--dtype", default=DTYPE, help="of the image (default: %(default)s)")
    command.add_argument("--json", action="store_true", help="print the explanation as JSON")
    command.set_defaults(run=run_explain)


def run_factorize(options: argparse.Namespace) -> int:
    kernel = kernel_text.read(options.kernel)
    find = fastsep.factorize_bank if options.bank else fastsep.factorize
    try:
        found = find(kernel, rank=options.rank, tol=options.tol)
    except (TypeError, ValueError) as error:
        raise Refusal(one_line(str(error))) from None
    print(as_json.dumps(found) if options.json else found)
    return 0


def run_explain(options: argparse.Namespace) -> int:
    names = [name for module in (filters, gaussians, edges, corners, correlation) for name in module.__all__]
    if options.filter not in names:
        raise Refusal(f"there is no filter {options.filter!r}; there are {', '.join(sorted(names))}")
    arguments = dict(_argument(text) for text in options.arguments)
    try:
        shape = tuple(int(part) for part in options.shape.split("x"))
        image = np.broadcast_to(np.zeros((), options.dtype), shape)
    except (TypeError, ValueError):
        raise Refusal(
            f"--shape must be such as {SHAPE} and --dtype such as {DTYPE}; got {options.shape} and {options.dtype}"
        ) from None
    try:
        found = fastsep.explain(getattr(fastsep, options.filter), image, **arguments)
    except (TypeError, ValueError, RuntimeError) as error:
        raise Refusal(one_line(str(error))) from None
    print(as_json.dumps(found) if options.json else found)
    return 0


def _argument(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise Refusal(f"an argument must be NAME=VALUE; got {text!r}")
    if name in ("kernel", "kernels"):
        return name, kernel_text.read(value)
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value  # a word, such as the name of a border mode
