# SPDX-License-Identifier: Apache-2.0
"""Handlers of /backups and POST /backups/{backup_id}/action."""
import base64
import datetime
from typing import Any

from oslo_utils import timeutils

from cinder import exception, objects
from cinder.api import listings, parsing, wsgi
from cinder.api import microversions as mv
from cinder.api.schemas import backups as schema
from cinder.api.schemas import base as schema_base
from cinder.api.views import backups as view
from cinder.db import backups as backups_db
from cinder.db import snapshots as snapshots_db
from cinder.db import volumes as volumes_db
from cinder.policies import backups as policy
from cinder.policies import volumes as volume_policy
from cinder.volume.api import backups

_FILTERS = {
    'name': listings.Filter(column='display_name'),
    'status': listings.Filter(),
    'volume_id': listings.Filter(),
}
_SORTS = {name: name for name in (
    'id', 'status', 'size', 'volume_id', 'snapshot_id', 'created_at', 'updated_at',
    'data_timestamp', 'availability_zone', 'container', 'object_count', 'display_name',
    'display_description', 'project_id', 'user_id')}
LIST = listings.Listing('backup', _SORTS | {'name': 'display_name'}, _FILTERS, counts=True)
_LEGACY_LIST = listings.Listing('backup', _SORTS, _FILTERS)
_LISTS = [(mv.BASE, _LEGACY_LIST), (mv.BACKUP_NAME_SORT, LIST)]

_RECORD = wsgi.Schema(schema.RECORD)
# The original reads a record only if it has all columns, also those that it does not use or that
# are not stored here.
_MORE_COLUMNS = ('host', 'fail_reason', 'restore_volume_id', 'created_at', 'updated_at')
_FOR_OTHERS: dict[str, Any] = {
    'driver_info': {}, 'temp_volume_id': None, 'temp_snapshot_id': None,
    'num_dependent_backups': 0, 'deleted_at': None, 'deleted': False}
_RECORDED_IDS = ('id', 'volume_id', 'snapshot_id', 'parent_id', 'encryption_key_id')


def _page(req: wsgi.Request, answer: view.View, detail: bool) -> dict[str, Any]:
    req.context.authorize(policy.GET_ALL)
    listing = listings.listing_at(_LISTS, req.api_version)
    return answer.page(req, listing.fetch(req, backups_db.list_rows, detail=detail))


@wsgi.listing(_LISTS)
@wsgi.response(200, view.SUMMARY.page)
def index(req: wsgi.Request) -> dict[str, Any]:
    return _page(req, view.SUMMARY, detail=False)


@wsgi.listing(_LISTS)
@wsgi.response(200, view.DETAIL.page)
def detail(req: wsgi.Request) -> dict[str, Any]:
    return _page(req, view.DETAIL, detail=True)


@wsgi.response(200, view.DETAIL.one)
def show(req: wsgi.Request, backup_id: str) -> dict[str, Any]:
    row = backups_db.get_row(req.context, backup_id)
    req.context.authorize(policy.GET, row)
    return view.DETAIL.one(req, row)


@wsgi.body(schema.CREATE, key='backup')
@wsgi.response(202, view.SUMMARY.one)
@wsgi.errors(413, 503)
def create(req: wsgi.Request, body: dict[str, Any]) -> dict[str, Any]:
    ctxt = req.context
    volume = volumes_db.get(ctxt, schema_base.normalize_uuid(body['volume_id']))
    ctxt.authorize(volume_policy.GET, volume)
    ctxt.authorize(policy.CREATE, volume)
    snapshot_id = schema_base.normalize_uuid(body.get('snapshot_id'))
    backup = backups.create(
        ctxt, volume, snapshot=snapshots_db.get(ctxt, snapshot_id) if snapshot_id else None,
        name=body.get('name'), description=body.get('description'),
        container=body.get('container'), metadata=body.get('metadata'),
        incremental=schema_base.boolean(body.get('incremental', False)),
        force=schema_base.boolean(body.get('force', False)),
        availability_zone=body.get('availability_zone'))
    return view.SUMMARY.one(req, backup)


