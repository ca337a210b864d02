# SPDX-License-Identifier: Apache-2.0
"""What every target offers to the drivers. How initiators are told apart and what runs on this host
is for the kinds of targets to know."""
from __future__ import annotations

import abc
import contextlib
import logging
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from cinder import exception, ownership
from cinder.i18n import _
from cinder.volume.driver_types import Connection, Connector, Executor, Values

if TYPE_CHECKING:
    from cinder.objects import Volume
    from cinder.volume.configuration import Configuration

LOG = logging.getLogger(__name__)


class KernelError(exception.VolumeBackendAPIException):
    message = _('%(kind)s: %(data)s')


@contextlib.contextmanager
def kernel(kind: str, name: str) -> Iterator[None]:
    """Around what the kernel is asked of a target.

    :param kind: what the targets of the kernel are called
    :raises KernelError: it refuses
    :raises OperationLost: what the work rests on is lost; nothing was asked
    """
    ownership.confirm()
    try:
        yield
    except OSError as exc:
        raise KernelError(kind=kind, data=f'{name}: {exc}') from exc


class Target(abc.ABC):
    """Exports devices and files of this host.

    Every method may be run again: an export that is there as wanted stays untouched, so that
    sessions on it go on.

    :param configuration: options of the back end
    :param execute: as privsep.command.execute
    """

    PROTOCOL = ''
    # Whether an initiator sees a volume grow while it is connected.
    GROWS_ONLINE = False
    # Whether the exports are of the host that made them, so that no other can end them.
    OF_ONE_HOST = True

    def __init__(self, configuration: Configuration, execute: Executor) -> None:
        self.configuration = configuration
        self._execute = execute

    @abc.abstractmethod
    def create_export(self, volume: Volume, path: str) -> Values:
        """Export `path`; returns provider_location and provider_auth to store."""

    @abc.abstractmethod
    def ensure_export(self, volume: Volume, path: str) -> Values:
        """Export it again with what is stored in the volume; returns what changed."""

    @abc.abstractmethod
    def remove_export(self, volume: Volume) -> Values:
        """End the export, and sessions that are left."""

    def lost_exports(self, volumes: list[Volume]) -> list[Volume]:
        """Those of the volumes that are not exported any more, though nobody ended it."""
        present = self._present()
        return [] if present is None else [
            volume for volume in volumes if self.export_name(volume) not in present]

    def _present(self) -> Collection[str] | None:
        """The names of all exports, others' too, by the shortest way."""
        return self.exports()

    @abc.abstractmethod
    def initialize_connection(self, volume: Volume, path: str,
                              connector: Connector) -> Connection:
        """Let the connector in, to read only where its 'mode' is 'ro'.

        :returns: {'driver_volume_type': ..., 'data': ...} as os-brick's connectors take it
        """

    @abc.abstractmethod
    def terminate_connection(self, volume: Volume, connector: Connector | None,
                             force: bool = False) -> None:
        """Let the connector in no more.

        :param connector: None: all of them
        :param force: end sessions also where the operator wants them to end first

        :raises ConflictingVolumeState: a session of it is alive and must not be ended
        """

    def export_name(self, volume: Volume) -> str:
        """What the export of a volume is called in exports()."""
        return volume.name

    def exports(self) -> dict[str, list[str]] | None:
        """Every export -> who is connected to it; None where nobody can tell."""
        return None

    def name_in(self, export: str) -> str:
        """The volume's name in the name of an export, '' in one that is none of ours."""
        return export

    @abc.abstractmethod
    def extend(self, volume: Volume, path: str) -> None:
        """Tell the target that the volume has grown."""

    @abc.abstractmethod
    def validate_connector(self, connector: Connector) -> None:
        """:raises InvalidInput: the connector lacks what this protocol needs"""

    def _data(self, volume: Volume, connector: Connector) -> Values:
        """What connection data of all protocols has."""
        read_only = connector.get('mode') == 'ro' or is_read_only(volume)
        return {'volume_id': volume.id, 'access_mode': 'ro' if read_only else 'rw',
                'discard': bool(self.configuration.report_discard_supported)}

    def _end_sessions(self, name: str, alive: Collection[str], force: bool) -> None:
        """Say of sessions that they are ended, or that they must end first.

        :param alive: who is still connected to the export `name`
        :raises ConflictingVolumeState: the option target_live_sessions wants it
        """
        if not alive:
            return
        if self.configuration.target_live_sessions == 'refuse' and not force:
            raise exception.ConflictingVolumeState(
                reason=_('%s is still connected to it; disconnect there first')
                % ', '.join(sorted(alive)))
        LOG.warning('%s is still connected to %s; its session is ended', ', '.join(sorted(alive)),
                    name)


def is_read_only(volume: Volume) -> bool:
    """Whether nobody may write the volume."""
    return (getattr(volume, 'admin_metadata', None) or {}).get('readonly') == 'True'


def attached(volume: Volume, key: str) -> dict[str, bool] | None:
    """Who has the volume, by its rows of attachments: {name: whether it may only read}.

    :param key: what connectors of the protocol name themselves by
    :returns: None where somebody has it who did not tell its name: older clients do not
    """
    found = {}
    for each in getattr(volume, 'attachments', None) or ():
        name = (each.connector or {}).get(key)
        if name:
            found[name] = each.attach_mode == 'ro' or is_read_only(volume)
        elif each.attach_status == 'attached':
            return None
    return found
