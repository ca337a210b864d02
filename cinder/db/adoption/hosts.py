# SPDX-License-Identifier: Apache-2.0
"""The hosts that an adoption renames: reads --map-host, and compares it with the hosts that the
source has. conversions.rename() renames."""
from collections.abc import Iterable, Mapping

import sqlalchemy as sa

from cinder import exception
from cinder.db.adoption import conversions, selection
from cinder.db.adoption.source import Source

# Columns of the source with names of hosts and clusters.
COLUMNS = (('volumes', 'host'), ('volumes', 'cluster_name'), ('groups', 'host'),
           ('groups', 'cluster_name'), ('services', 'host'), ('services', 'cluster_name'),
           ('clusters', 'name'), ('backups', 'host'), ('image_volume_cache_entries', 'host'),
           ('image_volume_cache_entries', 'cluster_name'))
_SHOWN = 20


def parse(entries: Iterable[str]) -> dict[str, str]:
    """Return old beginning -> new beginning for texts OLD=NEW.

    :raises InvalidInput: a text has another form, or two rename the same host.
    """
    made: dict[str, str] = {}
    for entry in entries:
        old, _, new = entry.partition('=')
        if not old or not new or '=' in new:
            raise exception.InvalidInput(reason=f'--map-host {entry}: expected OLD=NEW')
        if made.setdefault(old, new) != new:
            raise exception.InvalidInput(
                reason=f'--map-host renames {old} to {made[old]} and to {new}')
    return made


def known(source: Source) -> list[str]:
    """Return the names of hosts and clusters in rows that are not deleted."""
    found: set[str] = set()
    for table, name in COLUMNS:
        column = source.table(table).c[name]
        with source.connect() as conn:
            found |= set(conn.execute(sa.select(column).where(
                column.is_not(None), *selection.live(source, table)).distinct()).scalars())
    return sorted(map(str, found))


def check(source: Source, renamed: Mapping[str, str]) -> None:
    """Compare the renamed hosts with those of the source.

    :raises InvalidInput: a name does not occur.
    """
    if not renamed:
        return
    names = known(source)
    for old in renamed:
        if not any(conversions.rename(name, {old: ''}) != name for name in names):
            shown = ', '.join(names[:_SHOWN]) + (', ...' if len(names) > _SHOWN else '')
            raise exception.InvalidInput(
                reason=f'--map-host {old}={renamed[old]}: no host of the source begins with '
                       f'{old}; it has {shown}')
