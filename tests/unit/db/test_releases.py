# SPDX-License-Identifier: Apache-2.0
"""A MySQL or MariaDB that lacks what the statements need is refused, by what it can and not by the
release that it reports."""
import re

import pymysql
import pytest

from cinder import exception
from cinder.db import releases

SYNTAX = pymysql.err.ProgrammingError(1064, 'You have an error in your SQL syntax')
NO_FUNCTION = pymysql.err.OperationalError(1305, 'FUNCTION JSON_OBJECTAGG does not exist')
GONE = pymysql.err.OperationalError(2013, 'Lost connection to MySQL server during query')
DENIED = pymysql.err.OperationalError(1044, 'Access denied')


class Connection:
    """One of the driver, to a server that answers with an error or with rows."""

    def __init__(self, release, error=None):
        self.release, self.error, self.sent, self.is_closed = release, error, [], False

    def get_server_info(self):
        return self.release

    def cursor(self):
        return self

    def execute(self, statement):
        self.sent.append(statement)
        if self.error:
            raise self.error

    def fetchall(self):
        return [('{"x": 1}',)]

    def close(self):
        self.is_closed = True


@pytest.mark.parametrize(('release', 'error', 'words'), [
    ('5.6.24', SYNTAX, 'MySQL 5.6.24, which'), ('5.7.44-log', NO_FUNCTION, 'MySQL 5.7.44, which'),
    ('5.5.5-10.5.29-MariaDB-log', SYNTAX, 'MariaDB 10.5.29, which')])
def test_a_server_that_lacks_something_is_refused(release, error, words):
    connection = Connection(release, error)
    with pytest.raises(exception.ServerTooOld, match=re.escape(words)) as caught:
        releases.verify(connection, 'mysql')
    assert '\n' not in str(caught.value) and 'MySQL 8.0' in str(caught.value)
    assert connection.is_closed


@pytest.mark.parametrize('error', [GONE, DENIED])
def test_another_error_is_not_that(error):
    with pytest.raises(type(error)) as caught:
        releases.verify(Connection('8.4.0', error), 'mariadb')
    assert caught.value is error


@pytest.mark.parametrize(('engine', 'release', 'tried'), [
    # A proxy reports a release of its own.
    ('mysql', '5.5.30', 1), ('mariadb', '11.8.2-MariaDB', 1), ('sqlite', '', 0),
    ('postgresql', '', 0)])
def test_a_server_that_has_all_is_accepted(engine, release, tried):
    connection = Connection(release)
    releases.verify(connection, engine)
    assert len(connection.sent) == tried
