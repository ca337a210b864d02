# SPDX-License-Identifier: Apache-2.0
"""Idempotency-Key: what is the same request, when a key is free again, what happens at the same
time; and DELETE of what is being deleted. tests/functional/test_every_post.py tries every POST."""
import pytest
import sqlalchemy as sa

from cinder import exception
from cinder.api import idempotency
from cinder.db import idempotency_keys as keys
from cinder.db import models, session
from cinder.db import operations as operations_db
from cinder.db import volumes as volumes_db
from cinder.volume.api import volumes as use_cases
from tests.api import verbs
from tests.fakes.daemons import ADMIN

KEY = {'Idempotency-Key': '3d1a4dc2-7c5b-4a48-9e0c-b5d1a6b8e0a7'}
VOLUME = {'volume': {'size': 1, 'name': 'n', 'metadata': {'a': 'b'}}}


class Killed(BaseException):
    """The process is gone."""


@pytest.mark.parametrize(('body', 'fields'), [
    ({'volume': {**VOLUME['volume'], 'size': 2}}, 'volume.size'),
    ({'volume': {'size': 1, 'name': 'n'}}, 'volume.metadata'),
    ({'volume': {**VOLUME['volume'], 'metadata': {}, 'name': 'm', 'description': 'x'}},
     'volume.description, volume.metadata, volume.name')])
def test_another_body(api, daemons, body, fields):
    assert api.post('/volumes', VOLUME, headers=KEY).status == 202
    assert f'differs in: {fields}. ' in api.post('/volumes', body, headers=KEY).fault(422)
    assert len(api.get('/volumes').json['volumes']) == 1


def test_another_request(api, volume):
    path = f'/volumes/{volume["id"]}/action'
    assert api.post(path, {'os-reserve': None}, headers=KEY).status == 202
    text = api.post(path, {'os-unreserve': None}, headers=KEY).fault(422)
    assert 'differs in: os-reserve, os-unreserve.' in text
    text = api.post(path, {'os-reserve': None}, headers=KEY, mv='3.5').fault(422)
    assert 'differs in: OpenStack-API-Version.' in text


def test_order_of_the_body_and_spelling_of_the_url(api, daemons):
    first = api.post('/volumes', {'volume': {'size': 1, 'name': 'n'}}, headers=KEY)
    again = api.post('/volumes.json', {'volume': {'name': 'n', 'size': 1}}, headers=KEY)
    assert again.body == first.body
    bare = api.request('POST', '/v3/volumes', {'volume': {'name': 'n', 'size': 1}}, headers=KEY,
                       bare=True, mv='3.71')
    assert bare.body == first.body


def test_keys_of_projects(api, daemons):
    other = api.as_roles('member', 'f' * 32)
    first = api.post('/volumes', VOLUME, headers=KEY).json['volume']['id']
    second = other.post('/volumes', VOLUME, headers=KEY).json['volume']['id']
    assert first != second
    assert other.post('/volumes', VOLUME, headers=KEY).json['volume']['id'] == second


@pytest.mark.parametrize('key', ['', '""', 'x' * 256, 'k"k', 'ü'])
def test_no_key(api, daemons, key):
    headers = {'Idempotency-Key': key}
    assert 'Idempotency-Key' in api.post('/volumes', VOLUME, headers=headers).fault(400)


def test_quotes_are_not_part_of_a_key(api, daemons):
    first = api.post('/volumes', VOLUME, headers={'Idempotency-Key': '"k"'})
    assert api.post('/volumes', VOLUME, headers={'Idempotency-Key': 'k'}).body == first.body


def test_a_refused_request_frees_its_key(api, daemons):
    assert api.post('/volumes', {'volume': {'size': 0}}, headers=KEY).status == 400
    assert api.post('/volumes', VOLUME, headers=KEY).status == 202


@pytest.mark.parametrize('status', ['error', 'deleting', 'gone'])
def test_a_failed_or_deleted_resource_frees_its_key(api, daemons, status):
    first = api.post('/volumes', VOLUME, headers=KEY).json['volume']['id']
    if status == 'gone':
        volumes_db.destroy(ADMIN, first)
    else:
        volumes_db.overwrite(ADMIN, first, {'status': status})
    again = api.post('/volumes', VOLUME, headers=KEY)
    assert again.json['volume']['id'] != first and 'Idempotent-Replayed' not in again.headers
    assert api.post('/volumes', VOLUME, headers=KEY).body == again.body


def test_a_failed_operation_frees_its_key(api, daemons, volume):
    daemons.busy = True
    path, body = f'/volumes/{volume["id"]}/action', {'os-extend': {'new_size': 2}}
    assert api.post(path, body, headers=KEY).status == 202
    assert api.post(path, body, headers=KEY).status == 202
    operations_db.cancel_queued(ADMIN, volume['id'], 'no space')
    assert 'extending' in api.post(path, body, headers=KEY).fault(400)
    volumes_db.overwrite(ADMIN, volume['id'], {'status': 'available'})
    again = api.post(path, body, headers=KEY)
    assert again.status == 202 and 'Idempotent-Replayed' not in again.headers


def test_a_day_later(api, daemons):
    first = api.post('/volumes', VOLUME, headers=KEY).json['volume']['id']
    with session.writer(ADMIN) as conn:
        conn.execute(models.IdempotencyKey.__table__.update().values(
            created_at=session.in_seconds(-keys.KEPT - 1)))
    assert api.post('/volumes', VOLUME, headers=KEY).json['volume']['id'] != first
    assert keys.purge_expired(ADMIN) == 0
    with session.writer(ADMIN) as conn:
        conn.execute(models.IdempotencyKey.__table__.update().values(
            created_at=session.in_seconds(-keys.KEPT - 1)))
    assert keys.purge_expired(ADMIN) == 1


