# SPDX-License-Identifier: Apache-2.0
"""/operations: what tenants and operators see of accepted work, and what a cancellation does."""
import pytest

from cinder.db import backups as backups_db
from cinder.db import messages as messages_db
from cinder.db import models, session
from cinder.db import operations as operations_db
from cinder.db import volumes as volumes_db
from cinder.objects.verbs import VERBS
from cinder.operations import cancellation, outcome
from cinder.operations.cancellation import CANCELLED
from tests.api import verbs
from tests.fakes.daemons import ADMIN

URL = '/operations'


@pytest.fixture
def idle(daemons):
    """Daemons that only take notes: operations stay queued."""
    daemons.busy = True
    return daemons


@pytest.fixture
def extending(api, volume, idle):
    """The operation of a volume that is being extended."""
    api.post(f'/volumes/{volume["id"]}/action', {'os-extend': {'new_size': 2}})
    row, = api.get(URL).json['operations']
    return row


def run(operation_id, **values):
    """A service claims the operation; returns it."""
    operation = operations_db.get(ADMIN, operation_id)
    operations_db.claim(ADMIN, operation, 'node@fake|1', 60)
    if values:
        operations_db.update_claimed(ADMIN, operation, **values)
    return operation


def shown(api, operation_id):
    return api.get(f'{URL}/{operation_id}').json['operation']


def test_fields(api, member, volume, extending):
    assert extending == {
        **extending, 'verb': 'volume.extend', 'resource_type': 'volume',
        'resource_id': volume['id'], 'state': 'queued', 'progress': None, 'queue_position': 1,
        'reason': None, 'service': 'scheduler', 'attempt': 0, 'finished_at': None}
    assert shown(api, extending['id']) == extending
    theirs = shown(member, extending['id'])
    assert set(extending) - set(theirs) == {'service', 'attempt'}
    assert theirs['links'][0]['href'].endswith(f'/operations/{extending["id"]}')


def test_progress_and_reasons(api, extending):
    operation = run(extending['id'], progress_done=3, progress_total=8, stage='execute',
                    host='node@fake')
    seen = shown(api, extending['id'])
    assert (seen['state'], seen['progress'], seen['queue_position']) == ('running', 37, None)
    assert (seen['service'], seen['attempt']) == ('node@fake', 1)
    operations_db.add_arguments(ADMIN, operation, waiting={'for': 'a lock', 'since': ''})
    operations_db.update_claimed(ADMIN, operation, state='queued',
                                 lease_until=session.in_seconds(60))
    seen = shown(api, extending['id'])
    assert (seen['state'], seen['reason'], seen['queue_position']) == ('waiting', 'a lock', None)
    operations_db.force_claim(ADMIN, operation)
    operations_db.finish(ADMIN, operation, 'No space.')
    seen = shown(api, extending['id'])
    assert (seen['state'], seen['reason']) == ('failed', 'No space.')
    assert seen['finished_at']


def test_places_in_the_queue(api, idle):
    for _number in range(3):
        api.post('/volumes', {'volume': {'size': 1}})
    newest = api.get(URL).json['operations']
    assert [row['queue_position'] for row in newest] == [3, 2, 1]
    run(newest[2]['id'])
    assert [row['queue_position'] for row in api.get(URL).json['operations']] == [2, 1, None]


def test_lists(api, idle):
    for size in (1, 2, 3):
        api.post('/volumes', {'volume': {'size': size}})
    rows = api.get(URL).json['operations']
    ids = [row['id'] for row in rows]
    first = api.get(f'{URL}?limit=2').json
    assert [row['id'] for row in first['operations']] == ids[:2]
    query = first['operations_links'][0]['href'].partition('?')[2]
    assert [row['id'] for row in api.get(f'{URL}?{query}').json['operations']] == ids[2:]
    assert [row['id'] for row in api.get(f'{URL}?sort=created_at:asc').json['operations']] == (
        ids[::-1])
    run(ids[0])
    for question, found in (('state=queued', ids[1:]), ('state=running', ids[:1]),
                            ('state=done', []), ('verb=volume.create', ids),
                            ('verb=volume.delete', []), ('resource_type=snapshot', []),
                            (f'resource_id={rows[1]["resource_id"]}', ids[1:2]),
                            (f'request_id={rows[2]["request_id"]}', ids[2:])):
        assert [row['id'] for row in api.get(f'{URL}?{question}').json['operations']] == found
    assert 'must be one of queued, waiting' in api.get(f'{URL}?state=gone').fault(400)
    assert 'filter nonsense' in api.get(f'{URL}?nonsense=1').fault(400)


def test_projects(api, member, extending):
    other = api.as_roles('admin,member,reader', 'f' * 32)
    stranger = api.as_roles('member,reader', 'f' * 32)
    path = f'{URL}/{extending["id"]}'
    assert stranger.get(URL).json['operations'] == []
    assert stranger.get(f'{URL}?all_tenants=1').json['operations'] == []
    assert stranger.get(path).status == stranger.delete(path).status == 404
    assert other.get(URL).json['operations'] == []
    assert [row['id'] for row in other.get(f'{URL}?all_tenants=1').json['operations']] == [
        extending['id']]
    assert 'host' in member.get(f'{URL}?host=node').fault(400)
    assert member.as_roles('reader').delete(path).status == 403
    assert member.delete(path).status == 202


