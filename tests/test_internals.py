"""Interfaces of Numba and llvmlite that are not public still do what the package needs of them."""

import ctypes
import subprocess
import sys

import numba
import pytest

from fastsep._kernels import internals


@pytest.fixture(scope="module")
def double():
    """Compiled as kernels are: without the entry points for Python and C."""
    options = {"nogil": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return internals.compiled(numba.njit("int64(int64)", **options)(lambda n: 2 * n))


def called(address, number):
    """The result of a function in Numba's calling convention, which leaves it where the first argument points."""
    result = (ctypes.c_int64 * 2)()
    call = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)(address)
    assert call(ctypes.addressof(result), ctypes.addressof(result) + 8, number) == 0
    return result[0]


def test_compiled_tells_where_the_code_of_a_function_is(double):
    assert called(double.address, 21) == 42


def test_an_object_file_can_be_loaded_again(double):
    address = internals.link(double.name, double.code())
    assert address != double.address
    assert called(address, 4) == 8


def test_a_name_that_an_object_file_lacks_has_no_address(double):
    assert internals.link("no such function", double.code()) is None


def test_the_compiler_lock_is_the_one_that_numba_holds_while_it_compiles():
    from numba.core.compiler_lock import global_compiler_lock

    lock = internals.compiler_lock()
    assert lock.acquire(blocking=False)
    lock.release()
    with global_compiler_lock:
        assert lock._is_owned()


def test_there_is_no_compiler_lock_without_numba():
    code = "from fastsep._kernels import internals; print(internals.compiler_lock())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "None\n"
