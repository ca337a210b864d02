# SPDX-License-Identifier: Apache-2.0
"""Whose tables a database has: decided before the first statement of a process, because tables of
the original Cinder, or of a newer release, must not be changed. cinder.db.engines calls it."""
import functools
import os
import re
from typing import TYPE_CHECKING

from cinder import exception

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor

# Revisions of the original at which its releases end, oldest first.
ORIGINAL = ('921e1a36b076', 'c92a3e68beed', 'daa98075b90d', '89aa6f9639f9', 'b8660621f1b9',
            '9ab1b092a404', 'b7b88f50aab5', '9c74c1c6971f')
_VERSION = 'alembic_version'
# A table of releases of the original before ORIGINAL, and one that all its releases have.
_OLDER, _FOREIGN = 'migrate_version', 'consistencygroups'
# The table of an adoption, see cinder.db.adoption.progress, and whether this process adopts.
ADOPTION = 'adoption'
_adopting = False
_OWN = re.compile(r'\d{4}')
_TABLES = {
    'sqlite': "SELECT name FROM sqlite_master WHERE type = 'table' AND name IN ({})",
    'postgresql': 'SELECT relname FROM pg_catalog.pg_class WHERE relname IN ({}) '
                  "AND relkind IN ('r', 'p') AND pg_catalog.pg_table_is_visible(oid)",
    'mysql': 'SELECT table_name FROM information_schema.tables '
             'WHERE table_schema = DATABASE() AND table_name IN ({})',
}
_TABLES['mariadb'] = _TABLES['mysql']


@functools.cache
def newest() -> str:
    """Return the newest revision of this release, without loading alembic."""
    folder = os.path.join(os.path.dirname(__file__), 'migrations', 'versions')
    return max(name[:4] for name in os.listdir(folder) if _OWN.match(name))


def verify(connection: 'DBAPIConnection', engine: str) -> bool:
    """Read whose tables the database has, and change nothing.

    :param connection: of the driver; it has no transaction afterwards
    :param engine: name of the database engine
    :returns: whether they are of this service; False: there are none yet
    :raises TablesRefused: they are of the original or of a newer release, or are adopted in part;
        the text is one line
    """
    cursor = connection.cursor()
    try:
        found, tables = _read(cursor, engine)
        is_partial = not _adopting and ADOPTION in tables and _is_partial(cursor)
    finally:
        cursor.close()
        connection.rollback()
    reason = refusal(found, tables) or (_PARTIAL if is_partial else None)
    if reason:
        raise exception.TablesRefused(reason, revision=', '.join(found) or None)
    return bool(found)


_PARTIAL = ('[database] connection has only a part of the rows of the original Cinder: run '
            '"cinder-manage db adopt" again, which continues and reports what is missing.')


def adopt_in_this_process() -> None:
    """Let this process use a database whose adoption is not finished."""
    global _adopting
    _adopting = True


def _is_partial(cursor: 'DBAPICursor') -> bool:
    cursor.execute(f"SELECT finished FROM {ADOPTION} WHERE step = ''")  # nosec B608 # a constant
    return any(not finished for finished, in cursor.fetchall())


def _read(cursor: 'DBAPICursor', engine: str) -> tuple[list[str], set[str]]:
    names = ', '.join(f"'{name}'" for name in (_VERSION, _OLDER, _FOREIGN, ADOPTION))
    cursor.execute(_TABLES[engine].format(names))
    tables = {row[0] for row in cursor.fetchall()}
    if _VERSION not in tables:
        return [], tables
    cursor.execute(f'SELECT version_num FROM {_VERSION}')  # nosec B608 # a constant
    return sorted(row[0] for row in cursor.fetchall()), tables


def refusal(found: list[str], tables: set[str]) -> str | None:
    """Return why this release cannot use a database; None if it can.

    :param found: rows of the table of revisions
    :param tables: those of `_read` that exist
    """
    text = ', '.join(found)
    if any(revision in ORIGINAL for revision in found) or (not found and tables & {
            _OLDER, _FOREIGN}):
        return (f'[database] connection has the tables of the original Cinder (revision '
                f'{text or "unknown"}), which this service does not change: set it to an empty '
                'database and copy with "cinder-manage db adopt URL_OF_THE_ORIGINAL".')
    strangers = [revision for revision in found if not _OWN.fullmatch(revision)]
    if strangers:
        return (f'[database] connection has tables of revision {text}, which is unknown: expected '
                f'an empty database or a revision up to {newest()}. If it is a database of the '
                'original Cinder, see "cinder-manage db adopt --help".')
    if found and found[-1] > newest():
        return (f'[database] connection has tables of revision {text}, which is newer than '
                f'{newest()}, the newest of this release: start the release that upgraded them.')
    return None
