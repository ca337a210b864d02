# SPDX-License-Identifier: Apache-2.0
"""Handlers of /manageable_volumes, of its old URL /os-volume-manage, and of os-unmanage."""
from collections.abc import Callable
from typing import Any

from cinder import exception, objects, utils
from cinder.api import common, wsgi
from cinder.api import microversions as mv
from cinder.api.schemas import manage_volumes as schema
from cinder.api.schemas import volume_actions as action_schema
from cinder.api.schemas.base import boolean
from cinder.api.views import base as view_base
from cinder.api.views import manage_volumes as view
from cinder.api.views import volumes as volume_view
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.i18n import _
from cinder.policies import manage_volumes as policy
from cinder.volume.api import manage_volumes

LIST = common.Listing(
    'manageable', ('reference', 'size'),
    {'host': common.Filter(), 'cluster': common.Filter(since=mv.MANAGEABLE_CLUSTER)},
    strict_since=mv.MAX + 1, of_projects=False)
_DEFAULT_SORT = [('reference', 'desc')]
_SORTING = {'sort', 'sort_key', 'sort_dir'}


# ----------------------------------------------------------------------- what both lists share
def place(values: dict[str, Any], with_cluster: bool) -> dict[str, str | None]:
    """host or cluster of a query or body.

    :raises InvalidInput: not exactly one of them.
    """
    host = values.get('host')
    cluster = values.get('cluster') if with_cluster else None
    if bool(host) == bool(cluster):
        raise exception.InvalidInput(reason=_('exactly one of host and cluster is needed'))
    return {'host': host or None, 'cluster': cluster or None}


def page(req: wsgi.Request, ask: Callable, answer: view_base.View) -> dict[str, Any]:
    """Answer a list; `ask` is the use case.

    :raises Invalid: a parameter has a bad value.
    """
    where = place(req.query, req.api_version >= mv.MANAGEABLE_CLUSTER)
    wanted = LIST.criteria(req)
    sorted_by = wanted.sort if req.query.keys() & _SORTING else _DEFAULT_SORT
    found = ask(req.context, **where, limit=wanted.limit, offset=wanted.offset, sort=sorted_by,
                marker=_marker(wanted.marker))
    return answer.page(req, common.Rows(found))


def _marker(text: str | None) -> dict[str, Any] | None:
    """The reference that a marker is the text of."""
    if text is None:
        return None
    reference = utils.literal_dict(text)
    if reference is None:
        raise exception.InvalidInput(reason=_('the marker is not the text of a reference'))
    return reference


def reference(body: dict[str, Any]) -> dict[str, Any]:
    """What the body names; a plain text is a name.

    :raises InvalidInput: it is null.
    """
    found = body['ref']
    if found is None:
        raise exception.InvalidInput(reason=_('ref is needed'))
    return {'source-name': found} if isinstance(found, str) else found


# ------------------------------------------------------------------------------------- handlers
def _list(req: wsgi.Request, answer: view_base.View) -> dict[str, Any]:
    req.context.authorize(policy.LIST)
    return page(req, manage_volumes.list_manageable, answer)


@wsgi.listing(LIST)
@wsgi.response(shape=view.SUMMARY.page)
def old_index(req: wsgi.Request) -> dict[str, Any]:
    return _list(req, view.SUMMARY)


@wsgi.listing(LIST)
@wsgi.response(shape=view.DETAIL.page)
def old_detail(req: wsgi.Request) -> dict[str, Any]:
    return _list(req, view.DETAIL)


@wsgi.versions(mv.MANAGEABLE_LISTS)
@wsgi.listing(LIST)
@wsgi.response(shape=view.SUMMARY.page)
def index(req: wsgi.Request) -> dict[str, Any]:
    return _list(req, view.SUMMARY)


@wsgi.versions(mv.MANAGEABLE_LISTS)
@wsgi.listing(LIST)
@wsgi.response(shape=view.DETAIL.page)
def detail(req: wsgi.Request) -> dict[str, Any]:
    return _list(req, view.DETAIL)


@wsgi.body(schema.MANAGE, key='volume')
@wsgi.response(202, shape=volume_view.CHANGED.one)
def old_manage(req: wsgi.Request, body: dict[str, Any]) -> dict[str, Any]:
    ctxt = req.context
    ctxt.authorize(policy.MANAGE)
    volume = manage_volumes.manage(
        ctxt, reference=reference(body), **place(body, req.api_version >= mv.MIGRATE_TO_CLUSTER),
        name=body.get('name'), description=body.get('description'),
        volume_type=_type(req, body.get('volume_type')), metadata=body.get('metadata'),
        availability_zone=body.get('availability_zone'),
        bootable=boolean(body.get('bootable', False)))
    return volume_view.changed(req, volume)


@wsgi.versions(mv.MANAGEABLE_LISTS)
@wsgi.body(schema.MANAGE, key='volume')
@wsgi.response(202, shape=volume_view.CHANGED.one)
def manage(req: wsgi.Request, body: dict[str, Any]) -> dict[str, Any]:
    return old_manage(req, body)


def _type(req: wsgi.Request, name: str | None) -> objects.VolumeType | None:
    if not name:
        return None
    try:
        return types_db.get_by_name_or_id(req.context, name)
    except exception.VolumeTypeNotFound as exc:
        raise exception.InvalidVolumeType(reason=exc.msg) from None


@wsgi.body(action_schema.plain('os-unmanage'))
@wsgi.response(202)
def unmanage(req: wsgi.Request, volume_id: str, body: object) -> None:
    volume = volumes_db.get(req.context, volume_id)
    req.context.authorize(policy.UNMANAGE, volume)
    manage_volumes.unmanage(req.context, volume)


ACTIONS = {'os-unmanage': unmanage}
