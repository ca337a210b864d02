# SPDX-License-Identifier: Apache-2.0
"""Converts the rows of a batch, and reports which are refused or left out. Reads what they refer to
on both sides; copy.py reads the rows and stores the result."""
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from cinder.db import models
from cinder.db.adoption import conversions, mapping
from cinder.db.adoption.conversions import Scope, Unusable
from cinder.db.adoption.findings import REFUSAL, WARNING, Findings
from cinder.db.adoption.source import Source

REMEDY = 'Correct the rows in the source and run this again.'

# The key of a row of the source, and the row of ours.
Made = tuple[object, dict[str, Any]]


class Converter:
    """Converts rows of one step.

    :param hosts: renamed hosts
    :param findings: gets what is wrong with rows
    """

    def __init__(self, step: mapping.Step, source: Source, hosts: dict[str, str],
                 findings: Findings) -> None:
        self.step, self.source, self.findings = step, source, findings
        self.target = models.metadata.tables[step.target]
        self._rules = [(name, rule, conversions.KINDS[rule.kind](rule, self.target.c[name]))
                       for name, rule in step.columns.items()]
        self._scope = Scope(hosts, self._repaired)
        self._row_id: object = None
        # Keys of rows that others with the same unique values replace.
        self.repeated: frozenset[object] = frozenset()

    def convert(self, conn: sa.Connection, rows: Sequence[dict[str, Any]]) -> list[Made]:
        """Return the rows to store, with their keys in the source.

        :param conn: of the target
        """
        parents = {each.column: self._parents(conn, each, rows) for each in self.step.references}
        self._scope.parents = parents
        if self.step.rows == 'qos-roots':
            self._scope.consumers = self._consumers([row['id'] for row in rows])
        made = ((row[self.step.key], self._converted(row)) for row in rows)
        return [(key, row) for key, row in made if row is not None]

    def _parents(self, conn: sa.Connection, reference: mapping.Reference,
                 rows: Sequence[dict]) -> dict[object, dict]:
        table = models.metadata.tables[reference.table]
        columns = [table.c[name] for name in ('id', 'deleted', 'project_id') if name in table.c]
        # Our ids are printable; anything else leads nowhere, and some engines refuse it.
        wanted = {value for value in (row[reference.column] for row in rows)
                  if isinstance(value, str) and value.isascii() and value.isprintable()}
        if not wanted:
            return {}
        found = conn.execute(sa.select(*columns).where(table.c.id.in_(sorted(wanted)))).mappings()
        return {row['id']: dict(row) for row in found}

    def _consumers(self, roots: list[object]) -> dict[object, object]:
        table = self.source.table(self.step.source)
        rows = self.source.matching(self.step.source, 'specs_id', roots,
                                    [table.c.key == 'consumer'])
        return {row['specs_id']: row['value'] for row in rows}

    # --------------------------------------------------------------------------------- one row
    def _converted(self, row: dict[str, Any]) -> dict | None:
        self._row_id = row[self.step.key]
        if self._row_id in self.repeated:
            self._note(self.step.repeated, 'repeated', f'{_names(self.step.unique)} is repeated; '
                       + ('the last row is copied' if self.step.repeated == WARNING else
                          'it must be unique'))
            return None
        if 'deleted' in row and row['deleted'] is None:
            self._note(REFUSAL if self.step.soft else WARNING, 'deleted-null',
                       'deleted is NULL, so the original shows the row nowhere; it is left out')
            return None
        row = self._with_references(row)
        if row is None:
            return None
        made = {}
        for name, rule, convert in self._rules:
            try:
                made[name] = convert(row, self._scope)
            except Unusable as exc:
                column = rule.sources[0] if rule.sources else name
                self._note(WARNING if conversions.is_deleted(row) else REFUSAL, 'unusable',
                           f'{column} {exc}')
                return None
        return made

    def _with_references(self, row: dict[str, Any]) -> dict[str, Any] | None:
        """Return the row without the references that are forgotten; None to leave it out."""
        is_deleted = conversions.is_deleted(row)
        for each in self.step.references:
            value = row[each.column]
            if value is None:
                continue
            found = self._scope.parents[each.column].get(value)
            if found is not None and (is_deleted or not each.live or not found.get('deleted')):
                continue
            if each.missing == mapping.FORGET:
                row = {**row, each.column: None}
            if not is_deleted:
                self._note(REFUSAL if each.missing == mapping.REFUSE else WARNING,
                           'forgotten' if each.missing == mapping.FORGET else 'orphan',
                           f'{each.column} leads to no row of {each.table} that was copied; '
                           + _CONSEQUENCES[each.missing])
            if each.missing in (mapping.REFUSE, mapping.LEAVE_OUT):
                return None
        return row

    def _repaired(self, text: str) -> None:
        self._note(WARNING, 'repaired', text)

    def _note(self, severity: str, code: str, text: str) -> None:
        self.findings.add(severity, code, self.step.source, text, row_id=self._row_id,
                          remedy=REMEDY if severity == REFUSAL else '')


_CONSEQUENCES = {mapping.REFUSE: 'the row is left out', mapping.LEAVE_OUT: 'the row is left out',
                 mapping.FORGET: 'it becomes NULL'}


def _names(unique: Sequence[Sequence[str]]) -> str:
    return ' or '.join(', '.join(names) for names in unique)
