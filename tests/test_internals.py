"""Interfaces of Numba and llvmlite that are not public still do what the package needs of them."""

import ctypes
import subprocess
import sys

import numba
import numpy as np
import pytest
from numba.core.codegen import JITCodeLibrary
from numba.core.registry import cpu_target
from numba.extending import register_jitable

from fastsep._kernels import internals
from fastsep._kernels.helper import helper, step

OPTIONS = {"nogil": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


@pytest.fixture(scope="module")
def double():
    """Compiled as kernels are, with a function that it calls."""
    by = register_jitable(lambda n, factor: factor * n)
    return internals.object_file(lambda: numba.njit("int64(int64)", **OPTIONS)(lambda n: by(n, 2)))


def called(address, number):
    """The result of a function in Numba's calling convention, which leaves it where the first argument points."""
    result = (ctypes.c_int64 * 2)()
    call = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)(address)
    assert call(ctypes.addressof(result), ctypes.addressof(result) + 8, number) == 0
    return result[0]


def test_an_object_file_holds_a_function_with_all_that_it_calls(double):
    assert called(internals.link(*double), 21) == 42


def test_an_object_file_can_be_loaded_again(double):
    first, second = internals.link(*double), internals.link(*double)
    assert first != second
    assert called(first, 4) == called(second, 4) == 8


def test_a_name_that_an_object_file_lacks_has_no_address(double):
    assert internals.link("no such function", double.code) is None


def test_an_object_file_for_another_cpu_leaves_the_compiler_as_it_was():
    by = register_jitable(lambda n, factor: factor * n)
    seen = []

    def double():
        seen.append((cpu_target.target_context, cpu_target.target_context.codegen().magic_tuple()[1:]))
        return numba.njit("int64(int64)", **OPTIONS)(lambda n: by(n, 2))

    codes = [internals.object_file(double, cpu) for cpu in (None, ("generic", ""), None, ("generic", ""))]
    assert [called(internals.link(*code), 21) for code in codes] == [42] * 4
    (own, here), (other, there), *again = seen
    assert own is cpu_target.target_context
    assert own is not other
    assert there == ("generic", "")
    assert again == [(own, here), (other, there)]


def test_functions_of_the_program_are_compiled_as_before(double):
    """Those that run by themselves, in a parallel loop, and that use what a kernel has used."""

    @numba.njit
    def remainder(a, b):
        return max(a // b, a % b)

    @numba.njit(parallel=True)
    def total(values):
        result = 0
        for i in numba.prange(len(values)):
            result += remainder(values[i], 7)
        return result

    internals.object_file(lambda: numba.njit("int64(int64)", **OPTIONS)(lambda n: max(n // 7, n % 7)))
    values = np.arange(100)
    assert remainder(20, 7) == 6
    assert total(values) == np.maximum(values // 7, values % 7).sum()


def test_functions_that_a_signal_or_a_finalizer_calls_meanwhile_are_compiled_as_ever():
    called_meanwhile = {
        "function": numba.njit(lambda n: max(n, 3)),
        "ufunc": lambda n: numba.vectorize(["int64(int64)"])(lambda n: max(n, 3))(n),
        "callback": lambda n: numba.cfunc("int64(int64)")(lambda n: max(n, 3)).ctypes(n),
        "without entry points": lambda n: called(internals.link(*compiled_anew(lambda n: max(n, 3))), n),
    }

    def compile_function():
        assert [call(7) for call in called_meanwhile.values()] == [7] * 4
        return numba.njit("int64(int64)", **OPTIONS)(lambda n: max(n, 3) + 1)

    assert called(internals.link(*internals.object_file(compile_function)), 7) == 8
    assert [call(2) for call in called_meanwhile.values()] == [3] * 4


def compiled_anew(function):
    return internals.object_file(lambda: numba.njit("int64(int64)", **OPTIONS)(function))


_FIRST = """
import numba
from numba.extending import intrinsic
from fastsep._kernels import internals

internals.object_file(lambda: numba.njit("int64(int64)", no_cpython_wrapper=True)(lambda n: n))

@intrinsic
def cannot_be_lowered(context):
    def lower(context, builder, signature, arguments):
        raise NotImplementedError
    return numba.int64(), lower

@numba.njit
def even(n):
    return 1 if n == 0 else odd(n - 1) + cannot_be_lowered()

@numba.njit
def odd(n):
    return 0 if n == 0 else even(n - 1)

for function in (even, odd):
    try:
        function(3)
    except Exception as error:
        print(type(error).__name__)
"""


def test_numbas_run_time_is_as_ever_where_a_kernel_is_the_first_to_be_compiled():
    """It ends a call of a function that was never compiled with an error."""
    done = subprocess.run([sys.executable, "-c", _FIRST], capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout.split() == ["NotImplementedError", "RuntimeError"], done.stderr


def test_a_function_that_cannot_be_compiled_leaves_the_compiler_as_it_was():
    before = cpu_target.target_context.codegen().__dict__.copy()
    with pytest.raises(numba.TypingError):
        internals.object_file(lambda: numba.njit("int64(int64)", **OPTIONS)(lambda n: n.no_such_thing))
    assert cpu_target.target_context.codegen().__dict__ == before


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


def test_steps_are_optimized_within_their_callers_only(monkeypatch):
    optimized = []
    optimize = JITCodeLibrary._optimize_final_module

    def record(library):
        optimized.append(library.name)
        optimize(library)

    @step
    def twice(n):
        return 2 * n

    @helper
    def thrice(n):
        return 3 * n

    monkeypatch.setattr(JITCodeLibrary, "_optimize_final_module", record)
    made = internals.object_file(lambda: numba.njit("int64(int64)", **OPTIONS)(lambda n: twice(n) + thrice(n)))
    assert called(internals.link(*made), 4) == 20
    names = " ".join(optimized)
    assert "thrice" in names
    assert "twice" not in names
