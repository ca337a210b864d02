# SPDX-License-Identifier: Apache-2.0
"""What is wrong with [database] is found without connecting, and told in one line."""
import os
import sys

import pytest

from cinder.conf import CONF
from cinder.db import checks


@pytest.fixture
def told(tmp_path, monkeypatch):
    """Set options of [database]; returns the texts of the problems."""
    monkeypatch.chdir(tmp_path)

    def ask(**options):
        for name, value in options.items():
            CONF.set_override(name, value, 'database')
        return [problem.text for problem in checks.check(CONF) if problem.fatal]
    yield ask
    for name in ('connection', 'slave_connection', *checks._BOUNDS, 'mysql_sql_mode'):
        CONF.clear_override(name, 'database')


@pytest.mark.parametrize('url', [
    'sqlite:///new/folder/cinder.sqlite', 'sqlite:////tmp/x.sqlite?timeout=5',
    'mysql://u:p@h/c', 'mariadb://h/c', 'mysql+pymysql://u:p%40w@[::1]:3306/c?charset=utf8',
    'mysql://u:p@/c?unix_socket=/run/mysql', 'postgresql://u:p@h/c', 'postgresql+psycopg2://h',
    'postgresql://u:p@h:5432/c?sslmode=require&application_name=cinder',
    'postgresql:///c?host=/run/postgresql'])
def test_usable_urls(told, url):
    assert told(connection=url) == []


@pytest.mark.parametrize(('url', 'words'), [
    ('', 'empty'), (' ', 'empty'), ('nonsense', 'not a database URL'),
    ('mysql://u:s3cret@h:abc/c', 'not a database URL'),
    ('mysql:/u:s3cret@h/c', 'not a database URL'),
    ('mysql://u:s3cret@[::1/c', 'not a database URL'),
    ('oracle://u:s3cret@h/c', 'engine oracle is not supported'),
    ('postgres://u:s3cret@h/c', 'engine postgres is not supported'),
    ('mysql+pigeon://u:s3cret@h/c', 'write mysql+pymysql'),
    ('postgresql+pg8000://u:s3cret@h/c', 'write postgresql+psycopg2'),
    ('mysql://u:s3cret@h:99999/c', 'port 99999'),
    ('postgresql://u:s3cret@h:0/c', 'port 0'),
    ('mysql://u:s3cret@h/c?ssl_ca=/no/such/file', '/no/such/file of ssl_ca'),
    ('postgresql://u:s3cret@h/c?sslrootcert=/no/such/file', '/no/such/file of sslrootcert'),
    ('mysql://u:s3cret@h/c?pigeon=1', 'unknown parameter, pigeon'),
    ('postgresql://u:s3cret@h/c?pigeon=1', 'unknown parameter, pigeon'),
    ('sqlite:////tmp/x?pigeon=1', 'unknown parameter, pigeon'),
    ('mysql://u:s3cret@h/c?connect_timeout=soon', 'soon'),
    ('postgresql://u:s3cret@h/c?sslmode=maybe', 'invalid sslmode'),
    ('sqlite://', 'must be a file'), ('sqlite:///:memory:', 'must be a file'),
    ('sqlite:////proc/no/such/folder/x', '/proc'), ('sqlite:////dev/null/x', 'not a directory'),
    ('sqlite:////etc', 'not a file'), ('sqlite:////etc/passwd', 'not an SQLite database'),
    (f'sqlite:///{"x" * 300}', 'name too long'),
])
@pytest.mark.parametrize('name', ['connection', 'slave_connection'])
def test_unusable_urls_are_one_line_without_the_password(told, name, url, words):
    if name == 'slave_connection' and 'empty' in words:
        assert told(slave_connection=url.strip()) == []
        return
    (text,) = told(**{'connection': 'sqlite:///x', name: url})
    assert text.startswith(f'[database] {name} = ')
    assert words in text.replace('File name', 'name')
    assert '\n' not in text and 's3cret' not in text


@pytest.mark.parametrize(('url', 'package', 'extra'), [
    ('mysql://u:p@h/c', 'PyMySQL', 'mysql'), ('postgresql://u:p@h/c', 'psycopg2-binary',
                                              'postgresql')])
def test_a_missing_driver_names_package_and_extra(told, monkeypatch, url, package, extra):
    monkeypatch.setitem(sys.modules, checks._DRIVERS[extra].name, None)
    monkeypatch.setattr(checks, '_is_installed', lambda name: False)
    (text,) = told(connection=url)
    assert f'{package} is not installed' in text and f'cinder[{extra}]' in text


def test_a_file_that_the_user_may_not_write(told, tmp_path):
    if os.geteuid() == 0:
        pytest.skip('everything is allowed to root')
    tmp_path.chmod(0o500)
    assert 'Permission denied' in told(connection=f'sqlite:///{tmp_path}/new/x')[0]


@pytest.mark.parametrize(('name', 'value'), [
    ('max_pool_size', 0), ('max_pool_size', 10**15), ('max_overflow', -1), ('pool_timeout', -1),
    ('connection_recycle_time', -2), ('mysql_sql_mode', 'TRADITIONAL,NONSENSE')])
def test_values_that_the_library_does_not_check(told, name, value):
    (text,) = told(connection='sqlite:///x', **{name: value})
    assert name in text


def test_a_replica_is_not_used_and_that_is_told(told):
    told(connection='sqlite:///x', slave_connection='sqlite:///y')
    (problem,) = checks.check(CONF)
    assert 'slave_connection is not used' in problem.text and not problem.fatal
