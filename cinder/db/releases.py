# SPDX-License-Identifier: Apache-2.0
"""Refuses a MySQL or MariaDB that is too old: otherwise the statements of this service would fail
with errors of syntax, one here and one there. cinder.db.engines calls it."""
from typing import TYPE_CHECKING

from cinder import exception

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import DBAPIConnection

# What this service uses and old releases lack: JSON as a table and as an aggregate, and a window
# function. It is tried, since the release that a proxy reports need not be that of its servers.
_PROBE = """SELECT JSON_OBJECTAGG(rows_of.id, rows_of.place) FROM (
SELECT ids.id, ROW_NUMBER() OVER (ORDER BY ids.id) AS place
FROM JSON_TABLE('["x"]', '$[*]' COLUMNS (
id VARCHAR(36) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$')) AS ids) AS rows_of"""
_NEEDED = 'MySQL 8.0 or newer, or MariaDB 10.6 or newer'
# Error codes: syntax, function of an unknown name, and what is not supported yet.
_LACKING = frozenset((1064, 1149, 1235, 1305, 1630))
# MariaDB reports it before its own release, for clients that expect a first digit of at most 5.
_PREFIX = '5.5.5-'


def verify(connection: 'DBAPIConnection', engine: str) -> None:
    """Try what a server must have; changes nothing.

    :param connection: of the driver; it may have a transaction afterwards
    :param engine: name of the database engine in the URL
    :raises ServerTooOld: the text is one line, and names the releases that are sufficient
    """
    if engine not in ('mysql', 'mariadb'):
        return
    cursor = connection.cursor()
    try:
        cursor.execute(_PROBE)
        cursor.fetchall()
    except Exception as exc:  # the classes are those of the driver
        if exc.args[:1] and exc.args[0] in _LACKING:
            raise exception.ServerTooOld(_refusal(connection)) from exc
        raise
    finally:
        cursor.close()


def _refusal(connection: 'DBAPIConnection') -> str:
    text = str(connection.get_server_info())  # type: ignore[attr-defined] # of PyMySQL
    product = 'MariaDB' if 'mariadb' in text.lower() else 'MySQL'
    release = text.removeprefix(_PREFIX).partition('-')[0]
    return (f'[database] connection leads to {product} {release}, which is too old for this '
            f'service: use {_NEEDED}. It can be the source of "cinder-manage db adopt".')
