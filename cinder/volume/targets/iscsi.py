# SPDX-License-Identifier: Apache-2.0
"""iSCSI: names, portals, CHAP secrets, and the connection information for initiators. Subclasses
create the exports."""
from __future__ import annotations

import abc
import dataclasses
import re
import secrets
import string
from typing import TYPE_CHECKING

from cinder import exception
from cinder.volume.driver_types import Connection, Connector, Values
from cinder.volume.targets import base

if TYPE_CHECKING:
    from cinder.objects import Volume

LUN = 1
_LETTERS = string.ascii_letters + string.digits
# Some initiators accept only 12 to 16 characters (RFC 7143, 9.2.1; Microsoft's initiator).
_SECRET_LENGTH = 16
_NAME_LENGTH = 20
# It is used as an argument of a command or as the name of a directory.
_INITIATOR = re.compile(r'[a-z0-9][\w.:-]{0,222}', re.ASCII | re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Chap:
    name: str
    secret: str = dataclasses.field(repr=False)

    @classmethod
    def parse(cls, provider_auth: str | None) -> Chap | None:
        words = (provider_auth or '').split()
        return cls(words[1], words[2]) if len(words) == 3 and words[0] == 'CHAP' else None

    def __str__(self) -> str:
        return f'CHAP {self.name} {self.secret}'


class ISCSITarget(base.Target):
    """An iSCSI target for each volume, with the volume as logical unit 1."""

    PROTOCOL = 'iSCSI'

    @abc.abstractmethod
    def _export(self, iqn: str, path: str, chap: Chap | None,
                initiators: dict[str, bool] | None) -> int:
        """Create or complete the target.

        :param initiators: initiators to allow as _allow() does, in addition to the present ones; at
            once, because they may be trying to log in since the target died
        :returns: the number to store in provider_location
        """

    @abc.abstractmethod
    def _allow(self, iqn: str, initiators: dict[str, bool] | None, chap: Chap | None) -> None:
        """Allow these initiators as well.

        :param initiators: {name: whether read-only}; None: any initiator
        """

    @abc.abstractmethod
    def _forbid(self, iqn: str, initiator: str) -> None:
        """End the access and the sessions of this initiator."""

    @abc.abstractmethod
    def _sessions(self, iqn: str) -> set[str]:
        """Return the names of the initiators that are logged in."""

    @abc.abstractmethod
    def _remove(self, iqn: str, chap: Chap | None) -> None:
        """Remove the target if it exists."""

    def iqn(self, volume: Volume) -> str:
        return f'{self.configuration.target_prefix}{volume.name}'

    def export_name(self, volume: Volume) -> str:
        return self.iqn(volume)

    def name_in(self, export: str) -> str:
        prefix = self.configuration.target_prefix
        return export[len(prefix):] if export.startswith(prefix) else ''

    def create_export(self, volume: Volume, path: str) -> Values:
        chap = Chap.parse(volume.provider_auth) or self._new_chap()
        return self._exported(volume, path, chap, {})

    def ensure_export(self, volume: Volume, path: str) -> Values:
        chap = Chap.parse(volume.provider_auth)
        return self._exported(volume, path, chap, base.attached_initiators(volume, 'initiator'))

    def _exported(self, volume: Volume, path: str, chap: Chap | None,
                  initiators: dict[str, bool] | None) -> Values:
        number = self._export(self.iqn(volume), path, chap, initiators)
        portals = ';'.join(self._portals())
        return {'provider_location': f'{portals},{number} {self.iqn(volume)} {LUN}',
                'provider_auth': str(chap) if chap else None}

    def _portals(self) -> list[str]:
        config = self.configuration
        addresses = [config.target_ip_address, *config.target_secondary_ip_addresses]
        return [f'[{ip}]:{config.target_port}' if ':' in ip else f'{ip}:{config.target_port}'
                for ip in addresses]

    def _new_chap(self) -> Chap | None:
        config = self.configuration
        if not config.use_chap_auth:
            return None
        return Chap(config.chap_username or _random(_NAME_LENGTH),
                    config.chap_password or _random(_SECRET_LENGTH))

    def remove_export(self, volume: Volume) -> Values:
        self._remove(self.iqn(volume), Chap.parse(volume.provider_auth))
        return {'provider_location': None, 'provider_auth': None}

    def validate_connector(self, connector: Connector) -> None:
        name = connector.get('initiator')
        if not name:
            raise exception.InvalidInput(
                reason='the connector has no "initiator", which an iSCSI connection requires')
        if not isinstance(name, str) or not _INITIATOR.fullmatch(name):
            raise exception.InvalidInput(
                reason='the "initiator" of the connector is not an iSCSI name such as '
                       'iqn.2001-04.com.example:host')

    def initialize_connection(self, volume: Volume, path: str,
                              connector: Connector) -> Connection:
        """:raises VolumeBackendAPIException: the volume is not exported"""
        try:
            places, iqn, lun = volume.provider_location.split()
        except (AttributeError, ValueError):
            raise exception.VolumeBackendAPIException(
                data=f'volume {volume.id} is not exported') from None
        portals = places.rpartition(',')[0].split(';')
        data = {**self._data(volume, connector), 'target_discovered': False,
                'target_portal': portals[0], 'target_iqn': iqn, 'target_lun': int(lun)}
        if len(portals) > 1:
            data.update(target_portals=portals, target_iqns=[iqn] * len(portals),
                        target_luns=[int(lun)] * len(portals))
        chap = Chap.parse(volume.provider_auth)
        self._allow(iqn, {connector['initiator']: data['access_mode'] == 'ro'}, chap)
        if chap:
            data.update(auth_method='CHAP', auth_username=chap.name, auth_password=chap.secret)
        return {'driver_volume_type': 'iscsi', 'data': data}

    def terminate_connection(self, volume: Volume, connector: Connector | None,
                             force: bool = False) -> None:
        iqn, name = self.iqn(volume), (connector or {}).get('initiator')
        alive = self._sessions(iqn)
        self._end_sessions(iqn, {name} & alive if name else alive, force)
        if name:
            self._forbid(iqn, name)


def _random(length: int) -> str:
    return ''.join(secrets.choice(_LETTERS) for _ in range(length))
