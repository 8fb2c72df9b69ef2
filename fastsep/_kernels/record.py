"""Words of memory by name: one description for the kernels that read them and for the code that writes them.

A subclass of `Record` lists its fields in order, a word of eight bytes each, or a record within this one:

    class Line(Record):
        taps: int  # address of the taps
        count: int  # number of them

Python code says `Line(words).count = 3` to write into an array of int64, or into a list, where it is faster, and
`Line.count` for the number of the word. A kernel says `Line(address).count`, which costs what a load from a fixed place
costs (see `simd/records.py`). Number k of a table of records is `Line(table, k)` in both. A name that is no field is an
error in both: when the line is reached, or when the kernel is compiled.
"""

from __future__ import annotations

from typing import Any, ClassVar


class Field:
    """A word of a record, or a record in it, which begins at word `number`."""

    def __init__(self, number: int, kind: type[Record] | None) -> None:
        self.number, self.kind = number, kind

    def __get__(self, record: Record | None, owner: type[Record]) -> Any:
        if record is None:
            return self.number
        if self.kind is None:
            return int(record.words[self.number])
        return self.kind(record.words[self.number :])

    def __set__(self, record: Record, value: Any) -> None:
        record.words[self.number] = value


class _Closed(type):
    """Classes whose objects have no attributes but those of the class: to set a name that is no field is an error.

    A check in `__setattr__` would take half as long again as setting a word does (measured).
    """

    def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> Any:
        return super().__new__(cls, name, bases, {"__slots__": (), **body})


class Record(metaclass=_Closed):
    __slots__ = ("words",)
    words: Any
    fields: ClassVar[dict[str, Field]] = {}
    length: ClassVar[int] = 0  # words

    def __init_subclass__(cls) -> None:
        cls.fields = dict(cls.fields)
        for name, annotation in cls.__annotations__.items():
            kind = _kinds.get(getattr(annotation, "__name__", annotation))
            field = cls.fields[name] = Field(cls.length, kind)
            setattr(cls, name, field)
            cls.length += 1 if kind is None else kind.length
        _kinds[cls.__name__] = cls

    def __init__(self, words: Any, number: int = 0) -> None:
        """Record `number` of those in an array of int64. A list is for one record with no other in it."""
        self.words = words[number * self.length :] if number else words


_kinds: dict[str, type[Record]] = {}  # records by name, as annotations give it
