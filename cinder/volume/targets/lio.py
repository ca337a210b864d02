# SPDX-License-Identifier: Apache-2.0
"""LIO, the iSCSI target of the kernel. Each volume has a target, and each initiator an entry in it
with the secret and the access mode. The kernel forgets all exports at a reboot; ensure_export
restores them from the database, one volume at a time."""
from __future__ import annotations

import functools
from collections.abc import Collection
from types import ModuleType
from typing import TYPE_CHECKING

from cinder.privsep import lio, lio_saved
from cinder.volume.driver_types import Executor
from cinder.volume.targets import base, iscsi

if TYPE_CHECKING:
    from cinder.objects import Volume
    from cinder.volume.configuration import Configuration

# The number of the only portal group of a target.
_GROUP = 1
_asking = functools.partial(base.kernel_errors, 'LIO')


class LioAdm(iscsi.ISCSITarget):
    """:param kernel: the functions of privsep.lio; for tests"""

    GROWS_ONLINE = True

    def __init__(self, configuration: Configuration, execute: Executor,
                 kernel: ModuleType = lio) -> None:
        super().__init__(configuration, execute)
        self._kernel = kernel

    def _export(self, unit: iscsi.Unit, path: str, chap: iscsi.Chap | None,
                access: iscsi.Access) -> tuple[int, str]:
        config = self.configuration
        portals = [(address, int(port)) for address, _colon, port in
                   (portal.rpartition(':') for portal in self._portals())]
        with _asking(unit.iqn):
            serial = self._kernel.export(*unit, path, portals, chap is not None,
                                         config.iscsi_write_cache == 'on',
                                         bool(config.report_discard_supported))
        self._allow(unit, access, chap)
        return _GROUP, serial

    def _allow(self, unit: iscsi.Unit, access: iscsi.Access, chap: iscsi.Chap | None) -> None:
        if access == iscsi.Access():
            return
        with _asking(unit.iqn):
            self._kernel.allow(unit.iqn, unit.lun, access.initiators, access.strangers,
                               (chap.name, chap.secret) if chap else None)

    def _forbid(self, iqn: str, initiator: str) -> None:
        with _asking(iqn):
            self._kernel.forbid(iqn, initiator)

    def exports(self) -> dict[str, list[str]]:
        return {name: sorted(self._sessions(name)) for name in self._present()}

    def _present(self) -> set[str]:
        with _asking('all targets'):
            return set(self._kernel.targets())

    def _sessions(self, iqn: str) -> set[str]:
        with _asking(iqn):
            return set(self._kernel.sessions(iqn))

    def _remove(self, iqn: str, chap: iscsi.Chap | None) -> None:
        with _asking(iqn):
            self._kernel.remove(iqn)

    def saved_exports(self) -> dict[str, str]:
        return dict(lio_saved.find())

    def forget_saved_exports(self, names: Collection[str]) -> None:
        lio_saved.remove(names)

    def extend(self, volume: Volume, path: str) -> None:
        """Do nothing for a device: the kernel reads its size whenever an initiator asks. The size
        of a file does not change."""
