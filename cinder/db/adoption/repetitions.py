# SPDX-License-Identifier: Apache-2.0
"""Finds rows of the original that have the same values in columns that are unique here. The engine
of the source groups them, and may regard more values as equal than we do."""
import collections
from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from cinder.db.adoption import mapping, selection
from cinder.db.adoption.findings import WARNING
from cinder.db.adoption.source import Source, parameter

# Rows that are read at once.
_MANY = 500


def find(source: Source, step: mapping.Step) -> frozenset[object]:
    """Return the keys of rows that are not copied: all but the last one with the same values or,
    where repetitions are refused, all of them."""
    lost: set[object] = set()
    for names in step.unique:
        for keys in _groups(source, step, names):
            lost |= set(keys[:-1] if step.repeated == WARNING else keys)
    return frozenset(lost)


def _groups(source: Source, step: mapping.Step, names: Sequence[str]) -> Iterator[list]:
    """Yield lists of the keys, in their order, of rows with the same values."""
    table = source.table(step.source)
    columns, key = [table.c[name] for name in names], table.c[step.key]
    where = [*selection.live(source, step.source), *selection.part(source, step),
             *(column.is_not(None) for column in columns)]
    pairs: list[object] = []
    with source.connect() as conn:
        found = conn.execute(sa.select(
            *columns, sa.func.min(key).label('first'), sa.func.max(key).label('last'),
            sa.func.count().label('rows')).where(*where).group_by(*columns).having(
                sa.func.count() > 1)).mappings().all()
    for group in found:
        if group['rows'] == 2:
            pairs += [group['first'], group['last']]
            continue
        same = [table.c[name] == parameter(group[name]) for name in names]
        yield from _equal(source, step, names, [*where, *same])
    for start in range(0, len(pairs), _MANY):
        yield from _equal(source, step, names, [
            key.in_(map(parameter, pairs[start:start + _MANY]))])


def _equal(source: Source, step: mapping.Step, names: Sequence[str],
           where: Sequence[sa.ColumnElement]) -> Iterator[list]:
    """Yield the groups of the selected rows that are equal to the last character."""
    table = source.table(step.source)
    with source.connect() as conn:
        rows = conn.execute(sa.select(table.c[step.key], *(table.c[name] for name in names))
                            .where(*where).order_by(table.c[step.key])).all()
    groups: dict[tuple, list] = collections.defaultdict(list)
    for row in rows:
        groups[tuple(row[1:])].append(row[0])
    yield from (keys for keys in groups.values() if len(keys) > 1)
