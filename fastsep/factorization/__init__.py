"""Kernels as sums of separable ones: `factorize`, `factorize_bank`, `factorize_conv`. NumPy only, no pixels.

Each module is loaded when one of its names is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastsep.factorization.bank import *  # noqa: F403
    from fastsep.factorization.kernel import *  # noqa: F403
    from fastsep.factorization.layer import *  # noqa: F403

_HOMES = {
    "kernel": "Factorization RankOne factorize is_separable",
    "bank": "BankFactorization factorize_bank",
    "layer": "ConvFactorization factorize_conv",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}


def __dir__() -> list[str]:
    return sorted(_HOME)


if not TYPE_CHECKING:  # as in the package
    __all__ = sorted(_HOME)

    def __getattr__(name: str) -> Any:
        if name not in _HOME:
            raise AttributeError(f"module 'fastsep.factorization' has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"fastsep.factorization.{_HOME[name]}"), name)
        return value
