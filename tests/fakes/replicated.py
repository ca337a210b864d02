# SPDX-License-Identifier: Apache-2.0
"""A file driver that says it has a copy 'second'."""
from cinder import exception
from cinder.volume import driver
from cinder.volume.drivers import file


class ReplicatedDriver(file.FileVolumeDriver, driver.Replicates):
    """:ivar used: the copies it was told to use, in order."""

    @classmethod
    def only_one_host(cls, configuration):
        return None

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.used = []

    def use_backend(self, backend_id):
        self.used.append(backend_id)

    def failover_host(self, volumes, backend_id):
        if backend_id not in (None, 'second', 'default'):
            raise exception.InvalidInput(reason=f'there is no copy {backend_id}')
        active = None if backend_id == 'default' else 'second'
        self.used.append(active)
        return active, {volume.id: {'replication_status': 'failed-over' if active else 'enabled'}
                        for volume in volumes}
