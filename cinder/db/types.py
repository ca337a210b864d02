# SPDX-License-Identifier: Apache-2.0
"""The SQL of volume types, their extra specs and who may use them."""
import functools
from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from oslo_db import exception as db_exc

from cinder import exception, objects
from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.db import changes, filters, functions, models, query, quotas, session

_T = models.VolumeType.__table__
_SPECS = models.VolumeTypeExtraSpec.__table__
_PROJECTS = models.VolumeTypeProject.__table__
_ENCRYPTION = models.Encryption.__table__
_QOS = models.QualityOfServiceSpec.__table__
_QOS_VALUES = models.QualityOfServiceValue.__table__
_DEFAULTS = models.DefaultVolumeType.__table__
_VOLUMES = models.Volume.__table__

_COLUMNS = tuple(_T.c[name] for name in (
    'id', 'name', 'description', 'is_public', 'qos_specs_id', 'created_at', 'updated_at'))
_ENCRYPTION_COLUMNS = tuple(_ENCRYPTION.c[name] for name in (
    'encryption_id', 'volume_type_id', 'cipher', 'key_size', 'provider', 'control_location'))
# A type and its encryption next to the columns of another table.
JOINED = (*(column.label(f'type_{column.name}') for column in _COLUMNS),
          *(column.label(f'encryption_{column.name}') for column in _ENCRYPTION_COLUMNS))
# Names of the keys and values that sides_of() yields.
SIDES = ('extra_specs', 'qos_specs')
_GIVEN = sa.exists().where(_PROJECTS.c.volume_type_id == _T.c.id,
                           _PROJECTS.c.project_id == sa.bindparam('project_id'))
_FILTERS = {'metadata': {'extra_specs': (_SPECS, _SPECS.c.volume_type_id)},
            # Public types, and those that the project was given.
            'visible': sa.or_(_T.c.is_public == sa.true(), _GIVEN)}
_LIST = filters.Listing(_T, _COLUMNS, **_FILTERS)
_WHOLE = filters.Listing(_T, JOINED, _T.outerjoin(
    _ENCRYPTION, _ENCRYPTION.c.volume_type_id == _T.c.id), **_FILTERS)
_SPECS_OF = sa.select(_SPECS.c.volume_type_id, _SPECS.c.key, _SPECS.c.value).where(
    functions.among(_SPECS.c.volume_type_id, sa.bindparam('ids')))


def _side(name: str, owner: sa.Column, key: sa.ColumnElement, value: sa.Column,
          *where: filters.Condition) -> sa.Select:
    return sa.select(owner, sa.literal_column(f"'{name}'"), key, value).where(*where)


# (id, name of SIDES, key, value) of one type; parameters are what sides_of() gives.
SIDES_OF = (
    _side('extra_specs', _SPECS.c.volume_type_id, _SPECS.c.key, _SPECS.c.value,
          _SPECS.c.volume_type_id == sa.bindparam('type_id')),
    _side('qos_specs', _QOS_VALUES.c.specs_id, _QOS_VALUES.c.key, _QOS_VALUES.c.value,
          _QOS_VALUES.c.specs_id == sa.bindparam('qos_specs_id')),
    _side('qos_specs', _QOS.c.id, sa.literal_column("'consumer'"), _QOS.c.consumer,
          _QOS.c.id == sa.bindparam('qos_specs_id')),
)
_ALL_SIDES = sa.union_all(*SIDES_OF)


def join(source: sa.FromClause, type_id: sa.Column) -> sa.Join:
    """`source` with the type that its column names, and the type's encryption."""
    return source.outerjoin(_T, _T.c.id == type_id).outerjoin(
        _ENCRYPTION, _ENCRYPTION.c.volume_type_id == type_id)


def sides_of(row: Mapping[str, object]) -> dict[str, object]:
    """Parameters of SIDES_OF for the type in a row with JOINED."""
    return {'type_id': row['type_id'], 'qos_specs_id': row['type_qos_specs_id']}


