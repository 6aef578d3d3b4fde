"""Reads a pickle stream as data: an interpreter for the few opcodes and names that saved tensors need.

`pickletools.genops` of the standard library takes the stream apart without running anything. This module
gives meaning to the opcodes that a state dict consists of, and to a dozen names; whatever else is found is
refused by its name. No object of another library is ever looked up, made or called.
"""

from __future__ import annotations

import pickletools
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

MAX_ARGUMENT = 1 << 20
"""Bytes of the longest string or number that a stream may hold."""
MAX_OPCODES = 1_000_000

DTYPES: Mapping[str, str] = {
    "torch.FloatStorage": "<f4",
    "torch.DoubleStorage": "<f8",
    "torch.HalfStorage": "<f2",
    "torch.LongStorage": "<i8",
    "torch.IntStorage": "<i4",
    "torch.ShortStorage": "<i2",
    "torch.CharStorage": "|i1",
    "torch.ByteStorage": "|u1",
    "torch.BoolStorage": "|b1",
}
"""Little-endian numpy dtypes of the storages that are known."""

ORDERED_DICT = "collections.OrderedDict"
REBUILD_TENSOR = "torch._utils._rebuild_tensor_v2"
REBUILD_PARAMETER = "torch._utils._rebuild_parameter"
KNOWN_NAMES = frozenset({ORDERED_DICT, REBUILD_TENSOR, REBUILD_PARAMETER, *DTYPES})


class PickledDataError(ValueError):
    """The stream is not the plain data that was expected; the message names what was found and where."""


@dataclass(frozen=True)
class Name:
    """A name that the stream mentions; one of `KNOWN_NAMES`, and nothing but text."""

    text: str


@dataclass(frozen=True)
class Storage:
    """A run of `count` numbers of one dtype, held elsewhere in the file under `key`."""

    key: str
    dtype: str
    count: int


@dataclass(frozen=True)
class TensorView:
    """A tensor as a view of a storage; `offset` and `strides` count elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


_MARK = object()


def read_pickled_data(stream: BinaryIO) -> Any:
    """The value that the pickle at the stream's position describes; the stream then stands after its STOP.

    Gives dicts (str or int keys), lists, tuples, str, int, float, bool, None, `Storage` and `TensorView`.
    Raises PickledDataError for anything else.
    """
    machine = _Machine()
    opcodes = pickletools.genops(cast("BinaryIO", _CappedReader(stream)))
    try:
        for count, (opcode, argument, position) in enumerate(opcodes):
            if count > MAX_OPCODES:
                raise PickledDataError(f"more than {MAX_OPCODES} opcodes")
            if opcode.name == "STOP":
                return machine.result()
            machine.step(opcode.name, argument, position or 0)
    except PickledDataError:
        raise
    except (ValueError, OverflowError, UnicodeError) as exc:  # what pickletools raises for broken opcodes
        raise PickledDataError(f"not a complete pickle: {exc}") from exc
    raise PickledDataError("the pickle ends before its STOP")


class _CappedReader:
    """The part of a file that pickletools uses, refusing lengths that no state dict has."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def read(self, size: int) -> bytes:
        if not 0 <= size <= MAX_ARGUMENT:
            raise PickledDataError(f"an argument of {size} bytes; at most {MAX_ARGUMENT} are read")
        return self._stream.read(size)

    def readline(self) -> bytes:
        return self._stream.readline(MAX_ARGUMENT)

    def tell(self) -> int:
        return self._stream.tell()


