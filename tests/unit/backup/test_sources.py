# SPDX-License-Identifier: Apache-2.0
"""Where a backup reads and a restore writes: files of this machine, and devices that another one
exports; and what is closed when it ends."""
import os

import pytest

from cinder import exception, host_names, operations
from cinder.backup import connections, source, target
from cinder.conf import CONF
from cinder.db import backup_sources
from cinder.db import backups as backups_db
from cinder.db import operations as operations_db
from cinder.db import quotas as quotas_db
from cinder.db import snapshots as snapshots_db
from cinder.db import volumes as volumes_db
from cinder.rpc import volume as volume_rpc
from cinder.volume.data import remote_attach


class Service:
    """The volume service: what it is asked, and what it answers with.

    :ivar here: the path on this machine; None: the service is on another one.
    """

    def __init__(self, path):
        self.path, self.here, self.snapshot_id, self.asked, self.away = path, path, 's', [], False

    def open_backup_source(self, _ctxt, _volume, _backup, machine, connector=None):
        self.asked.append(f'open {connector}' if connector else 'open')
        if self.away:
            raise exception.ServiceUnavailable()
        assert machine in (host_names.machine_id(), '')
        found = {'path': self.here, 'snapshot_id': self.snapshot_id}
        return found | ({'connection': {'data': 'snapshot'}} if connector else {})

    def backup_ranges(self, *_args):
        return {'ranges': None, 'next': None, 'compares': False}

    def close_backup_source(self, _ctxt, _volume, _backup):
        self.asked.append('close')
        if self.away:
            raise exception.ServiceUnavailable()

    def device_of(self, _ctxt, _volume, machine):
        if self.away:
            raise exception.ServiceUnavailable()
        assert machine == host_names.machine_id()
        return {'path': self.here, 'reads_zeros': True}

    def initialize_connection(self, _ctxt, _volume, connector):
        self.asked.append(f'connect {connector}')
        return {'driver_volume_type': 'iscsi', 'data': 'volume'}

    def terminate_connection(self, _ctxt, _volume, _connector, force=False):
        self.asked.append('terminate')


@pytest.fixture
def service(monkeypatch, tmp_path):
    path = tmp_path / 'device'
    path.write_bytes(b'data')
    made = Service(str(path))

    class Initiator:
        def __init__(self, _configuration):
            """Nothing to prepare."""

        def connector(self):
            return 'this machine'

        def connect(self, info):
            made.asked.append(f'attach {info["data"]}')
            return made.path

        def disconnect(self, info, device=None):
            made.asked.append(f'detach {info["data"]}')

    monkeypatch.setattr(remote_attach, 'Initiator', Initiator)
    monkeypatch.setattr(volume_rpc, 'VolumeAPI', lambda: made)
    return made


@pytest.fixture
def volume(ctxt, database):
    made = volumes_db.create(ctxt, {'project_id': 'p1', 'size': 1, 'host': 'h@b',
                                    'status': 'available'})
    return volumes_db.get(ctxt, made.id)


@pytest.fixture
def backup(ctxt, volume):
    made = backups_db.create(ctxt, {'project_id': 'p1', 'volume_id': volume.id, 'size': 1,
                                    'status': 'creating'})
    backup_sources.add_snapshot(ctxt, volume, made)
    snapshots_db.overwrite(ctxt, backup_sources.snapshot_id(made.id), {'status': 'available'})
    return made


@pytest.fixture
def operation(ctxt, backup):
    made = operations_db.create(ctxt, 'backup.create', backup, host='keeper')
    operations_db.claim(ctxt, made, 'keeper', 60)
    return made


def hold(ctxt, volume, identity):
    volumes_db.overwrite(ctxt, volume.id, {'status': 'backing-up'})
    volumes_db.set_admin_metadata(ctxt, volume.id, {backup_sources.HOLDER: identity})


