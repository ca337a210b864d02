# SPDX-License-Identifier: Apache-2.0
"""iSCSI: names, portals, CHAP secrets, and the connection information for initiators. Subclasses
create the exports."""
from __future__ import annotations

import abc
import dataclasses
import logging
import re
import secrets
import string
from typing import TYPE_CHECKING, NamedTuple

from cinder import exception
from cinder.volume.driver_types import Connection, Connector, Values
from cinder.volume.targets import base

if TYPE_CHECKING:
    from cinder.objects import Volume

LOG = logging.getLogger(__name__)

LUN = 1
_LETTERS = string.ascii_letters + string.digits
# Some initiators accept only 12 to 16 characters (RFC 7143, 9.2.1; Microsoft's initiator).
_SECRET_LENGTH = 16
_NAME_LENGTH = 20
_LOCATION = re.compile(r'(?P<portals>[^\s,]+),(?P<number>\S+) (?P<iqn>\S+) (?P<lun>\d+)'
                       r'(?: (?P<serial>\S+))?')
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


@dataclasses.dataclass(frozen=True)
class Location:
    """A provider_location: 'ADDRESS:PORT[;ADDRESS:PORT ...],NUMBER IQN LUN [SERIAL]'. The original
    Cinder writes the same without a serial number; its LIO has unit 0, and the IQN as its number.

    :ivar serial: serial number of the unit if it is not the id of the volume
    """

    portals: tuple[str, ...]
    number: str
    iqn: str
    lun: int
    serial: str = ''

    @classmethod
    def parse(cls, provider_location: str | None) -> Location | None:
        """Return None for a text of another form."""
        found = _LOCATION.fullmatch(provider_location or '')
        return found and cls(tuple(found['portals'].split(';')), found['number'], found['iqn'],
                             int(found['lun']), found['serial'] or '')

    def __str__(self) -> str:
        return (f'{";".join(self.portals)},{self.number} {self.iqn} {self.lun} '
                f'{self.serial}').rstrip()


@dataclasses.dataclass(frozen=True)
class Access:
    """Who may log in.

    :ivar initiators: {name: whether read-only}
    :ivar strangers: whether initiators without an entry may; None: as it is
    """

    initiators: dict[str, bool] = dataclasses.field(default_factory=dict)
    strangers: bool | None = None


class Unit(NamedTuple):
    """A logical unit of a target. Initiators recognize it by its serial number."""

    iqn: str
    lun: int
    serial: str


class ISCSITarget(base.Target):
    """An iSCSI target for each volume, with the volume as logical unit 1.

    An export that the row of the volume describes, for instance one of the original Cinder, keeps
    its name and its unit until it is removed.
    """

    PROTOCOL = 'iSCSI'
    # Logical units that the target can provide; None: any.
    LUNS: frozenset[int] | None = None

    @abc.abstractmethod
    def _export(self, unit: Unit, path: str, chap: Chap | None,
                access: Access) -> tuple[int, str]:
        """Create or complete the target.

        :param access: is allowed in addition to the present access, at once, because the initiators
            may be trying to log in since the target died
        :returns: the number to store in provider_location, and the serial number of the unit: a
            unit that exists already keeps its own
        """

    @abc.abstractmethod
    def _allow(self, unit: Unit, access: Access, chap: Chap | None) -> None:
        """Allow this access as well."""

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
        """Return the name of the target in the row of the volume; without one, our name."""
        return self._unit_of(volume).iqn

    def _unit_of(self, volume: Volume) -> Unit:
        found = Location.parse(volume.provider_location)
        if found is None:
            return Unit(f'{self.configuration.target_prefix}{volume.name}', LUN, volume.id)
        return Unit(found.iqn, found.lun, found.serial or volume.id)

    def export_name(self, volume: Volume) -> str:
        return self.iqn(volume)

    def name_in(self, export: str) -> str:
        prefix = self.configuration.target_prefix
        return export[len(prefix):] if export.startswith(prefix) else ''

    def create_export(self, volume: Volume, path: str) -> Values:
        chap = Chap.parse(volume.provider_auth) or self._new_chap()
        attached = base.attached_initiators(volume, 'initiator')
        return self._exported(volume, path, chap,
                              Access() if attached is None else Access(attached, False))

    def ensure_export(self, volume: Volume, path: str) -> Values:
        chap = Chap.parse(volume.provider_auth)
        attached = base.attached_initiators(volume, 'initiator')
        return self._exported(volume, path, chap, Access(attached or {}, attached is None))

    def _exported(self, volume: Volume, path: str, chap: Chap | None, access: Access) -> Values:
        """:raises VolumeBackendAPIException: this target cannot have the unit of the row"""
        unit, stored = self._unit_of(volume), volume.provider_location
        if stored and not Location.parse(stored) or self.LUNS and unit.lun not in self.LUNS:
            raise base.foreign(volume)
        number, serial = self._export(unit, path, chap, access)
        location = Location(tuple(self._portals()), str(number), unit.iqn, unit.lun,
                            '' if serial == volume.id else serial)
        return {'provider_location': str(location), 'provider_auth': str(chap) if chap else None}

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
        if volume.provider_location and not Location.parse(volume.provider_location):
            LOG.warning('%s; it is not removed', base.foreign(volume))
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
        location = Location.parse(volume.provider_location)
        if location is None:
            raise exception.VolumeBackendAPIException(data=f'volume {volume.id} is not exported')
        portals, iqn, lun = list(location.portals), location.iqn, location.lun
        data = {**self._data(volume, connector), 'target_discovered': False,
                'target_portal': portals[0], 'target_iqn': iqn, 'target_lun': lun}
        if len(portals) > 1:
            data.update(target_portals=portals, target_iqns=[iqn] * len(portals),
                        target_luns=[lun] * len(portals))
        chap = Chap.parse(volume.provider_auth)
        self._allow(self._unit_of(volume),
                    Access({connector['initiator']: data['access_mode'] == 'ro'}), chap)
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
