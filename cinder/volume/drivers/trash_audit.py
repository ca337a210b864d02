# SPDX-License-Identifier: Apache-2.0
"""Compares the rows of what is in the trash with the names on the storage, for the audits of all
drivers. It changes nothing."""
from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from typing import TYPE_CHECKING

from cinder.volume.driver_types import Finding, Rows
from cinder.volume.drivers.trash_names import kept

if TYPE_CHECKING:
    from cinder.objects import Snapshot


class Trash:
    """What should be in the trash.

    :param rows: what the database says
    :param snapshot_name: function that returns the name of a snapshot on the storage, outside of
        the trash
    """

    def __init__(self, rows: Rows,
                 snapshot_name: Callable[[Snapshot], str] = lambda snapshot: snapshot.name,
                 ) -> None:
        self._busy = rows.busy
        self._wanted = [
            *(('volume', volume.id, volume.name) for volume in rows.trashed_volumes),
            *(('snapshot', snapshot.id, snapshot_name(snapshot))
              for snapshot in rows.trashed_snapshots)]
        # They may still have their own names, for instance while they are moved.
        self.names = frozenset(name for _kind, _ident, own in self._wanted
                               for name in (own, kept(own)))

    def missing(self, present: Container[str], full: Callable[[str], str]) -> Iterator[Finding]:
        """Yield what is not there, or has another name.

        :param present: the names on the storage
        :param full: function that returns a name as an operator writes it
        """
        for kind, ident, own in self._wanted:
            if ident in self._busy or kept(own) in present:
                continue
            yield Finding(
                'missing', kept(own),
                f'{kind} {ident} is in the trash, but {full(kept(own))} does not exist',
                f'rename {full(own)} to {kept(own)}' if own in present else
                f'restore it from a backup, or purge the {kind} from the trash')
