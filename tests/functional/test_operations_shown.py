# SPDX-License-Identifier: Apache-2.0
"""What operators see of operations that fail on what is in the trash, and on backups: the metrics
count them under their verb, which CinderOperationsFailing asks for, the page has the reason, and
the events have the status that is left. test_faults_shown.py has the other faults."""
import re
from collections.abc import Mapping
from typing import NamedTuple

import pytest

from cinder import exception
from cinder.backup import manager as backup_manager
from cinder.conf import CONF
from cinder.db import backups as backups_db
from cinder.db import events as events_db
from cinder.db import operations as operations_db
from cinder.db import services, session
from cinder.db import snapshots as snapshots_db
from cinder.db import trash as trash_db
from cinder.db import volumes as volumes_db
from cinder.volume.api import backups as backups_api
from cinder.volume.api import trash as trash_api
from tests.fakes import backup_service
from tests.functional.test_alerts import conf, folder, sent, world  # noqa: F401 - fixtures
from tests.functional.test_faults_shown import events_since, page  # noqa: F401 - fixtures

STORE = 'tests.fakes.memory_store.MemoryBackupDriver'
COUNTER = 'cinder_operations_finished_total'


class Site:
    """The deployment of test_alerts.py, with a trash and a backup service."""

    def __init__(self, world, sent, patch):  # noqa: F811
        self.world, self.ctxt, self.driver, self._sent = (
            world, world.ctxt, world.backend.driver, sent)
        self.patch = patch
        backup_service.register(self.ctxt, 'keeper')
        self.keeper = backup_manager.BackupManager('keeper')
        self.keeper.store.check()

    def volume(self, **values):
        return volumes_db.get(self.ctxt, volumes_db.create(self.ctxt, {
            'project_id': 'p', 'size': 1, 'status': 'available', 'host': 'here@lvm#lvm',
            **values}).id)

    def trashed(self, table, resource):
        """Put a volume or snapshot into the trash; its storage has nothing of it."""
        with session.writer(self.ctxt):
            table.destroy(self.ctxt, resource.id)
            trash_db.put(self.ctxt, resource, 1, counted=False)
        return resource.id

    def run(self):
        """Deliver the last message about an operation; return the operation."""
        arguments = next(each for _method, each in reversed(self._sent) if 'operation' in each)
        operation = arguments['operation']
        manager = self.keeper if operation.verb.startswith('backup.') else self.world.manager
        manager.runner.handlers[operation.verb](self.ctxt, **arguments)
        return operations_db.get(self.ctxt, operation.id)

    def refuses(self, owner, name, error):
        def refuse(*_args, **_kwargs):
            raise error
        self.patch.setattr(owner, name, refuse)


@pytest.fixture
def site(world, sent, monkeypatch, tmp_path):  # noqa: F811
    for name, value, group in (('backup_driver', STORE, None), ('state_path', str(tmp_path), None),
                               ('lock_path', str(tmp_path), 'oslo_concurrency'),
                               ('delete_to_trash_hours', 1, 'backend_defaults')):
        CONF.set_override(name, value, group)
    made = Site(world, sent, monkeypatch)
    yield made
    made.keeper.stop()
    for name, group in (('backup_driver', None), ('state_path', None),
                        ('lock_path', 'oslo_concurrency'),
                        ('delete_to_trash_hours', 'backend_defaults')):
        CONF.clear_override(name, group)


# ------------------------------------------------------------------------------------ the faults
def purge_is_refused(site):
    ident = site.trashed(volumes_db, site.volume())
    site.refuses(site.driver, 'purge_trashed_volume',
                 exception.VolumeIsBusy(volume_name='v', reason='a clone needs it'))
    trash_api.purge(site.ctxt, ident)


def volume_in_the_trash_is_lost(site):
    trash_api.restore_volume(site.ctxt, site.trashed(volumes_db, site.volume()))


