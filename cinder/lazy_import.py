# SPDX-License-Identifier: Apache-2.0
"""Modules that libraries import and that few of our processes use: loaded when they are used."""
import importlib
import sys
import types


class _Module(types.ModuleType):
    def __getattr__(self, name: str) -> object:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


def load_when_used(name: str) -> None:
    """Have a module loaded when somebody asks for something in it, and not where it is imported.

    LazyLoader of importlib does not do: the import statement looks at the module and so loads it.

    :param name: of a module that nobody has imported yet; nothing happens to one that is loaded
    """
    sys.modules.setdefault(name, _Module(name))
