# SPDX-License-Identifier: Apache-2.0
"""The NVMe target of the kernel: each volume is a subsystem with one namespace, over TCP or RDMA.
The kernel forgets all exports at a reboot; ensure_export restores them one volume at a time."""
from __future__ import annotations

import functools
import re
from types import ModuleType
from typing import TYPE_CHECKING

from cinder import exception
from cinder.privsep import nvmet
from cinder.volume.driver_types import Connection, Connector, Executor, Values
from cinder.volume.targets import base

if TYPE_CHECKING:
    from cinder.objects import Volume
    from cinder.volume.configuration import Configuration

_TRANSPORTS = {'nvmet_tcp': 'tcp', 'nvmet_rdma': 'rdma'}
# It is used as the name of a directory; the standard allows 223 bytes.
_HOST = re.compile(r'nqn\.[\w.:-]{1,219}', re.ASCII)
_asking = functools.partial(base.kernel_errors, 'nvmet')


class NVMET(base.Target):
    """:param kernel: the functions of privsep.nvmet; for tests
    :raises InvalidConfigurationValue: target_protocol is not an NVMe protocol
    """

    PROTOCOL = 'NVMe-oF'
    GROWS_ONLINE = True

    def __init__(self, configuration: Configuration, execute: Executor,
                 kernel: ModuleType = nvmet) -> None:
        super().__init__(configuration, execute)
        if configuration.target_protocol not in _TRANSPORTS:
            raise exception.InvalidConfigurationValue(option='target_protocol',
                                                      value=configuration.target_protocol)
        self._transport = _TRANSPORTS[configuration.target_protocol]
        self._kernel = kernel

    def nqn(self, volume: Volume) -> str:
        return f'{re.sub("^iqn", "nqn", self.configuration.target_prefix)}{volume.name}'

    def create_export(self, volume: Volume, path: str) -> Values:
        config, nqn = self.configuration, self.nqn(volume)
        ports = [(config.nvmet_port_id + place, self._transport,
                  'ipv6' if ':' in address else 'ipv4', address, config.target_port)
                 for place, address in enumerate(self._addresses())]
        with _asking(nqn):
            self._kernel.export(nqn, path, volume.id, config.nvmet_ns_id, ports)
        return {'provider_location': f'{",".join(self._addresses())} {config.target_port} '
                                     f'{self._transport} {nqn} {config.nvmet_ns_id}',
                'provider_auth': None}

    def _addresses(self) -> list[str]:
        config = self.configuration
        return [config.target_ip_address, *config.target_secondary_ip_addresses]

    def ensure_export(self, volume: Volume, path: str) -> Values:
        fields = self.create_export(volume, path)
        hosts = base.attached_initiators(volume, 'nqn')
        with _asking(self.nqn(volume)):
            self._kernel.allow(self.nqn(volume), None if hosts is None else list(hosts))
        return fields

    def remove_export(self, volume: Volume) -> Values:
        with _asking(self.nqn(volume)):
            self._kernel.remove(self.nqn(volume))
        return {'provider_location': None, 'provider_auth': None}

    def export_name(self, volume: Volume) -> str:
        return self.nqn(volume)

    def _present(self) -> set[str]:
        return set(self._kernel.subsystems())

    def extend(self, volume: Volume, path: str) -> None:
        if volume.provider_location:
            with _asking(self.nqn(volume)):
                self._kernel.resize(self.nqn(volume), self.configuration.nvmet_ns_id)

    def validate_connector(self, connector: Connector) -> None:
        name = connector.get('nqn')
        if not isinstance(name, str) or not _HOST.fullmatch(name):
            raise exception.InvalidInput(
                reason='an NVMe connection requires the "nqn" of the connector, such as '
                       'nqn.2014-08.org.nvmexpress:uuid:...; check that the host has nvme-cli')

    def initialize_connection(self, volume: Volume, path: str,
                              connector: Connector) -> Connection:
        """:raises VolumeBackendAPIException: the volume is not exported"""
        try:
            addresses, port, transport, nqn, namespace = volume.provider_location.split()
        except (AttributeError, ValueError):
            raise exception.VolumeBackendAPIException(
                data=f'volume {volume.id} is not exported') from None
        with _asking(nqn):
            self._kernel.allow(nqn, [connector['nqn']])
        portals = [(address, int(port), transport) for address in addresses.split(',')]
        if self.configuration.nvmeof_conn_info_version == 2:
            data = {'target_nqn': nqn, 'vol_uuid': volume.id, 'portals': portals,
                    'ns_id': int(namespace)}
        else:
            data = {'nqn': nqn, 'target_portal': portals[0][0], 'target_port': int(port),
                    'transport_type': transport, 'ns_id': int(namespace)}
        return {'driver_volume_type': 'nvmeof', 'data': {**self._data(volume, connector), **data}}

    def terminate_connection(self, volume: Volume, connector: Connector | None,
                             force: bool = False) -> None:
        """End the access of the connector. The kernel does not report sessions, so there is nothing
        to wait for."""
        name = (connector or {}).get('nqn')
        if name:
            with _asking(self.nqn(volume)):
                self._kernel.forbid(self.nqn(volume), name)