def from_joined(row: Mapping[str, object], pairs: Mapping[str, dict]) -> objects.VolumeType | None:
    """The type of a row with JOINED and of what sides_of() gave."""
    if row['type_id'] is None:
        return None
    encryption = None
    if row['encryption_encryption_id'] is not None:
        encryption = {column.name: row[f'encryption_{column.name}']
                      for column in _ENCRYPTION_COLUMNS}
    qos = dict(pairs['qos_specs'])
    consumer = qos.pop('consumer', None)
    return objects.VolumeType.from_row(
        {column.name: row[f'type_{column.name}'] for column in _COLUMNS},
        extra_specs=pairs['extra_specs'], encryption=encryption,
        qos_specs={'id': row['type_qos_specs_id'], 'consumer': consumer, 'specs': qos}
        if consumer else None)


# -------------------------------------------------------------------------------------- read
def _read(conn: sa.Connection, rows: list[dict]) -> objects.VolumeType | None:
    if not rows:
        return None
    row = rows[0]
    pairs: dict[str, dict] = {name: {} for name in SIDES}
    for _, name, key, value in conn.execute(_ALL_SIDES, sides_of(row)).all():
        pairs[name][key] = value
    return from_joined(row, pairs)


def _find(ctxt: RequestContext, condition: filters.Condition) -> objects.VolumeType | None:
    """The type that fulfils a condition, if the caller may see it."""
    scope = query.scope_of(_WHOLE, ctxt.is_admin, ctxt.is_admin)
    with session.reader(ctxt) as conn:
        rows = query.as_dicts(conn.execute(_WHOLE.select.where(condition, *scope),
                                           {'project_id': ctxt.project_id}))
        return _read(conn, rows)


def get(ctxt: RequestContext, type_id: str) -> objects.VolumeType:
    """:raises VolumeTypeNotFound: there is none, or the caller may not see it."""
    with session.reader(ctxt) as conn:
        found = _read(conn, query.one(ctxt, conn, _WHOLE, type_id).rows)
    if found is None:
        raise exception.VolumeTypeNotFound(volume_type_id=type_id)
    return found


def get_by_name(ctxt: RequestContext, name: str) -> objects.VolumeType:
    """:raises VolumeTypeNotFoundByName: there is none, or the caller may not see it."""
    found = _find(ctxt, _T.c.live_name == name)
    if found is None:
        raise exception.VolumeTypeNotFoundByName(volume_type_name=name)
    return found


def get_by_name_or_id(ctxt: RequestContext, name_or_id: str) -> objects.VolumeType:
    """An id wins over a name.

    :raises VolumeTypeNotFound: there is none, or the caller may not see it.
    """
    try:
        return get(ctxt, name_or_id)
    except exception.VolumeTypeNotFound:
        return get_by_name(ctxt, name_or_id)


def default(ctxt: RequestContext) -> objects.VolumeType:
    """The type of volumes whose request names none: the project's own, else the option's.

    :raises VolumeTypeNotFoundByName: the option names a type that does not exist.
    """
    with session.reader(ctxt) as conn:
        found = _read(conn, query.as_dicts(conn.execute(_default(), {
            'project_id': ctxt.project_id, 'name': CONF.default_volume_type})))
    if found is None:
        raise exception.VolumeTypeNotFoundByName(volume_type_name=CONF.default_volume_type)
    return found


@functools.cache
def _default() -> sa.Select:
    """The default type of :project_id, or that of :name."""
    mine = sa.select(_DEFAULTS.c.volume_type_id).where(
        _DEFAULTS.c.project_id == sa.bindparam('project_id')).scalar_subquery()
    named = sa.select(_T.c.id).where(_T.c.live_name == sa.bindparam('name')).scalar_subquery()
    scope = query.scope_of(_WHOLE, everything=True, is_admin=True)
    return _WHOLE.select.where(_T.c.id == sa.func.coalesce(mine, named), *scope)


