# SPDX-License-Identifier: Apache-2.0
"""Every sample of the API reference: what it sends is accepted, what it answers is what we answer.

The samples lie next to the facts of the API; without them a few of our own are walked. A request
is sent, with the ids of things that are there; an answer has to fit the document of its
microversion, as all answers of the tests have to (see documented.py).
"""
import csv
import json
import pathlib
import re
from typing import NamedTuple

import jsonschema
import pytest

from cinder.api import microversions as mv
from cinder.api import openapi
from cinder.api.v3 import router
from cinder.db import backups as backups_db
from cinder.db import services as services_db
from cinder.db import snapshots as snapshots_db
from cinder.db import type_access
from cinder.db import type_encryption as encryption_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from tests.api import verbs
from tests.api.client import PROJECT
from tests.fakes.daemons import ADMIN

OWN = pathlib.Path(__file__).with_name('samples')
SHARED = pathlib.Path(__file__).parents[3] / 'shared/api/samples'


class Sample(NamedTuple):
    """One row of an index of samples."""

    folder: pathlib.Path
    file: str
    kind: str
    method: str
    path: str
    microversion: str

    def read(self) -> dict:
        return json.loads((self.folder / self.file).read_text())


# The index ties these to another operation or an older microversion than they are of.
MOVED = {
    'consistency-group-delete-request.json': {
        'path': '/v3/{project_id}/consistencygroups/{consistencygroup_id}/delete'},
    'consistency-group-update-request.json': {
        'method': 'PUT', 'path': '/v3/{project_id}/consistencygroups/{consistencygroup_id}'},
    'group-snapshot-reset-status-request.json': {
        'path': '/v3/{project_id}/group_snapshots/{group_snapshot_id}/action',
        'microversion': '3.19'},
    'group-type-specs-show-response.json': {
        'path': '/v3/{project_id}/group_types/{group_type_id}/group_specs/{key}'},
    'group-type-specs-update-request.json': {
        'method': 'PUT',
        'path': '/v3/{project_id}/group_types/{group_type_id}/group_specs/{key}'},
    'group-type-specs-update-response.json': {
        'method': 'PUT',
        'path': '/v3/{project_id}/group_types/{group_type_id}/group_specs/{key}'},
    'quota_sets/quotas-show-defaults-response.json': {
        'method': 'GET', 'path': '/v3/{project_id}/os-quota-sets/{target_project_id}/defaults'},
    'volume_type/encryption-type-update-request.json': {
        'method': 'PUT', 'path': '/v3/{project_id}/types/{type_id}/encryption/{encryption_id}'},
    'volume_type/encryption-type-update-response.json': {
        'method': 'PUT', 'path': '/v3/{project_id}/types/{type_id}/encryption/{encryption_id}'},
    'backups-list-response.json': {'microversion': '3.45'},
    'group-snapshots-list-detailed-response.json': {'microversion': '3.58'},
    'group-snapshots-show-response.json': {'microversion': '3.58'},
    'volume-manage-request-cluster.json': {'microversion': '3.16'},
    'volume_actions/volume-upload-to-image-request.json': {'microversion': '3.1'},
    'volume_actions/volume-upload-to-image-response.json': {'microversion': '3.1'},
    'volumes/volumes-list-summary-response.json': {'microversion': '3.36'},
}
# These show fields of several microversions, and lack others of the same.
MIXED = {'group-show-response.json', 'groups-list-detailed-response.json',
         'services-list-response.json'}
# What the facts of the API say otherwise; the running original does as they say, not as these.
UNTRUE = {
    'consistency-group-create-response.json': 'the answer is id and name',
    'group-replication-target.json': 'the targets are a list',
    'host-attach-request.json': 'a mountpoint is needed',
    'messages-list-response.json': 'times have no zone',
    'messages-show-response.json': 'times have no zone',
    'services-enable-response.json': 'there is no reason to enable',
    'user-quotas-update-request.json': 'the quotas of another service',
    'snapshot_manage_extensions/snapshot-manage-response.json': 'a null in quotes',
    'volume_manage_extensions/volume-manage-response.json': 'a boolean in quotes',
}


