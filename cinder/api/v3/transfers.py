# SPDX-License-Identifier: Apache-2.0
"""Handlers of volume transfers: /volume-transfers, and the legacy /os-volume-transfer, which
accepts other bodies and has other paging."""
from collections.abc import Callable
from typing import Any

from cinder import exception
from cinder.api import listings, wsgi
from cinder.api import microversions as mv
from cinder.api.schemas import base
from cinder.api.schemas import transfers as schema
from cinder.api.views import transfers as view
from cinder.api.views.base import View
from cinder.db import transfers as transfers_db
from cinder.db import volumes as volumes_db
from cinder.policies import transfers as policy
from cinder.volume.api import transfers

_COMMON = {'resource': 'transfer', 'filters': {'name': listings.Filter(column='display_name')},
           'strict_since': mv.MAX + 1}
_SLICES = frozenset(('limit', 'offset'))
LIST = listings.Listing(
    sorts={'name': 'display_name', **{name: name for name in (
        'id', 'volume_id', 'display_name', 'created_at', 'updated_at')}}, **_COMMON)
# Below TRANSFER_PAGINATION, and of the legacy URL.
LEGACY_LIST = listings.Listing(sorts={}, paging=_SLICES, direction='asc', **_COMMON)
_LISTS = [(mv.BASE, LEGACY_LIST), (mv.TRANSFER_PAGINATION, LIST)]


# ------------------------------------------------------------------------------------------- lists
@wsgi.listing(_LISTS)
@wsgi.response(200, view.SUMMARY.page)
def index(req: wsgi.Request) -> dict[str, Any]:
    return _page(req, view.SUMMARY, _listing(req))


@wsgi.listing(_LISTS)
@wsgi.response(200, view.DETAIL.page)
def detail(req: wsgi.Request) -> dict[str, Any]:
    return _page(req, view.DETAIL, _listing(req))


@wsgi.listing(LEGACY_LIST)
@wsgi.response(200, view.SUMMARY.page)
def legacy_index(req: wsgi.Request) -> dict[str, Any]:
    return _page(req, view.SUMMARY, LEGACY_LIST)


@wsgi.listing(LEGACY_LIST)
@wsgi.response(200, view.DETAIL.page)
def legacy_detail(req: wsgi.Request) -> dict[str, Any]:
    return _page(req, view.DETAIL, LEGACY_LIST)


def _listing(req: wsgi.Request) -> listings.Listing:
    return LIST if req.api_version >= mv.TRANSFER_PAGINATION else LEGACY_LIST


def _page(req: wsgi.Request, answer: View, listing: listings.Listing) -> dict[str, Any]:
    req.context.authorize(policy.GET_ALL)
    return answer.page(req, listing.fetch(req, transfers_db.list_rows))


# ------------------------------------------------------------------------------------ one transfer
@wsgi.response(200, view.DETAIL.one)
def show(req: wsgi.Request, transfer_id: str) -> dict[str, Any]:
    return view.DETAIL.one(req, _load(req, transfer_id, policy.GET))


def _creator(schemas: object, newest: int) -> Callable:
    """Return the handler for these bodies, with features up to the microversion `newest`."""
    @wsgi.body(schemas, key='transfer')
    @wsgi.response(202, view.CREATED.one)
    def create(req: wsgi.Request, body: dict[str, Any]) -> dict[str, Any]:
        volume = volumes_db.get(req.context, body['volume_id'])
        req.context.authorize(policy.CREATE, volume)
        made = transfers.create(
            req.context, volume, body.get('name'),
            no_snapshots=base.boolean(body.get('no_snapshots', False)),
            encrypted_ok=min(req.api_version, newest) >= mv.TRANSFER_ENCRYPTED)
        return view.CREATED.one(req, made)
    return create


create = _creator(schema.CREATE, mv.MAX)
legacy_create = _creator(schema.LEGACY_CREATE, mv.BASE)


@wsgi.body(schema.ACCEPT, key='accept')
@wsgi.response(202, view.SUMMARY.one)
def accept(req: wsgi.Request, transfer_id: str, body: dict[str, Any]) -> dict[str, Any]:
    req.context.authorize(policy.ACCEPT)
    try:
        taken = transfers.accept(req.context, transfer_id, str(body['auth_key']))
    except exception.QuotaError as exc:
        # Clients expect the text here without the name of the error.
        raise exception.QuotaError(exc.msg.partition(': ')[2]) from None
    return view.SUMMARY.one(req, taken)


@wsgi.response(202)
def delete(req: wsgi.Request, transfer_id: str) -> None:
    transfers.delete(req.context, _load(req, transfer_id, policy.DELETE))


def _load(req: wsgi.Request, transfer_id: str, rule: str) -> dict[str, Any]:
    row = transfers_db.get_row(req.context, transfer_id)
    req.context.authorize(rule, row)
    return row
