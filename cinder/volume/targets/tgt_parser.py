# SPDX-License-Identifier: Apache-2.0
"""Parses the output of tgtadm(8) about the targets of a tgtd; tgt.py uses it."""
import dataclasses
import re

from cinder.volume.targets import iscsi


@dataclasses.dataclass
class Shown:
    """One target in the output of `--op show`."""

    tid: int
    iqn: str
    path: str | None = None
    read_only: bool = False
    accounts: list[str] = dataclasses.field(default_factory=list)
    # (name, number of the session, number of its connection)
    sessions: list[tuple[str, str, str]] = dataclasses.field(default_factory=list)
    allowed: list[str] = dataclasses.field(default_factory=list)

    @property
    def initiators(self) -> set[str]:
        """The names of the initiators that are logged in."""
        return {name for name, _session, _connection in self.sessions}


_LINES = re.compile(
    r'Target (?P<tid>\d+): (?P<iqn>\S+)'
    r'|^ {8}I_T nexus: (?P<session>\d+)'
    r'|^ {12}Initiator: (?P<initiator>\S+)'
    r'|^ {12}Connection: (?P<connection>\d+)'
    r'|^ {8}LUN: (?P<lun>\d+)'
    r'|^ {12}Readonly: (?P<readonly>\S+)'
    r'|^ {12}Backing store path: (?P<path>.+)'
    r'|^ {4}(?P<section>Account|ACL) information:'
    r'|^ {8}(?P<word>\S+)')


def parse(text: str) -> dict[str, Shown]:
    """Return the targets in the output of `tgtadm --mode target --op show`, by name."""
    targets: dict[str, Shown] = {}
    # Values of the current target; empty before the first one.
    shown, section, session, initiator = Shown(0, ''), '', '', ''
    lun = None
    for line in text.splitlines():
        found = _LINES.match(line)
        if not found:
            continue
        kind = str(found.lastgroup)
        value = found[kind]
        if kind == 'iqn':
            shown = targets[value] = Shown(int(found['tid']), value)
            section = ''
        elif kind == 'session':
            session = value
        elif kind == 'initiator':
            initiator = value
        elif kind == 'connection':
            shown.sessions.append((initiator, session, value))
        elif kind == 'readonly' and lun == iscsi.LUN:
            shown.read_only = value == 'Yes'
        elif kind == 'lun':
            lun = int(value)
        elif kind == 'path' and lun == iscsi.LUN:
            shown.path = value
        elif kind == 'section':
            section = value
        elif kind == 'word' and section == 'Account':
            shown.accounts.append(value)
        elif kind == 'word' and section == 'ACL':
            shown.allowed.append(value)
    return targets