def samples() -> list[Sample]:
    found = []
    for folder in (OWN, SHARED):
        if (folder / 'INDEX.csv').exists():
            with (folder / 'INDEX.csv').open() as stream:
                for row in csv.DictReader(stream):
                    row |= MOVED.get(row['file'], {})
                    found.append(Sample(folder, *(row[name] for name in Sample._fields[1:])))
    return list(dict.fromkeys(found))


SAMPLES = samples()
VERSIONS = [row for row in SAMPLES if not row.microversion]
TRUE = [row for row in SAMPLES if row.microversion and row.file not in UNTRUE]
REQUESTS = [row for row in TRUE if row.kind == 'request']
ANSWERS = [row for row in TRUE if row.kind == 'response']


def name_of(sample: Sample) -> str:
    return f'{sample.file} {sample.method} {sample.path}'


def anonymous(path: str) -> str:
    return re.sub(r'{\w+}', '{}', path.removeprefix('/v3/{project_id}'))


OPERATIONS: dict[tuple[str, str], list[openapi.Operation]] = {}
for operation in openapi.list_operations(router.ROUTES):
    OPERATIONS.setdefault((operation.method, anonymous(operation.path)), []).append(operation)


@pytest.mark.skipif(not SHARED.exists(), reason=f'the samples are not here: {SHARED}')
def test_the_reference_is_there():
    assert len(SAMPLES) > 300


@pytest.mark.parametrize('sample', ANSWERS, ids=map(name_of, ANSWERS))
def test_answer(sample):
    version = int(sample.microversion.partition('.')[2])
    if sample.file in MIXED:
        version = mv.MAX
    shapes = [shape for each in OPERATIONS[sample.method, anonymous(sample.path)]
              for shape in openapi.response_schemas(each, version)]
    errors = [list(jsonschema.Draft202012Validator(shape).iter_errors(sample.read()))
              for shape in shapes]
    if sample.file in MIXED:
        errors = [[error for error in found if error.validator != 'required'] for found in errors]
    assert [] in errors, errors


@pytest.mark.parametrize('sample', VERSIONS, ids=map(name_of, VERSIONS))
def test_version_document(api, sample):
    current, = (each for each in sample.read()['versions'] if each['id'] == 'v3.0')
    shown, = api.get(sample.path, bare=True).json['versions']
    assert set(shown) == set(current)
    assert shown['media-types'] == current['media-types']


# What a placeholder or key stands for: a thing of the world, where the sample has an id of its own.
THINGS = {
    'volume_id': 'volume', 'volume_uuid': 'volume', 'snapshot_id': 'snapshot',
    'attachment_id': 'attachment', 'group_id': 'group', 'source_group_id': 'group',
    'group_snapshot_id': 'group_snapshot', 'backup_id': 'backup', 'transfer_id': 'transfer',
    'auth_key': 'auth_key', 'group_type_id': 'kind', 'group_type': 'kind', 'type_id': 'private',
    'qos_id': 'qos', 'consistencygroup_id': 'old', 'source_cgid': 'old',
    'encryption_id': 'private', 'project': 'project', 'image_id': 'image',
    'target_project_id': 'project'}
# Keys whose values are names of the deployment that the sample was written on.
NAMES = {'availability_zone': 'nova', 'volume_type': 'other', 'new_type': 'other',
         'cluster': 'cluster@fake', 'add_volumes': '', 'remove_volumes': '', 'cgsnapshot_id': None}
# Part of a file's name -> other values, for the things that no common rule finds.
SPECIAL = [
    ('os-services|services-', {'host': 'node2@fake'}),
    ('clusters/', {'name': 'cluster@fake'}),
    ('manage|migrate', {'host': 'node2@fake#pool'}),
    ('manage-request-cluster', {'host': None, 'cluster': 'cluster@fake#pool'}),
    ('os-migrate_volume-', {'host': 'node2@fake#pool'}),
    ('volume-detach|force-detach', {'volume_id': 'held', 'attachment_id': 'holding'}),
    ('begin-detaching', {'volume_id': 'held'}),
    ('extend_volume_completion', {'volume_id': 'growing'}),
    ('revert-to-snapshot', {'volume_id': 'parent'}),
    ('group-delete-request', {'group_id': 'empty'}),
    ('consistency-group-delete', {'consistencygroup_id': 'old_empty'}),
    ('group-create-from-src', {'source_group_id': None}),
    ('group-create-request', {'volume_types': ['default']}),
    ('consistency-group-create-request', {'volume_types': '__DEFAULT__'}),
    ('backup-record-import', {'backup_service': 'backup_service', 'backup_url': 'backup_url'}),
    ('migrate_volume_completion', {'new_volume': 'reserved'}),
    ('access-add', {'project': 'default'}),
]
# The body passes, then something is missing that only another daemon or service has.
ALONE = {
    'group-replication-disable.json': 'a back end that replicates',
    'group-replication-enable.json': 'a back end that replicates',
    'group-replication-failover.json': 'a back end that replicates',
    'group-replication-list-targets.json': 'a back end that replicates',
    'services-failover-host-request.json': 'a back end that replicates',
    'os-services/service-failover-host-request.json': 'a back end that replicates',
}


