# SPDX-License-Identifier: Apache-2.0
"""Loads the Python bindings of librados and librbd, which packages of the operating system
contain; they are needed only where Ceph is used."""
from __future__ import annotations

import dataclasses
import importlib
from typing import Any

from cinder.brick.ceph import errors

PACKAGES = 'python3-rados and python3-rbd'


@dataclasses.dataclass(frozen=True)
class Bindings:
    """The modules rados and rbd."""

    rados: Any
    rbd: Any


# Replaced by tests, which have no cluster.
loaded: Bindings | None = None


def load() -> Bindings:
    """Return the modules; they are imported once.

    :raises BindingsMissing: with the names of the packages
    """
    global loaded
    if loaded is None:
        try:
            loaded = Bindings(*map(importlib.import_module, ('rados', 'rbd')))
        except ImportError as exc:
            raise errors.BindingsMissing(
                f'the Python bindings of Ceph cannot be imported ({exc}); install {PACKAGES} of '
                'the operating system for the Python that runs this service') from None
    return loaded