@pytest.mark.parametrize(('here', 'snapshot_id', 'asked'), [
    (True, 's', ['open', 'close']),
    (True, None, ['open', 'close']),
    (False, 's', ['open', 'open this machine', 'attach snapshot', 'detach snapshot', 'close']),
    (False, None, ['open', 'connect this machine', 'attach volume', 'detach volume', 'terminate',
                   'close'])])
def test_a_source(ctxt, service, volume, backup, operation, here, snapshot_id, asked):
    service.here = service.path if here else None
    service.snapshot_id = snapshot_id
    hold(ctxt, volume, 'held')
    with source.open(ctxt, operation, backup) as found:
        facts = found.facts()
        assert (facts.data.read(0, 9), facts.size) == (b'data', 2 ** 30)
        assert found.identity == (snapshot_id or 'held')
        with pytest.raises(exception.BackupVolumeError, match='Bad file'):
            facts.data.write(0, memoryview(b'x'))
    assert service.asked == asked
    with pytest.raises(exception.BackupVolumeError, match='Bad file'):
        facts.data.read(0, 1)


@pytest.fixture
def ranges(service):
    """The pages that the volume service answers with; None: it knows none."""
    pages = [{'ranges': [[0, 5], [10, 5]], 'next': 2, 'compares': True},
             {'ranges': [[2 ** 30 - 1, 9]], 'next': None, 'compares': True}]

    def backup_ranges(_ctxt, _volume, _backup, base_id, start, parent_id=None):
        if parent_id:
            # The storage has kept a snapshot without a row.
            return {'ranges': service.kept.get(parent_id), 'next': None, 'compares': True}
        service.asked.append((base_id, start))
        return pages[start // 2] or {'ranges': None, 'next': None, 'compares': False}
    service.backup_ranges, service.kept = backup_ranges, {}
    return pages


TOLD = [(0, 5), (10, 5), (2 ** 30 - 1, 1)]


def test_the_ranges_of_a_full_backup(ctxt, service, backup, operation, ranges):
    with source.open(ctxt, operation, backup) as found:
        facts = found.facts()
    # In any thread, and again.
    assert list(facts.mapped) == list(facts.mapped) == TOLD
    assert facts.changed is None
    assert service.asked == ['open', (None, 0), (None, 2), 'close']


@pytest.mark.parametrize('of_snapshot', [True, False])
def test_the_ranges_of_an_incremental_backup(ctxt, service, volume, backup, operation, ranges,
                                             of_snapshot):
    """The parent was read from a snapshot of a user, or from its own, which was kept."""
    values = {'project_id': 'p1', 'volume_id': volume.id, 'volume_size': 1, 'status': 'available'}
    parent = backups_db.create(ctxt, {
        'project_id': 'p1', 'volume_id': volume.id, 'size': 1, 'status': 'available',
        'snapshot_id': snapshots_db.create(ctxt, values).id if of_snapshot else None})
    base_id = parent.snapshot_id
    if not of_snapshot:
        base_id = backup_sources.snapshot_id(parent.id)
        snapshots_db.create(ctxt, {**values, 'id': base_id})
    with source.open(ctxt, operation, backup) as found:
        facts = found.facts(parent)
        assert (facts.mapped, list(facts.changed)) == (None, TOLD)
        snapshots_db.destroy(ctxt, base_id)
        facts = found.facts(parent)
        assert (list(facts.mapped), facts.changed) == (TOLD, None)
        service.kept[parent.id] = [[7, 1]]
        facts = found.facts(parent)
        assert (facts.mapped, list(facts.changed)) == (None, [(7, 1)])
    assert service.asked[1:5] == [(base_id, 0), (base_id, 2), (None, 0), (None, 2)]


@pytest.mark.parametrize('trouble', ['not known', 'away', 'held'])
def test_without_ranges_all_is_read(ctxt, service, backup, operation, ranges, trouble, caplog):
    if trouble == 'held':
        service.snapshot_id = None
    ranges[0] = None
    with source.open(ctxt, operation, backup) as found:
        if trouble == 'away':
            def away(*_args):
                raise exception.ServiceUnavailable()
            service.backup_ranges = away
        facts = found.facts()
    assert (facts.mapped, facts.changed) == (None, None)
    assert ('are not known' in caplog.text) is (trouble == 'away')


@pytest.fixture
def keeps(database):
    CONF.set_override('backup_keep_base_snapshot', True)
    yield
    CONF.clear_override('backup_keep_base_snapshot')


def test_a_snapshot_is_kept_in_place_of_the_last_one(ctxt, service, volume, backup, operation,
                                                     ranges, keeps):
    started = []
    service.start = lambda _ctxt, removal, snapshot: started.append((removal.verb, snapshot.id))
    of_user = snapshots_db.create(ctxt, {'project_id': 'p1', 'volume_id': volume.id,
                                         'volume_size': 1, 'status': 'available'})
    previous = backups_db.create(ctxt, {'project_id': 'p1', 'volume_id': volume.id, 'size': 1})
    backup_sources.add_snapshot(ctxt, volume, previous)
    assert backup_sources.keep_snapshot(ctxt, volume, previous) == []
    former, kept = (backup_sources.snapshot_id(each.id) for each in (previous, backup))
    with source.open(ctxt, operation, backup) as found:
        assert not found.keep_as_base(), 'nobody knows whether it is of use'
        found.facts()
        assert found.keep_as_base()
        assert found.keep_as_base()
    assert started == [('snapshot.delete', former)]
    snapshot = snapshots_db.get(ctxt, kept)
    assert (snapshot.use_quota, snapshot.metadata) == (True, {'base_of_backup': backup.id})
    operations.succeed(ctxt, operation, backup)
    assert snapshots_db.get(ctxt, kept).status == 'available'
    assert sorted(backup_sources.for_backups(ctxt, volume.id)) == sorted((former, kept))
    assert snapshots_db.get(ctxt, of_user.id).status == 'available'
    deletion = operations_db.create(ctxt, 'backup.delete', backup, host='keeper')
    operations_db.claim(ctxt, deletion, 'keeper', 60)
    operations.succeed(ctxt, deletion, backup)
    assert snapshots_db.get(ctxt, kept).status == 'deleting'


@pytest.mark.parametrize('why', ['the option', 'the quota', 'its user has it', 'no use'])
def test_a_snapshot_that_is_not_kept(ctxt, service, volume, backup, operation, ranges, keeps, why,
                                     caplog):
    if why == 'the option':
        CONF.set_override('backup_keep_base_snapshot', False)
    elif why == 'the quota':
        quotas_db.set_limits(ctxt, 'p1', {'snapshots': 0})
    elif why == 'no use':
        ranges[1]['compares'] = False
    else:
        backup.snapshot_id = backup_sources.snapshot_id(backup.id)
    with source.open(ctxt, operation, backup) as found:
        found.facts()
        assert not found.keep_as_base()
    assert ('is not kept' in caplog.text) is (why == 'the quota')
    assert not snapshots_db.get(ctxt, backup_sources.snapshot_id(backup.id)).use_quota


def test_the_end_of_a_backup(ctxt, service, volume, backup, operation):
    started = []
    service.start = lambda _ctxt, removal, snapshot: started.append((removal.verb, snapshot.id))
    operations.succeed(ctxt, operation, backup)
    source.start_removal(ctxt, backup.id)
    removal, = started
    assert removal == ('snapshot.delete', backup_sources.snapshot_id(backup.id))
    of_snapshot = backups_db.create(ctxt, {'project_id': 'p1', 'volume_id': volume.id, 'size': 1,
                                           'snapshot_id': 's', 'status': 'available'})
    source.start_removal(ctxt, of_snapshot.id)
    assert (service.asked, len(started)) == (['close'], 1)
    source.start_removal(ctxt, 'gone')


@pytest.mark.parametrize('by', ['reset', 'another hold', 'deletion'])
def test_a_volume_that_changes_while_it_is_read_makes_no_backup(ctxt, service, volume, backup,
                                                                operation, by):
    service.snapshot_id = None
    hold(ctxt, volume, 'held')
    error = exception.VolumeNotFound if by == 'deletion' else exception.InvalidVolume
    with pytest.raises(error, match=volume.id), source.open(ctxt, operation, backup):
        if by == 'reset':
            volumes_db.overwrite(ctxt, volume.id, {'status': 'available'})
        elif by == 'another hold':
            hold(ctxt, volume, 'held by another')
        else:
            volumes_db.destroy(ctxt, volume.id)
    assert service.asked[-1] == 'close'


def test_a_source_is_closed_after_a_failure(ctxt, service, backup, operation, caplog):
    with pytest.raises(ZeroDivisionError), source.open(ctxt, operation, backup):
        service.away = True
        1 / 0  # noqa: B018
    assert service.asked == ['open', 'close']
    assert 'could not be closed yet' in caplog.text


@pytest.mark.parametrize(('status', 'away', 'reason'), [
    ('creating', False, 'snapshot'), ('available', True, 'an answer of h@b')])
def test_a_backup_waits(ctxt, service, backup, operation, status, away, reason):
    service.away = away
    snapshots_db.overwrite(ctxt, backup_sources.snapshot_id(backup.id), {'status': status})
    with pytest.raises(exception.NotYet, match=reason), source.open(ctxt, operation, backup):
        pytest.fail('it is not open')


@pytest.mark.parametrize('snapshot_id', ['s', None])
def test_a_backup_waits_for_its_connection(ctxt, service, backup, operation, monkeypatch,
                                           snapshot_id):
    def away(*_args, **_kwargs):
        raise exception.ServiceUnavailable()
    service.here, service.snapshot_id = None, snapshot_id
    monkeypatch.setattr(service, 'initialize_connection', away)
    monkeypatch.setattr(remote_attach.Initiator, 'connect', away)
    with pytest.raises(exception.NotYet, match='an answer of h@b'), \
            source.open(ctxt, operation, backup):
        pytest.fail('it is not open')
    assert service.asked[-1] == 'close'


def test_a_snapshot_that_is_going_away_is_not_read(ctxt, service, backup, operation):
    snapshots_db.overwrite(ctxt, backup_sources.snapshot_id(backup.id), {'status': 'deleting'})
    with pytest.raises(exception.InvalidSnapshot, match='deleting'), \
            source.open(ctxt, operation, backup):
        pytest.fail('it is not open')


@pytest.mark.parametrize('is_new', [True, False])
@pytest.mark.parametrize('here', [True, False])
def test_a_target(ctxt, service, volume, operation, here, is_new):
    service.here = service.path if here else None
    with target.open(ctxt, operation, volume, is_new=is_new) as found:
        found.data.write(0, memoryview(b'DATA'))
        assert (found.size, found.zeroed) == (2 ** 30, is_new)
    assert os.stat(service.path).st_size == 4
    assert service.asked == [] if here else ['connect this machine', 'attach volume',
                                             'detach volume', 'terminate']


def test_a_restore_waits(ctxt, service, volume, operation):
    service.away = True
    with pytest.raises(exception.NotYet, match='an answer of h@b'), \
            target.open(ctxt, operation, volume):
        pytest.fail('it is not open')


def test_connections_are_those_of_the_default_options():
    assert vars(connections._initiator()._inner) == {
        '_multipath': False, '_enforce': False, '_scans': 3}


def test_an_image_of_rbd_is_opened_by_its_address():
    place = connections.place_of_image({'name': 'volumes/volume-1@snapshot-2',
                                        'auth_username': 'cinder', 'cluster_name': 'east'})
    assert place == 'rbd:volumes/volume-1@snapshot-2:id=cinder:cluster=east'
