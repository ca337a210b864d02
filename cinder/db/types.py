# SPDX-License-Identifier: Apache-2.0
"""The SQL of volume types and their extra specs; type_access.py has the access of projects."""
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from cinder import exception, objects
from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.db import (
    filters,
    functions,
    models,
    pairs,
    query,
    quotas,
    resource,
    session,
    type_resource,
)

_T = models.VolumeType.__table__
_SPECS = models.VolumeTypeExtraSpec.__table__
_PROJECTS = models.VolumeTypeProject.__table__
_ENCRYPTION = models.Encryption.__table__
_QOS = models.QualityOfServiceSpec.__table__
_QOS_VALUES = models.QualityOfServiceValue.__table__
_DEFAULTS = models.DefaultVolumeType.__table__

_COLUMNS = tuple(_T.c[name] for name in (
    'id', 'name', 'description', 'is_public', 'qos_specs_id', 'created_at', 'updated_at'))
_ENCRYPTION_COLUMNS = tuple(_ENCRYPTION.c[name] for name in (
    'encryption_id', 'volume_type_id', 'cipher', 'key_size', 'provider', 'control_location'))
# A type, its encryption and its keys and values, joined to the columns of another table.
JOINED = (*(column.label(f'type_{column.name}') for column in _COLUMNS),
          *(column.label(f'encryption_{column.name}') for column in _ENCRYPTION_COLUMNS),
          functions.pairs_of(_SPECS, _SPECS.c.volume_type_id, _T.c.id).label('type_extra_specs'),
          functions.pairs_of(_QOS_VALUES, _QOS_VALUES.c.specs_id, _T.c.qos_specs_id).label(
              'type_qos_specs'),
          sa.select(_QOS.c.consumer).where(_QOS.c.id == _T.c.qos_specs_id).scalar_subquery().label(
              'type_qos_consumer'))
_GIVEN = sa.exists().where(_PROJECTS.c.volume_type_id == _T.c.id,
                           _PROJECTS.c.project_id == sa.bindparam('project_id'))
_FILTERS = {'metadata': {'extra_specs': (_SPECS, _SPECS.c.volume_type_id)},
            # Public types, and those that the project has access to.
            'visible': sa.or_(_T.c.is_public == sa.true(), _GIVEN)}
_LIST = filters.Listing(_T, _COLUMNS, **_FILTERS)
_WHOLE = filters.Listing(_T, JOINED, _T.outerjoin(
    _ENCRYPTION, _ENCRYPTION.c.volume_type_id == _T.c.id), **_FILTERS)


def join(source: sa.FromClause, type_id: sa.Column) -> sa.Join:
    """Return `source` joined with the type of its column, and with the encryption of the type."""
    return source.outerjoin(_T, _T.c.id == type_id).outerjoin(
        _ENCRYPTION, _ENCRYPTION.c.volume_type_id == type_id)


def from_joined(row: Mapping[str, Any]) -> objects.VolumeType | None:
    """Return the type from a row with JOINED."""
    if row['type_id'] is None:
        return None
    encryption = None
    if row['encryption_encryption_id'] is not None:
        encryption = {column.name: row[f'encryption_{column.name}']
                      for column in _ENCRYPTION_COLUMNS}
    consumer = row['type_qos_consumer']
    return objects.VolumeType.from_row(
        {column.name: row[f'type_{column.name}'] for column in _COLUMNS},
        extra_specs=row['type_extra_specs'], encryption=encryption,
        qos_specs={'id': row['type_qos_specs_id'], 'consumer': consumer,
                   'specs': row['type_qos_specs']} if consumer else None)


