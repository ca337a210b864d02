# SPDX-License-Identifier: Apache-2.0
"""The interface of targets for the drivers. Subclasses know how initiators are identified and what
runs on this host."""
from __future__ import annotations

import abc
import contextlib
import logging
import os
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
def kernel_errors(kind: str, name: str) -> Iterator[None]:
    """Raise errors of kernel requests about a target as errors of the back end.

    :param kind: name of the kernel target, for messages
    :raises KernelError: the kernel refuses
    :raises OperationLost: a lock or claim was lost; the kernel was not called
    """
    ownership.confirm()
    try:
        yield
    except OSError as exc:
        raise KernelError(kind=kind, data=f'{name}: {exc}') from exc


class Target(abc.ABC):
    """Exports devices and files of this host.

    Every method may run again: an export that is already as requested is not touched, so its
    sessions continue.

    :param configuration: options of the back end
    :param execute: as privsep.command.execute
    """

    PROTOCOL = ''
    # Whether a connected initiator sees the new size of a volume.
    GROWS_ONLINE = False
    # Whether only the host that created an export can remove it.
    OF_ONE_HOST = True

    def __init__(self, configuration: Configuration, execute: Executor) -> None:
        self.configuration = configuration
        self._execute = execute

    @abc.abstractmethod
    def create_export(self, volume: Volume, path: str) -> Values:
        """Export `path`; return provider_location and provider_auth to store."""

    @abc.abstractmethod
    def ensure_export(self, volume: Volume, path: str) -> Values:
        """Export it again with the fields that are stored in the volume; return the changed
        fields."""

    @abc.abstractmethod
    def remove_export(self, volume: Volume) -> Values:
        """Remove the export and end the remaining sessions."""

    def lost_exports(self, volumes: list[Volume]) -> list[Volume]:
        """Return the volumes that are no longer exported although their export was not removed."""
        present = self._present()
        return [] if present is None else [
            volume for volume in volumes if self.export_name(volume) not in present]

    def _present(self) -> Collection[str] | None:
        """Return the names of all exports, also of others, in the fastest way."""
        return self.exports()

    @abc.abstractmethod
    def initialize_connection(self, volume: Volume, path: str,
                              connector: Connector) -> Connection:
        """Allow the connector; read-only if its 'mode' is 'ro'.

        :returns: {'driver_volume_type': ..., 'data': ...} for the connectors of os-brick
        """

    @abc.abstractmethod
    def terminate_connection(self, volume: Volume, connector: Connector | None,
                             force: bool = False) -> None:
        """End the access of the connector.

        :param connector: None: end the access of all connectors
        :param force: end sessions even if target_live_sessions is 'refuse'
        :raises ConflictingVolumeState: it has a session that must not be ended
        """

    def export_name(self, volume: Volume) -> str:
        """Return the name of the export of a volume in exports()."""
        return volume.name

    def exports(self) -> dict[str, list[str]] | None:
        """Return export -> names of connected initiators; None when this is unknown."""
        return None

    def name_in(self, export: str) -> str:
        """Return the name of the volume in the name of an export, '' if this service did not create
        it."""
        return export

    def saved_exports(self) -> dict[str, str]:
        """Return name of an export -> file from which the system restores it when the target
        starts. The original Cinder writes such files.

        :raises OSError: a file cannot be read
        """
        return {}

    def forget_saved_exports(self, names: Collection[str]) -> None:
        """Remove these exports from the files; present exports continue.

        :raises OSError: a file cannot be changed
        """
        if names:
            raise NotImplementedError

    @abc.abstractmethod
    def extend(self, volume: Volume, path: str) -> None:
        """Inform the target that the volume has grown."""

    @abc.abstractmethod
    def validate_connector(self, connector: Connector) -> None:
        """:raises InvalidInput: the connector lacks what this protocol needs"""

    def _data(self, volume: Volume, connector: Connector) -> Values:
        """Return the connection information that all protocols share."""
        read_only = connector.get('mode') == 'ro' or is_read_only(volume)
        return {'volume_id': volume.id, 'access_mode': 'ro' if read_only else 'rw',
                'discard': bool(self.configuration.report_discard_supported)}

    def _end_sessions(self, name: str, alive: Collection[str], force: bool) -> None:
        """Log that sessions are ended, or refuse to end them.

        :param alive: initiators that are connected to the export `name`
        :raises ConflictingVolumeState: target_live_sessions is 'refuse'
        """
        if not alive:
            return
        if self.configuration.target_live_sessions == 'refuse' and not force:
            raise exception.ConflictingVolumeState(
                reason=_('%s is still connected to it; disconnect it there first')
                % ', '.join(sorted(alive)))
        LOG.warning('%s is still connected to %s; its session is ended', ', '.join(sorted(alive)),
                    name)


def foreign(volume: Volume) -> exception.VolumeBackendAPIException:
    """Return the error for a volume that another kind of target has exported."""
    return exception.VolumeBackendAPIException(
        data=f'volume {volume.id} was exported as {volume.provider_location!r}, which the target '
             'of this back end cannot provide; use the target_helper and the options that exported '
             'it until it is detached')


def is_same_device(exported: str, path: str) -> bool:
    """Return whether both paths are the same device or file, for instance the link of a logical
    volume in /dev/mapper and the one in the folder of its group."""
    return exported == path or os.path.realpath(exported) == os.path.realpath(path)


def is_read_only(volume: Volume) -> bool:
    """Return whether the volume is read-only."""
    return (getattr(volume, 'admin_metadata', None) or {}).get('readonly') == 'True'


def attached_initiators(volume: Volume, key: str) -> dict[str, bool] | None:
    """Return the initiators of the volume according to its attachments: {name: whether read-only}.

    :param key: key of the initiator's name in connectors of the protocol
    :returns: None when an attachment has no name, as attachments of older clients
    """
    found = {}
    for each in getattr(volume, 'attachments', None) or ():
        name = (each.connector or {}).get(key)
        if name:
            found[name] = each.attach_mode == 'ro' or is_read_only(volume)
        elif each.attach_status == 'attached':
            return None
    return found
