# SPDX-License-Identifier: Apache-2.0
"""A file driver with a few GiB of space, all of which a volume takes at once."""
import os

from cinder import exception
from cinder.brick import blocking
from cinder.brick.local_dev import sparse_files
from cinder.volume.drivers import file
from cinder.volume.drivers.exported import GIB

GIBIBYTES = 20


class SizedDriver(file.FileVolumeDriver):
    """Refuses what does not fit."""

    def _pool_stats(self):
        _total, _free, used, number = blocking.call(sparse_files.usage, self.folder)
        return self._pool(total=GIBIBYTES * GIB, free=GIBIBYTES * GIB - used, provisioned=used,
                          volumes=number, thin=False)

    def create_volume(self, volume):
        made = os.path.exists(self._path(volume.name))  # by an attempt that was interrupted
        if not made and self._pool_stats()['free_capacity_gb'] < volume.size:
            raise exception.VolumeBackendAPIException(data='more was promised than there is')
        return super().create_volume(volume)
