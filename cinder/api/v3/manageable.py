# SPDX-License-Identifier: Apache-2.0
"""Common parts of the handlers of manageable volumes and snapshots: the lists, and the place and
the reference in a request."""
from collections.abc import Callable
from types import ModuleType
from typing import Any

from cinder import exception, literals
from cinder.api import listings, wsgi
from cinder.api import microversions as mv
from cinder.api.views import base as view_base
from cinder.i18n import _

LIST = listings.Listing(
    'manageable', ('reference', 'size'),
    {'host': listings.Filter(), 'cluster': listings.Filter(since=mv.MANAGEABLE_CLUSTER)},
    strict_since=mv.MAX + 1, of_projects=False)
_DEFAULT_SORT = [('reference', 'desc')]
_SORTING = {'sort', 'sort_key', 'sort_dir'}


def list_handlers(rule: str, ask: Callable, view: ModuleType) -> tuple[Callable, ...]:
    """Return the handlers of the four lists: summary and detail of the legacy and of the new URL.

    :param rule: policy of the lists.
    :param ask: function that returns the manageable resources.
    :param view: module with the views SUMMARY and DETAIL.
    """
    def handler(name: str, answer: view_base.View, since: int) -> Callable:
        @wsgi.versions(since)
        @wsgi.listing(LIST)
        @wsgi.response(shape=answer.page)
        def show(req: wsgi.Request) -> dict[str, Any]:
            req.context.authorize(rule)
            return render_page(req, ask, answer)
        show.__name__ = show.__qualname__ = name
        return show
    return (handler('legacy_index', view.SUMMARY, mv.MIN),
            handler('legacy_detail', view.DETAIL, mv.MIN),
            handler('index', view.SUMMARY, mv.MANAGEABLE_LISTS),
            handler('detail', view.DETAIL, mv.MANAGEABLE_LISTS))


def manage_handlers(take: Callable, schema: object, key: str,
                    shape: object) -> tuple[Callable, ...]:
    """Return the handlers of POST to the legacy and to the new URL.

    :param take: function(req, body) that accepts to manage a resource and returns the response.
    :param schema: JSON schemas of the body; see wsgi.body().
    :param key: top-level key of the body.
    :param shape: description of the response; see wsgi.response().
    """
    def handler(name: str, since: int) -> Callable:
        @wsgi.versions(since)
        @wsgi.body(schema, key=key)
        @wsgi.response(202, shape=shape)
        def run(req: wsgi.Request, body: dict[str, Any]) -> dict[str, Any]:
            return take(req, body)
        run.__name__ = run.__qualname__ = name
        return run
    return handler('legacy_manage', mv.MIN), handler('manage', mv.MANAGEABLE_LISTS)


def host_or_cluster(values: dict[str, Any], with_cluster: bool) -> dict[str, str | None]:
    """Return host or cluster of a query or body.

    :raises InvalidInput: both or neither are given.
    """
    host = values.get('host')
    cluster = values.get('cluster') if with_cluster else None
    if bool(host) == bool(cluster):
        raise exception.InvalidInput(reason=_('expected exactly one of host and cluster'))
    return {'host': host or None, 'cluster': cluster or None}


def render_page(req: wsgi.Request, ask: Callable, answer: view_base.View) -> dict[str, Any]:
    """Return the response of a list; `ask` returns its entries.

    :raises Invalid: a parameter is not valid.
    """
    where = host_or_cluster(req.query, req.api_version >= mv.MANAGEABLE_CLUSTER)
    wanted = LIST.criteria(req)
    sorted_by = wanted.sort if req.query.keys() & _SORTING else _DEFAULT_SORT
    found = ask(req.context, **where, limit=wanted.limit, offset=wanted.offset, sort=sorted_by,
                marker=_marker(wanted.marker))
    return answer.page(req, listings.Rows(found))


def _marker(text: str | None) -> dict[str, Any] | None:
    """Parse a marker, which is the text of a reference."""
    if text is None:
        return None
    reference = literals.literal_dict(text)
    if reference is None:
        raise exception.InvalidInput(reason=_('the marker is not the text of a reference'))
    return reference


def get_reference(body: dict[str, Any]) -> dict[str, Any]:
    """Return the reference in the body; a string is a name.

    :raises InvalidInput: the reference is null.
    """
    found = body['ref']
    if found is None:
        raise exception.InvalidInput(reason=_('ref is required'))
    return {'source-name': found} if isinstance(found, str) else found