def list_rows(ctxt: RequestContext, *, filters: Mapping[str, object] | None = None,
              limit: int | None = None, marker: str | None = None, offset: int = 0,
              sort: Sequence[tuple[str, str]] | None = None,
              with_count: bool = False) -> query.Page:
    """A page of types with their extra_specs, newest first.

    Others than administrators get public types and those their project was given.

    :param filters: among them is_public: True, False or None (both); see cinder.db.query.
    """
    filters = dict(filters or {})
    if filters.get('is_public', 0) is None:
        del filters['is_public']
    page = query.fetch(ctxt, _LIST, filters=filters, limit=limit, marker=marker, offset=offset,
                       sort=sort, all_tenants=True, with_count=with_count)
    if page.records:
        with session.reader(ctxt) as conn:
            pairs = conn.execute(_SPECS_OF, {'ids': ','.join(page.ids)}).all()
        page.sides['extra_specs'] = (query.by_owner(pairs), dict)
    return page


def names(ctxt: RequestContext) -> dict[str, str]:
    """Id -> name of the types that the caller may see."""
    scope = query.scope_of(_LIST, ctxt.is_admin, ctxt.is_admin)
    with session.reader(ctxt) as conn:
        return dict(conn.execute(sa.select(_T.c.id, _T.c.name).where(*scope),
                                 {'project_id': ctxt.project_id}).tuples().all())


def in_use(ctxt: RequestContext, type_id: str) -> bool:
    """Whether a volume has the type."""
    with session.reader(ctxt) as conn:
        return conn.execute(sa.select(_VOLUMES.c.id).where(
            _VOLUMES.c.volume_type_id == type_id,
            _VOLUMES.c.deleted == sa.false()).limit(1)).first() is not None


def is_default(ctxt: RequestContext, type_id: str) -> bool:
    """Whether a project or the configuration has it as default type."""
    with session.reader(ctxt) as conn:
        return conn.execute(sa.select(_T.c.id).where(_T.c.id == type_id, sa.or_(
            _T.c.live_name == CONF.default_volume_type,
            sa.exists().where(_DEFAULTS.c.volume_type_id == _T.c.id)))).first() is not None


# ------------------------------------------------------------------------------------ writes
@session.retry_on_deadlock
def create(ctxt: RequestContext, values: Mapping[str, object],
           extra_specs: Mapping[str, str] | None = None,
           projects: Sequence[str] = ()) -> objects.VolumeType:
    """Insert a type.

    :param values: name, and perhaps id, description and is_public.
    :param projects: who may use it when it is not public.
    :raises VolumeTypeExists: the name is taken.
    """
    with session.writer(ctxt) as conn:
        try:
            row = changes.insert(conn, _T, changes.with_id({**values, 'live_name': values['name']}))
        except db_exc.DBDuplicateEntry:
            raise exception.VolumeTypeExists(id=values['name']) from None
        changes.add_pairs(conn, _SPECS, _SPECS.c.volume_type_id, row['id'], extra_specs or {})
        for project_id in projects:
            conn.execute(_PROJECTS.insert().values(
                volume_type_id=row['id'], project_id=project_id, created_at=session.utcnow()))
    return objects.VolumeType.from_row(row, extra_specs=dict(extra_specs or {}), qos_specs=None,
                                       encryption=None)


@session.retry_on_deadlock
def update(ctxt: RequestContext, type_id: str, values: Mapping[str, object]) -> None:
    """Change name, description or is_public; limits of the type go with its name.

    :raises VolumeTypeNotFound: there is no such type.
    :raises VolumeTypeExists: the name is taken.
    """
    name = values.get('name')
    with session.writer(ctxt) as conn:
        before = conn.execute(sa.select(_T.c.name).where(
            _T.c.id == type_id, _T.c.deleted == sa.false()).with_for_update()).scalar()
        if before is None:
            raise exception.VolumeTypeNotFound(volume_type_id=type_id)
        if name is not None and name != before:
            values = {**values, 'live_name': name}
            quotas.rename_type(conn, before, name)
        try:
            changes.update_where(ctxt, _T, [_T.c.id == type_id], values)
        except db_exc.DBDuplicateEntry:
            raise exception.VolumeTypeExists(id=name) from None


