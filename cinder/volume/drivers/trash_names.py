# SPDX-License-Identifier: Apache-2.0
"""Names on the storage of volumes and snapshots in the trash, the same for all drivers. The drivers
rename."""
from __future__ import annotations

import re
from collections.abc import Callable

PREFIX = 'trash-'
# All names of volumes and snapshots contain an id.
_KEPT = re.compile(PREFIX + '.*[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}.*')


def kept(name: str) -> str:
    """Return the name of a volume or snapshot while it is in the trash."""
    return PREFIX + name


def owner(name: str) -> str:
    """Return the name of a volume or snapshot outside of the trash; other names are unchanged."""
    return name.removeprefix(PREFIX)


def is_kept(name: str) -> bool:
    """Return whether a name is one of a volume or snapshot in the trash."""
    return _KEPT.fullmatch(name) is not None


def also_kept(owned: Callable[[str], bool]) -> Callable[[str], bool]:
    """Return a function that is true for the names that `owned` is true for, and for those of them
    in the trash."""
    return lambda name: owned(owner(name))
