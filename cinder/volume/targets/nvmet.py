# SPDX-License-Identifier: Apache-2.0
"""The NVMe target of the kernel: each volume is a subsystem with one namespace, over TCP or RDMA.
The kernel forgets all exports at a reboot; ensure_export restores them one volume at a time."""
from __future__ import annotations

import dataclasses
import functools
import logging
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

LOG = logging.getLogger(__name__)

_TRANSPORTS = {'nvmet_tcp': 'tcp', 'nvmet_rdma': 'rdma'}
# It is used as the name of a directory; the standard allows 223 bytes.
_HOST = re.compile(r'nqn\.[\w.:-]{1,219}', re.ASCII)
_asking = functools.partial(base.kernel_errors, 'nvmet')


_UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'
_LOCATIONS = tuple(re.compile(text) for text in (
    # Ours
    r'(?P<addresses>\S+) (?P<port>\d+) (?P<transport>\w+) (?P<nqn>\S+) (?P<namespace>\d+)'
    rf'(?: (?P<nguid>{_UUID}))?',
    # That of the original Cinder
    r'(?P<addresses>\S+):(?P<port>\d+) (?P<transport>\w+) (?P<nqn>\S+) '
    rf'(?:(?P<namespace>\d+)|(?P<nguid>{_UUID}))'))


@dataclasses.dataclass(frozen=True)
class Location:
    """A provider_location: 'ADDRESS[,ADDRESS ...] PORT TRANSPORT NQN NAMESPACE [NGUID]'; the
    original Cinder writes 'ADDRESS[,ADDRESS ...]:PORT TRANSPORT NQN NAMESPACE'.

    :ivar nguid: identifier that the namespace has besides the id of the volume, or ''
    """

    addresses: tuple[str, ...]
    port: int
    transport: str
    nqn: str
    namespace: int
    nguid: str = ''

    @classmethod
    def parse(cls, provider_location: str | None, namespace: int = 1) -> Location | None:
        """Return None for a text of another form.

        :param namespace: number of the namespace if the text does not contain it
        """
        found = next(filter(None, (form.fullmatch(provider_location or '')
                                   for form in _LOCATIONS)), None)
        return found and cls(tuple(found['addresses'].split(',')), int(found['port']),
                             found['transport'], found['nqn'],
                             int(found['namespace'] or namespace), found['nguid'] or '')

    def __str__(self) -> str:
        return (f'{",".join(self.addresses)} {self.port} {self.transport} {self.nqn} '
                f'{self.namespace} {self.nguid}').rstrip()


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
        """Return the name of the subsystem in the row of the volume; without one, our name."""
        return self._place_of(volume).nqn

    def _place_of(self, volume: Volume) -> Location:
        config = self.configuration
        found = Location.parse(volume.provider_location, config.nvmet_ns_id)
        if found is None:
            prefix = re.sub('^iqn', 'nqn', config.target_prefix)
            return Location(tuple(self._addresses()), config.target_port, self._transport,
                            f'{prefix}{volume.name}', config.nvmet_ns_id)
        return dataclasses.replace(found, addresses=tuple(self._addresses()),
                                   port=config.target_port, transport=self._transport)

    def create_export(self, volume: Volume, path: str) -> Values:
        return self._exported(volume, path, widen=False)

    def ensure_export(self, volume: Volume, path: str) -> Values:
        return self._exported(volume, path, widen=True)

    def _exported(self, volume: Volume, path: str, widen: bool) -> Values:
        """
        :param widen: allow any host if that of an attachment is unknown
        :raises VolumeBackendAPIException: the row does not describe the subsystem of one volume;
            the original Cinder shares subsystems with lvm_share_target
        """
        config, place = self.configuration, self._place_of(volume)
        if volume.provider_location and not Location.parse(volume.provider_location):
            raise base.foreign(volume)
        ports = [(config.nvmet_port_id + number, self._transport,
                  'ipv6' if ':' in address else 'ipv4', address, config.target_port)
                 for number, address in enumerate(place.addresses)]
        hosts = base.attached_initiators(volume, 'nqn')
        with _asking(place.nqn):
            nguid = self._kernel.export(place.nqn, path, volume.id, place.nguid, place.namespace,
                                        ports)
            if hosts is not None or widen:
                self._kernel.allow(place.nqn, None if hosts is None else list(hosts), True)
        return {'provider_location': str(dataclasses.replace(place, nguid=nguid or '')),
                'provider_auth': None}

    def _addresses(self) -> list[str]:
        config = self.configuration
        return [config.target_ip_address, *config.target_secondary_ip_addresses]

    def remove_export(self, volume: Volume) -> Values:
        if volume.provider_location and not Location.parse(volume.provider_location):
            LOG.warning('%s; it is not removed', base.foreign(volume))
        with _asking(self.nqn(volume)):
            self._kernel.remove(self.nqn(volume))
        return {'provider_location': None, 'provider_auth': None}

    def export_name(self, volume: Volume) -> str:
        return self.nqn(volume)

    def name_in(self, export: str) -> str:
        prefix = re.sub('^iqn', 'nqn', self.configuration.target_prefix)
        return export[len(prefix):] if export.startswith(prefix) else ''

    def _present(self) -> set[str]:
        return set(self._kernel.subsystems())

    def extend(self, volume: Volume, path: str) -> None:
        if volume.provider_location:
            place = self._place_of(volume)
            with _asking(place.nqn):
                self._kernel.resize(place.nqn, place.namespace)

    def validate_connector(self, connector: Connector) -> None:
        name = connector.get('nqn')
        if not isinstance(name, str) or not _HOST.fullmatch(name):
            raise exception.InvalidInput(
                reason='an NVMe connection requires the "nqn" of the connector, such as '
                       'nqn.2014-08.org.nvmexpress:uuid:...; check that the host has nvme-cli')

    def initialize_connection(self, volume: Volume, path: str,
                              connector: Connector) -> Connection:
        """:raises VolumeBackendAPIException: the volume is not exported"""
        place = Location.parse(volume.provider_location, self.configuration.nvmet_ns_id)
        if place is None:
            raise exception.VolumeBackendAPIException(data=f'volume {volume.id} is not exported')
        with _asking(place.nqn):
            self._kernel.allow(place.nqn, [connector['nqn']], False)
        portals = [(address, place.port, place.transport) for address in place.addresses]
        if self.configuration.nvmeof_conn_info_version == 2:
            data = {'target_nqn': place.nqn, 'vol_uuid': volume.id, 'portals': portals,
                    'ns_id': place.namespace}
        else:
            data = {'nqn': place.nqn, 'target_portal': portals[0][0], 'target_port': place.port,
                    'transport_type': place.transport, 'ns_id': place.namespace}
        return {'driver_volume_type': 'nvmeof', 'data': {**self._data(volume, connector), **data}}

    def terminate_connection(self, volume: Volume, connector: Connector | None,
                             force: bool = False) -> None:
        """End the access of the connector. The kernel does not report sessions, so there is nothing
        to wait for."""
        name = (connector or {}).get('nqn')
        if name:
            with _asking(self.nqn(volume)):
                self._kernel.forbid(self.nqn(volume), name)
