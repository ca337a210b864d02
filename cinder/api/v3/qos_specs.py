# SPDX-License-Identifier: Apache-2.0
"""Handlers of QoS specs, which are associated with volume types."""
import contextlib
from collections.abc import Mapping
from typing import Any

from cinder import exception
from cinder.api import converters, listings, wsgi
from cinder.api.schemas import qos_specs as schema
from cinder.api.views import qos_specs as view
from cinder.db import qos_specs as qos_db
from cinder.i18n import _
from cinder.objects import qos
from cinder.policies import qos_specs as policy
from cinder.volume.api import notices

LIST = listings.Listing(
    'qos_specs', sorts=('id', 'name', 'consumer', 'created_at', 'updated_at'),
    filters={name: listings.Filter() for name in ('id', 'name', 'consumer')}, of_projects=False)


@wsgi.listing(LIST)
@wsgi.response(200, view.VIEW.page)
def index(req: wsgi.Request) -> dict[str, Any]:
    req.context.authorize(policy.GET_ALL)
    return view.VIEW.page(req, LIST.fetch(req, qos_db.list_rows))


@wsgi.response(200, view.WITH_LINKS)
def show(req: wsgi.Request, qos_id: str) -> dict[str, Any]:
    req.context.authorize(policy.GET)
    return view.with_links(req, qos_db.get_row(req.context, qos_id))


@wsgi.body(schema.CREATE, key='qos_specs')
@wsgi.response(200, view.WITH_LINKS)
@wsgi.errors(409)
def create(req: wsgi.Request, body: dict[str, Any]) -> dict[str, Any]:
    req.context.authorize(policy.CREATE)
    name, consumer = body.pop('name'), body.pop('consumer', 'back-end')
    _require_valid(body)
    with notices.of_admin(req.context, 'qos_specs.create', name=name,
                          specs={'consumer': consumer, **body}) as payload:
        made = qos_db.create(req.context, name, consumer, body)
        payload.update(id=made['id'], created_at=made['created_at'])
    return view.with_links(req, made)


@wsgi.body(schema.UPDATE, key='qos_specs')
@wsgi.response(200, view.CHANGED)
def update(req: wsgi.Request, qos_id: str, body: dict[str, Any]) -> dict[str, Any]:
    req.context.authorize(policy.UPDATE)
    specs = {key: value for key, value in body.items() if key != 'consumer'}
    row = qos_db.get_row(req.context, qos_id)
    _require_valid({**row['specs'], **specs})
    with _noted(req, qos_id, 'update', specs=body, updated_at=row['updated_at']):
        qos_db.update(req.context, qos_id, specs, body.get('consumer'))
    return {'qos_specs': body}


def _require_valid(specs: Mapping[str, str | None]) -> None:
    wrong = qos.fault(specs)
    if wrong:
        raise exception.InvalidInput(reason=wrong)


@wsgi.query(force=converters.boolean)
@wsgi.response(202)
def delete(req: wsgi.Request, qos_id: str) -> None:
    req.context.authorize(policy.DELETE)
    with _noted(req, qos_id, 'delete', deleted_at=None):
        qos_db.destroy(req.context, qos_id, force=req.params.get('force', False))


@wsgi.body(schema.DELETE_KEYS, key='keys')
@wsgi.response(202)
def delete_keys(req: wsgi.Request, qos_id: str, body: list[str]) -> None:
    req.context.authorize(policy.DELETE)
    row = qos_db.get_row(req.context, qos_id)
    _require_valid({key: value for key, value in row['specs'].items() if key not in body})
    with _noted(req, qos_id, 'delete_keys', updated_at=row['updated_at']):
        qos_db.delete_keys(req.context, qos_id, body)


def _noted(req: wsgi.Request, qos_id: str, action: str,
           **payload: object) -> contextlib.AbstractContextManager[object]:
    return notices.of_admin(
        req.context, f'qos_specs.{action}', id=qos_id,
        created_at=lambda: qos_db.get_row(req.context, qos_id)['created_at'], **payload)


# ------------------------------------------------------------------------ associated volume types
@wsgi.response(200, view.ASSOCIATIONS.page)
def associations(req: wsgi.Request, qos_id: str) -> dict[str, Any]:
    req.context.authorize(policy.GET_ALL)
    return view.ASSOCIATIONS.page(req, listings.Rows(qos_db.associations(req.context, qos_id)))


@wsgi.query(vol_type_id=converters.text)
@wsgi.response(202)
def associate(req: wsgi.Request, qos_id: str) -> None:
    req.context.authorize(policy.UPDATE)
    type_id = _type_id(req)
    with _noted(req, qos_id, 'associate', type_id=type_id):
        qos_db.associate(req.context, qos_id, type_id)


@wsgi.query(vol_type_id=converters.text)
@wsgi.response(202)
def disassociate(req: wsgi.Request, qos_id: str) -> None:
    req.context.authorize(policy.UPDATE)
    type_id = _type_id(req)
    with _noted(req, qos_id, 'disassociate', type_id=type_id):
        qos_db.disassociate(req.context, qos_id, type_id)


@wsgi.response(202)
def disassociate_all(req: wsgi.Request, qos_id: str) -> None:
    req.context.authorize(policy.UPDATE)
    with _noted(req, qos_id, 'disassociate_all'):
        qos_db.disassociate_all(req.context, qos_id)


def _type_id(req: wsgi.Request) -> str:
    """Return the volume type of the query; :raises InvalidInput: it has none."""
    type_id = req.params.get('vol_type_id')
    if not type_id:
        raise exception.InvalidInput(reason=_('vol_type_id is required'))
    return type_id
