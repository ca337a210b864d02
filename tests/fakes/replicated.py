# SPDX-License-Identifier: Apache-2.0
"""A file driver that says it has a copy 'second'."""
from cinder import exception
from cinder.volume import driver
from cinder.volume.drivers import file


class ReplicatedDriver(file.FileVolumeDriver, driver.ReplicatesGroups, driver.WatchesCopies,
                       driver.Retypes):
    """:ivar used: the storages it was told to use, in order
    :ivar failing: see failing_copies()
    :ivar wrong: the error of the next failover, or fields of volumes
    """

    @classmethod
    def only_one_host(cls, configuration):
        return None

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.used, self.failing, self.wrong, self.asked = [], {}, None, []
        self.patient, self.gives_up = [], False

    def use_backend(self, backend_id):
        self.active_backend_id = backend_id
        self.used.append(backend_id)

    def failover_host(self, volumes, backend_id, patient=True):
        self.asked = [volume.id for volume in volumes]
        if backend_id not in (None, 'second', 'default'):
            raise exception.InvalidReplicationTarget(reason=f'there is no copy {backend_id}')
        self.patient.append(patient)
        if isinstance(self.wrong, Exception) and (patient or not self.gives_up):
            raise self.wrong
        active = None if backend_id == 'default' else 'second'
        self.use_backend(active)
        return active, {} if isinstance(self.wrong, Exception) else dict(self.wrong or {})

    def retype(self, volume, new_type):
        wanted = new_type.extra_specs.get('replication_enabled') == '<is> True'
        return {'replication_status': 'enabled' if wanted else 'disabled'}

    def enable_replication(self, group, volumes):
        if self.wrong:
            raise self.wrong
        return {volume.id: {'replication_driver_data': group.id} for volume in volumes}

    def disable_replication(self, group, volumes):
        return {volume.id: {'replication_driver_data': None} for volume in volumes}

    def failover_replication(self, group, volumes, backend_id, patient=True):
        return self.failover_host(volumes, backend_id, patient)

    def replication_targets(self):
        return [{'backend_id': 'second', 'conf': '/etc/ceph/second.conf'}]

    def failing_copies(self):
        return self.failing
