# SPDX-License-Identifier: Apache-2.0
"""What the handlers of manageable volumes and of manageable snapshots share: the lists, and what a
request says of the place and of the thing that is to be managed."""
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


def lists(rule: str, ask: Callable, view: ModuleType) -> tuple[Callable, ...]:
    """The handlers of the four lists: summary and detail of the old URL, then of the new one.

    :param rule: policy of the lists.
    :param ask: use case that returns what can be managed.
    :param view: has the views SUMMARY and DETAIL.
    """
    def handler(name: str, answer: view_base.View, since: int) -> Callable:
        @wsgi.versions(since)
        @wsgi.listing(LIST)
        @wsgi.response(shape=answer.page)
        def show(req: wsgi.Request) -> dict[str, Any]:
            req.context.authorize(rule)
            return page(req, ask, answer)
        show.__name__ = show.__qualname__ = name
        return show
    return (handler('old_index', view.SUMMARY, mv.MIN), handler('old_detail', view.DETAIL, mv.MIN),
            handler('index', view.SUMMARY, mv.MANAGEABLE_LISTS),
            handler('detail', view.DETAIL, mv.MANAGEABLE_LISTS))


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
    return answer.page(req, listings.Rows(found))


def _marker(text: str | None) -> dict[str, Any] | None:
    """The reference that a marker is the text of."""
    if text is None:
        return None
    reference = literals.literal_dict(text)
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