@wsgi.versions(mv.BACKUP_UPDATE)
@wsgi.body(schema.UPDATE, key='backup')
@wsgi.response(200, view.SUMMARY.one)
def update(req: wsgi.Request, backup_id: str, body: dict[str, Any]) -> dict[str, Any]:
    backup = _load(req, backup_id, policy.UPDATE)
    values = {f'display_{key}': body[key] for key in ('name', 'description') if key in body}
    return view.SUMMARY.one(req, backups.update(req.context, backup, values,
                                                metadata=body.get('metadata')))


@wsgi.response(202)
def delete(req: wsgi.Request, backup_id: str) -> None:
    backups.delete(req.context, _load(req, backup_id, policy.DELETE))


@wsgi.body(schema.RESTORE, key='restore')
@wsgi.response(202, view.RESTORE)
@wsgi.errors(413)
def restore(req: wsgi.Request, backup_id: str, body: dict[str, Any] | None) -> dict[str, Any]:
    ctxt, wanted = req.context, body or {}
    backup = _load(req, backup_id, policy.RESTORE)
    volume = None
    if wanted.get('volume_id'):
        volume = volumes_db.get(ctxt, schema_base.normalize_uuid(wanted['volume_id']))
        ctxt.authorize(volume_policy.GET, volume)
    else:
        ctxt.authorize(volume_policy.CREATE)
    volume_id, name = backups.restore(ctxt, backup, volume, name=wanted.get('name'))
    return {'restore': {'backup_id': backup.id, 'volume_id': volume_id, 'volume_name': name}}


# ------------------------------------------------------------------------------------- records
@wsgi.response(200, view.RECORD)
def export_record(req: wsgi.Request, backup_id: str) -> dict[str, Any]:
    backup = _load(req, backup_id, policy.EXPORT)
    record = {**_FOR_OTHERS, **{name: backup[name] for name in _MORE_COLUMNS},
              **backups.export_record(backup)}
    text = wsgi.dumps({name: _time_of_record(value) if isinstance(value, datetime.datetime)
                       else value for name, value in record.items()})
    return {'backup-record': {'backup_service': backup.service,
                              'backup_url': base64.b64encode(text).decode()}}


def _time_of_record(value: datetime.datetime) -> str:
    return value.strftime('%Y-%m-%dT%H:%M:%SZ')


@wsgi.body(schema.IMPORT, key='backup-record')
@wsgi.response(201, view.SUMMARY.one)
@wsgi.errors(503)
def import_record(req: wsgi.Request, body: dict[str, Any]) -> dict[str, Any]:
    req.context.authorize(policy.IMPORT)
    record = _record(body['backup_url'])
    backup = backups.import_record(req.context, record, body['backup_service'],
                                   record.get('driver_info'))
    return view.SUMMARY.one(req, backup)


def _record(text: str) -> dict[str, Any]:
    """Return the values of a record, converted to the types of the database.

    :raises Invalid: the text is not a record of a backup.
    """
    record = parsing.parse_json(base64.b64decode(text))
    if not isinstance(record, dict):
        raise exception.InvalidInput(reason='backup_url is not a record of a backup')
    _RECORD.check(record)
    for name in _RECORDED_IDS:
        if name in record:
            record[name] = schema_base.normalize_uuid(record[name])
    if record.get('data_timestamp'):
        record['data_timestamp'] = timeutils.normalize_time(
            timeutils.parse_isotime(record['data_timestamp']))
    return record


# ------------------------------------------------------------------------------------- actions
@wsgi.body(schema.RESET_STATUS, key='os-reset_status')
@wsgi.response(202)
def reset_status(req: wsgi.Request, backup_id: str, body: dict[str, Any]) -> None:
    backup = _load(req, backup_id, policy.RESET_STATUS)
    backups.reset_status(req.context, backup, body['status'].lower())


@wsgi.body(schema.FORCE_DELETE)
@wsgi.response(202)
@wsgi.errors(405)
def force_delete(req: wsgi.Request, backup_id: str, body: object) -> None:
    backups.delete(req.context, _load(req, backup_id, policy.FORCE_DELETE), force=True)


ACTIONS = {
    'os-reset_status': reset_status,
    'os-force_delete': force_delete,
}


def _load(req: wsgi.Request, backup_id: str, rule: str) -> objects.Backup:
    """Load a backup and check that the caller passes `rule` for it."""
    backup = backups_db.get(req.context, backup_id)
    req.context.authorize(rule, backup)
    return backup
