# SPDX-License-Identifier: Apache-2.0
"""An upgrade that is interrupted (fault F40): making the tables is killed in the middle, on the
engine that commits each statement, and is run again."""

import pathlib

import pytest
import sqlalchemy as sa

from tests.functional.processes import Process, wait_until
from tests.functional.suite import render, script

SECONDS = 60
# Tables that are there when it is killed.
MOMENTS = (1, 12, 24)


def manage(folder: pathlib.Path, url: str) -> Process:
    config = folder / 'cinder.conf'
    config.write_text(render({'DEFAULT': {'state_path': folder}, 'database': {'connection': url}}))
    return Process('cinder-manage', [script('cinder-manage'), '--config-file', str(config), 'db',
                                     'sync'], folder / 'manage.log')


def finish(process: Process) -> None:
    process.start()
    wait_until(lambda: not process.running, SECONDS, 'cinder-manage to end')
    assert process.exit_status == 0, process.tail()


def shape(url: str) -> dict[str, set]:
    """Return what the tables are made of, and how many types there are."""
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    inspector = sa.inspect(engine)
    found = {name: {*(column['name'] for column in inspector.get_columns(name)),
                    *(index['name'] for index in inspector.get_indexes(name)),
                    *(key['name'] for key in inspector.get_foreign_keys(name))}
             for name in inspector.get_table_names()}
    with engine.connect() as conn:
        types = conn.exec_driver_sql('SELECT name FROM volume_types').scalars().all()
    return found | {'types': types}


def tables(engine: sa.Engine) -> int:
    with engine.connect() as conn:
        return conn.exec_driver_sql('SELECT COUNT(*) FROM information_schema.tables '
                                    'WHERE table_schema = DATABASE()').scalar()


@pytest.fixture(scope='module')
def whole(mariadb, tmp_path_factory):
    url = mariadb.url('upgrade_whole')
    finish(manage(tmp_path_factory.mktemp('whole'), url))
    return shape(url)


@pytest.mark.parametrize('moment', MOMENTS)
def test_making_the_tables_is_killed_and_run_again(mariadb, tmp_path, whole, moment):
    url = mariadb.url(f'upgrade_{moment}')
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    process = manage(tmp_path, url)
    process.start()
    wait_until(lambda: tables(engine) >= moment, SECONDS, f'{moment} tables', pause=0)
    process.kill9()
    # The server may still be busy with the last statement of the dead.
    wait_until(lambda: _alone(engine), SECONDS, 'the server to notice')
    assert tables(engine) < len(whole), 'it was killed too late to tell'
    finish(process)
    assert shape(url) == whole


def _alone(engine: sa.Engine) -> bool:
    with engine.connect() as conn:
        return conn.exec_driver_sql('SELECT COUNT(*) FROM information_schema.processlist '
                                    'WHERE db = DATABASE()').scalar() == 1
