# SPDX-License-Identifier: Apache-2.0
"""What every target offers to the drivers. How initiators are told apart and what runs on this host
is for the kinds of targets to know."""
import abc
from collections.abc import Callable
from typing import Any

Fields = dict[str, Any]


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

    def __init__(self, configuration: Any, execute: Callable) -> None:
        self.configuration = configuration
        self._execute = execute

    @abc.abstractmethod
    def create_export(self, volume: Any, path: str) -> Fields:
        """Export `path`; returns provider_location and provider_auth to store."""

    @abc.abstractmethod
    def ensure_export(self, volume: Any, path: str) -> Fields:
        """Export it again with what is stored in the volume; returns what changed."""

    @abc.abstractmethod
    def remove_export(self, volume: Any) -> Fields:
        """End the export, and sessions that are left."""

    @abc.abstractmethod
    def initialize_connection(self, volume: Any, path: str) -> dict[str, Any]:
        """{'driver_volume_type': ..., 'data': ...} as os-brick's connectors take it."""

    def export_name(self, volume: Any) -> str:
        """What the export of a volume is called in exports()."""
        return volume.name

    def exports(self) -> dict[str, list[str]] | None:
        """Every export -> who is connected to it; None where nobody can tell."""
        return None

    def name_in(self, export: str) -> str:
        """The volume's name in the name of an export, '' in one that is none of ours."""
        return export

    @abc.abstractmethod
    def extend(self, volume: Any, path: str) -> None:
        """Tell the target that the volume has grown."""

    @abc.abstractmethod
    def validate_connector(self, connector: dict[str, Any]) -> None:
        """:raises InvalidInput: the connector lacks what this protocol needs"""

    def _data(self, volume: Any) -> dict[str, Any]:
        """What connection data of all protocols has."""
        read_only = (getattr(volume, 'admin_metadata', None) or {}).get('readonly') == 'True'
        return {'volume_id': volume.id, 'access_mode': 'ro' if read_only else 'rw',
                'discard': bool(self.configuration.report_discard_supported)}
