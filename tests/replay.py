# SPDX-License-Identifier: Apache-2.0
"""Replays the journal of events, and compares the result with the rows of the tables."""
import json

import sqlalchemy as sa

from cinder import exception
from cinder.db import (
    attachments,
    backups,
    events,
    recording,
    session,
    snapshots,
    transfers,
    volumes,
)
from cinder.objects import states

# Changes that tenants do not see set it too.
_NOT = {'updated_at'}
ALL = events.Wanted(None)


def replayed(ctxt):
    """Return (type, id) -> columns, from the events alone."""
    last, at, found = events.advance(ctxt), 0, {}
    while at < last:
        page = events.read(ctxt, ALL, at, last)
        for each in page:
            assert each['position'] == at + 1, 'a gap'
            at = each['position']
            key = each['resource_type'], each['resource_id']
            if each['kind'] == recording.CREATE:
                assert key not in found or found[key]['deleted'], f'{key} was created twice'
            else:
                assert key in found, f'{key} was changed and not created'
            shown = recording.RECORDED[recording.TYPES[each['resource_type']]].visible - _NOT
            found[key] = {**{name: value for name, value in each['body'].items()
                             if name in shown}, 'deleted': each['kind'] == recording.DELETE or (
                key in found and each['kind'] != recording.CREATE and found[key]['deleted'])}
    return found


def rows(ctxt):
    """Return the same from the tables."""
    found = {}
    with session.reader(ctxt) as conn:
        for table, recorded in recording.RECORDED.items():
            shown = recorded.visible - _NOT
            names = [name for name in (*recording.columns_of(table), 'deleted') if name in shown]
            for row in conn.execute(sa.select(*(table.c[name] for name in names))).mappings():
                found[recorded.name, row['id']] = {**row, **{
                    field: {} for field in recorded.sides if field in shown}}
            for field, owner in recorded.sides.items():
                if field not in shown:
                    continue
                side = owner.table
                for ident, key, value in conn.execute(sa.select(
                        owner, side.c.key, side.c.value).where(owner.is_not(None))):
                    found[recorded.name, ident][field][key] = value
    return found


def differences(ctxt):
    """Return what the replay has and the tables have not, or differently, and the reverse."""
    ours, theirs = replayed(ctxt), rows(ctxt)
    return [f'{key}: {json.dumps(ours.get(key), default=str)} is {theirs.get(key)}'
            for key in sorted(ours.keys() | theirs.keys()) if ours.get(key) != theirs.get(key)]


def churn(ctxt, draw, number):
    """Create, change and delete rows at random.

    :param draw: a random.Random.
    :param number: of changes that are tried.
    """
    made: list = []

    def create():
        made.append(volumes.create(ctxt, {
            'project_id': 'p1', 'size': 1, 'status': 'available', 'display_name': 'näme "',
            'bootable': draw.random() < 0.5}, {'a': 'b'}))

    def one():
        return draw.choice(made).id

    for _number in range(4):
        create()
    steps = [
        create,
        lambda: volumes.update(ctxt, one(), {'size': draw.randrange(9)}),
        lambda: volumes.update(ctxt, one(), {'growth': 1, 'launched_at': session.utcnow()}),
        lambda: volumes.overwrite(ctxt, one(), {'status': draw.choice(['error', 'available'])}),
        lambda: volumes.transition(ctxt, volumes.get(ctxt, one()), 'force_delete'),
        lambda: volumes.finish_transition(ctxt, one(), None, states.PREVIOUS, {}),
        lambda: volumes.set_metadata(ctxt, one(), {'k"\n': 'vä', 'n': None}),
        lambda: volumes.set_metadata(ctxt, one(), {}, replace=True),
        lambda: volumes.delete_metadata(ctxt, one(), 'a'),
        lambda: volumes.set_glance_metadata(ctxt, one(), {'x': 'y'}),
        lambda: volumes.destroy(ctxt, one()),
        lambda: snapshots.create(ctxt, {'project_id': 'p1', 'volume_id': one(),
                                        'status': 'available'}, {'m': 'n'}),
        lambda: backups.create(ctxt, {'project_id': 'p1', 'volume_id': one(),
                                      'service_metadata': 'x' * 9}),
        lambda: attachments.create(ctxt, {'volume_id': one(), 'connector': {'a': 1},
                                          'attach_status': 'reserved'}),
        lambda: volumes.settle(ctxt, one()),
        lambda: transfers.create(ctxt, {'volume_id': one(), 'source_project_id': 'p1',
                                        'salt': 's', 'crypt_hash': 'c'}),
        lambda: transfers.destroy_for_volume(ctxt, one()),
    ]
    for _number in range(number):
        try:
            draw.choice(steps)()
        except exception.CinderException:
            continue
