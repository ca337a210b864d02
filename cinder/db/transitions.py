# SPDX-License-Identifier: Apache-2.0
"""Changes the status of a row with one UPDATE, whose WHERE has all requirements.

The rows of cinder.objects.states define what is allowed; a refusal contains the reason.
"""
import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence

import sqlalchemy as sa

from cinder import exception
from cinder.context import RequestContext
from cinder.db import changes, session
from cinder.db.filters import Condition
from cinder.objects import base, states


@dataclasses.dataclass(frozen=True)
class Requirement:
    """A requirement of a transition besides the status.

    :param holds: SQL condition on the row.
    :param otherwise: text of the refusal.
    :param blockers: SELECT of the ids that prevent the transition; None: no ids.
    :param kept: it is always the same object, see kept().
    """

    holds: Condition
    otherwise: str
    blockers: sa.Select | None = None
    kept: bool = False


def kept(make: Callable[[], Requirement]) -> Callable[[], Requirement]:
    """Decorate a function that returns a requirement: it is created once, and statements with it
    are cached."""
    return functools.cache(functools.wraps(make)(
        lambda: dataclasses.replace(make(), kept=True)))


def none_of(table: sa.Table, child: sa.Table, *where: Condition, otherwise: str) -> Requirement:
    """Return the requirement that no row of another table prevents the transition.

    :param table: table of the resource that changes.
    :param child: the other table.
    :param where: conditions for its rows that prevent the change of a row of `table`.
    :param otherwise: text of the refusal; the ids of these rows are appended.
    """
    here = [*where, child.c.deleted == sa.false()]
    return Requirement(~sa.exists().where(*here), otherwise,
                       sa.select(child.c.id).join_from(child, table, sa.and_(*here)))


def apply_transition(ctxt: RequestContext, table: sa.Table, rule: states.Transition, row_id: str,
                     requirements: Sequence[Requirement],
                     values: Mapping[str, object]) -> str | None:
    """Change the status of a row with one UPDATE; return None, or the reason of the refusal.

    :param values: further columns to set; a status overrides that of the table.
    :raises NotFound: the row does not exist.
    """
    match = {'id': row_id} | ({} if rule.allowed is None else {'status': rule.allowed})
    with session.writer(ctxt) as conn:
        if requirements and conn.dialect.name == 'postgresql':
            # An UPDATE that waited for the lock of its row sees other tables as they were before
            # the wait; one that starts with the lock sees the rows that were added meanwhile.
            conn.execute(sa.select(table.c.id).where(table.c.id == row_id).with_for_update())
        where = changes.Kept(requirement.holds for requirement in requirements)
        if changes.update_where(
                ctxt, table, where if all(each.kept for each in requirements) else list(where),
                _columns(table, rule, values), match):
            return None
        return _refusal(conn, table, rule, row_id, requirements)


def _columns(table: sa.Table, rule: states.Transition,
             values: Mapping[str, object]) -> dict[str, object]:
    """Return what a transition sets, in the order that MySQL needs: see update_where()."""
    columns: dict[str, object] = {}
    status = values.get('status', rule.meanwhile)
    if status is not None:
        if 'previous_status' in table.c:
            columns['previous_status'] = table.c.status
        columns['status'] = status
    return {**columns, **values}


@functools.cache
def _status(table: sa.Table) -> sa.Select:
    return sa.select(table.c.status).where(
        table.c.id == sa.bindparam('ident'), table.c.deleted == sa.false())


def _refusal(conn: sa.Connection, table: sa.Table, rule: states.Transition, row_id: str,
             requirements: Sequence[Requirement]) -> str:
    status = conn.execute(_status(table), {'ident': row_id}).scalar()
    if status is None:
        raise exception.NotFound()
    kind = table.name.removesuffix('s')
    if rule.allowed is not None and status not in rule.allowed:
        return (f"{kind} {row_id} is in status '{status}' and must be in one of: "
                f"{', '.join(rule.allowed)}")
    for requirement in requirements:
        if conn.execute(sa.select(table.c.id).where(
                table.c.id == row_id, requirement.holds)).first():
            continue
        ids = () if requirement.blockers is None else conn.execute(
            requirement.blockers.where(table.c.id == row_id).limit(10)).scalars().all()
        return ' '.join([f'{kind} {row_id} {requirement.otherwise}', ', '.join(ids)]).strip()
    return f'{kind} {row_id} was changed by another request at the same time'


def update_object(resource: base.CinderObject, rule: states.Transition,
                  values: Mapping[str, object]) -> None:
    """Update an object according to the transition of its row.

    A repeated transaction must not use the result of its first attempt as the previous status.
    """
    status = values.get('status', rule.meanwhile)
    columns = dict(values)
    if status is not None and resource['status'] != status:
        if 'previous_status' in resource.fields:
            columns['previous_status'] = resource['status']
        columns['status'] = status
    for name, value in columns.items():
        if name in resource.fields and not isinstance(value, sa.ClauseElement):
            setattr(resource, name, value)
    resource.obj_reset_changes(columns)
