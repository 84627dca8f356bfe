"""Pickles of arrays read without running them, and written for their programs to load.

PyTorch and Paddle keep checkpoints as Python pickles, which can run any code when they are loaded
the ordinary way.  `read_pickle` is a machine for the few instructions that such files need.  A
name of a class or function in a pickle stays a name; the caller says what a call of it means, and
everything else is refused.
"""

import pickle
import pickletools
import re
import struct
from typing import NamedTuple

from .limits import reason, shown

_LARGE = 4096  # bytes; longer strings of bytes stay in the file until they are asked for
# A state dict takes some 50 a tensor; one byte of file can be 100 bytes of memory.
_MOST_INSTRUCTIONS = 1 << 17
_LONGEST_LINE = 4096
_LARGEST_NUMBER = 128  # bits
_ABOVE_LATIN_1 = re.compile(rb"[\xc4-\xff]")  # in UTF-8


class Global(NamedTuple):
    """The name of something importable, not imported."""

    module: str
    name: str


class Blob(NamedTuple):
    """Bytes that lie in the file."""

    offset: int
    size: int


class _Mark:
    pass


_MARK = _Mark()


class PickleError(ValueError):
    """Damaged, or more than arrays and plain values."""


def read_pickle(handle, end, call, build=None, persistent=None):
    """Run one pickle from where ``handle`` stands to its STOP.

    Args:
        handle: a binary file that can seek.
        end: where the file, or the part of it that may be read, ends.
        call: ``call(Global, arguments) -> value``; raises `PickleError` for what it refuses.
        build: ``build(value, state)``: sets the state of what ``call`` returned.
        persistent: ``persistent(identifier) -> value``.
    Returns:
        dicts, lists, tuples, text, numbers and whatever ``call`` made of the rest.  A string of
        bytes longer than 4096 is a `Blob`; a number has at most 128 bits, and what is nested may be
        so without end.
    Raises:
        PickleError: damaged, too long, or it holds anything else.
    """
    machine = _Machine(_Bounded(handle, end), call, build, persistent)
    try:
        return machine.run()
    except PickleError:
        raise
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise PickleError(f"damaged at byte {handle.tell()} ({reason(error)})") from None


class _Bounded:
    """A file that cannot be read past ``end``, so that a wrong length cannot ask for memory."""

    def __init__(self, handle, end):
        self.handle, self.end = handle, end

    def read(self, size):
        if size > self.end - self.handle.tell():
            raise PickleError("it ends in the middle of a value")
        return self.handle.read(size)

    def readline(self):
        return self.handle.readline(max(0, min(self.end - self.handle.tell(), _LONGEST_LINE)))

    def blob(self, size):
        place = self.handle.tell()
        if not 0 <= size <= self.end - place:
            raise PickleError("it ends in the middle of a value")
        self.handle.seek(place + size)
        return Blob(place, size)


