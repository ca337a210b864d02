# SPDX-License-Identifier: Apache-2.0
"""Every POST of the API with an Idempotency-Key, in this process: the same answer and one effect,
also after a kill before and after the commit."""
import json
import re

import pytest
import sqlalchemy as sa

from cinder import fault_points
from cinder.api import idempotency
from cinder.db import models, session
from tests.api import verbs
from tests.api.conftest import (  # noqa: F401
    api,
    application,
    bus,
    daemons,
    image_service,
    world,
)
from tests.fakes.daemons import ADMIN
from tests.functional import asks

KEY = {'Idempotency-Key': '3d1a4dc2-7c5b-4a48-9e0c-b5d1a6b8e0a7'}
ID = re.compile(r'[0-9a-f]{8}-[0-9a-f-]{27}')
# What makes up an answer anew each time: times, and the key of a transfer.
VARYING = re.compile(r'"[a-z_]*_at":"[^"]*"|"auth_key":"[^"]*"')
# Body of what the world of the tests for tenants cannot do, but this one can.
OTHERS = {
    ('/volumes/{volume_id}/action', 'os-volume_upload_image'): {},
    ('/volumes/{volume_id}/action', 'os-reimage'): {'os-reimage': {'image_id': '<image>'}},
    ('/volume-transfers/{transfer_id}/accept', None): {'accept': {'auth_key': '<auth_key>'}},
    ('/os-volume-transfer/{transfer_id}/accept', None): {'accept': {'auth_key': '<auth_key>'}},
}
# They need more than this world has: see test_every_post_is_tried.
LEFT_OUT = {('/types/{type_id}/action', 'removeProjectAccess')}
POSTS = [ask for each in asks.OPERATIONS if each.method == 'POST' for ask in asks.of(each)
         if (ask.succeeds or (each.path, each.action) in OTHERS)
         and (each.path, each.action) not in LEFT_OUT]
CASES = [(ask.path, ask._replace(
    body=OTHERS.get((ask.each.path, ask.each.action)) or ask.body)) for ask in POSTS]
# Legacy of consistency groups, with an attachment whose host is connected.
CONNECTED = asks.Ask(next(each for each in asks.OPERATIONS
                          if (each.method, each.path) == ('POST', '/attachments')),
                     '/attachments', {'attachment': {
                         'volume_uuid': '<volume>', 'connector': verbs.CONNECTOR}})
CASES.append(('connected', CONNECTED))


_COUNTS = sa.select(*(sa.select(sa.func.count()).select_from(table).scalar_subquery().label(name)
                      for name, table in models.metadata.tables.items()
                      if name != 'idempotency_keys'))


class Killed(BaseException):
    """The process is gone."""


@pytest.fixture
def killed(monkeypatch):
    """Call it with the name of a fault point: the process is killed there."""
    monkeypatch.setattr(idempotency, 'PATIENCE', 0)
    real = fault_points.reach

    def kill(point):
        def reach(name):
            if name == point:
                raise Killed
            real(name)
        monkeypatch.setattr(fault_points, 'reach', reach)
    yield kill
    monkeypatch.setattr(fault_points, 'reach', real)


def send(there, ask, **headers):
    text = json.dumps([ask.path, ask.body])
    for name, ident in there.ids.items():
        text = text.replace(f'<{name}>', ident).replace(f'{{{name}}}', ident)
    path, body = json.loads(text)
    # In 3.0 the consistency groups, from 3.71 on everything else.
    mv = '3.0' if 'consistency' in path or 'cgsnap' in path else '3.71'
    return there.api.request('POST', path, body, mv=mv, headers=headers)


def says(answer):
    """An answer without what differs each time."""
    text = ID.sub('ID', VARYING.sub('', answer.body.decode()))
    return answer.status, re.sub(r'/v3/\w+', '', text), answer.headers.get('Content-Type')


def number_of_rows():
    """Table -> number of rows, of all but keys."""
    with session.reader(ADMIN) as conn:
        return conn.execute(_COUNTS).first()


@pytest.mark.parametrize('ask', [case for _name, case in CASES],
                         ids=[f'{name} {case.each.action or ""}' for name, case in CASES])
def test_every_post(world, only_database, killed, ask):  # noqa: F811
    database, _rows = only_database
    rows = database.rows()
    plain = send(world, ask)
    assert plain.status < 300, plain.body
    effect = number_of_rows()
    database.restore(rows)

    first = send(world, ask, **KEY)
    assert says(first) == says(plain)
    assert number_of_rows() == effect
    database.forget()
    sent = len(world.daemons.messages)
    again = send(world, ask, **KEY)
    assert (again.status, again.body) == (first.status, first.body)
    assert again.headers['Idempotent-Replayed'] == 'true'
    assert database.written() == set()
    assert len(world.daemons.messages) == sent
    other = send(world, ask._replace(body={**(ask.body or {}), 'more': 1}), **KEY)
    assert other.status in (400, 422)

    for point in ('request:commit:before', 'request:commit:after'):
        database.restore(rows)
        killed(point)
        with pytest.raises(Killed):
            send(world, ask, **KEY)
        killed(None)
        assert says(send(world, ask, **KEY)) == says(plain), point
        assert number_of_rows() == effect, point


def test_every_post_is_tried():
    tried = {(ask.each.path, ask.each.action) for _name, ask in CASES}
    missing = {(each.path, each.action) for each in asks.OPERATIONS
               if each.method == 'POST'} - tried
    assert missing == {
        *LEFT_OUT,
        ('/volumes/{volume_id}/action', 'os-unset_image_metadata'),
        ('/snapshots/{snapshot_id}/action', 'os-update_snapshot_status'),
        ('/backups/import_record', None), ('/scheduler-stats/what-if', None),
        *(('/groups/{group_id}/action', key) for key in (
            'enable_replication', 'disable_replication', 'failover_replication',
            'list_replication_targets'))}