class _Machine:
    """The stack and memo of one stream."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def step(self, opcode: str, argument: Any, position: int) -> None:
        """Apply one opcode; every failure names it and its place."""
        act = _ACTIONS.get(opcode)
        if act is None:
            raise PickledDataError(f"the opcode {opcode} at byte {position}, which no plain state dict has")
        try:
            act(self, argument)
        except PickledDataError as exc:
            raise PickledDataError(f"{exc} at byte {position}") from exc
        except (IndexError, KeyError, TypeError, ValueError, RecursionError) as exc:
            raise PickledDataError(f"a malformed {opcode} at byte {position}") from exc

    def result(self) -> Any:
        """What is left at STOP."""
        if len(self._stack) != 1 or self._stack[0] is _MARK:
            raise PickledDataError(f"{len(self._stack)} values at STOP instead of one")
        return self._stack[0]

    def push(self, value: Any) -> None:
        """Put a value on the stack."""
        self._stack.append(value)

    def name(self, argument: str) -> None:
        """A global: only its text, and only if it is known."""
        text = argument.replace(" ", ".")
        if text not in KNOWN_NAMES:
            raise PickledDataError(f"the name {text!r}, which is not part of a state dict,")
        self._stack.append(Name(text))

    def put(self, index: int) -> None:
        """Memorise the top."""
        self._memo[index] = self._stack[-1]

    def get(self, index: int) -> None:
        """Push a memorised value."""
        self._stack.append(self._memo[index])

    def items(self) -> list[Any]:
        """Pop everything above the last mark, and the mark."""
        for height in range(len(self._stack) - 1, -1, -1):
            if self._stack[height] is _MARK:
                found = self._stack[height + 1 :]
                del self._stack[height:]
                return found
        raise IndexError("no mark")

    def take(self, count: int) -> list[Any]:
        """Pop `count` values, none of them a mark."""
        found = self._stack[-count:]
        if len(found) < count or any(value is _MARK for value in found):
            raise IndexError("too few values")
        del self._stack[-count:]
        return found

    def make_tuple(self, count: int | None) -> None:
        """A tuple of `count` values, or of all above the mark."""
        self._stack.append(tuple(self.items() if count is None else self.take(count)))

    def extend(self, values: list[Any]) -> None:
        """Append to the list below."""
        target = self._stack[-1]
        if not isinstance(target, list):
            raise TypeError("not a list")
        target.extend(values)

    def update(self, values: list[Any]) -> None:
        """Set key, value, key, value, ... in the dict below."""
        target = self._stack[-1]
        if not isinstance(target, dict) or len(values) % 2:
            raise TypeError("not a dict")
        for key, value in zip(values[::2], values[1::2], strict=True):
            if not isinstance(key, str | int):
                raise PickledDataError(f"a key of type {type(key).__name__}")
            target[key] = value

    def reduce(self, _argument: Any) -> None:
        """A call, of one of the three names that mean something."""
        called, arguments = self.take(2)
        if not isinstance(called, Name) or not isinstance(arguments, tuple):
            raise PickledDataError(f"a call of {reprlib.repr(called)}")
        self._stack.append(_call(called.text, arguments))

    def build(self, _argument: Any) -> None:
        """Attributes of an OrderedDict (torch keeps versions of modules there): left out."""
        target, _state = self.take(2)
        if not isinstance(target, dict):
            raise PickledDataError(f"attributes of {type(target).__name__}")
        self._stack.append(target)

    def storage(self, _argument: Any) -> None:
        """A persistent id: ("storage", type, key, device, count), in old files a sixth that is None."""
        identity = self.take(1)[0]
        kind, dtype, key, _device, count = identity[:5]
        if kind != "storage" or identity[5:] not in ((), (None,)) or not isinstance(dtype, Name):
            raise PickledDataError(f"the persistent id {reprlib.repr(identity)}")
        if dtype.text not in DTYPES or not isinstance(key, str) or not _is_count(count):
            raise PickledDataError(f"the storage {reprlib.repr(identity)}")
        self._stack.append(Storage(key, DTYPES[dtype.text], count))


def _call(name: str, arguments: tuple[Any, ...]) -> Any:
    """What the three known calls give. Raises PickledDataError for other names or arguments."""
    if name == ORDERED_DICT and arguments == ():
        return {}
    if name == REBUILD_TENSOR and len(arguments) in (6, 7):
        return _view(*arguments[:4])
    if name == REBUILD_PARAMETER and len(arguments) == 3 and isinstance(arguments[0], TensorView):
        return arguments[0]
    raise PickledDataError(f"a call of {name} with {len(arguments)} arguments that it does not take")


def _view(storage: Any, offset: Any, shape: Any, strides: Any) -> TensorView:
    """A tensor record, its values checked against the storage: everything it reaches lies inside."""
    if not isinstance(storage, Storage) or not isinstance(shape, tuple) or not isinstance(strides, tuple):
        raise PickledDataError("a tensor without a storage, shape or strides")
    if len(shape) != len(strides) or len(shape) > 16 or not all(map(_is_count, (offset, *shape, *strides))):
        raise PickledDataError(f"a tensor of {_show(shape, strides, offset)}")
    elements, reach = 1, offset
    for size, stride in zip(shape, strides, strict=True):
        elements *= size
        reach += max(size - 1, 0) * stride
    if elements > storage.count or (elements and reach >= storage.count) or offset > storage.count:
        raise PickledDataError(
            f"a tensor of {_show(shape, strides, offset)} that leaves its storage of {storage.count} numbers"
        )
    return TensorView(storage, offset, shape, strides)


def _show(shape: Any, strides: Any, offset: Any) -> str:
    """Bounded text: what a hostile stream nests would print without end."""
    shown = (reprlib.repr(value) for value in (shape, strides, offset))
    return "shape {}, strides {} and offset {}".format(*shown)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 48


_ACTIONS: Mapping[str, Callable[[_Machine, Any], None]] = {
    "PROTO": lambda machine, _: None,
    "GLOBAL": _Machine.name,
    "MARK": lambda machine, _: machine.push(_MARK),
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "TUPLE": lambda machine, _: machine.make_tuple(None),
    "TUPLE1": lambda machine, _: machine.make_tuple(1),
    "TUPLE2": lambda machine, _: machine.make_tuple(2),
    "TUPLE3": lambda machine, _: machine.make_tuple(3),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "APPEND": lambda machine, _: machine.extend(machine.take(1)),
    "APPENDS": lambda machine, _: machine.extend(machine.items()),
    "SETITEM": lambda machine, _: machine.update(machine.take(2)),
    "SETITEMS": lambda machine, _: machine.update(machine.items()),
    "BINUNICODE": _Machine.push,
    "BININT": _Machine.push,
    "BININT1": _Machine.push,
    "BININT2": _Machine.push,
    "LONG1": _Machine.push,
    "BINFLOAT": _Machine.push,
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "REDUCE": _Machine.reduce,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.storage,
}
