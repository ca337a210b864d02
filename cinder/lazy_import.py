# SPDX-License-Identifier: Apache-2.0
"""Modules that libraries import and few processes use; they are loaded when they are used."""
import importlib
import sys
import types


class _Module(types.ModuleType):
    def __getattr__(self, name: str) -> object:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


def load_when_used(name: str) -> None:
    """Load a module when one of its attributes is used, not when it is imported.

    LazyLoader of importlib does not work here: the import statement reads the module and so loads
    it.

    :param name: name of a module; nothing happens if it is loaded already
    """
    sys.modules.setdefault(name, _Module(name))