@session.retry_on_deadlock
def destroy(ctxt: RequestContext, type_id: str) -> None:
    """Mark a type as deleted.

    :raises VolumeTypeNotFound: there is no such type.
    :raises VolumeTypeDefaultDeletionError: somebody has it as default type.
    :raises VolumeTypeInUse: a volume has it.
    """
    used = sa.exists().where(_VOLUMES.c.volume_type_id == _T.c.id,
                             _VOLUMES.c.deleted == sa.false())
    with session.writer(ctxt):
        # The lock first: whoever makes it a default waits for it, or is seen below.
        touch(ctxt, type_id)
        if is_default(ctxt, type_id):
            raise exception.VolumeTypeDefaultDeletionError(volume_type_id=type_id)
        if not changes.soft_delete(ctxt, _T, [_T.c.id == type_id, ~used], live_name=None):
            raise exception.VolumeTypeInUse(volume_type_id=type_id)


# ------------------------------------------------------------------------------- extra specs
@session.retry_on_deadlock
def set_extra_specs(ctxt: RequestContext, type_id: str, specs: Mapping[str, str]) -> dict[str, str]:
    """Merge extra specs into those of a type; returns all of them."""
    with session.writer(ctxt):
        touch(ctxt, type_id)
        return changes.set_pairs(ctxt, _SPECS, _SPECS.c.volume_type_id, type_id, specs)


@session.retry_on_deadlock
def delete_extra_spec(ctxt: RequestContext, type_id: str, key: str) -> None:
    """:raises VolumeTypeExtraSpecsNotFound: there is no such key."""
    with session.writer(ctxt):
        touch(ctxt, type_id)
        if not changes.delete_pair(ctxt, _SPECS, _SPECS.c.volume_type_id, type_id, key):
            raise exception.VolumeTypeExtraSpecsNotFound(volume_type_id=type_id,
                                                         extra_specs_key=key)


def touch(ctxt: RequestContext, type_id: str) -> None:
    """Lock the type's row in an open transaction, so that it is not deleted meanwhile.

    :raises VolumeTypeNotFound: there is no such type.
    """
    if not changes.update_where(ctxt, _T, [_T.c.id == type_id, _T.c.deleted == sa.false()], {}):
        raise exception.VolumeTypeNotFound(volume_type_id=type_id)


# ------------------------------------------------------------------------------------ access
def access_list(ctxt: RequestContext, type_id: str) -> list[str]:
    """The projects that were given a type, in order."""
    with session.reader(ctxt) as conn:
        return list(conn.execute(sa.select(_PROJECTS.c.project_id).where(
            _PROJECTS.c.volume_type_id == type_id).order_by(
                _PROJECTS.c.project_id)).scalars())


@session.retry_on_deadlock
def access_add(ctxt: RequestContext, type_id: str, project_id: str) -> None:
    """:raises VolumeTypeAccessExists: the project has the type already."""
    try:
        with session.writer(ctxt) as conn:
            touch(ctxt, type_id)
            conn.execute(_PROJECTS.insert().values(
                volume_type_id=type_id, project_id=project_id, created_at=session.utcnow()))
    except db_exc.DBDuplicateEntry:
        raise exception.VolumeTypeAccessExists(volume_type_id=type_id,
                                               project_id=project_id) from None


@session.retry_on_deadlock
def access_remove(ctxt: RequestContext, type_id: str, project_id: str) -> None:
    """:raises VolumeTypeAccessNotFound: the project does not have the type."""
    with session.writer(ctxt) as conn:
        done = conn.execute(_PROJECTS.delete().where(
            _PROJECTS.c.volume_type_id == type_id, _PROJECTS.c.project_id == project_id))
    if not done.rowcount:
        raise exception.VolumeTypeAccessNotFound(volume_type_id=type_id, project_id=project_id)
