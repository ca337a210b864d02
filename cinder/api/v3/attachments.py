# SPDX-License-Identifier: Apache-2.0
"""Handlers of /attachments and its action."""
from typing import Any

from cinder import objects
from cinder.api import listings, wsgi
from cinder.api import microversions as mv
from cinder.api.schemas import attachments as schema
from cinder.api.schemas.base import normalize_uuid
from cinder.api.views import attachments as view
from cinder.db import attachments as attachments_db
from cinder.db import volumes as volumes_db
from cinder.policies import attachments as policy
from cinder.volume.api import attachments

LIST = listings.Listing(
    'attachment',
    sorts={name: name for name in (
        'id', 'volume_id', 'attach_status', 'attach_mode', 'attach_time', 'detach_time',
        'mountpoint', 'attached_host', 'instance_uuid', 'created_at', 'updated_at')}
    | {'status': 'attach_status', 'instance_id': 'instance_uuid'},
    filters={
        'volume_id': listings.Filter(),
        'status': listings.Filter(column='attach_status'),
        'attach_status': listings.Filter(),
        'instance_id': listings.Filter(column='instance_uuid'),
    })


@wsgi.versions(mv.ATTACHMENTS)
@wsgi.listing(LIST)
@wsgi.response(200, view.SUMMARY.page)
def index(req: wsgi.Request) -> dict[str, Any]:
    req.context.authorize(policy.GET_ALL)
    return view.SUMMARY.page(req, LIST.fetch(req, attachments_db.list_rows, detail=False))


@wsgi.versions(mv.ATTACHMENTS)
@wsgi.listing(LIST)
@wsgi.response(200, view.DETAIL.page)
def detail(req: wsgi.Request) -> dict[str, Any]:
    req.context.authorize(policy.GET_ALL)
    return view.DETAIL.page(req, LIST.fetch(req, attachments_db.list_rows, detail=True))


@wsgi.versions(mv.ATTACHMENTS)
@wsgi.response(200, view.DETAIL.one)
def show(req: wsgi.Request, attachment_id: str) -> dict[str, Any]:
    row = attachments_db.get_row(req.context, attachment_id)
    req.context.authorize(policy.GET, row)
    return view.DETAIL.one(req, row)


def _finish_create(req: wsgi.Request, attachment_id: str) -> dict[str, Any]:
    """Connect an attachment whose request was interrupted after the reservation."""
    attachment = attachments_db.get(req.context, attachment_id)
    return view.DETAIL.one(req, attachments.connect(
        req.context, attachment, req.json['attachment']['connector']))


@wsgi.versions(mv.ATTACHMENTS)
@wsgi.body(schema.CREATE, key='attachment')
@wsgi.resumed(_finish_create)
@wsgi.response(200, view.DETAIL.one)
@wsgi.errors(409)
def create(req: wsgi.Request, body: dict[str, Any]) -> dict[str, Any]:
    ctxt = req.context
    volume = volumes_db.get(ctxt, normalize_uuid(body['volume_uuid']))
    ctxt.authorize(policy.CREATE, volume)
    if volume.multiattach and volume.bootable and volume.status == 'in-use':
        ctxt.authorize(policy.MULTIATTACH_BOOTABLE, volume)
    attachment = attachments.create(
        ctxt, volume, instance_uuid=normalize_uuid(body.get('instance_uuid')),
        connector=body.get('connector'), mode=body.get('mode'))
    return view.DETAIL.one(req, attachment)


@wsgi.versions(mv.ATTACHMENTS)
@wsgi.body(schema.UPDATE, key='attachment')
@wsgi.response(200, view.DETAIL.one)
@wsgi.errors(409)
def update(req: wsgi.Request, attachment_id: str, body: dict[str, Any]) -> dict[str, Any]:
    attachment = _load(req, attachment_id, policy.UPDATE)
    return view.DETAIL.one(req, attachments.update(req.context, attachment, body['connector']))


@wsgi.versions(mv.ATTACHMENTS)
@wsgi.response(200, view.SUMMARY.page)
@wsgi.errors(409)
def delete(req: wsgi.Request, attachment_id: str) -> dict[str, Any]:
    left = attachments.delete(req.context, _load(req, attachment_id, policy.DELETE))
    return view.SUMMARY.page(req, listings.Rows(left))


@wsgi.versions(mv.ATTACHMENT_COMPLETE)
@wsgi.body(schema.COMPLETE)
@wsgi.response(204)
def complete(req: wsgi.Request, attachment_id: str, body: object) -> None:
    attachments.complete(req.context, _load(req, attachment_id, policy.COMPLETE))


def _load(req: wsgi.Request, attachment_id: str, rule: str) -> objects.VolumeAttachment:
    attachment = attachments_db.get(req.context, attachment_id)
    req.context.authorize(rule, attachment)
    return attachment


ACTIONS = {'os-complete': complete}
