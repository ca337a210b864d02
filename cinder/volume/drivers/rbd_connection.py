# SPDX-License-Identifier: Apache-2.0
"""How hosts reach the volumes of RBDDriver: they open the image themselves with a key of their own,
so nothing is exported, and initialize_connection() says where it is."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cinder.brick.ceph.address import Address
from cinder.brick.ceph.monitors import Monitors
from cinder.volume.driver_types import Connection, Connector, Fields
from cinder.volume.drivers import rbd_base
from cinder.volume.drivers.rbd_base import typed

if TYPE_CHECKING:
    from cinder.context import RequestContext
    from cinder.objects import Volume
    from cinder.volume.configuration import Configuration


class Connections(rbd_base.RBDBase):
    """The part of RBDDriver that connects hosts."""

    def __init__(self, configuration: Configuration, *args: Any, **kwargs: Any) -> None:
        super().__init__(configuration, *args, **kwargs)
        self._monitors = {name: Monitors() for name in self.sites}

    def local_path(self, volume: Volume) -> str:
        """Return the address of the image: there is no device on this host."""
        with self.at_site_of([volume]):
            return self.address(volume.name)

    def address(self, image: str, snapshot: str = '') -> str:
        """Return the address of an image or snapshot, which brick.disks opens."""
        return str(Address(self.pool_name, image, snapshot=snapshot, settings=self.ceph.settings))

    def create_export(self, ctxt: RequestContext, volume: Volume,
                      connector: Connector | None) -> Fields:
        """Do nothing."""

    def ensure_export(self, ctxt: RequestContext, volume: Volume) -> Fields:
        """Do nothing."""

    def remove_export(self, ctxt: RequestContext, volume: Volume) -> Fields:
        """Do nothing."""

    @typed
    def initialize_connection(self, volume: Volume, connector: Connector) -> Connection:
        """Return where the image is. The key of the user is not among it: a host has it from its
        administrator, as a keyring or as a secret of libvirt."""
        site = self.site
        # Not set is not the same as admin: it says that no authentication is used.
        user = site.settings.user or self.configuration.rbd_user
        monitors = self.run(self._monitors[site.backend_id].of)
        return {'driver_volume_type': 'rbd', 'data': {
            'name': f'{self.pool_name}/{volume.name}',
            'hosts': [host for host, _port in monitors],
            'ports': [port for _host, port in monitors],
            'cluster_name': site.settings.cluster_name,
            'auth_enabled': user is not None,
            'auth_username': user,
            'secret_type': 'ceph',  # nosec B105 # a kind of secrets
            'secret_uuid': site.secret_uuid or self.fsid,
            'volume_id': volume.id,
            'discard': True,
        }}

    def terminate_connection(self, volume: Volume, connector: Connector | None,
                             force: bool = False) -> None:
        """Do nothing."""
