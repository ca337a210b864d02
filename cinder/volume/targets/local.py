# SPDX-License-Identifier: Apache-2.0
"""No export at all: the initiator is this host and opens the device or file itself."""
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
        """Nothing: whoever has the file or device open sees its size."""

    def validate_connector(self, connector: Connector) -> None:
        """Nothing is needed to open a path."""

    def initialize_connection(self, volume: Volume, path: str,
                              connector: Connector) -> Connection:
        return {'driver_volume_type': 'local',
                'data': {**self._data(volume, connector), 'device_path': path}}

    def terminate_connection(self, volume: Volume, connector: Connector | None,
                             force: bool = False) -> None:
        """Nobody was let in: who may open the path is for its permissions to say."""
