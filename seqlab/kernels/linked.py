"""Functions that kernels call by their address, and that are compiled once for all of them.

Whatever a Numba function calls is compiled into it once more, from its source to its machine code. For the
large functions that every cell needs, which is where most of the code is, that would add up to several times
the compiling. A function with `@linked` is compiled by itself instead, once for float32 and once for
float64, and its callers hold no more than a call through a cell of memory that has its address. As with the
functions of a shared library that are bound as they are needed, the cell first holds a stub, which compiles
the function or finds it in the cache, puts its address into the cell, and goes on there.
"""

import ctypes
import inspect
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core.compiler_lock import global_compiler_lock
from numba.extending import intrinsic

from seqlab.kernels.jit import Array, compile_for_c

_Function = TypeVar("_Function", bound=Callable[..., Any])
_instruction: Any = intrinsic  # what it makes is called without the first argument, which type checkers miss


def linked(function: _Function) -> _Function:
    """Make a function that kernels call by its address.

    Args:
        function: its parameters are annotated `Array`, which it gets as a pointer to the first number, to be
            indexed as if flat; or `Int`. It returns an `int` or None, and raises nothing.

    Returns:
        What kernels call, with arrays, C-contiguous and of one dtype, or pointers where it takes pointers.
    """
    signature = inspect.signature(function)
    pointers = [parameter.annotation == Array for parameter in signature.parameters.values()]
    result = types.void if signature.return_annotation is None else types.intp
    cells = {number: _Cell(function, number, pointers, result) for number in (types.float32, types.float64)}

    def call(_: Any, *arguments: Any) -> Any:
        numbers = {argument.dtype for argument, pointer in zip(arguments, pointers, strict=True) if pointer}
        if len(numbers) != 1:
            return None  # what Numba calls a typing error
        cell = cells[numbers.pop()]
        takes = [
            argument if pointer else types.intp for argument, pointer in zip(arguments, pointers, strict=True)
        ]

        def generate(context: Any, builder: Any, _: Any, values: Any) -> Any:
            cell.fill()  # so that an error in it is seen here, and not in the middle of a kernel
            plain = [
                context.make_array(kind)(context, builder, value).data
                if isinstance(kind, types.Array)
                else value
                for kind, value in zip(takes, values, strict=True)
            ]
            returns = ir.VoidType() if result == types.void else ir.IntType(64)
            kind = ir.FunctionType(returns, [value.type for value in plain])
            if cell.name in builder.module.globals:
                variable = builder.module.globals[cell.name]
            else:
                variable = ir.GlobalVariable(builder.module, ir.IntType(8).as_pointer(), cell.name)
            address = builder.bitcast(builder.load(variable), kind.as_pointer())
            returned = builder.call(address, plain)
            return context.get_dummy_value() if result == types.void else returned

        return result(*takes), generate

    names = [inspect.Parameter("_", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
    call.__signature__ = inspect.Signature([*names, *signature.parameters.values()])  # type: ignore[attr-defined]
    call.__name__, call.__doc__ = function.__name__, function.__doc__
    called: Any = _instruction(call)
    return called  # type: ignore[no-any-return]


@_instruction
def vectorised(typing: Any) -> Any:
    """Said first in a linked function that is a plain loop: it may go as fast as vectors can.

    What it writes through one pointer it touches through no other, which it would have to find out at run
    time, each time; and it may use the widest vectors of the processor, which LLVM avoids on some where they
    slow down the clock of other code.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        function = builder.function
        for argument in function.args[2:]:  # behind Numba's own, for the result and for errors
            if isinstance(argument.type, ir.PointerType):
                argument.add_attribute("noalias")
        # llvmlite checks names of attributes against a list that has only those without a value.
        set.add(function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.void(), generate


class _Cell:
    """A cell of memory that holds the address of a function for one type of numbers.

    Attributes:
        name: by which compiled code finds the cell.
    """

    def __init__(self, function: Callable[..., Any], number: Any, pointers: list[bool], result: Any) -> None:
        self.name = f"seqlab.{function.__module__}.{function.__name__}.{number}"
        self._function = function
        self._signature = result(*[types.CPointer(number) if pointer else types.intp for pointer in pointers])
        self._kind: Any = ctypes.CFUNCTYPE(
            None if result == types.void else ctypes.c_ssize_t,
            *[ctypes.c_void_p if pointer else ctypes.c_ssize_t for pointer in pointers],
        )
        self._compiled: Any = None
        self._stub = self._kind(self._first_call)
        self._cell = ctypes.c_void_p(ctypes.cast(self._stub, ctypes.c_void_p).value)
        llvmlite.binding.add_symbol(self.name, ctypes.addressof(self._cell))

    def fill(self) -> None:
        """Compile the function, or find it in the cache, unless that is done."""
        # Numba's own lock: a kernel that is just being compiled may need this function, too.
        with global_compiler_lock:
            if self._compiled is None:
                self._compiled = compile_for_c(self._function, self._signature)
                self._cell.value = self._compiled.address

    def _first_call(self, *arguments: Any) -> Any:
        try:
            self.fill()
        except BaseException:
            # There is no way to raise through a kernel, and its caller must not go on with nothing computed.
            traceback.print_exc()
            print(f"seqlab: {self.name} cannot be compiled", file=sys.stderr, flush=True)
            os.abort()
        return self._kind(self._compiled.address)(*arguments)
