# SPDX-License-Identifier: Apache-2.0
"""What an adoption reports about rows of the source: one entry for each kind of fault,
with the ids of the rows."""
import dataclasses
from collections.abc import Iterable
from typing import Any

from cinder import masking

# A refusal has to be corrected in the source before the adoption is complete; a warning says what
# was changed or left out.
REFUSAL, WARNING = 'refusal', 'warning'
# Ids that are kept for each finding, and those that are printed; all are counted.
KEPT, SHOWN = 1000, 20
# Characters of an id; a damaged one may be of any length.
_LONGEST = 64


@dataclasses.dataclass
class Finding:
    """A fault and the rows that have it.

    :param code: short name for scripts, such as 'duplicate-key'
    :param table: of the source; empty: no table
    :param text: what is wrong, without the ids
    :param remedy: what the operator can do
    :param ids: of the first KEPT rows
    :param count: of all rows
    """

    severity: str
    code: str
    table: str
    text: str
    remedy: str = ''
    ids: list[str] = dataclasses.field(default_factory=list)
    count: int = 0

    def add(self, row_id: object) -> None:
        """Add a row."""
        self.count += 1
        if len(self.ids) < KEPT:
            self.ids.append(masking.printable(str(row_id)[:_LONGEST]))

    def line(self) -> str:
        """Return the finding as one line."""
        shown = ', '.join(self.ids[:SHOWN])
        rows = f' ({self.count} {"row" if self.count == 1 else "rows"}: {shown}' if shown else ''
        more = (', ...)' if self.count > SHOWN else ')') if shown else ''
        where = f'{self.table}: ' if self.table else ''
        remedy = f' {self.remedy}' if self.remedy else ''
        return f'{self.severity}: {where}{self.text}{rows}{more}.{remedy}'


class Findings:
    """The findings of a run, one for each (code, table, text)."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str], Finding] = {}

    def add(self, severity: str, code: str, table: str, text: str, *, remedy: str = '',
            row_id: object = None) -> None:
        """Add a row to the finding with this code, table and text; without an id, a finding about
        no row."""
        finding = self._found.setdefault(
            (code, table, text), Finding(severity, code, table, text, remedy))
        if row_id is not None:
            finding.add(row_id)

    @classmethod
    def restored(cls, data: list[dict[str, Any]]) -> 'Findings':
        """Return the findings that as_data() returned."""
        made = cls()
        made.merge(Finding(**each) for each in data)
        return made

    def merge(self, others: Iterable[Finding]) -> None:
        """Add findings of another part of the work."""
        for each in others:
            self._found[each.code, each.table, each.text] = each

    def as_data(self) -> list[dict[str, Any]]:
        """Return the findings for JSON."""
        return [dataclasses.asdict(each) for each in self.all()]

    def all(self) -> list[Finding]:
        """Return refusals, then warnings, each in the order in which they were found."""
        return sorted(self._found.values(), key=lambda each: each.severity != REFUSAL)

    @property
    def refused(self) -> bool:
        return any(each.severity == REFUSAL for each in self._found.values())
