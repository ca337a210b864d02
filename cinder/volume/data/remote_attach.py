# SPDX-License-Identifier: Apache-2.0
"""Volumes of other machines, attached as devices of this one by os-brick while their data is
copied. The other machine exports them as to any initiator."""
import contextlib
import types
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cinder import exception, objects
from cinder.brick import disks, library
from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.i18n import _
from cinder.rpc import volume as volume_rpc

if TYPE_CHECKING:
    from os_brick.initiator.initiator_connector import InitiatorConnector


class Initiator:
    """This machine as an initiator.

    :param configuration: options of the back end for which it connects
    """

    def __init__(self, configuration: Any) -> None:
        self._multipath = configuration.use_multipath_for_image_xfer
        self._enforce = configuration.enforce_multipath_for_image_xfer
        self._scans = configuration.num_volume_device_scan_tries

    def connector(self) -> dict[str, Any]:
        """Return the connector properties of this machine."""
        return _os_brick().get_connector_properties(
            '', CONF.my_ip, self._multipath, self._enforce, host=CONF.host)

    def connect(self, info: dict[str, Any]) -> disks.Place:
        """Return the device of a connection, or the object that os-brick has instead of one; an
        existing device is reused."""
        return self._protocol(info).connect_volume(info['data'])['path']

    def disconnect(self, info: dict[str, Any], device: disks.Place | None = None) -> None:
        """End a connection of connect(), also one of a former process.

        :param device: what connect() returned; a former process has closed what is no device
        """
        # The copied data is on the volume: each piece is synchronized.
        self._protocol(info).disconnect_volume(
            info['data'], None if device is None or isinstance(device, str) else {'path': device},
            force=True, ignore_errors=True)

    def _protocol(self, info: dict[str, Any]) -> 'InitiatorConnector':
        return _os_brick().InitiatorConnector.factory(
            info['driver_volume_type'], '', use_multipath=self._multipath,
            device_scan_attempts=self._scans, conn=info)


@contextlib.contextmanager
def connected(ctxt: Any, api: volume_rpc.VolumeAPI, volume: objects.Volume,
              initiator: Initiator) -> Iterator[disks.Place]:
    """Attach a volume that another machine exports; yield its device on this machine,
    or the object of os-brick to read and write it.

    :raises InvalidVolume: it is not exported to other machines
    """
    connector = initiator.connector()
    try:
        info = _information(ctxt, api, volume, connector)
        device = None
        try:
            device = initiator.connect(info)
            yield device
        finally:
            initiator.disconnect(info, device)
    finally:
        api.terminate_connection(ctxt, volume, connector, force=True)


def release(ctxt: Any, api: volume_rpc.VolumeAPI, volume: objects.Volume,
            initiator: Initiator) -> None:
    """End the connection that a process left when it died in connected()."""
    connector = initiator.connector()
    try:
        initiator.disconnect(_information(ctxt, api, volume, connector))
    finally:
        api.terminate_connection(ctxt, volume, connector, force=True)


def _information(ctxt: RequestContext, api: volume_rpc.VolumeAPI, volume: objects.Volume,
                 connector: dict[str, Any]) -> dict[str, Any]:
    info = api.initialize_connection(ctxt, volume, connector)
    if info['driver_volume_type'] == 'local':
        # A path of the other machine may be another file here.
        raise exception.InvalidVolume(
            reason=_('its back end is on another machine and exports volumes only locally'))
    return info


def _os_brick() -> types.ModuleType:
    library.prepare()
    from os_brick.initiator import connector
    return connector
