# SPDX-License-Identifier: Apache-2.0
"""The SQL of group types and their specs."""
from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from oslo_db import exception as db_exc

from cinder import exception, objects
from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.db import changes, filters, functions, models, query, session
from cinder.objects import groups

_T = models.GroupType.__table__
_SPECS = models.GroupTypeSpec.__table__
_GROUPS = models.Group.__table__
_COLUMNS = tuple(_T.c[name] for name in (
    'id', 'name', 'description', 'is_public', 'created_at', 'updated_at'))
_LIST = filters.Listing(_T, _COLUMNS, visible=_T.c.is_public == sa.true())
_SPECS_OF = sa.select(_SPECS.c.group_type_id, _SPECS.c.key, _SPECS.c.value).where(
    functions.among(_SPECS.c.group_type_id, sa.bindparam('ids')))


# -------------------------------------------------------------------------------------- read
def list_rows(ctxt: RequestContext, *, filters: Mapping[str, object] | None = None,
              limit: int | None = None, marker: str | None = None, offset: int = 0,
              sort: Sequence[tuple[str, str]] | None = None,
              with_count: bool = False) -> query.Page:
    """A page of group types with their group_specs, newest first; others than administrators
    get public ones.

    :param filters: among them is_public: True, False or None (both).
    """
    filters = dict(filters or {})
    if filters.get('is_public', 0) is None:
        del filters['is_public']
    page = query.fetch(ctxt, _LIST, filters=filters, limit=limit, marker=marker, offset=offset,
                       sort=sort, all_tenants=True, with_count=with_count)
    if page.records:
        with session.reader(ctxt) as conn:
            _fill(conn, page)
    return page


def _fill(conn: sa.Connection, page: query.Page) -> None:
    pairs = conn.execute(_SPECS_OF, {'ids': ','.join(page.ids)}).all()
    page.sides['group_specs'] = (query.by_owner(pairs), dict)


def get(ctxt: RequestContext, type_id: str) -> objects.GroupType:
    """:raises GroupTypeNotFound: there is none, or the caller may not see it."""
    with session.reader(ctxt) as conn:
        page = query.one(ctxt, conn, _LIST, type_id)
        if not page.records:
            raise exception.GroupTypeNotFound(group_type_id=type_id)
        _fill(conn, page)
    return objects.GroupType.from_row(page.rows[0])


def get_by_name(ctxt: RequestContext, name: str) -> objects.GroupType:
    """:raises GroupTypeNotFound: there is none, or the caller may not see it."""
    found = _id_of(ctxt, name)
    if found is None:
        raise exception.GroupTypeNotFound(group_type_id=name)
    return get(ctxt, found)


def _id_of(ctxt: RequestContext, name: str) -> str | None:
    with session.reader(ctxt) as conn:
        return conn.execute(sa.select(_T.c.id).where(_T.c.live_name == name)).scalar()


def get_by_name_or_id(ctxt: RequestContext, name_or_id: str) -> objects.GroupType:
    """An id wins over a name.

    :raises GroupTypeNotFound: there is none, or the caller may not see it.
    """
    try:
        return get(ctxt, name_or_id)
    except exception.GroupTypeNotFound:
        return get_by_name(ctxt, name_or_id)


def default(ctxt: RequestContext) -> objects.GroupType:
    """The type that the option default_group_type names.

    :raises GroupTypeNotFound: the option is not set, or no such type exists.
    """
    if not CONF.default_group_type:
        raise exception.GroupTypeNotFound(group_type_id='default')
    return get_by_name(ctxt.elevated(), CONF.default_group_type)


def of_consistency_groups(ctxt: RequestContext) -> objects.GroupType:
    """The type of all consistency groups; made when it is first asked for."""
    ctxt = ctxt.elevated()
    found = _id_of(ctxt, groups.CONSISTENCY_TYPE)
    if found is not None:
        return get(ctxt, found)
    try:
        return create(ctxt, {'name': groups.CONSISTENCY_TYPE, 'is_public': True,
                             'description': 'Type of the groups made as consistency groups'})
    except exception.GroupTypeExists:  # by another request, a moment ago
        return get_by_name(ctxt, groups.CONSISTENCY_TYPE)


