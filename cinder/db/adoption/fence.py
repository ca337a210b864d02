# SPDX-License-Identifier: Apache-2.0
"""Disables the services of the original, and enables them again for the way back: the only
statements that ever change the source."""
import sqlalchemy as sa

from cinder.db.adoption import selection
from cinder.db.adoption.conversions import FENCE_REASON
from cinder.db.adoption.source import Source

_REASON = FENCE_REASON + '; "cinder-manage db adopt SOURCE_URL --unfence" enables it again'


def fence(source: Source) -> list[str]:
    """Disable the services that are enabled; return them as 'binary on host'.

    :param source: opened to be written
    """
    table = source.table('services')
    return _change(source, sa.or_(table.c.disabled.is_(sa.false()), table.c.disabled.is_(None)),
                   disabled=sa.true(), disabled_reason=_REASON)


def unfence(source: Source) -> list[str]:
    """Enable the services that fence() disabled; return them as 'binary on host'."""
    reason = source.table('services').c.disabled_reason
    return _change(source, reason.startswith(FENCE_REASON), disabled=sa.false(),
                   disabled_reason=sa.null())


def _change(source: Source, which: sa.ColumnElement, **values: sa.ColumnElement) -> list[str]:
    table = source.table('services')
    where = [*selection.live(source, 'services'), which]
    with source.connect() as conn:
        found = [f'{binary} on {host}' for binary, host in conn.execute(
            sa.select(table.c.binary, table.c.host).where(*where).order_by(
                table.c.binary, table.c.host))]
        conn.execute(sa.update(table).where(*where).values(**values))
    return found
