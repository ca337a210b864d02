# SPDX-License-Identifier: Apache-2.0
"""Modules that libraries import and few processes use; they are loaded when they are used."""
import importlib.machinery
import importlib.util
import sys
import types

# Of native threads: eventlet patches threading, but must not patch these.
from _thread import allocate_lock, get_ident
from collections.abc import Callable
from typing import Any


class _Module(types.ModuleType):
    """A module whose code has not run. When it has, the class is that of any module."""

    def __getattr__(self, name: str) -> Any:
        if name != '__path__':  # by which `from module import ...` recognizes packages
            _load(self)
        # Without __getattr__() above: this may be the thread that loads the module.
        return types.ModuleType.__getattribute__(self, name)


class _State:
    """Who loads a module at present, and what stands in for its callables until then."""

    def __init__(self, callables: tuple[str, ...]) -> None:
        self.lock = allocate_lock()
        self.thread: int | None = None
        self.callables = callables


_states: dict[str, _State] = {}


def load_when_used(name: str, *callables: str) -> None:
    """Load a module when one of its attributes is used, not when it is imported.

    LazyLoader of importlib does not work here: the import statement reads the module and so loads
    it. Nothing happens if the module is loaded already, or if it is seen to be missing.

    :param name: name of a module or package; of a module, if the package that it is in is not
        loaded yet: then it becomes an attribute of that at its first use
    :param callables: names that importers read at once, but call later: until the module is
        loaded, each is a function that loads it and calls what has this name
    """
    if name in sys.modules:
        return
    module = _Module(name)
    package, _dot, short = name.rpartition('.')
    if not package or package in sys.modules:
        spec = importlib.util.find_spec(name)
        if spec is None:
            return
        # A submodule can be imported although its package is not loaded.
        _describe(module, spec)
    if package in sys.modules:
        setattr(sys.modules[package], short, module)
    for each in callables:
        setattr(module, each, _call_later(module, each))
    _states[name] = _State(callables)
    sys.modules[name] = module


def _describe(module: types.ModuleType, spec: importlib.machinery.ModuleSpec) -> None:
    vars(module).update(vars(importlib.util.module_from_spec(spec)))


def _load(module: types.ModuleType) -> None:
    state = _states[module.__name__]
    if state.thread == get_ident():
        return
    with state.lock:
        if not isinstance(module, _Module):
            return
        state.thread = get_ident()
        try:
            for name in state.callables:
                vars(module).pop(name, None)
            _run_code(module)
        finally:
            state.thread = None
        module.__class__ = types.ModuleType


def _run_code(module: types.ModuleType) -> None:
    if module.__spec__ is None:
        # Not earlier: to find it would load its package.
        package, _dot, short = module.__name__.rpartition('.')
        parent = importlib.import_module(package)
        setattr(parent, short, module)
        spec = importlib.machinery.PathFinder.find_spec(module.__name__, parent.__path__)
        if spec is None:
            raise ModuleNotFoundError(f'No module named {module.__name__!r}', name=module.__name__)
        _describe(module, spec)
    module.__loader__.exec_module(module)


def _call_later(module: types.ModuleType, name: str) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        _load(module)
        return getattr(module, name)(*args, **kwargs)
    return call
