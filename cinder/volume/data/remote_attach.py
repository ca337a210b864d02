# SPDX-License-Identifier: Apache-2.0
"""Volumes of other machines as devices of this one, through os-brick, while their bytes are copied.
What the other machine exports is what any initiator would get of it."""
import contextlib
import os
from collections.abc import Iterator
from typing import Any

from cinder import exception, objects
from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.i18n import _
from cinder.rpc import volume as volume_rpc


class Initiator:
    """This machine as a client of exports.

    :param configuration: options of the back end on whose behalf it connects
    """

    def __init__(self, configuration: Any) -> None:
        self._multipath = configuration.use_multipath_for_image_xfer
        self._enforce = configuration.enforce_multipath_for_image_xfer
        self._scans = configuration.num_volume_device_scan_tries

    def connector(self) -> dict[str, Any]:
        """How this machine names itself."""
        return _os_brick().get_connector_properties(
            '', CONF.my_ip, self._multipath, self._enforce, host=CONF.host)

    def connect(self, info: dict[str, Any]) -> str:
        """The device that a connection makes; one that is there already is taken."""
        return self._protocol(info).connect_volume(info['data'])['path']

    def disconnect(self, info: dict[str, Any]) -> None:
        """End a connection of connect(), of a former process too."""
        # What was copied is on the volume: dd synchronizes each piece.
        self._protocol(info).disconnect_volume(info['data'], None, force=True, ignore_errors=True)

    def _protocol(self, info):
        return _os_brick().InitiatorConnector.factory(
            info['driver_volume_type'], '', use_multipath=self._multipath,
            device_scan_attempts=self._scans, conn=info)


@contextlib.contextmanager
def connected(ctxt: Any, api: volume_rpc.VolumeAPI, volume: objects.Volume,
              initiator: Initiator) -> Iterator[str]:
    """Connect a volume that another machine exports; yields its device here.

    :raises InvalidVolume: it is not exported to other machines
    """
    connector = initiator.connector()
    try:
        info = _information(ctxt, api, volume, connector)
        try:
            yield initiator.connect(info)
        finally:
            initiator.disconnect(info)
    finally:
        api.terminate_connection(ctxt, volume, connector, force=True)


def release(ctxt: Any, api: volume_rpc.VolumeAPI, volume: objects.Volume,
            initiator: Initiator) -> None:
    """End what a process that died in connected() left."""
    connector = initiator.connector()
    try:
        initiator.disconnect(_information(ctxt, api, volume, connector))
    finally:
        api.terminate_connection(ctxt, volume, connector, force=True)


def _information(ctxt: RequestContext, api, volume, connector):
    info = api.initialize_connection(ctxt, volume, connector)
    if info['driver_volume_type'] == 'local':
        # A path of the other machine may be something else here.
        raise exception.InvalidVolume(
            reason=_('the new back end is on another machine, to which it exports nothing'))
    return info


def _os_brick():
    # A second and tens of megabytes that only those pay who copy between machines.
    import os_brick
    from os_brick import privileged
    from os_brick.initiator import connector
    os_brick.setup(CONF)
    if os.geteuid() == 0:
        # As in cinder.privsep.
        for context in (privileged.default, privileged.brick_privsep_hide_output):
            context.set_client_mode(False)
    return connector
