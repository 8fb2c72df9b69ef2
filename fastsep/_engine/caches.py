"""What calls leave for later ones, bounded by bytes, and emptied together by `clear_caches`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar
from weakref import WeakSet

import numpy as np

P = ParamSpec("P")
R = TypeVar("R")
MIB = 1 << 20
#: What is not counted: shared, or as small as what refers to it.
_FREE = (type(None), bool, int, float, str, type, np.dtype, np.generic)


class Cache(dict[Any, Any]):
    """Values by all that they depend on. To look one up is a dictionary's `get`, and changes nothing.

    Where there is no room for a new value, those that were made first go.
    """

    def __init__(self, size: int, most: int) -> None:
        """`size`: bytes of keys and values together; `most`: values."""
        super().__init__()
        self.size, self.most = size, most
        self._sizes: dict[Any, int] = {}
        _caches.add(self)

    __hash__ = object.__hash__  # type: ignore[assignment]  # one is not the same as another with the same values

    def __eq__(self, other: object) -> bool:
        return self is other

    @property
    def held(self) -> int:
        """Bytes of what is held now, about."""
        return sum(list(self._sizes.values()))

    def keep(self, key: Any, value: Any, shared: tuple[Any, ...] = ()) -> None:
        """Remember a value, unless it would take half of the room by itself.

        What is `shared` belongs to whoever has this cache, and does not count.
        Several threads may do so at once: every step is atomic, and what one of them counts too much or too little the
        next call makes good.
        """
        size = bytes_of((key, value), shared)
        if size > self.size // 2:
            return
        self._sizes.pop(key, None)
        self._sizes[key] = size
        self[key] = value
        held = self.held
        for oldest in list(self._sizes):
            if held <= self.size and len(self._sizes) <= self.most:
                break
            held -= self._sizes.pop(oldest, 0)
            self.pop(oldest, None)

    def clear(self) -> None:
        super().clear()
        self._sizes.clear()


_caches: WeakSet[Cache] = WeakSet()
_emptied: list[Callable[[], object]] = []


def emptied_by(clear: Callable[[], object]) -> None:
    """Let `clear_caches` call this, too."""
    _emptied.append(clear)


def remembered(size: int, most: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator for functions of hashable positional arguments: their results are kept in a `Cache`."""

    def remember(function: Callable[P, R]) -> Callable[P, R]:
        cache = Cache(size, most)

        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            found = cache.get(args)
            if found is None:
                found = function(*args, **kwargs)
                cache.keep(args, found)
            return found

        return call

    return remember


def clear_caches() -> None:
    """Forget all that earlier calls have left to make later ones faster, and give its memory back.

    That is what kernels were found to be made of, how calls like an earlier one are run, packed weights, spectra of
    kernels and working memory: less than 100 MiB, however many images and kernels there were. Compiled code stays, and
    so do the weights of a layer such as `SeparableConv2D`. Calls that run meanwhile in other threads are not disturbed,
    and may leave something behind.

    Examples
    --------
    >>> import fastsep
    >>> fastsep.clear_caches()
    """
    for cache in list(_caches):
        cache.clear()
    for clear in _emptied:
        clear()


def bytes_of(value: Any, shared: tuple[Any, ...] = ()) -> int:
    """About how much memory a value takes with all that it refers to, each thing once, and without what is `shared`."""
    total = 0
    todo, seen = [value], set(map(id, shared))
    while todo:
        item = todo.pop()
        if isinstance(item, _FREE) or id(item) in seen:
            continue
        seen.add(id(item))
        total += 64
        if isinstance(item, np.ndarray):
            if isinstance(item.base, np.ndarray | bytes):
                todo.append(item.base)
            else:
                total += item.nbytes
        elif isinstance(item, bytes):
            total += len(item)
        elif isinstance(item, tuple | list | frozenset):
            # Numbers are not looked at one by one: there may be many taps.
            total += 8 * len(item)
            if item and all(type(part) is float for part in item):
                total += 24 * len(item)
            else:
                todo += item
        elif isinstance(item, dict):
            total += 100 * len(item)
            todo += item.keys()
            todo += item.values()
        elif isinstance(item, partial):
            todo += [item.args, item.keywords, getattr(item.func, "__self__", None)]
        elif type(item).__module__.startswith("fastsep."):
            todo.append(getattr(item, "__dict__", None))
            for kind in type(item).__mro__:
                todo += [getattr(item, name, None) for name in getattr(kind, "__slots__", ())]
    return total
