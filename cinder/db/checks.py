# SPDX-License-Identifier: Apache-2.0
"""Checks whether [database] can be used, without connecting. wait_for_database() checks the server.
"""

import importlib.metadata
import os
import re
import sqlite3
import types
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import sqlalchemy as sa
from oslo_config import cfg

from cinder import failures, masking
from cinder.conf import directories
from cinder.conf.problem import Problem
from cinder.db import engines


class _Driver(NamedTuple):
    """A driver of SQLAlchemy, the package that has it, and the extra of cinder that installs it."""

    name: str
    package: str = ''
    extra: str = ''


_DRIVERS = {
    'sqlite': _Driver('pysqlite'),
    'postgresql': _Driver('psycopg2', 'psycopg2-binary', 'postgresql'),
    'mysql': _Driver('pymysql', 'PyMySQL', 'mysql'),
    'mariadb': _Driver('pymysql', 'PyMySQL', 'mysql'),
}
_EXAMPLES = ('postgresql+psycopg2://USER:PASSWORD@HOST/cinder, '
             'mysql+pymysql://USER:PASSWORD@HOST/cinder or sqlite:////var/lib/cinder/cinder.sqlite')
# Parts of a URL that name files, which must exist.
_FILES = ('sslrootcert', 'sslcert', 'sslkey', 'sslcrl', 'ssl_ca', 'ssl_cert', 'ssl_key')
# Options of oslo.db with a lower bound that it does not check.
_BOUNDS = {'max_pool_size': 1, 'max_overflow': 0, 'pool_timeout': 0, 'connection_recycle_time': -1}
_LARGEST = 10**6
# Messages of drivers about an unknown parameter.
_UNKNOWN = re.compile(r"""(?:unexpected keyword argument|invalid connection option|string """
                      r"""argument\(s\)) ['"](\w+)""")
_SQL_MODES = frozenset((
    'allow_invalid_dates', 'ansi', 'ansi_quotes', 'db2', 'empty_string_is_null',
    'error_for_division_by_zero', 'high_not_precedence', 'ignore_bad_table_options',
    'ignore_space', 'maxdb', 'mssql', 'mysql323', 'mysql40', 'no_auto_create_user',
    'no_auto_value_on_zero', 'no_backslash_escapes', 'no_dir_in_create',
    'no_engine_substitution', 'no_field_options', 'no_key_options', 'no_table_options',
    'no_unsigned_subtraction', 'no_zero_date', 'no_zero_in_date', 'only_full_group_by',
    'oracle', 'pad_char_to_full_length', 'pipes_as_concat', 'postgresql', 'real_as_float',
    'simultaneous_assignment', 'strict_all_tables', 'strict_trans_tables',
    'time_round_fractional', 'time_truncate_fractional', 'traditional',
))


