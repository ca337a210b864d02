# SPDX-License-Identifier: Apache-2.0
"""The ranges that backups read, in pages: a message must not be too large, and a driver needs
seconds to list them. manager/backups.py has the message."""
import array
import collections
import itertools
import threading
from typing import cast

from cinder import objects
from cinder.volume import driver as driver_api

# Ranges of one page, and lists that are kept for the next page.
PAGE, LISTS = 20_000, 4


class Pages:
    """The lists of one back end."""

    def __init__(self) -> None:
        self._lists: collections.OrderedDict[
            tuple[str, str | None], array.array[int] | None] = collections.OrderedDict()
        self._guard = threading.Lock()

    def page(self, driver: driver_api.VolumeDriver, snapshot: objects.Snapshot,
             base: objects.Snapshot | str | None, start: int) -> dict:
        """Return a page; see rpc.volume.VolumeAPI.backup_ranges().

        :param base: also the name of a snapshot that the storage keeps
        """
        key = snapshot.id, base if base is None or isinstance(base, str) else base.id
        with self._guard:
            known = self._lists.get(key) if start else None
        numbers = known or _list(driver, snapshot, base)
        if numbers is None:
            return {'ranges': None, 'next': None, 'compares': False}
        end = start + PAGE
        page = numbers[2 * start:2 * end]
        left = len(numbers) > 2 * end
        with self._guard:
            self._lists.pop(key, None)
            if left:
                # Another host of a cluster, which may get the next message, lists them again.
                self._lists[key] = numbers
                while len(self._lists) > LISTS:
                    self._lists.popitem(last=False)
        return {'ranges': [list(pair) for pair in zip(page[::2], page[1::2], strict=True)],
                'next': end if left else None,
                'compares': cast('driver_api.ReportsRanges', driver).compares_snapshots}


def _list(driver: driver_api.VolumeDriver, snapshot: objects.Snapshot,
          base: objects.Snapshot | str | None) -> 'array.array[int] | None':
    if not isinstance(driver, driver_api.ReportsRanges):
        return None
    if isinstance(base, str):
        found = cast('driver_api.KeepsBackupSnapshots', driver).ranges_since(snapshot, base)
    else:
        found = (driver.mapped_ranges(snapshot) if base is None
                 else driver.changed_ranges(snapshot, base))
    return None if found is None else array.array('Q', itertools.chain.from_iterable(found))
