# SPDX-License-Identifier: Apache-2.0
"""A target in memory, for tests: answers as an iSCSI target does and exports nothing."""
from typing import Any

from cinder.volume.targets import iscsi


class FakeTarget(iscsi.ISCSITarget):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.exported: dict[str, tuple[str, iscsi.Chap | None]] = {}

    def _export(self, iqn: str, path: str, chap: iscsi.Chap | None) -> int:
        self.exported[iqn] = path, chap
        return 1

    def _remove(self, iqn: str, chap: iscsi.Chap | None) -> None:
        self.exported.pop(iqn, None)

    def exports(self) -> dict[str, list[str]]:
        return {iqn: [] for iqn in self.exported}

    def extend(self, volume: Any, path: str) -> None:
        """Nothing to tell."""