def _frozen(world: verbs.World) -> None:
    for service in services_db.list_all(ADMIN, host='node2@fake'):
        services_db.update(ADMIN, service.id, {'frozen': True})


def _migrating(world: verbs.World) -> None:
    target, source = world.ids['reserved'], world.ids['volume']
    volumes_db.update(ADMIN, source, {'migration_status': 'migrating'})
    volumes_db.update(ADMIN, target, {'migration_status': f'target:{source}'})


def _exported(world: verbs.World) -> None:
    answer = world.api.get(f"/backups/{world.ids['backup']}/export_record")
    world.ids |= answer.json['backup-record']
    backups_db.destroy(ADMIN, world.ids['backup'])


# Part of a file's name -> what has to be there before.
BEFORE = [
    ('thaw', _frozen),
    ('migrate_volume_completion', _migrating),
    ('record-import', _exported),
    ('snapshot-status-update', lambda world: snapshots_db.overwrite(
        ADMIN, world.ids['snapshot'], {'status': 'creating'})),
    ('image-metadata-unset', lambda world: volumes_db.set_glance_metadata(
        ADMIN, world.ids['volume'], {'ramdisk_id': 'x'})),
    ('type-access-delete', lambda world: type_access.add(
        ADMIN, world.ids['private'], PROJECT)),
    ('encryption-type-update', lambda world: encryption_db.create(
        ADMIN, world.ids['private'], {'provider': 'luks', 'control_location': 'front-end'})),
    ('quota', lambda world: types_db.create(ADMIN, {'name': 'lmv', 'is_public': True})),
    ('quotas-update', lambda world: [volumes_db.destroy(ADMIN, world.ids[name])
                                     for name in ('held', 'growing', 'reserved', 'member')]),
]


def adapt(sample: Sample, ids: dict[str, str]) -> tuple[str, dict]:
    """The path and the body with things that are there."""
    names, things = dict(NAMES), dict(THINGS)
    for part, values in SPECIAL:
        if re.search(part, sample.file):
            for key, value in values.items():
                (things if isinstance(value, str) and value in ids else names)[key] = value

    def change(data):
        if isinstance(data, list):
            return [change(each) for each in data]
        if not isinstance(data, dict):
            return data
        return {key: value if value is None
                else ids[things[key]] if things.get(key) in ids and isinstance(value, str)
                else [ids[name] for name in names[key]]
                if isinstance(names.get(key), list) and isinstance(value, list)
                else names[key] if key in names and isinstance(value, str) else change(value)
                for key, value in data.items()}

    body = change(sample.read())
    inner = body.get('meta', body)
    path = sample.path.removeprefix('/v3/{project_id}')
    for key in re.findall(r'{(\w+)}', path):
        value = next(iter(inner)) if key == 'key' else ids.get(things.get(key), key)
        path = path.replace(f'{{{key}}}', value)
    return path, body


@pytest.mark.parametrize('sample', REQUESTS, ids=map(name_of, REQUESTS))
def test_request(world, sample):
    for part, act in BEFORE:
        if re.search(part, sample.file):
            act(world)
    path, body = adapt(sample, world.ids)
    answer = world.api.request(sample.method, path, body, mv=sample.microversion)
    if sample.file in ALONE:
        assert 'Invalid input for field' not in answer.fault(answer.status)
    else:
        assert answer.status < 300, (path, body, answer.body)
