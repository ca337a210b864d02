# SPDX-License-Identifier: Apache-2.0
"""Migration of volumes between back ends on one cluster: a clone within a pool, else a copy by
librbd. To another storage, or where a copy is limited, the data is copied as for any driver."""
from __future__ import annotations

from typing import TYPE_CHECKING

from cinder.brick.ceph import address, cluster, moves
from cinder.volume import driver
from cinder.volume.drivers import rbd_base
from cinder.volume.drivers.rbd_base import PASSING, typed

if TYPE_CHECKING:
    from cinder.brick.ceph.pool import Pool
    from cinder.objects import Volume


class Migrates(rbd_base.RBDBase, driver.Migrates):
    """The part of RBDDriver that migrates."""

    fsid: str

    @typed
    def migrate_volume(self, volume: Volume, path: str) -> bool:
        target = address.parse(path)
        # librbd copies as fast as it can.
        if target is None or target.namespace or self.throttle.limit:
            return False
        if target.settings != self.ceph.settings and self.fsid != cluster.get(
                target.settings).run(target.pool, _fsid):
            return False
        return self.run(moves.copy, volume.name, target.pool, target.image,
                        self.configuration.rbd_max_clone_depth, target.image + PASSING)


def _fsid(pool: Pool) -> str:
    return str(pool.connection.rados.get_fsid())
