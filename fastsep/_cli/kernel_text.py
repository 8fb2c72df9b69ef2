"""Kernels as they are given on the command line: in a file, as numbers, or by an operator's name."""

from __future__ import annotations

import ast
import pathlib

import numpy as np

from fastsep._cli.errors import Refusal, reason
from fastsep._plan import operators
from fastsep._plan.spec import Separable

HELP = (
    'a .npy, .csv or .txt file; rows of numbers with ";" between them, such as "1 2 1; 2 4 2; 1 2 1", or '
    f'"[[1, 2], [3, 4]]"; or an operator: gaussian (sigma 1), laplace, or {", ".join(operators.EDGES)} (these also '
    "with _h, the derivative along the columns, which they are without, or _v, along the rows)"
)


def read(text: str) -> np.ndarray:
    """The array that `text` names or spells."""
    suffix = pathlib.Path(text).suffix.lower()
    if suffix == ".npy":
        return _from_npy(text)
    if suffix in (".csv", ".txt"):
        return _from_text(text)
    found = _operator(text.strip())
    if found is not None:
        return found
    try:
        if text.lstrip().startswith(("[", "(")):
            return _numbers(ast.literal_eval(text.strip()))
        return _rows(text.split(";"))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError, ZeroDivisionError):
        raise Refusal(
            "a kernel must be a .npy, .csv or .txt file, an operator such as sobel, or numbers such as "
            f'"1 2 1; 2 4 2; 1 2 1" or "[[1, 2], [3, 4]]"; got {text!r}'
        ) from None


def _from_npy(name: str) -> np.ndarray:
    try:
        found = np.load(pathlib.Path(name), allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise Refusal(f"cannot read the kernel {name}: {reason(error)}") from None
    if not isinstance(found, np.ndarray):
        raise Refusal(f"cannot read the kernel {name}: it is an archive of arrays, not one array")
    return found


def _from_text(name: str) -> np.ndarray:
    """A row of the kernel in every line; whatever follows a "#" is a comment."""
    try:
        lines = [line.partition("#")[0] for line in pathlib.Path(name).read_text("utf-8-sig").splitlines()]
        rows = [line for line in lines if line.strip()]
        if any("," in row and ";" in row for row in rows):
            raise ValueError('"," and ";" in one line: is "," a decimal point?')
        return _rows([row.replace(";", " ") for row in rows or [""]])
    except UnicodeDecodeError:
        raise Refusal(f"cannot read the kernel {name}: it is not text") from None
    except (OSError, ValueError, ZeroDivisionError) as error:
        raise Refusal(f"cannot read the kernel {name}: {reason(error)}") from None


def _rows(rows: list[str]) -> np.ndarray:
    values = [[_number(word) for word in row.replace(",", " ").split()] for row in rows]
    if len({len(row) for row in values}) > 1:
        raise ValueError("its rows are not of one length")
    if not values[0]:
        raise ValueError("there are no numbers in it")
    return np.array(values)


def _number(word: str) -> float:
    """A whole number as an int, so that it stays exact; 1/16 is a number, too."""
    try:
        whole = int(word)
        return whole if abs(whole) < 2**63 else float(whole)
    except ValueError:
        above, slash, below = word.partition("/")
        return float(above) / float(below) if slash else float(word)


def _numbers(nested: object) -> np.ndarray:
    found = np.array(nested)
    if found.dtype.kind == "O" and all(isinstance(value, int | float) for value in found.flat):
        # Whole numbers that no integer dtype holds.
        found = found.astype(np.float64)
    if found.dtype.kind not in "iuf":
        raise ValueError("it is not made of numbers")
    return found


def _operator(name: str) -> np.ndarray | None:
    """The kernel that `correlate` would take for a two-dimensional operator of that name."""
    stem, axis = (name[:-2], "hv".index(name[-1])) if name.endswith(("_h", "_v")) else (name, 0)
    if stem in operators.EDGES:
        return _product(operators.edges(stem, 2, [axis]))
    if name == "laplace":
        return operators.laplace(2).kernel
    if name == "gaussian":
        return _product(operators.gaussian([1.0, 1.0], [0, 0], truncate=4.0))
    return None


def _product(filter: Separable) -> np.ndarray:
    """The taps of the only term, multiplied out."""
    (term,) = filter.terms
    down, across = (np.array((1.0,) if line is None else line.taps) for line in term.lines)
    return np.outer(down, across)
