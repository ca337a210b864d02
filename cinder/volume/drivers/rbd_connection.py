# SPDX-License-Identifier: Apache-2.0
"""How hosts reach the volumes of RBDDriver: they open the image themselves, so nothing is exported,
and initialize_connection() says where it is."""
from __future__ import annotations

from typing import TYPE_CHECKING

from cinder.volume import driver
from cinder.volume.driver_types import Connection, Connector, Fields

if TYPE_CHECKING:
    from cinder.context import RequestContext
    from cinder.objects import Volume


class Connections(driver.VolumeDriver):
    """The part of RBDDriver that connects hosts."""

    pool_name: str

    def local_path(self, volume: Volume) -> str:
        """Return what qemu calls the image: there is no device on this host."""
        config = self.configuration
        words = [f'rbd:{self.pool_name}/{volume.name}']
        if config.rbd_ceph_conf:
            words.append(f'conf={config.rbd_ceph_conf}')
        if config.rbd_user:
            words.append(f'id={config.rbd_user}')
        return ':'.join(words)

    def create_export(self, ctxt: RequestContext, volume: Volume,
                      connector: Connector | None) -> Fields:
        """Do nothing."""

    def ensure_export(self, ctxt: RequestContext, volume: Volume) -> Fields:
        """Do nothing."""

    def remove_export(self, ctxt: RequestContext, volume: Volume) -> Fields:
        """Do nothing."""

    def initialize_connection(self, volume: Volume, connector: Connector) -> Connection:
        return {'driver_volume_type': 'rbd',
                'data': {'name': f'{self.pool_name}/{volume.name}', 'volume_id': volume.id}}

    def terminate_connection(self, volume: Volume, connector: Connector | None,
                             force: bool = False) -> None:
        """Do nothing."""