def rows_of_keys():
    with session.reader(ADMIN) as conn:
        return conn.execute(sa.select(models.IdempotencyKey.__table__)).mappings().all()


def test_nothing_is_readable_in_the_database(api, volume):
    answer = api.post('/volume-transfers', {'transfer': {
        'volume_id': volume['id'], 'name': 'a name'}}, headers=KEY)
    row, = rows_of_keys()
    for secret in (answer.json['transfer']['auth_key'], KEY['Idempotency-Key'], volume['id'],
                   'a name'):
        assert secret not in repr(dict(row))
    again = api.post('/volume-transfers', {'transfer': {
        'volume_id': volume['id'], 'name': 'a name'}}, headers=KEY)
    assert again.json['transfer']['auth_key'] == answer.json['transfer']['auth_key']


def test_what_it_costs(api, daemons, statements):
    """Nothing without the header, and two statements with it."""
    def cost(**headers):
        statements.clear()
        assert api.post('/volumes', VOLUME, headers=headers).status == 202
        return len(statements)
    api.post('/volumes', VOLUME)  # the quota row of the project, and what is cached
    plain = cost()
    assert cost(**KEY) == plain + 2
    assert cost() == plain and not any('idempotency' in text for text in statements)


# -------------------------------------------------------------------------------- at the same time
def faster(monkeypatch, act):
    """Let another request with the same key be answered while this one is at its commit."""
    real, done = keys.insert, []

    def insert(conn, values):
        if not done:
            done.append(True)
            raise exception.KeyTaken()
        real(conn, values)

    def find(ctxt, ident):
        if len(done) == 1:
            done.append(True)
            act()
        return found(ctxt, ident)
    found = keys.find
    monkeypatch.setattr(keys, 'insert', insert)
    monkeypatch.setattr(keys, 'find', find)


def test_the_slower_one_gets_the_answer_of_the_faster(api, daemons, monkeypatch):
    answers = []
    faster(monkeypatch, lambda: answers.append(api.post('/volumes', VOLUME, headers=KEY)))
    slower = api.post('/volumes', VOLUME, headers=KEY)
    assert slower.body == answers[0].body
    assert len(api.get('/volumes').json['volumes']) == 1


def test_a_refusal_because_the_faster_one_has_done_it(api, daemons, volume, monkeypatch):
    path, body = f'/volumes/{volume["id"]}/action', {'os-extend': {'new_size': 2}}
    real = use_cases.extend

    def extend(*args, **kwargs):
        monkeypatch.setattr(use_cases, 'extend', real)
        api.post(path, body, headers=KEY)
        return real(*args, **kwargs)
    monkeypatch.setattr(use_cases, 'extend', extend)
    daemons.busy = True
    answer = api.post(path, body, headers=KEY)
    assert answer.status == 202 and answer.headers['Idempotent-Replayed'] == 'true'


def test_a_commit_of_unknown_result(api, daemons, monkeypatch):
    """It was committed: the answer is there."""
    real = session.commit

    def commit(transaction):
        monkeypatch.setattr(session, 'commit', real)
        real(transaction)
        raise exception.CommitUnknown()
    monkeypatch.setattr(session, 'commit', commit)
    answer = api.post('/volumes', VOLUME, headers=KEY)
    assert answer.headers['Idempotent-Replayed'] == 'true'
    assert len(api.get('/volumes').json['volumes']) == 1


def test_an_attachment_whose_host_was_not_connected(api, volume, daemons, monkeypatch):
    """The process was killed in the call to the back end: the repeated request ends the work."""
    monkeypatch.setattr(idempotency, 'PATIENCE', 0)
    body = {'attachment': {'volume_uuid': volume['id'], 'connector': verbs.CONNECTOR}}
    real = daemons.attachment_update

    def gone(*_args, **_kwargs):
        raise Killed
    daemons.attachment_update = gone
    with pytest.raises(Killed):
        api.post('/attachments', body, headers=KEY)
    daemons.attachment_update = real
    answer = api.post('/attachments', body, headers=KEY)
    assert answer.json['attachment']['connection_info']['driver_volume_type'] == 'iscsi'
    assert len(api.get('/attachments').json['attachments']) == 1
    assert api.post('/attachments', body, headers=KEY).body == answer.body


def test_an_attachment_that_could_not_be_connected(api, volume, daemons):
    body = {'attachment': {'volume_uuid': volume['id'], 'connector': verbs.CONNECTOR}}

    def fails(*_args, **_kwargs):
        raise exception.ServiceUnavailable()
    daemons.attachment_update = fails
    assert api.post('/attachments', body, headers=KEY).status == 503
    assert rows_of_keys() == []


# ------------------------------------------------------------------------------------------ DELETE
def test_delete_of_what_is_being_deleted(api, volume, daemons):
    daemons.busy = True
    path = f'/volumes/{volume["id"]}'
    assert api.delete(path).status == 202
    assert 'deleting' in api.delete(path).fault(400)
    assert api.delete(path, headers=KEY).status == 202
    volumes_db.overwrite(ADMIN, volume['id'], {'status': 'attaching'})
    assert 'attaching' in api.delete(path, headers=KEY).fault(400)
    volumes_db.destroy(ADMIN, volume['id'])
    assert api.delete(path, headers=KEY).status == 404
