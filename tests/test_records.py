"""Records: words of memory that Python code and kernels know by the same names."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from fastsep._kernels import arguments
from fastsep._kernels.layers import arguments as layers
from fastsep._kernels.record import Record
from fastsep._kernels.simd import records


class Inner(Record):
    first: int
    second: int


class Outer(Record):
    before: int
    inner: Inner
    behind: int


class Extended(Outer):
    more: int


def compiled(function):
    records.declare_all()
    return numba.njit("int64(int64)")(function)


@pytest.fixture
def words():
    return np.arange(10, 30, dtype=np.int64)


def test_fields_are_words_in_the_order_in_which_they_are_listed(words):
    record = Extended(words)
    assert (record.before, record.inner.first, record.inner.second, record.behind, record.more) == (10, 11, 12, 13, 14)
    record.inner.second = 7
    assert words[2] == 7


def test_a_class_gives_the_numbers_of_its_words():
    assert (Outer.before, Outer.inner, Outer.behind, Extended.more) == (0, 1, 3, 4)
    assert (Inner.length, Outer.length, Extended.length) == (2, 4, 5)


def test_a_table_holds_records_one_behind_the_other(words):
    assert Outer(words, 2).behind == 10 + 2 * 4 + 3


def test_a_kernel_reads_and_writes_what_python_does(words):
    def band(address):
        record = Outer(address, 1)
        record.behind = record.before + record.inner.second
        return Extended(address).more

    assert compiled(band)(words.ctypes.data) == words[4]
    assert Outer(words, 1).behind == 14 + 16


def test_a_name_that_is_no_field_is_an_error_in_python(words):
    with pytest.raises(AttributeError, match="befor"):
        Outer(words).befor = 1
    with pytest.raises(AttributeError, match="befor"):
        _ = Outer(words).befor


def test_a_name_that_is_no_field_is_an_error_in_a_kernel():
    with pytest.raises(numba.TypingError, match=r"Unknown attribute 'befor' of type Outer"):
        compiled(lambda address: Outer(address).befor)


def test_all_families_begin_with_the_words_that_every_call_sets():
    numbers = {"src": arguments.SRC, "dst": arguments.DST, "scratch": arguments.SCRATCH, "bands": arguments.BANDS}
    families = *arguments.Head.__subclasses__(), *arguments.Fir.__subclasses__(), layers.Layer, layers.Bank
    for family in families:
        assert {name: getattr(family, name) for name in numbers} == numbers
        assert family.length <= arguments.BLOCK_WORDS