def snapshot_in_the_trash_is_lost(site):
    made = snapshots_db.create(site.ctxt, {
        'project_id': 'p', 'volume_id': site.volume().id, 'volume_size': 1, 'status': 'available'})
    trash_api.restore_snapshot(site.ctxt, site.trashed(
        snapshots_db, snapshots_db.get(site.ctxt, made.id)))


def backup_store_refuses(site):
    made = backups_db.create(site.ctxt, {
        'project_id': 'p', 'volume_id': site.volume().id, 'size': 1, 'status': 'available',
        'host': 'keeper', 'availability_zone': 'nova', 'service': STORE, 'container': 'c',
        'service_metadata': 'x'})
    site.refuses(site.keeper.store.driver, 'check',
                 exception.BackupStoreRefused(where='c', reason='no right to delete'))
    backups_api.delete(site.ctxt, backups_db.get(site.ctxt, made.id))


class Failed(NamedTuple):
    """What is seen of an operation that fails.

    :ivar says: pattern of its row among the failures
    :ivar events: (kind, status) -> number
    """

    verb: str
    service: str
    says: str
    events: Mapping[tuple[str, str], int]


# A test makes the volume, or the volume and its snapshot or backup; a restore creates it again.
_VOLUME = {('create', 'available'): 1}
FAILED = {
    # It stays in the trash, and is tried again.
    purge_is_refused: Failed('trash.purge', 'here@lvm', r'trash.purge .* the resource is busy', {
        **_VOLUME, ('delete', 'deleted'): 1}),
    volume_in_the_trash_is_lost: Failed('volume.restore', 'here@lvm', r'volume.restore .* ago', {
        **_VOLUME, ('delete', 'deleted'): 1, ('create', 'creating'): 1, ('update', 'error'): 1}),
    snapshot_in_the_trash_is_lost: Failed(
        'snapshot.restore', 'here@lvm', r'snapshot.restore .* ago', {
            ('create', 'available'): 2, ('delete', 'deleted'): 1, ('create', 'creating'): 1,
            ('update', 'error'): 1}),
    backup_store_refuses: Failed(
        'backup.delete', 'keeper', r'backup.delete .* ago', {
            ('create', 'available'): 2, ('update', 'deleting'): 1,
            ('update', 'error_deleting'): 1}),
}


@pytest.mark.parametrize('fault', FAILED, ids=lambda fault: fault.__name__)
def test_a_failed_operation_shows_as_what_it_is(fault, site, page):  # noqa: F811
    shown, last = FAILED[fault], events_db.advance(site.ctxt)
    key = (COUNTER, ('result', 'failed'), ('service', shown.service), ('verb', shown.verb))
    says = re.compile(shown.says.replace(' | ', r' \| '))
    assert not says.search(page()[1]['failures']) and key not in site.world.page()
    fault(site)
    assert site.run().state == 'failed'
    status, sections = page()
    assert status == 200 and says.search(sections['failures']), sections['failures']
    assert site.world.page()[key] == 1
    assert events_since(site.ctxt, last) == shown.events


def test_a_backup_store_that_is_away(site, page):  # noqa: F811
    """The service reports it, and CinderServiceFailing fires of that."""
    name = 'cinder_service_state', ('binary', 'cinder-backup'), ('service', 'keeper')
    site.refuses(site.keeper.store.driver, 'check',
                 exception.BackupStoreUnavailable(where='c', reason='the bucket is gone'))
    site.keeper.store.check()
    row = services.get_by_host_binary(site.ctxt, 'keeper', 'cinder-backup')
    services.update(site.ctxt, row.id, {
        'updated_at': session.in_seconds(-300),
        'disabled_reason': services.DOWN + site.keeper.trouble})
    assert site.world.page()[(*name, ('state', 'failing'))] == 1
    text = page()[1]['services']
    assert re.search(r'cinder-backup \| keeper \| failing .* the bucket is gone', text)
