# SPDX-License-Identifier: Apache-2.0
"""A target in memory, for tests: it answers like an iSCSI target and exports nothing."""
from __future__ import annotations

from typing import TYPE_CHECKING

from cinder.volume.driver_types import Executor
from cinder.volume.targets import iscsi

if TYPE_CHECKING:
    from cinder.objects import Volume
    from cinder.volume.configuration import Configuration


class FakeTarget(iscsi.ISCSITarget):
    def __init__(self, configuration: Configuration, execute: Executor) -> None:
        super().__init__(configuration, execute)
        self.exported: dict[str, tuple[str, iscsi.Chap | None]] = {}
        self.allowed: dict[str, dict[str, bool]] = {}
        self.open_to_strangers: dict[str, bool] = {}
        self.sessions: dict[str, set[str]] = {}

    def _export(self, unit: iscsi.Unit, path: str, chap: iscsi.Chap | None,
                access: iscsi.Access) -> tuple[int, str]:
        self.exported[unit.iqn] = path, chap
        self._allow(unit, access, chap)
        return 1, unit.serial

    def _remove(self, iqn: str, chap: iscsi.Chap | None) -> None:
        for kept in (self.exported, self.allowed, self.open_to_strangers, self.sessions):
            kept.pop(iqn, None)

    def exports(self) -> dict[str, list[str]]:
        return {iqn: sorted(self._sessions(iqn)) for iqn in self.exported}

    def _allow(self, unit: iscsi.Unit, access: iscsi.Access, chap: iscsi.Chap | None) -> None:
        self.allowed.setdefault(unit.iqn, {}).update(access.initiators)
        if access.strangers is not None:
            self.open_to_strangers[unit.iqn] = access.strangers

    def _forbid(self, iqn: str, initiator: str) -> None:
        self.allowed.get(iqn, {}).pop(initiator, None)
        self._sessions(iqn).discard(initiator)

    def _sessions(self, iqn: str) -> set[str]:
        return self.sessions.setdefault(iqn, set())

    def extend(self, volume: Volume, path: str) -> None:
        """Do nothing."""
