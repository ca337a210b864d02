# SPDX-License-Identifier: Apache-2.0
"""What ceilometer reads of our notifications, as the definitions that it publishes say
(event_definitions.yaml for events, meters.yaml for samples): each field is there, under its name,
and of the kind that its reader takes."""
import datetime
import fnmatch
import json

import pytest

from cinder.db import attachments as attachments_db
from cinder.db import backups as backups_db
from cinder.db import session
from cinder.db import snapshots as snapshots_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.rpc import notifications

WORD, NUMBER, TIME = 'word', 'number', 'time'
_VOLUME_EVENTS = ['volume.exists', 'volume.retype', *(f'volume.{verb}.*' for verb in (
    'create', 'delete', 'resize', 'attach', 'detach', 'update'))]
_SNAPSHOT_EVENTS = ['snapshot.exists', 'snapshot.create.*', 'snapshot.delete.*']
_CAPACITY = {**{name: NUMBER for name in (
    'total', 'free', 'allocated', 'provisioned', 'virtual_free')}, 'name_to_id': WORD}
_TRAITS = {'user_id': WORD, 'tenant_id': WORD, 'availability_zone': WORD, 'display_name': WORD,
           'status': WORD, 'created_at': TIME}
# Patterns of event types -> path in the payload -> kind. ` of ` stands for a list of pairs.
READ = [
    (_VOLUME_EVENTS, {**_TRAITS, 'replication_status': WORD, 'volume_id': WORD, 'host': WORD,
                      'size': NUMBER, 'volume_type': WORD, 'image_id of glance_metadata': WORD,
                      'volume_attachment.0.server_id': WORD}),
    (['volume.manage.*'], {'size': NUMBER, 'user_id': WORD, 'tenant_id': WORD, 'volume_id': WORD,
                           'display_name': WORD, 'volume_type': WORD}),
    ([*_SNAPSHOT_EVENTS, 'snapshot.update.*'], {**_TRAITS, 'snapshot_id': WORD,
                                                'volume_id': WORD}),
    ([*_SNAPSHOT_EVENTS, 'snapshot.manage.*'], {'volume_size': NUMBER, 'user_id': WORD,
                                                'tenant_id': WORD, 'snapshot_id': WORD,
                                                'display_name': WORD}),
    (['backup.exists', 'backup.create.*', 'backup.delete.*', 'backup.restore.*'],
     {'size': NUMBER, 'user_id': WORD, 'tenant_id': WORD, 'backup_id': WORD,
      'display_name': WORD}),
    (['image_volume_cache.*'], {'image_id': WORD, 'host': WORD}),
    (['capacity.backend.*', 'capacity.backend'], _CAPACITY),
    (['capacity.pool.*', 'capacity.pool'], _CAPACITY),
]
# One event of each pattern of READ, as we send it.
EVENTS = sorted({event.replace('*', 'end') for patterns, _fields in READ for event in patterns
                 if not event.startswith(('capacity', 'image'))})


def _at(payload, path):
    key, _, pairs = path.partition(' of ')
    if pairs:
        return next(each['value'] for each in payload[pairs] if each['key'] == key)
    for name in path.split('.'):
        payload = payload[int(name) if name.isdecimal() else name]
    return payload


def check(event, payload):
    """Require every field that is read of an event."""
    payload = json.loads(json.dumps(payload))
    fields = {path: kind for patterns, read in READ for path, kind in read.items()
              if any(fnmatch.fnmatch(event, pattern) for pattern in patterns)}
    assert fields, f'nobody reads {event}'
    for path, kind in fields.items():
        value = _at(payload, path)
        if kind is NUMBER:
            assert isinstance(value, (int, float)) and not isinstance(value, bool), path
        else:
            assert isinstance(value, str) and value, path
        if kind is TIME:
            # Without its zone a consumer would take it for local time.
            assert datetime.datetime.fromisoformat(value).utcoffset() == datetime.timedelta(0), path
            assert 'T' in value, path


@pytest.fixture
def resources(ctxt, database):
    """Kind -> a resource as its row has it."""
    common = {'project_id': 'p1', 'user_id': 'u1', 'display_name': 'mine', 'status': 'available'}
    made = volumes_db.create(ctxt, {
        **common, 'size': 3, 'host': 'n1@lvm#p', 'availability_zone': 'az',
        'replication_status': 'disabled', 'volume_type_id': types_db.default(ctxt).id})
    volumes_db.set_glance_metadata(ctxt, made.id, {'image_id': 'i1'})
    attachments_db.create(ctxt, {'volume_id': made.id, 'attach_status': 'attached',
                                 'instance_uuid': 'server'})
    snapshot = snapshots_db.create(ctxt, {**common, 'volume_id': made.id, 'volume_size': 3})
    backup = backups_db.create(ctxt, {**common, 'volume_id': made.id, 'size': 3, 'host': 'n1',
                                      'availability_zone': 'az'})
    for _number in range(2):
        backups_db.create(ctxt, {**common, 'volume_id': made.id, 'size': 1,
                                 'parent_id': backup.id})
    return {'volume': volumes_db.get(ctxt, made.id),
            'snapshot': snapshots_db.get(ctxt, snapshot.id),
            'backup': backups_db.get(ctxt, backup.id)}


@pytest.mark.parametrize('event', EVENTS)
def test_what_ceilometer_reads(resources, event):
    kind = event.partition('.')[0]
    check(event, notifications.make_payload(kind, resources[kind]))


def test_what_ceilometer_reads_of_the_image_cache(ctxt, database, told):
    with session.writer(ctxt):
        notifications.notify_cache(ctxt, 'hit', 'i1', 'n1@lvm#p')
    event, payload, _changed = told.events[0]
    check(event, payload)


def test_how_many_backups_depend_on_one(ctxt, resources, told):
    with session.writer(ctxt):
        notifications.notify(ctxt, 'backup', 'backup.create.end', resources['backup'])
    assert told.events[0][1]['num_dependent_backups'] == 2
