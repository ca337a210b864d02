# SPDX-License-Identifier: Apache-2.0
"""The SQL of QoS specs: named sets of keys and values, and the associated volume types."""
from collections.abc import Collection, Mapping

import sqlalchemy as sa
from oslo_db import exception as db_exc

from cinder import exception
from cinder.context import RequestContext
from cinder.db import changes, filters, models, pairs, query, rows, session

_T = models.QualityOfServiceSpec.__table__
_TYPES = models.VolumeType.__table__
_VALUES = pairs.Pairs(
    models.QualityOfServiceValue.__table__, 'specs_id',
    lambda ident, key: exception.QoSSpecsKeyNotFound(specs_id=ident, specs_key=key))
_qos_specs = rows.Rows(
    rows.Errors(exception.QoSSpecsNotFound, 'specs_id'),
    filters.Listing(_T, tuple(_T.c[name] for name in (
        'id', 'name', 'consumer', 'created_at', 'updated_at')), visible=sa.true()),
    pairs={'specs': _VALUES})
list_rows = _qos_specs.list_rows
get_row = _qos_specs.get_row


def associations(ctxt: RequestContext, qos_id: str) -> list[dict]:
    """Return id and name of the volume types that are associated with QoS specs, by name.

    :raises QoSSpecsNotFound: the QoS specs do not exist.
    """
    with session.reader(ctxt) as conn:
        rows = query.as_dicts(conn.execute(sa.select(_TYPES.c.id, _TYPES.c.name).where(
            _TYPES.c.qos_specs_id == qos_id, _TYPES.c.deleted == sa.false()).order_by(
                _TYPES.c.name)))
        if not rows and conn.execute(_living(qos_id)).first() is None:
            raise exception.QoSSpecsNotFound(specs_id=qos_id)
    return rows


def _living(qos_id: str) -> sa.Select:
    return sa.select(_T.c.id).where(_T.c.id == qos_id, _T.c.deleted == sa.false())


# ------------------------------------------------------------------------------------ writes
@session.retry_on_deadlock
def create(ctxt: RequestContext, name: str, consumer: str, specs: Mapping[str, str | None]) -> dict:
    """Insert QoS specs; return them like list_rows.

    :raises QoSSpecsExists: the name exists.
    """
    values = changes.with_id({'name': name, 'live_name': name, 'consumer': consumer})
    with session.writer(ctxt) as conn:
        try:
            row = changes.insert(conn, _T, values)
        except db_exc.DBDuplicateEntry:
            raise exception.QoSSpecsExists(specs_id=name) from None
        _VALUES.add(conn, row['id'], specs)
    return {**row, 'specs': dict(specs)}


@session.retry_on_deadlock
def update(ctxt: RequestContext, qos_id: str, specs: Mapping[str, str | None],
           consumer: str | None = None) -> None:
    """Merge keys and values into QoS specs.

    :param consumer: what enforces them; None: no change.
    :raises QoSSpecsNotFound: the QoS specs do not exist.
    """
    with session.writer(ctxt):
        _touch(ctxt, qos_id, **({'consumer': consumer} if consumer else {}))
        _VALUES.set(ctxt, qos_id, specs)


@session.retry_on_deadlock
def delete_keys(ctxt: RequestContext, qos_id: str, keys: Collection[str]) -> None:
    """Delete keys of QoS specs, all or none.

    :raises QoSSpecsNotFound: the QoS specs do not exist.
    :raises QoSSpecsKeyNotFound: a key does not exist.
    """
    with session.writer(ctxt):
        _touch(ctxt, qos_id)
        for key in keys:
            _VALUES.delete(ctxt, qos_id, key)


@session.retry_on_deadlock
def destroy(ctxt: RequestContext, qos_id: str, force: bool = False) -> None:
    """Mark QoS specs as deleted.

    :param force: remove the associations first.
    :raises QoSSpecsNotFound: the QoS specs do not exist.
    :raises QoSSpecsInUse: volume types are associated with them.
    """
    with session.writer(ctxt):
        # After the lock, a concurrent association either waits for it or is found below.
        _touch(ctxt, qos_id)
        if force:
            _untie(ctxt, qos_id)
        elif associations(ctxt, qos_id):
            raise exception.QoSSpecsInUse(specs_id=qos_id)
        changes.soft_delete(ctxt, _T, [_T.c.id == qos_id], live_name=None)


@session.retry_on_deadlock
def associate(ctxt: RequestContext, qos_id: str, type_id: str) -> None:
    """Associate a volume type with QoS specs; an existing association is kept.

    :raises QoSSpecsNotFound, VolumeTypeNotFound: the QoS specs or the type do not exist.
    :raises InvalidVolumeType: the type is associated with other QoS specs.
    """
    free = sa.or_(_TYPES.c.qos_specs_id.is_(None), _TYPES.c.qos_specs_id == qos_id)
    with session.writer(ctxt) as conn:
        _touch(ctxt, qos_id)
        if changes.update_where(ctxt, _TYPES, [*_type(type_id), free], {'qos_specs_id': qos_id}):
            return
        other = conn.execute(sa.select(_TYPES.c.qos_specs_id).where(*_type(type_id))).first()
    if other is None:
        raise exception.VolumeTypeNotFound(volume_type_id=type_id)
    raise exception.InvalidVolumeType(
        reason=f'volume type {type_id} is already associated with QoS specs {other[0]}')


@session.retry_on_deadlock
def disassociate(ctxt: RequestContext, qos_id: str, type_id: str) -> None:
    """Remove the association of a volume type with QoS specs, if it exists.

    :raises QoSSpecsNotFound, VolumeTypeNotFound: the QoS specs or the type do not exist.
    """
    with session.writer(ctxt) as conn:
        _touch(ctxt, qos_id)
        if (not _untie(ctxt, qos_id, *_type(type_id))
                and conn.execute(sa.select(_TYPES.c.id).where(*_type(type_id))).first() is None):
            raise exception.VolumeTypeNotFound(volume_type_id=type_id)


@session.retry_on_deadlock
def disassociate_all(ctxt: RequestContext, qos_id: str) -> None:
    """Remove all associations of QoS specs.

    :raises QoSSpecsNotFound: the QoS specs do not exist.
    """
    with session.writer(ctxt):
        _touch(ctxt, qos_id)
        _untie(ctxt, qos_id)


def _type(type_id: str) -> list[filters.Condition]:
    return [_TYPES.c.id == type_id, _TYPES.c.deleted == sa.false()]


def _untie(ctxt: RequestContext, qos_id: str, *where: filters.Condition) -> int:
    return changes.update_where(ctxt, _TYPES, [_TYPES.c.qos_specs_id == qos_id, *where],
                                {'qos_specs_id': None})


def _touch(ctxt: RequestContext, qos_id: str, **values: object) -> None:
    """Lock the row of QoS specs against a concurrent deletion."""
    if not changes.update_where(ctxt, _T, [_T.c.id == qos_id, _T.c.deleted == sa.false()], values):
        raise exception.QoSSpecsNotFound(specs_id=qos_id)