def check(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """Check the URLs of the database and the options of its pool."""
    for name in ('connection', 'slave_connection'):
        url = conf.database[name]
        if url or name == 'connection':
            reason = unusable(url, conf.database)
            if reason:
                yield Problem(f'[database] {name} = {masking.without_user(url or "")} cannot be '
                              f'used: {reason}')
            if 'plugin=' in (url or ''):
                yield Problem(f'[database] {name} names a plugin of SQLAlchemy, which is not '
                              'loaded.', fatal=False)
    if conf.database.slave_connection:
        yield Problem('[database] slave_connection is not used: all statements use connection.',
                      fatal=False)
    for name, least in _BOUNDS.items():
        value = conf.database[name]
        if value is not None and not least <= value <= _LARGEST:
            yield Problem(f'[database] {name} = {value} is not in the range {least} to {_LARGEST}.')
    wrong = [mode for mode in (conf.database.mysql_sql_mode or '').split(',')
             if mode and mode.strip().lower() not in _SQL_MODES]
    if wrong:
        yield Problem(f'[database] mysql_sql_mode has unknown modes: {", ".join(wrong)}.')


def unusable(text: str | None, conf: cfg.ConfigOpts.GroupAttr) -> str | None:
    """Return why a URL cannot be used, as one line; None if a connection can be tried.

    :param conf: the section [database]
    """
    if not (text or '').strip():
        return f'it is empty; expected {_EXAMPLES}.'
    try:
        url = engines.without_plugin(sa.make_url(text))
    except (sa.exc.ArgumentError, ValueError):
        return (f'it is not a database URL; expected {_EXAMPLES}. In user name and password, write '
                '@ as %40, / as %2F, % as %25.')
    driver = _DRIVERS.get(url.get_backend_name())
    if driver is None:
        return f'the engine {url.get_backend_name()} is not supported; expected {_EXAMPLES}.'
    _, _, chosen = url.drivername.partition('+')
    if chosen not in ('', driver.name):
        return (f'the driver {chosen} is not supported; write '
                f'{url.get_backend_name()}+{driver.name}.')
    if url.port is not None and not 0 < url.port < 65536:
        return f'port {url.port} is not in the range 1 to 65535.'
    for name in _FILES:
        path = url.query.get(name)
        if path and not (isinstance(path, str) and os.access(path, os.R_OK)):
            return f'the file {path} of {name} does not exist or cannot be read.'
    return _refused(url, driver, conf)


def _refused(url: sa.URL, driver: _Driver, conf: cfg.ConfigOpts.GroupAttr) -> str | None:
    """Return what the driver reports about the parts of the URL, without connecting."""
    try:
        url, arguments = engines.connect_arguments(url, conf)
        dialect: Any = url.get_dialect()
        module = dialect.import_dbapi()
        with warnings.catch_warnings():
            warnings.simplefilter('error', sa.exc.SAWarning)
            positional, named = dialect(dbapi=module).create_connect_args(url)
        _TRIALS[url.get_backend_name()](module, positional, {**named, **arguments})
    except ImportError as exc:
        if driver.package and not _is_installed(driver.package):
            return (f'the Python package {driver.package} is not installed; run '
                    f'"pip install {driver.package}" or install cinder[{driver.extra}].')
        return f'the driver {driver.name} cannot be loaded: {failures.one_line(exc)}.'
    except Exception as exc:  # drivers raise various errors for unknown arguments
        unknown = _UNKNOWN.search(str(exc))
        return (f'it has an unknown parameter, {unknown[1]}.' if unknown
                else f'{failures.one_line(exc)}.')
    if url.get_backend_name() == 'sqlite':
        return _unusable_file(url.database)
    return None


def _is_installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _try_sqlite(module: types.ModuleType, _positional: list, named: dict) -> None:
    module.connect(':memory:', **named).close()


def _try_postgresql(module: types.ModuleType, _positional: list, named: dict) -> None:
    """Let libpq check its parameters, with a socket that does not exist."""
    try:
        module.connect(**{**named, 'host': '/nonexistent', 'hostaddr': ''}).close()
    except module.OperationalError as exc:
        if 'onnect' not in str(exc).partition(':')[0]:
            raise


def _try_mysql(module: types.ModuleType, positional: list, named: dict) -> None:
    module.connect(*positional, **{**named, 'defer_connect': True})


_TRIALS = {'sqlite': _try_sqlite, 'postgresql': _try_postgresql, 'mysql': _try_mysql,
           'mariadb': _try_mysql}


def _unusable_file(path: str | None) -> str | None:
    if path in (None, '', ':memory:'):
        return 'the database must be a file; expected sqlite:////FOLDER/FILE.'
    reason = directories.unusable_reason(os.path.dirname(os.path.abspath(path)))
    if reason:
        return f'{reason}.'
    try:
        os.stat(path)
    except FileNotFoundError:
        return None
    except OSError as exc:
        return f'{exc.strerror}.'
    if not os.access(path, os.R_OK | os.W_OK) or not os.path.isfile(path):
        return 'it is not a file that this user can read and write.'
    return _unusable_content(path)


def _unusable_content(path: str) -> str | None:
    """Return why the file is not a database; an empty file is a new one."""
    with open(path, 'rb') as file:
        start = file.read(16)
    if start and start != b'SQLite format 3\0':
        return f'the file is not an SQLite database (of {sqlite3.sqlite_version}).'
    return None
