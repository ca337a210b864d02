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
        self._require(volume.name, volume.size)
        return super().create_volume(volume)

    def snapshot_space(self, size):
        return size

    def create_snapshot(self, snapshot):
        self._require(snapshot.name, snapshot.volume_size)
        return super().create_snapshot(snapshot)

    def _require(self, name, size):
        made = os.path.exists(self._path(name))  # by an attempt that was interrupted
        if not made and self._pool_stats()['free_capacity_gb'] < size:
            raise exception.VolumeBackendAPIException(data='more was promised than there is')
