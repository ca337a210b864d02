# SPDX-License-Identifier: Apache-2.0
"""Upgrades (fault F40): making the tables is killed in the middle, on the engine that commits each
statement, and run again; and daemons of two releases work together while one by one is replaced."""

import pathlib
import shutil

import pytest
import sqlalchemy as sa

from tests.functional import scenarios
from tests.functional.oracle import Oracle
from tests.functional.processes import Process, wait_until
from tests.functional.suite import ROOT, Suite, render, script

SECONDS = 60
NEXT_VERSION = '1.1'
# Daemons that are replaced last -> where one of them is killed.
UNDONE = {('volume',): 'volume.create:driver:after',
          ('api', 'scheduler'): 'volume.create:schedule:commit:before'}
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


# --------------------------------------------------------------------------- two releases at once
# The next release: a field more of volumes, in table, object and messages. File -> text, new text.
NEXT = {
    'objects/base.py': (")\nCURRENT_VERSION",
                        "    ('1.1', {'Volume': '1.1'}),\n)\nCURRENT_VERSION"),
    'objects/volumes.py': ("    fields = {\n", "    VERSION = '1.1'\n    fields = {\n"
                           "        'colour': fields.string(),\n"),
    'rpc/volume.py': ("RPC_API_VERSION = '1.", "RPC_API_VERSION = '1.9"),
}
REVISION = """
import sqlalchemy as sa
from alembic import op

revision = '{revision}'
down_revision = '{former}'


def upgrade():
    op.add_column('volumes', sa.Column('colour', sa.String(36)))
"""


def make_next(folder: pathlib.Path) -> None:
    """Make the next release out of this one."""
    package = folder / 'cinder'
    shutil.copytree(ROOT / 'cinder', package, ignore=shutil.ignore_patterns('__pycache__'))
    for name, (text, new) in NEXT.items():
        source = (package / name).read_text()
        assert source.count(text) == 1, name
        (package / name).write_text(source.replace(text, new))
    versions = package / 'db/migrations/versions'
    former = max(path.stem.partition('_')[0] for path in versions.glob('[0-9]*.py'))
    revision = f'{int(former) + 1:04}'
    (versions / f'{revision}_colour.py').write_text(REVISION.format(revision=revision,
                                                                    former=former))


class Rolling(Suite):
    """An installation whose daemons are replaced one by one."""

    def environment(self):
        return super().environment() | getattr(self, 'release', {})

    def upgrade(self, *names: str, release: pathlib.Path) -> None:
        """Kill these daemons and start them again as the next release."""
        for name in names:
            process = self.processes[name]
            process.kill9()
            process.env = process.env | {'PYTHONPATH': str(release)}
            process.start()
        wait_until(lambda: all(self.versions().get(f'cinder-{name}', NEXT_VERSION) == NEXT_VERSION
                               for name in names), SECONDS, 'them to register')
        self.wait_ready()

    def versions(self) -> dict[str, str]:
        """Return what each service tells of the messages that it understands."""
        with sa.create_engine(self.database, poolclass=sa.pool.NullPool).connect() as conn:
            return dict(conn.exec_driver_sql(
                'SELECT services.binary, object_current_version FROM services').tuples().all())


@pytest.mark.parametrize(('first', 'second'), [
    (('api', 'scheduler'), ('volume',)), (('volume',), ('api', 'scheduler'))])
def test_two_releases_at_once(installation, postgresql, tmp_path, first, second):
    """Some daemons are replaced, then the others, in the midst of work. The old ones run on with
    the tables of the next release; a start of the old release is refused from then on."""
    make_next(tmp_path)
    name = f'rolling_{first[0]}'
    with installation(name, postgresql.url(name), kind=Rolling) as suite:
        suite.release = {'PYTHONPATH': str(tmp_path)}
        suite.manage('db', 'sync')
        suite.upgrade(*first, release=tmp_path)
        run_all(suite)
        # What the old one leaves undone the new one does.
        left = scenarios.CreateFromSnapshot(suite.client())
        left.prepare()
        with suite.killed_at(UNDONE[second]):
            left.request()
        suite.upgrade(*second, release=tmp_path)
        left.check_done()
        run_all(suite)
        Oracle(suite).check()


def run_all(suite):
    client = suite.client()  # the API may be another since
    running = [make(client) for make, _verb in scenarios.ALL.values()]
    for scenario in running:
        scenario.prepare()
    for scenario in running:
        scenario.request()
    for scenario in running:
        scenario.check_done()