def in_use(ctxt: RequestContext, type_id: str) -> bool:
    """Whether a group has the type."""
    with session.reader(ctxt) as conn:
        return conn.execute(sa.select(_GROUPS.c.id).where(
            _GROUPS.c.group_type_id == type_id,
            _GROUPS.c.deleted == sa.false()).limit(1)).first() is not None


# ------------------------------------------------------------------------------------ writes
@session.retry_on_deadlock
def create(ctxt: RequestContext, values: Mapping[str, object],
           group_specs: Mapping[str, str] | None = None) -> objects.GroupType:
    """Insert a type with name, and perhaps description and is_public.

    :raises GroupTypeExists: the name is taken.
    """
    specs = dict(group_specs or {})
    with session.writer(ctxt) as conn:
        try:
            row = changes.insert(conn, _T, changes.with_id({**values, 'live_name': values['name']}))
        except db_exc.DBDuplicateEntry:
            raise exception.GroupTypeExists(id=values['name']) from None
        changes.add_pairs(conn, _SPECS, _SPECS.c.group_type_id, row['id'], specs)
    return objects.GroupType.from_row(row, group_specs=specs)


@session.retry_on_deadlock
def update(ctxt: RequestContext, type_id: str, values: Mapping[str, object]) -> None:
    """Change name, description or is_public.

    :raises GroupTypeNotFound: there is no such type.
    :raises GroupTypeExists: the name is taken.
    """
    if 'name' in values:
        values = {**values, 'live_name': values['name']}
    try:
        done = changes.compare_and_swap(ctxt, _T, type_id, {}, values)
    except db_exc.DBDuplicateEntry:
        raise exception.GroupTypeExists(id=values['name']) from None
    if not done:
        raise exception.GroupTypeNotFound(group_type_id=type_id)


@session.retry_on_deadlock
def destroy(ctxt: RequestContext, type_id: str) -> None:
    """Mark a type as deleted.

    :raises GroupTypeInUse: a group has it.
    :raises GroupTypeNotFound: there is no such type.
    """
    used = sa.exists().where(_GROUPS.c.group_type_id == _T.c.id,
                             _GROUPS.c.deleted == sa.false())
    with session.writer(ctxt):
        if changes.soft_delete(ctxt, _T, [_T.c.id == type_id, ~used], live_name=None):
            return
        if in_use(ctxt, type_id):
            raise exception.GroupTypeInUse(group_type_id=type_id)
    raise exception.GroupTypeNotFound(group_type_id=type_id)


@session.retry_on_deadlock
def lock(ctxt: RequestContext, type_id: str) -> None:
    """Lock the type's row in the open transaction, so that it is not deleted meanwhile.

    :raises GroupTypeNotFound: it is gone.
    """
    if not changes.update_where(ctxt, _T, [_T.c.id == type_id, _T.c.deleted == sa.false()], {}):
        raise exception.GroupTypeNotFound(group_type_id=type_id)


@session.retry_on_deadlock
def set_specs(ctxt: RequestContext, type_id: str, specs: Mapping[str, str]) -> dict[str, str]:
    """Merge specs into those of a type; returns all of them.

    :raises GroupTypeNotFound: there is no such type.
    """
    with session.writer(ctxt):
        lock(ctxt, type_id)
        return changes.set_pairs(ctxt, _SPECS, _SPECS.c.group_type_id, type_id, specs)


@session.retry_on_deadlock
def delete_spec(ctxt: RequestContext, type_id: str, key: str) -> None:
    """:raises GroupTypeSpecsNotFound: there is no such key."""
    with session.writer(ctxt):
        lock(ctxt, type_id)
        if not changes.delete_pair(ctxt, _SPECS, _SPECS.c.group_type_id, type_id, key):
            raise exception.GroupTypeSpecsNotFound(group_type_id=type_id, group_specs_key=key)
