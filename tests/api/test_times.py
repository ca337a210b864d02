# SPDX-License-Identifier: Apache-2.0
"""Every time in every answer has six digits after the point, also where nothing comes behind it.
Made from the table of routes; that all times are told so is in the OpenAPI document."""
import datetime
import re

import pytest
import sqlalchemy as sa

from cinder import context
from cinder.api.v3 import router
from cinder.db import models, session
from cinder.rpc import notifications
from tests.fakes.daemons import ADMIN

WHOLE = datetime.datetime(2020, 3, 4, 5, 6, 7)
LIKE_A_TIME = re.compile(r'\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d')
GOOD = re.compile(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}')
# Placeholder -> what it is in the world.
NAMES = {'type_id': 'other', 'qos_id': 'qos', 'group_type_id': 'kind', 'consistencygroup_id': 'old',
         'target_project_id': 'project'}
# The dates of extensions are constants, written with a zone; of pools the bus would be asked.
ELSEWHERE = ('/extensions', '/openapi', '/scheduler-stats', '/capabilities', '/manageable',
             '/os-volume-manage', '/os-snapshot-manage')


@pytest.fixture
def whole_seconds(world):
    """Every time that is set anywhere has no fraction: as an old MySQL keeps them all."""
    with session.writer(ADMIN) as conn:
        for table in models.metadata.tables.values():
            for column in table.c:
                if isinstance(column.type, sa.DateTime):
                    conn.execute(table.update().where(column.is_not(None)).values(
                        {column.name: WHOLE}))
    return world


def _times(value):
    if isinstance(value, dict):
        for each in value.values():
            yield from _times(each)
    elif isinstance(value, list):
        for each in value:
            yield from _times(each)
    elif isinstance(value, str) and LIKE_A_TIME.search(value):
        yield value


def _paths(ids):
    for route, methods in router.ROUTES.items():
        if 'GET' in methods and not route.startswith(ELSEWHERE):
            path = re.sub(r'{(\w+)}', lambda match: ids.get(
                NAMES.get(match[1], match[1].removesuffix('_id')), match[1]), route)
            yield path


def test_every_answer(whole_seconds):
    world, found = whole_seconds, 0
    for path in _paths(world.ids):
        for mv in ('3.0', '3.71'):
            answer = world.api.get(path, mv=mv)
            times = list(_times(answer.json))
            assert [time for time in times if not GOOD.fullmatch(time)] == [], path
            found += len(times)
    assert found > 60


def test_what_is_made_and_changed(whole_seconds):
    api, ids = whole_seconds.api, whole_seconds.ids
    for method, path, body in (
            ('PUT', f'/volumes/{ids["volume"]}', {'volume': {'name': 'n'}}),
            ('PUT', f'/snapshots/{ids["snapshot"]}', {'snapshot': {'name': 'n'}}),
            ('PUT', f'/backups/{ids["backup"]}', {'backup': {'name': 'n'}}),
            ('POST', '/volume-transfers', {'transfer': {'volume_id': ids['volume']}})):
        answer = api.request(method, path, body)
        assert answer.status < 300, answer.body
        times = list(_times(answer.json))
        assert all(map(GOOD.fullmatch, times)), times


def test_notifications(whole_seconds):
    for kind, store in (('volume', 'volumes'), ('snapshot', 'snapshots'), ('group', 'groups'),
                        ('group_snapshot', 'group_snapshots')):
        module = __import__(f'cinder.db.{store}', fromlist=['get'])
        told = notifications.make_payload(kind, module.get(ADMIN, whole_seconds.ids[kind]))
        times = list(_times(told))
        assert '2020-03-04T05:06:07.000000+00:00' in times
        assert all(time.endswith('.000000+00:00') for time in times)


def test_contexts_on_the_bus():
    ctxt = context.RequestContext(timestamp=WHOLE)
    assert ctxt.to_dict()['timestamp'] == '2020-03-04T05:06:07.000000'
