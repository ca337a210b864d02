# SPDX-License-Identifier: Apache-2.0
"""Parses the output of LVM: JSON reports become plain data, exit codes and texts on stderr become
exceptions. lvm.py decides which commands run."""
import dataclasses
import json
import re
from typing import NamedTuple

from cinder import exception
from cinder.i18n import _

ARGUMENTS = ('--reportformat', 'json', '--units', 'b', '--nosuffix', '-o')
GROUP_FIELDS = 'vg_size,vg_free,vg_extent_size'
VOLUME_FIELDS = ('lv_name,lv_size,lv_attr,pool_lv,origin,data_percent,metadata_percent,'
                 'lv_metadata_size,lv_health_status,lv_check_needed,thin_id')
EVERYTHING = f'{VOLUME_FIELDS},{GROUP_FIELDS}'


class LVMError(exception.VolumeBackendAPIException):
    """An error of LVM; `output` is what the command wrote to stdout."""

    message = _('LVM: %(data)s')
    output = ''


class GroupNotFound(LVMError):
    pass


class LVNotFound(LVMError):
    pass


class LVExists(LVMError):
    pass


class LVInUse(LVMError):
    pass


class LVActive(LVMError):
    """The change requires that the logical volume is inactive."""


class SizeReached(LVMError):
    """The logical volume has that size already."""


class NoSpace(LVMError, exception.InsufficientFreeSpace):
    pass


class PoolRefuses(NoSpace):
    """The pool is too full for new volumes, or damaged; the text is for tenants as well."""

    message = _('The storage pool accepts no new volumes: %(data)s')
    safe = True


class BadReport(LVMError):
    """A report that is not the JSON of LVM 2.03."""


class Overdue(LVMError, exception.BackendUnresponsive):
    """LVM did not answer in time."""


class Busy(Overdue):
    """The command got no turn in time because of other commands, which do end."""

    busy = True


# Texts of LVM 2.03 on stderr, all with exit code 5 (lvmcmdline: ECMD_FAILED).
_ERRORS = tuple((re.compile(pattern), error) for pattern, error in (
    (r'Volume group "\S+" not found', GroupNotFound),
    (r'(?i)logical volume "?\S+"? not found|failed to find logical volume'
     r'|origin LV \S+ not found|Pool \S+ not found', LVNotFound),
    (r'already exists in [Vv]olume group', LVExists),
    (r'(?i)insufficient (free space|suitable allocatable)|reached threshold', NoSpace),
    (r'matches existing size', SizeReached),
    (r'only while inactive', LVActive),
    (r' in use\b|contains a filesystem', LVInUse),
))


class LogicalVolume(NamedTuple):
    """A row of `lvs`; sizes in bytes, shares in percent. lvs(8) describes the letters of `attr`. It
    is a tuple because each report creates one for each volume."""

    name: str
    size: int
    attr: str
    pool: str = ''
    origin: str = ''
    data_percent: float = 0.0
    metadata_percent: float = 0.0
    metadata_size: int = 0
    health: str = ''
    needs_check: bool = False
    thin_id: int | None = None

    @classmethod
    def from_row(cls, row: dict[str, str]) -> 'LogicalVolume':
        return cls(row['lv_name'], int(row['lv_size']), row['lv_attr'], row['pool_lv'],
                   row['origin'], float(row['data_percent'] or 0),
                   float(row['metadata_percent'] or 0), int(row['lv_metadata_size'] or 0),
                   row['lv_health_status'], row['lv_check_needed'] == 'check needed',
                   int(row['thin_id']) if row['thin_id'] else None)

    @property
    def is_thick_snapshot(self) -> bool:
        return self.attr[0] in 'sS'

    @property
    def has_thick_snapshots(self) -> bool:
        return self.attr[0] in 'oO'

    @property
    def is_merging(self) -> bool:
        """Whether it is a thick volume into which a snapshot is being merged."""
        return self.attr[0] == 'O'

    @property
    def is_plain(self) -> bool:
        """Whether it is a thick volume: linear, mirrored or RAID, with or without snapshots."""
        return self.attr[0] in '-oOmMrR'

    @property
    def is_active(self) -> bool:
        return self.attr[4] != '-'

    @property
    def is_open(self) -> bool:
        return self.attr[5] == 'o'


@dataclasses.dataclass(frozen=True)
class Group:
    """The state of a volume group; sizes in bytes."""

    size: int
    free: int
    extent: int
    volumes: dict[str, LogicalVolume]

    @classmethod
    def from_rows(cls, group: dict[str, str], volumes: list[dict[str, str]]) -> 'Group':
        """:param group: a row with GROUP_FIELDS"""
        return cls(int(group['vg_size']), int(group['vg_free']), int(group['vg_extent_size']),
                   {row['lv_name']: LogicalVolume.from_row(row) for row in volumes})


@dataclasses.dataclass(frozen=True)
class Capacity:
    """Sizes in bytes; the percentages tell how full a thin pool is."""

    total: int
    free: int
    provisioned: int
    volumes: int
    data_percent: float = 0.0
    metadata_percent: float = 0.0


def rows(section: str, out: str) -> list[dict[str, str]]:
    """Return the rows of a report.

    :raises BadReport: it is not a report of LVM 2.03
    """
    try:
        # Warnings of LVM or of a library on stdout precede the report.
        return json.loads(out[out.index('{'):])['report'][0][section]
    except (ValueError, LookupError, TypeError) as exc:
        raise BadReport(data=f'no report of LVM 2.03 in {out[:80]!r}') from exc


def to_error(program: str, exc: exception.ProcessExecutionError) -> LVMError:
    """Return the exception for a failed command of LVM."""
    text = exc.stderr or ''
    error = next((error for pattern, error in _ERRORS if pattern.search(text)), LVMError)
    lines = [line.strip() for line in text.splitlines() if line and 'WARNING:' not in line]
    made = error(data=f'{program}: exit code {exc.exit_code}: {"; ".join(lines)}')
    made.output = exc.stdout or ''
    return made
