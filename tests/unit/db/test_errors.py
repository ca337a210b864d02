# SPDX-License-Identifier: Apache-2.0
"""Which errors of the engines mean that the database does not serve us."""
import sqlite3

import psycopg2
import pymysql
import pytest
import sqlalchemy as sa
from oslo_db import exception as db_exc

from cinder import context, exception
from cinder.db import errors, session


def sqlite(code, text='x'):
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error


class State(psycopg2.ProgrammingError):
    def __init__(self, state):
        super().__init__('ERROR: x')
        self.state = state

    pgcode = property(lambda self: self.state)


@pytest.mark.parametrize(('error', 'unavailable'), [
    (sqlite(sqlite3.SQLITE_FULL), True), (sqlite(sqlite3.SQLITE_NOTADB), True),
    (sqlite(1, 'no such table: volumes'), True), (sqlite(1, 'no such column: a.b'), False),
    (sqlite(1, 'near "x": syntax error'), False),
    *((pymysql.OperationalError(code, 'x'), True) for code in (1045, 1044, 1142, 1227, 4151)),
    (pymysql.ProgrammingError(1146, 'x'), True), (pymysql.OperationalError(1064, 'x'), False),
    (pymysql.OperationalError(1205, 'Lock wait timeout'), False),
    *((State(state), True) for state in ('28P01', '42501', '42P01', '3D000', '57P01', '53300')),
    *((State(state), False) for state in ('42601', '23505', '22003', '40001')),
    (psycopg2.OperationalError('FATAL:  password authentication failed'), True),
])
def test_errors_of_drivers(error, unavailable):
    kind = (sa.exc.OperationalError if isinstance(
        error, sqlite3.OperationalError | pymysql.OperationalError | psycopg2.OperationalError)
        else sa.exc.ProgrammingError)
    wrapped = kind('SELECT', {}, error)
    assert errors.driver_error(db_exc.DBError(wrapped)) is error
    assert errors.is_unavailable(wrapped) is unavailable
    if kind is sa.exc.ProgrammingError:
        assert errors.is_unavailable(db_exc.DBError(wrapped)) is unavailable


def test_a_missing_table_is_503_and_told_once(database, monkeypatch, caplog):
    monkeypatch.setattr(session, '_logged_at', {})
    for _ in range(3):
        with pytest.raises(exception.DatabaseUnavailable), \
                session.reader(context.get_admin_context()) as conn:
            conn.execute(sa.text('SELECT * FROM nobody_made_it'))
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1 and 'no such table: nobody_made_it' in told[0]
    assert '\n' not in told[0] and 'SELECT' not in told[0]
