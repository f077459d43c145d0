"""Puts back the global random generators: Python's, NumPy's where it is loaded, PyTorch's on all devices.

Asking Python or NumPy for a state takes half as long as tracing a small model, and hardly any forward draws from them:
their memory is compared, and understood only where it changed.
"""

from __future__ import annotations

import _random
import random
import sys
from collections.abc import Callable
from ctypes import c_int, sizeof, string_at
from functools import cache, partial
from struct import pack, unpack_from
from typing import Any

import torch


def generators() -> Callable[[], None]:
    """A function that puts back the state in which each global generator is now."""
    restore_python, restore_numpy = _python_generator(), _numpy_generator()
    cpu = torch.random.get_rng_state()
    devices = [
        (backend, backend.get_rng_state_all())
        for backend in (torch.cuda, torch.xpu)
        if backend.is_initialized() and backend.is_available()
    ]
    mps = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None

    def restore() -> None:
        restore_python()
        if restore_numpy is not None:
            restore_numpy()
        torch.random.set_rng_state(cpu)
        for backend, states in devices:
            backend.set_rng_state_all(states)
        if mps is not None:
            torch.mps.set_rng_state(mps)

    return restore


def _python_generator() -> Callable[[], None]:
    """A function that puts back Python's global generator."""
    generator: Any = getattr(random.getstate, "__self__", None)  # behind ``random.random`` and its kin
    if type(generator) is not random.Random or not _python_is_understood():
        return partial(random.setstate, random.getstate())
    words, waiting = _memory(generator, _random.Random), vars(generator)["gauss_next"]

    def restore() -> None:
        if _memory(generator, _random.Random) != words or vars(generator)["gauss_next"] is not waiting:
            random.setstate(_python_state(words, waiting))

    return restore


def _python_state(memory: bytes, waiting: float | None) -> tuple[Any, ...]:
    """What ``random.getstate`` says of a generator with this memory: its position, then the Mersenne twister's key."""
    position, *key = unpack_from(f"i{_KEY}I", memory)
    return random.Random.VERSION, (*key, position), waiting


@cache
def _python_is_understood() -> bool:
    probe = random.Random(0)  # noqa: S311  nothing secret is drawn
    probe.random()
    return _python_state(_memory(probe, _random.Random), None) == probe.getstate()


def _numpy_generator() -> Callable[[], None] | None:
    """A function that puts back NumPy's global generator; None where NumPy is not loaded."""
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return None
    random_state = numpy.random.get_state.__self__  # behind ``numpy.random.normal`` and its kin
    generator = numpy.random.get_bit_generator()  # held, so that its memory stays readable where a forward puts another
    if type(generator) is not numpy.random.MT19937:
        state = numpy.random.get_state(legacy=False)

        def restore_other() -> None:
            numpy.random.set_bit_generator(generator)
            numpy.random.set_state(state)

        return restore_other

    def memory() -> tuple[bytes, bytes]:
        words = string_at(generator.ctypes.state_address, _KEY_BYTES + sizeof(c_int))
        return words, _memory(random_state, type(random_state))

    words, beside = before = memory()

    def restore() -> None:
        if numpy.random.get_bit_generator() is not generator:
            numpy.random.set_bit_generator(generator)
        elif memory() == before:
            return
        key = numpy.frombuffer(words[:_KEY_BYTES], numpy.uint32)
        position = int.from_bytes(words[_KEY_BYTES:], sys.byteorder)
        numpy.random.set_state(("MT19937", key, position, *_waiting_number(random_state, beside)))

    return restore


_KEY = 624  # words of the Mersenne twister MT19937; NumPy keeps its position behind them, Python before
_KEY_BYTES = 4 * _KEY


def _memory(thing: object, kind: type) -> bytes:
    """The memory that a class of C gives an object, after the header that every object has."""
    return string_at(id(thing) + object.__basicsize__, kind.__basicsize__ - object.__basicsize__)


def _waiting_number(random_state: Any, memory: bytes) -> tuple[int, float]:
    """(1 or 0, number): whether a ``RandomState`` with this memory keeps the second of two normal numbers, and which.

    Where it keeps them is found by giving another one a number and looking.
    """
    probe = type(random_state)()
    name, *state, _, _ = probe.get_state()
    number = 1 / 3
    probe.set_state((name, *state, 0, number))
    without = _memory(probe, type(probe))
    probe.set_state((name, *state, 1, number))
    flag = next(place for place, (a, b) in enumerate(zip(without, _memory(probe, type(probe)), strict=True)) if a != b)
    return memory[flag], unpack_from("d", memory, without.index(pack("d", number)))[0]
