# SPDX-License-Identifier: Apache-2.0
"""Where a restore writes: a device or an image, of a volume of any back end. Encrypted
volumes are written as they are on the storage, so the data of a backup stays encrypted with its
key."""
import contextlib
from collections.abc import Iterator

from cinder import host_names, objects
from cinder.backup import connections, devices, facts
from cinder.backup.source import GIB
from cinder.context import RequestContext
from cinder.rpc import volume as volume_rpc


@contextlib.contextmanager
def open(ctxt: RequestContext, operation: objects.Operation, volume: objects.Volume,
         is_new: bool = False) -> Iterator[facts.Target]:
    """Open a volume in status restoring-backup; it is closed when the context ends.
    Call it within OperationRunner.claimed(), also when an attempt is repeated.

    :param operation: the operation backup.restore
    :param is_new: the volume was created for this restore, so nothing else was written to it
    :raises NotYet: the volume service does not answer.
    :raises InvalidVolume: the volume cannot be reached from this machine.
    """
    api = volume_rpc.VolumeAPI()
    with contextlib.ExitStack() as stack:
        with connections.awaited(ctxt, operation, volume):
            device = api.device_of(ctxt, volume, host_names.machine_id())
            path = device['path'] or stack.enter_context(connections.volume(ctxt, api, volume))
        data = stack.enter_context(devices.opened(path, writable=True))
        yield facts.Target(data, volume.size * GIB,
                           zeroed=is_new and device['reads_zeros'])
