# SPDX-License-Identifier: Apache-2.0
"""Every list of the API with a thousand rows: a whole page, by a handful of statements, whatever
the resource. Made from the table of routes."""
import uuid

import pytest
import sqlalchemy as sa

from cinder.api import openapi
from cinder.api.v3 import router
from cinder.db import default_types as default_types_db
from cinder.db import messages as messages_db
from cinder.db import models
from tests.api.client import PROJECT
from tests.fakes.daemons import ADMIN

ROWS, STATEMENTS = 1000, 4
# Things that a request lists, and what they lead to.
TABLES = ('volumes', 'snapshots', 'volume_attachment', 'groups', 'group_snapshots', 'backups',
          'transfers', 'messages', 'volume_types', 'group_types', 'quality_of_service_specs',
          'services', 'clusters', 'default_volume_types', 'operations', 'trash')
LISTS = [each for each in openapi.list_operations(router.ROUTES)
         if each.method == 'GET' and '{' not in each.path
         and getattr(each.spec.shape, '__name__', '') == 'page']
# What another daemon is asked for.
ASKED = {'/os-volume-manage', '/os-volume-manage/detail', '/manageable_volumes',
         '/manageable_volumes/detail', '/os-snapshot-manage', '/os-snapshot-manage/detail',
         '/manageable_snapshots', '/manageable_snapshots/detail'}
LISTS = [each for each in LISTS if each.path not in ASKED]


@pytest.fixture
def crowded(world, database):
    """The world with a thousand of everything that can be listed."""
    crowd(world, database)
    return world


def crowd(world, database):
    """Make it so; tools/bench does too."""
    messages_db.create(ADMIN, {'project_id': PROJECT, 'resource_type': 'VOLUME', 'event_id': 'e',
                               'user_message': 'm', 'message_level': 'ERROR', 'action_id': '001',
                               'detail_id': '001'})
    default_types_db.put(ADMIN, PROJECT, world.ids['other'])
    with database.writer(ADMIN) as conn:
        for name in TABLES:
            table = models.metadata.tables[name]
            rows = conn.execute(sa.select(table).where(_alive(table))).mappings().all()
            assert rows, name
            unique = _unique(table)
            conn.execute(table.insert(), [_copy(table, unique, rows[number % len(rows)], number)
                                          for number in range(ROWS)])


def _alive(table):
    return table.c.deleted == sa.false() if 'deleted' in table.c else sa.true()


def _unique(table):
    """The columns that have another value in each row."""
    names = {column.name for index in (*table.indexes, *table.constraints)
             if getattr(index, 'unique', True) and not isinstance(
                 index, sa.ForeignKeyConstraint | sa.CheckConstraint)
             for column in index.columns}
    return [table.c[name] for name in names
            if not table.c[name].foreign_keys and not isinstance(table.c[name].type, sa.Boolean)]


def _copy(table, unique, row, number):
    """Another row like this one: with an id of its own, and other values where they are unique."""
    values = dict(row)
    for column in unique:
        name = column.name
        if values[name] is None:
            continue
        if isinstance(column.type, sa.Integer):
            del values[name]
        else:
            values[name] = str(uuid.uuid4()) if name in ('id', 'uuid') else (
                f'{values[name]}-{number}')
    return values


def test_a_thousand_rows(crowded, statements):
    # One test for all of them: making so many rows takes longer than to list them.
    for each in LISTS:
        # By the whole path: to hold each of so many rows against the document takes too long.
        path = f'/v3/{PROJECT}{each.path}'
        # What is read once and kept is there from here on.
        crowded.api.get(f'{path}?limit=1', bare=True)
        statements.clear()
        answer = crowded.api.get(path, bare=True)
        assert answer.status == 200, path
        assert len(statements) <= STATEMENTS, (path, statements)
        rows = next(value for key, value in answer.json.items() if not key.endswith('_links'))
        # Some tables hold things of two kinds, which have a list each.
        assert len(rows) >= ROWS / 4, path
