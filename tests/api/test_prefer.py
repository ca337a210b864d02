# SPDX-License-Identifier: Apache-2.0
"""Prefer: wait=N: what is waited for, and what is answered when it has ended, failed or not. The
daemons that end operations are played by the cast of the message."""
import pytest
import sqlalchemy as sa

from cinder import context, objects
from cinder.api import prefer, waiters
from cinder.conf import CONF
from cinder.db import models, session
from cinder.db import operations as operations_db
from cinder.db import volumes as volumes_db
from cinder.operations import outcome
from tests.api import verbs
from tests.fakes import daemons as fake
from tests.fakes.daemons import ADMIN

WAIT = {'Prefer': 'wait=30'}


class Ending(fake.Daemons):
    """Daemons that end each operation when its message is sent.

    :ivar reason: why it fails; None: it succeeds.
    """

    reason = None

    def cast(self, ctxt, method, operation=None, **resource):
        self.messages.append(method)
        if operation is None:
            return
        operations_db.claim(ADMIN, operation, 'fake', 60)
        found, = resource.values() or (None,)
        if found is None:  # the service itself
            operations_db.finish(ADMIN, operation, self.reason)
        elif self.reason:
            outcome.fail(ADMIN, operation, found, self.reason)
        else:
            outcome.succeed(ADMIN, operation, found)


@pytest.fixture
def daemons(api, monkeypatch):
    return Ending().install(monkeypatch)


_AtOnce = prefer._Waiting


@pytest.fixture
def silent(daemons, monkeypatch):
    """Daemons that do nothing, and a wait that ends at once."""
    daemons.cast = lambda *_args, **_kwargs: None
    monkeypatch.setattr(prefer, '_Waiting', lambda *args: _AtOnce(*args[:3], 0))
    return daemons


def test_create(api, daemons):
    answer = api.post('/volumes', {'volume': {'size': 1}}, headers=WAIT)
    assert answer.status == 202
    assert answer.headers['Preference-Applied'] == 'wait=30'
    assert answer.json['volume']['status'] == 'available'
    assert answer.json['volume']['volume_type'] == '__DEFAULT__'
    seen = api.get(f'/volumes/{answer.json["volume"]["id"]}').json['volume']
    assert {name: seen[name] for name in ('id', 'updated_at', 'size')} == {
        name: answer.json['volume'][name] for name in ('id', 'updated_at', 'size')}


def test_delete(api, volume):
    answer = api.delete(f'/volumes/{volume["id"]}', headers=WAIT)
    assert (answer.status, answer.body) == (202, b'')
    assert answer.headers['Preference-Applied'] == 'wait=30'
    assert api.get(f'/volumes/{volume["id"]}').status == 404


def test_failure(api, daemons):
    daemons.reason = 'No pool has enough space.'
    answer = api.post('/volumes', {'volume': {'size': 1}}, headers=WAIT)
    made, = api.get('/volumes').json['volumes']
    assert answer.fault(409) == (f'create of volume {made["id"]} was accepted and has failed: '
                                 'No pool has enough space.')
    assert answer.headers['Preference-Applied'] == 'wait=30'


def test_too_late(api, silent):
    answer = api.post('/volumes', {'volume': {'size': 1}}, headers=WAIT)
    assert answer.status == 202 and answer.json['volume']['status'] == 'creating'
    assert 'Preference-Applied' not in answer.headers


@pytest.mark.parametrize('header', [None, '', 'wait', 'wait=', 'wait=x', 'wait=-1', 'wait=1.5',
                                    'wait=0', 'await=5', 'respond-async', 'wait=1x'])
def test_nothing_to_wait_for(api, volume, header, monkeypatch):
    monkeypatch.setattr(prefer, 'answer', None)
    answer = api.delete(f'/volumes/{volume["id"]}', headers={'Prefer': header} if header else {})
    assert answer.status == 202 and 'Preference-Applied' not in answer.headers


@pytest.mark.parametrize(('header', 'seconds'), [
    ('wait=5', 5), ('Wait = "5"', 5), ('respond-async, wait=5', 5), ('wait=5; x=y, z', 5),
    ('a=b,wait=5,c', 5), ('wait=999999999', 300), ('wait=0', 0)])
def test_header(header, seconds):
    assert prefer.wanted_seconds(header) == seconds


def test_no_request_waits_without_the_option(api):
    CONF.set_override('api_max_wait', 0)
    try:
        assert prefer.wanted_seconds('wait=5') == 0
    finally:
        CONF.clear_override('api_max_wait')


def test_requests_that_start_nothing(api, volume):
    answer = api.post(f'/volumes/{volume["id"]}/action', {'os-reserve': None}, headers=WAIT)
    assert answer.status == 202 and 'Preference-Applied' not in answer.headers
    answer = api.get(f'/volumes/{volume["id"]}', headers=WAIT)
    assert answer.status == 200 and 'Preference-Applied' not in answer.headers


def test_too_many_wait(api, daemons, monkeypatch):
    monkeypatch.setattr(waiters, 'has_room', lambda _environ: False)
    answer = api.post('/volumes', {'volume': {'size': 1}}, headers=WAIT)
    assert answer.status == 202 and 'Preference-Applied' not in answer.headers


def test_headers_of_the_handler_stay(api, daemons):
    answer = api.post('/volumes', {'volume': {'size': 1}, 'OS-SCH-HNT:scheduler_hints': {
        'colour': 'red'}}, headers=WAIT)
    assert 'colour' in answer.headers['OpenStack-Volume-Warning']
    assert answer.headers['Preference-Applied'] == 'wait=30'
    assert answer.headers['OpenStack-API-Version'].startswith('volume ')


def test_a_refused_request_does_not_wait(api, daemons):
    assert 'size' in api.post('/volumes', {'volume': {'size': 0}}, headers=WAIT).fault(400)


@pytest.mark.parametrize('key', verbs.REQUESTS, ids=' '.join)
def test_every_operation_is_waited_for(world, monkeypatch, key):
    """All requests of the table of states: those that start an operation say that it has ended."""
    request, ending = verbs.REQUESTS[key], Ending().install(monkeypatch)
    before = operations()
    world.put_in(request, verbs.allowed(key)[0])
    answer = world.send(request, verbs.VERSIONS.get(key, '3.71'), headers=WAIT)
    assert answer.status < 300
    started = operations() - before
    assert ('Preference-Applied' in answer.headers) == bool(started), (started, ending.messages)
    kind = next(iter(answer.json or ()), None)
    if started and kind in verbs.STORES and 'status' in answer.json[kind]:
        assert answer.json[kind]['status'] == 'available'


def operations():
    """Ids and states of the operations of requests."""
    with session.reader(ADMIN) as conn:
        return {(row.id, row.verb) for row in conn.execute(sa.select(models.Operation.__table__))}


def test_the_restore_of_a_new_volume_is_waited_for():
    made = objects.Operation(
        resource_id='v', arguments={'backup_id': 'b', 'restored_backup_id': 'b'})
    assert set(prefer._resources(made)) == {'v', 'b'}


def test_only_the_operations_of_the_request(api, daemons, volume):
    """An earlier operation of the same volume is of no interest."""
    ctxt = context.RequestContext(is_admin=True, roles=['admin'], overwrite=False)
    found = volumes_db.get(ADMIN, volume['id'])
    operations_db.create(ctxt, 'volume.migrate', found)
    answer = api.post(f'/volumes/{volume["id"]}/action', {'os-extend': {'new_size': 2}},
                      headers=WAIT)
    assert answer.headers['Preference-Applied'] == 'wait=30'