# ------------------------------------------------------------------------------------ cancellation
def test_cancel(api, member, volume, extending):
    assert member.delete(f'{URL}/{extending["id"]}').status == 202
    seen = shown(api, extending['id'])
    assert (seen['state'], seen['reason']) == ('failed', CANCELLED)
    row = volumes_db.get(ADMIN, volume['id'])
    assert (row.status, row.size, row.growth) == ('available', 1, 0)
    message, = api.get('/messages').json['messages']
    assert message['user_message'] == f'extend volume:{CANCELLED}'
    again = member.delete(f'{URL}/{extending["id"]}').fault(409)
    assert again == f'Operation {extending["id"]} cannot be cancelled: it is failed.'


def test_an_attempt_may_have_changed_the_storage(api, volume, extending):
    operations_db.release(ADMIN, run(extending['id']))
    assert api.delete(f'{URL}/{extending["id"]}').status == 202
    assert volumes_db.get(ADMIN, volume['id']).status == 'error_extending'


def test_running_work_that_cannot_stop(api, volume, extending):
    run(extending['id'])
    assert 'it has begun.' in api.delete(f'{URL}/{extending["id"]}').fault(409)
    assert volumes_db.get(ADMIN, volume['id']).status == 'extending'


def test_what_administrators_have_started(api, member, world):
    """A member cannot end a migration, nor break it by its target."""
    world.api.post(f'/volumes/{world.ids["volume"]}/action',
                   {'os-migrate_volume': {'host': 'node2@fake#pool'}})
    row, = api.get(f'{URL}?verb=volume.migrate').json['operations']
    assert member.get(f'{URL}/{row["id"]}').status == 200
    assert member.delete(f'{URL}/{row["id"]}').status == 403
    assert api.delete(f'{URL}/{row["id"]}').status == 202
    target = volumes_db.get(ADMIN, world.ids['held'])
    volumes_db.update(ADMIN, target.id, {'migration_status': f'target:{world.ids["volume"]}'})
    made = operations_db.create(ADMIN, 'volume.create', target)
    assert member.delete(f'{URL}/{made.id}').status == 403


def test_deletions_run_to_their_end(api, volume, idle):
    api.delete(f'/volumes/{volume["id"]}')
    row, = api.get(URL).json['operations']
    assert 'volume.delete always run to their end' in api.delete(f'{URL}/{row["id"]}').fault(409)


def test_it_begins_just_now(api, extending, monkeypatch):
    real = outcome.load

    def load(ctxt, operation):
        run(operation.id)
        return real(ctxt, operation)
    monkeypatch.setattr(outcome, 'load', load)
    assert 'begins just now' in api.delete(f'{URL}/{extending["id"]}').fault(409)


def test_a_backup_that_runs(api, world):
    """The service notices the status at its next report, see tests/functional/test_operations.py"""
    world.api.post('/backups', {'backup': {'volume_id': world.ids['volume']}})
    row, = api.get(f'{URL}?verb=backup.create').json['operations']
    run(row['id'])
    assert api.delete(f'{URL}/{row["id"]}').status == 202
    assert backups_db.get(ADMIN, row['resource_id']).status == 'error'
    assert 'another request' in api.delete(f'{URL}/{row["id"]}').fault(409)
    assert len(messages_db.list_rows(ADMIN, all_tenants=True).rows) == 1


# Request of verbs.REQUESTS -> statuses of named things of the world when it is cancelled.
AFTERWARDS = {
    ('volume', 'os-extend'): {'volume': 'available'},
    ('volume', 'os-retype without migration'): {'volume': 'available'},
    ('volume', 'os-migrate_volume'): {'volume': 'available'},
    ('volume', 'os-reimage'): {'volume': 'available'},
    ('volume', 'os-volume_upload_image'): {'volume': 'available'},
    ('volume', 'revert'): {'parent': 'available', 'snapshot': 'available'},
    ('volume', 'backup create'): {'volume': 'available'},
    ('volume', 'backup restore into given volume'): {'volume': 'available',
                                                     'backup': 'available'},
    ('volume', 'create from snapshot'): {'snapshot': 'available'},
    ('snapshot', 'create'): {'volume': 'available'},
    ('backup', 'restore'): {'backup': 'available'},
    ('group', 'create-from-src'): {'group': 'available'},
    ('group', 'update members'): {'group': 'available', 'member': 'available'},
    ('group_snapshot', 'create'): {'group': 'available'},
}


@pytest.mark.parametrize('key', AFTERWARDS, ids=' '.join)
def test_cancelled_before_it_begins(world, key):
    """What is there is as before; what was to be created is in error, so it can be deleted."""
    request = verbs.REQUESTS[key]
    world.put_in(request, 'available')
    with session.writer(ADMIN) as conn:
        conn.execute(models.Operation.__table__.delete())
    assert world.send(request, verbs.VERSIONS.get(key, '3.71')).status < 300
    row, *_others = world.api.get(URL).json['operations']
    assert world.api.delete(f'{URL}/{row["id"]}').status == 202
    for name, status in AFTERWARDS[key].items():
        store = verbs.STORES[name if name in verbs.STORES else 'volume']
        assert store.get(ADMIN, world.ids[name]).status == status, name
    if row['resource_id'] not in world.ids.values():
        made = verbs.STORES[row['resource_type']].get(ADMIN, row['resource_id'])
        assert made.status == 'error'
    if key == ('volume', 'os-migrate_volume'):
        assert volumes_db.get(ADMIN, world.ids['volume']).migration_status is None


def test_every_verb_is_decided_about():
    never = {verb for verb in VERBS if verb not in cancellation.VERBS}
    assert set(cancellation.VERBS) <= set(VERBS)
    assert all(verb.partition('.')[2] in (
        'delete', 'unmanage', 'forget', 'export', 'failover', 'schedule', 'attach',
        'enable_replication', 'disable_replication', 'failover_replication', 'restore', 'purge')
        for verb in never)
