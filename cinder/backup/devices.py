# SPDX-License-Identifier: Apache-2.0
"""Opens the device, file or image with the data of a volume, as the volume service names it."""
import contextlib
import os
from collections.abc import Iterator

from cinder.backup import volume_data
from cinder.brick.ceph import address, image_disk
from cinder.privsep import device_files


@contextlib.contextmanager
def opened(place: str, writable: bool = False) -> Iterator[volume_data.Writable]:
    """Open a path of this machine, or an address of an image of RBD.

    :raises BackupVolumeUnavailable: the cluster of the image does not answer
    :raises BackupVolumeError: the image cannot be opened
    """
    image = address.parse(place)
    with contextlib.ExitStack() as stack:
        if image is None:
            descriptor = device_files.open_file(place, writable)
            stack.callback(os.close, descriptor)
            yield volume_data.Descriptor(descriptor)
            return
        with volume_data.errors_at('0, when it was opened'):
            disk = stack.enter_context(image_disk.opened(image, writable))
            data = volume_data.Image(disk)
        yield data
