# SPDX-License-Identifier: Apache-2.0
"""Paging, sorting and filters of lists.

Each resource describes its list as a Listing; the database layer selects the rows.
"""
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from cinder import exception
from cinder.api import converters, wsgi
from cinder.api import filters as configured
from cinder.api import microversions as mv
from cinder.conf import CONF
from cinder.i18n import _

_PAGING = frozenset(('limit', 'marker', 'offset', 'sort', 'sort_key', 'sort_dir'))


class Filter(NamedTuple):
    """One filter of a list.

    :ivar convert: (name, text) -> value for the database layer, which parses dictionaries and
        time comparisons itself.
    :ivar since: the filter is ignored below this microversion.
    :ivar column: name for the database layer, if it differs from the parameter.
    """

    convert: Callable[[str, str], Any] = converters.text
    since: int = mv.MIN
    column: str | None = None


class Rows(NamedTuple):
    """A page of rows from the database, with the total count if it was requested."""

    rows: list
    count: int | None = None
    full: bool = False


class Criteria(NamedTuple):
    """The parameters of a list request, for the database layer."""

    filters: dict[str, Any]
    limit: int
    marker: str | None
    offset: int
    sort: list[tuple[str, str]]
    all_tenants: bool
    with_count: bool


def unsupported(name: str, known: Iterable[str]) -> exception.InvalidInput:
    """Return the refusal of a filter.

    :param known: those that the caller may use
    """
    return exception.InvalidInput(reason=_(
        'filter %(name)s is not supported; the filters are %(known)s') % {
            'name': name[:255], 'known': ', '.join(sorted(known))})


class Listing:
    """The list of a resource: its sort keys and filters.

    :param resource: name in the configured filters (GET /resource_filters).
    :param sorts: sort key -> column; a collection of names if both are the same.
    :param filters: parameter -> Filter.
    :param counts: with_count is supported from 3.45.
    :param paged_since: below it, paging, sorting and filters are ignored.
    :param strict_since: from it, other filters of a non-administrator are rejected with 400.
    :param of_projects: the rows belong to projects, so all_tenants is supported.
    :param forgiving: an unknown marker is ignored.
    :param flags: further parameters, which select fields but filter nothing.
    :param paging: supported parameters of paging and sorting; without `marker` there are no next
        links.
    :param direction: default direction of created_at.
    """

    def __init__(self, resource: str, sorts: Mapping[str, str] | tuple[str, ...],
                 filters: Mapping[str, Filter], counts: bool = False, paged_since: int = mv.MIN,
                 strict_since: int = mv.CONFIGURED_FILTERS, of_projects: bool = True,
                 forgiving: bool = False, flags: tuple[str, ...] = (),
                 paging: frozenset[str] = _PAGING, direction: str = 'desc') -> None:
        self.resource = resource
        self.sorts = sorts if isinstance(sorts, Mapping) else {name: name for name in sorts}
        self.filters = filters
        self.counts = counts
        self.paged_since = paged_since
        self.strict_since = strict_since
        self.of_projects = of_projects
        self.forgiving = forgiving
        self.flags = {*_PAGING, 'all_tenants', *flags}
        self.paging = paging
        self.direction = direction

    def fetch(self, req: wsgi.Request, list_rows: Callable, **extra: Any) -> Rows:
        """Read the requested page with `list_rows(ctxt, ..., **extra)`."""
        wanted = self.criteria(req)
        if self.of_projects:
            extra['all_tenants'] = wanted.all_tenants
        extra.update(filters=wanted.filters, limit=wanted.limit, offset=wanted.offset,
                     sort=wanted.sort, with_count=wanted.with_count)
        try:
            page = list_rows(req.context, marker=wanted.marker, **extra)
        except exception.MarkerNotFound:
            if not self.forgiving:
                raise
            page = list_rows(req.context, marker=None, **extra)
        return Rows(page.rows, page.count if wanted.with_count else None,
                    'marker' in self.paging and 0 < wanted.limit <= len(page.rows))

    def criteria(self, req: wsgi.Request) -> Criteria:
        """Parse the query; :raises Invalid: a parameter is not valid, or is not allowed."""
        query = req.query if req.api_version >= self.paged_since else {}
        ignored = _PAGING - self.paging
        if ignored:
            query = {key: value for key, value in query.items() if key not in ignored}
        counts = self.counts and req.api_version >= mv.WITH_COUNT
        all_tenants = converters.boolean('all_tenants', query.get('all_tenants', '0'))
        return Criteria(
            filters=self._filters(req, query, counts), limit=_limit(query),
            marker=query.get('marker'),
            offset=converters.integer('offset', query.get('offset', '0')), sort=self._sort(query),
            all_tenants=all_tenants and req.context.is_admin,
            with_count=counts and converters.boolean('with_count', query.get('with_count', '0')))

    def _filters(self, req: wsgi.Request, query: Mapping[str, str],
                 counts: bool) -> dict[str, Any]:
        found = {}
        for key, value in query.items():
            if key in self.flags or (counts and key == 'with_count'):
                continue
            name = key
            if key.endswith('~') and req.api_version >= mv.LIKE_FILTERS:
                name = key[:-1]
            row = self.filters.get(name)
            if row is not None and req.api_version < row.since:
                continue
            if not self._allowed(req, key, name, row):
                continue
            row = row or Filter()
            column = row.column or name
            found[column + key[len(name):]] = value if key != name else row.convert(key, value)
        return found

    def _allowed(self, req: wsgi.Request, key: str, name: str, row: Filter | None) -> bool:
        """Return whether to use a filter; False: ignore it.

        :raises InvalidInput: the filter is not allowed and must be rejected.
        """
        if req.context.is_admin:
            return True
        if req.api_version < self.strict_since:
            return row is not None
        names = configured.allowed_filters(self.resource)
        if key in names or name in names:
            return True
        raise unsupported(key, names)

    def _sort(self, query: Mapping[str, str]) -> list[tuple[str, str]]:
        if 'sort' in query:
            if 'sort_key' in query or 'sort_dir' in query:
                raise exception.InvalidInput(
                    reason=_('sort cannot be used together with sort_key and sort_dir'))
            pairs = [part.strip().partition(':')[::2] for part in query['sort'].split(',')]
        elif 'sort_key' in query or 'sort_dir' in query:
            pairs = [(query.get('sort_key', 'created_at').strip(), query.get('sort_dir', ''))]
        else:
            return [('created_at', self.direction)]
        wanted: dict[str, str] = {}
        for key, direction in pairs:
            column, direction = self._sort_key(key, direction)
            # A repeated key has no effect: only rows with equal values reach it.
            wanted.setdefault(column, direction)
        return list(wanted.items())

    def _sort_key(self, key: str, direction: str) -> tuple[str, str]:
        direction = direction.strip() or 'desc'
        if key not in self.sorts:
            raise exception.InvalidInput(reason=_('%s is no sort key') % key[:255])
        if direction not in ('asc', 'desc'):
            raise exception.InvalidInput(
                reason=_('%s is no sort direction') % direction[:255])
        return self.sorts[key], direction


def listing_at(lists: Sequence[tuple[int, Listing]], version: int) -> Listing:
    """Return the list of a microversion.

    :param lists: (since, Listing), in rising order.
    """
    return next(listing for since, listing in reversed(lists) if version >= since)


def _limit(query: Mapping[str, str]) -> int:
    most = CONF.osapi_max_limit
    if 'limit' not in query:
        return most
    return min(converters.integer('limit', query['limit'], 10 ** 19), most)
