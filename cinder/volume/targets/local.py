# SPDX-License-Identifier: Apache-2.0
"""No export: the initiator is this host and opens the device or file itself."""
from __future__ import annotations

from typing import TYPE_CHECKING

from cinder.volume.driver_types import Connection, Connector, Values
from cinder.volume.targets import base

if TYPE_CHECKING:
    from cinder.objects import Volume


class LocalTarget(base.Target):
    PROTOCOL = 'local'
    GROWS_ONLINE = True
    OF_ONE_HOST = False

    def create_export(self, volume: Volume, path: str) -> Values:
        return {}

    def ensure_export(self, volume: Volume, path: str) -> Values:
        return {}

    def remove_export(self, volume: Volume) -> Values:
        return {}

    def extend(self, volume: Volume, path: str) -> None:
        """Do nothing: a process that has the file or device open sees its new size."""

    def validate_connector(self, connector: Connector) -> None:
        """Accept any connector: a path needs no initiator."""

    def initialize_connection(self, volume: Volume, path: str,
                              connector: Connector) -> Connection:
        return {'driver_volume_type': 'local',
                'data': {**self._data(volume, connector), 'device_path': path}}

    def terminate_connection(self, volume: Volume, connector: Connector | None,
                             force: bool = False) -> None:
        """Do nothing: the permissions of the path decide who may open it."""