class _Types(type_resource.TypeResource[objects.VolumeType]):

    def load(self, ctxt: RequestContext, value: str, by: str = 'id') -> objects.VolumeType:
        """Return a type with its extra specs, QoS specs and encryption."""
        with session.reader(ctxt) as conn:
            return from_joined(self.read_page(ctxt, conn, _WHOLE, value, by).rows[0])

    def get_by_name(self, ctxt: RequestContext, name: str) -> objects.VolumeType:
        """Return a type; :raises VolumeTypeNotFoundByName: none that the caller can see."""
        try:
            return super().get_by_name(ctxt, name)
        except exception.VolumeTypeNotFound:
            raise exception.VolumeTypeNotFoundByName(volume_type_name=name) from None

    @session.retry_on_deadlock
    def update(self, ctxt: RequestContext, ident: str, values: Mapping[str, object]) -> None:
        """Change name, description or is_public; quota limits of the type are renamed with it.

        :raises VolumeTypeNotFound: the type does not exist.
        :raises VolumeTypeExists: the name exists.
        """
        name = values.get('name')
        with session.writer(ctxt) as conn:
            before = conn.execute(sa.select(_T.c.name).where(
                _T.c.id == ident, _T.c.deleted == sa.false()).with_for_update()).scalar()
            if before is not None and name not in (None, before):
                quotas.rename_type(conn, before, name)
            super().update(ctxt, ident, values)

    @session.retry_on_deadlock
    def destroy(self, ctxt: RequestContext, ident: str) -> None:
        """Mark a type as deleted.

        :raises VolumeTypeNotFound: the type does not exist.
        :raises VolumeTypeDefaultDeletionError: it is a default of a project or the configuration.
        :raises VolumeTypeInUse: a volume has it.
        """
        with session.writer(ctxt):
            # After the lock, a concurrent change of a default waits for it or is found below.
            self.lock(ctxt, ident)
            if is_default(ctxt, ident):
                raise exception.VolumeTypeDefaultDeletionError(volume_type_id=ident)
            super().destroy(ctxt, ident)


_types = _Types(
    objects.VolumeType, resource.Errors(exception.VolumeTypeNotFound, 'volume_type_id'), _LIST,
    specs=('extra_specs', pairs.Pairs(
        _SPECS, 'volume_type_id', lambda ident, key: exception.VolumeTypeExtraSpecsNotFound(
            volume_type_id=ident, extra_specs_key=key))),
    used_by=models.Volume.__table__.c.volume_type_id, exists=exception.VolumeTypeExists,
    in_use=exception.VolumeTypeInUse)
list_rows = _types.list_rows
get = _types.get
get_by_name = _types.get_by_name
get_by_name_or_id = _types.get_by_name_or_id
in_use = _types.in_use
update = _types.update
destroy = _types.destroy
lock = _types.lock
set_extra_specs = _types.set_specs
delete_extra_spec = _types.delete_spec


@session.retry_on_deadlock
def create(ctxt: RequestContext, values: Mapping[str, object],
           extra_specs: pairs.Values | None = None,
           projects: Sequence[str] = ()) -> objects.VolumeType:
    """Insert a type; see TypeResource.create_named.

    :param projects: projects with access if the type is private.
    :raises VolumeTypeExists: the name exists.
    """
    with session.writer(ctxt) as conn:
        made = _types.create_named(ctxt, values, extra_specs,
                                   {'qos_specs': None, 'encryption': None})
        for project_id in projects:
            conn.execute(_PROJECTS.insert().values(
                volume_type_id=made.id, project_id=project_id, created_at=session.utcnow()))
    return made


# ------------------------------------------------------------------------------- default types
def default(ctxt: RequestContext) -> objects.VolumeType:
    """Return the default type: that of the project, otherwise that of the option.

    :raises VolumeTypeNotFoundByName: the type of the option does not exist.
    """
    with session.reader(ctxt) as conn:
        rows = query.as_dicts(conn.execute(_default(), {
            'project_id': ctxt.project_id, 'name': CONF.default_volume_type}))
        if rows:
            return from_joined(rows[0])
    raise exception.VolumeTypeNotFoundByName(volume_type_name=CONF.default_volume_type)


@functools.cache
def _default() -> sa.Select:
    """Return the SELECT of the default type of :project_id, otherwise of that named :name."""
    mine = sa.select(_DEFAULTS.c.volume_type_id).where(
        _DEFAULTS.c.project_id == sa.bindparam('project_id')).scalar_subquery()
    named = sa.select(_T.c.id).where(_T.c.live_name == sa.bindparam('name')).scalar_subquery()
    scope = query.scope_of(_WHOLE, everything=True, is_admin=True)
    return _WHOLE.select.where(_T.c.id == sa.func.coalesce(mine, named), *scope)


def is_default(ctxt: RequestContext, type_id: str) -> bool:
    """Return whether a type is the default of a project or of the configuration."""
    with session.reader(ctxt) as conn:
        return conn.execute(sa.select(_T.c.id).where(_T.c.id == type_id, sa.or_(
            _T.c.live_name == CONF.default_volume_type,
            sa.exists().where(_DEFAULTS.c.volume_type_id == _T.c.id)))).first() is not None


def names(ctxt: RequestContext) -> dict[str, str]:
    """Return id -> name of the types that the caller can see."""
    scope = query.scope_of(_LIST, ctxt.is_admin, ctxt.is_admin)
    with session.reader(ctxt) as conn:
        return dict(conn.execute(sa.select(_T.c.id, _T.c.name).where(*scope),
                                 {'project_id': ctxt.project_id}).all())