class _Machine:
    """The instructions, by their names in `pickletools`; one method each."""

    def __init__(self, file, call, build, persistent):
        self.file, self.call, self.build, self.persistent = file, call, build, persistent
        self.stack, self.memo = [], {}

    def run(self):
        for _ in range(_MOST_INSTRUCTIONS):
            code = self.file.read(1)
            instruction = pickletools.code2op.get(code.decode("latin-1"))
            name = instruction.name if instruction else f"{code!r}"
            method = getattr(self, f"_do_{name.lower()}", None)
            if name == "STOP":
                return self._pop()
            if name in _STRINGS:
                self._push(self._string(*_STRINGS[name]))
            elif name in _CONSTANTS:
                self._push(_CONSTANTS[name])
            elif method is None and name not in _VALUES and name not in _NOTHING:
                raise PickleError(f"instruction {name} has no place in a file of arrays")
            else:
                argument = instruction.arg.reader(self.file) if instruction.arg else None
                if method is not None:
                    method(argument)
                elif name in _VALUES:
                    self._push_value(argument)
        raise PickleError("it is endless")

    def _string(self, width, is_text):
        (size,) = struct.unpack(width, self.file.read(struct.calcsize(width)))
        if not is_text:
            return self.file.read(size) if size <= _LARGE else self.file.blob(size)
        data = self.file.read(size)
        # One sign above Latin-1 makes every sign of a text two or four bytes long.
        if size > _LARGE and _ABOVE_LATIN_1.search(data):
            raise PickleError(f"a text of {size:,} bytes is neither a name nor numbers")
        return data.decode("utf-8", "surrogatepass")

    def _push_value(self, value):
        if isinstance(value, int) and value.bit_length() > _LARGEST_NUMBER:
            raise PickleError("a number is too large")
        self._push(value)

    def _push(self, value):
        self.stack.append(value)

    def _pop(self):
        value = self.stack.pop()
        if value is _MARK:
            raise PickleError("damaged: a mark where a value should be")
        return value

    def _items(self):
        """What lies above the last mark."""
        for place in range(len(self.stack) - 1, -1, -1):
            if self.stack[place] is _MARK:
                found = self.stack[place + 1 :]
                del self.stack[place:]
                return found
        raise PickleError("damaged: no mark")

    def _top(self, kind):
        if not isinstance(self.stack[-1], kind):
            raise PickleError(f"damaged: expected a {kind.__name__}")
        return self.stack[-1]

    def _do_mark(self, _):
        self._push(_MARK)

    def _do_pop(self, _):
        self.stack.pop()

    def _do_empty_dict(self, _):
        self._push({})

    def _do_empty_list(self, _):
        self._push([])

    def _do_tuple(self, _):
        self._push(tuple(self._items()))

    def _do_tuple1(self, _):
        self._push((self._pop(),))

    def _do_tuple2(self, _):
        last = self._pop()
        self._push((self._pop(), last))

    def _do_tuple3(self, _):
        last, middle = self._pop(), self._pop()
        self._push((self._pop(), middle, last))

    def _do_setitem(self, _):
        value, key = self._pop(), self._pop()
        self._set([key, value])

    def _do_setitems(self, _):
        self._set(self._items())

    def _set(self, items):
        target = self._top(dict)
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, (str, int)):
                raise PickleError(f"a key is {type(key).__name__}, expected text")
            if key in target:
                raise PickleError(f"key {shown(key)} occurs twice")
            target[key] = value

    def _do_append(self, _):
        value = self._pop()
        self._top(list).append(value)

    def _do_appends(self, _):
        items = self._items()
        self._top(list).extend(items)

    def _do_put(self, number):
        self.memo[number] = self.stack[-1]

    _do_binput = _do_long_binput = _do_put

    def _do_memoize(self, _):
        self.memo[len(self.memo)] = self.stack[-1]

    def _do_get(self, number):
        self._push(self.memo[number])

    _do_binget = _do_long_binget = _do_get

    def _do_global(self, names):
        self._push(Global(*names.split(" ", 1)))

    def _do_stack_global(self, _):
        name, module = self._pop(), self._pop()
        if not (isinstance(name, str) and isinstance(module, str)):
            raise PickleError("damaged: a name that is no text")
        self._push(Global(module, name))

    def _do_reduce(self, _):
        arguments, function = self._pop(), self._pop()
        if not (isinstance(function, Global) and isinstance(arguments, tuple)):
            raise PickleError("damaged: a call of what is no function")
        self._push(self.call(function, arguments))

    def _do_build(self, _):
        state, value = self._pop(), self.stack[-1]
        if self.build is None:
            raise PickleError("an object with a state has no place in a file of arrays")
        self.build(value, state)

    def _do_binpersid(self, _):
        identifier = self._pop()
        if self.persistent is None:
            raise PickleError("it refers to something outside it")
        self._push(self.persistent(identifier))


# Strings of bytes and of text, and how their length is written.
_STRINGS = {
    "SHORT_BINBYTES": ("<B", False),
    "BINBYTES": ("<I", False),
    "BINBYTES8": ("<Q", False),
    "SHORT_BINUNICODE": ("<B", True),
    "BINUNICODE": ("<I", True),
    "BINUNICODE8": ("<Q", True),
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_VALUES = {
    "INT",
    "BININT",
    "BININT1",
    "BININT2",
    "LONG",
    "LONG1",
    "LONG4",
    "FLOAT",
    "BINFLOAT",
    "UNICODE",
    "BINSTRING",
    "SHORT_BINSTRING",
}
_NOTHING = {"PROTO", "FRAME"}


def refuse(function):
    """Raise the `PickleError` for a name that no file of arrays has."""
    called = f"{function.module}.{function.name}"
    if not called.isprintable() or len(called) > 80:
        called = shown(called)
    raise PickleError(f"it calls {called}, which no file of weights needs; nothing of it was run")


# Writing: instructions as bytes, so that arrays need not be in memory all at once.

EMPTY_DICT, MARK, SET_ITEMS = pickle.EMPTY_DICT, pickle.MARK, pickle.SETITEMS
REDUCE, BUILD, STOP = pickle.REDUCE, pickle.BUILD, pickle.STOP
PERSISTENT = pickle.BINPERSID


def proto(version):
    """The first instruction."""
    return pickle.PROTO + bytes([version])


def name(module, attribute):
    """Push a class or function."""
    return pickle.GLOBAL + f"{module}\n{attribute}\n".encode("ascii")


def bytes_header(size):
    """Push a string of bytes, which follow; it needs protocol 4 or higher."""
    return pickle.BINBYTES8 + struct.pack("<Q", size)


def value(item):
    """Push None, a truth value, a whole number, text, short bytes, or a tuple of them."""
    if isinstance(item, bool):
        return pickle.NEWTRUE if item else pickle.NEWFALSE
    if item is None:
        return pickle.NONE
    if isinstance(item, int):
        if 0 <= item < 1 << 31:
            return pickle.BININT + struct.pack("<i", item)
        return pickle.LONG1 + b"\x09" + item.to_bytes(9, "little", signed=True)
    if isinstance(item, str):
        data = item.encode("utf-8")
        return pickle.BINUNICODE + struct.pack("<I", len(data)) + data
    if isinstance(item, bytes):
        return pickle.SHORT_BINBYTES + bytes([len(item)]) + item
    return pickle.MARK + b"".join(map(value, item)) + pickle.TUPLE
