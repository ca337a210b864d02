# SPDX-License-Identifier: Apache-2.0
"""The copy of an adoption on all engines, killed after and before each batch, and on sources with
random damage: the rows are what an undisturbed copy on SQLite gives, or are refused with ids.

ADOPTION_FULL=yes damages 40 sources instead of 3.
"""
import collections
import os
import shutil
import signal
import sys

import pytest
import sqlalchemy as sa

from cinder import context, fault_points, objects
from cinder.cmd import quota_recount
from cinder.conf import CONF
from cinder.db import (
    attachments,
    backups,
    group_snapshots,
    group_types,
    groups,
    migration,
    models,
    services,
    session,
    snapshots,
    transfers,
    types,
    volumes,
)
from cinder.db.adoption import copy, mapping, source
from tests.fakes import original, original_damage, original_site
from tools.bench import adopt as bench

VOLUMES = 120
SEEDS = 40 if os.environ.get('ADOPTION_FULL') else 3
SITE = original_site.Site(VOLUMES)
# Rows that some engines regard as repeated, and we do not.
CASES = [{'id': 90_000 + number, 'volume_id': SITE.uuid('volume', 0), 'key': key, 'value': 'x',
          'deleted': False} for number, key in enumerate(('KEY0', 'kéy0', 'key0 x', 'KEY0'))]


def pieces():
    yield from original_site.Site(VOLUMES).pieces()
    yield 'volume_metadata', CASES


def use(url):
    """Make a database that of this process."""
    objects.register_all()
    session.reset()
    CONF.set_override('connection', url, 'database')
    CONF.set_override('sqlite_synchronous', False, 'database')


@pytest.fixture(autouse=True)
def afterwards():
    yield
    session.reset()
    CONF.clear_override('connection', 'database')
    CONF.clear_override('sqlite_synchronous', 'database')


def adopt(url, target):
    use(target)
    opened, said = source.Source(url), []
    try:
        return copy.adopt(opened, {}, 0, said.append), said
    finally:
        opened.close()


def contents():
    """Return table -> rows of the target, with whole seconds: MySQL of the original has no more."""
    def whole(value):
        return value.replace(microsecond=0) if hasattr(value, 'microsecond') else value
    with session.current().reader.connect() as conn:
        return {name: sorted((tuple(map(whole, row)) for row in conn.execute(table.select())),
                             key=str) for name, table in models.metadata.tables.items()}


@pytest.fixture(scope='module')
def plain(tmp_path_factory):
    """A source in SQLite."""
    path = tmp_path_factory.mktemp('adoption') / 'original.sqlite'
    original.fill(original.create(f'sqlite:///{path}'), pieces())
    return path


@pytest.fixture(scope='module')
def expected(plain):
    """The rows that each copy of the same source gives."""
    result, _said = adopt(f'sqlite:///{plain}', f'sqlite:///{plain.parent}/reference.sqlite')
    assert [(each.code, each.count) for each in result.findings.all()] == [('repeated', 1)]
    return contents()


ENGINES = ('sqlite', 'postgresql', 'mariadb', 'old_mysql')


@pytest.fixture
def url_of(request, tmp_path):
    """A function that gives the URL of an empty database of an engine."""
    def url_of(engine, name):
        if engine == 'sqlite':
            return f'sqlite:///{tmp_path}/{name}.sqlite'
        return request.getfixturevalue(engine).url(name)
    return url_of


def damaged_pieces():
    return original_damage.damaged(pieces(), 1)


def told(result):
    return [(each.code, each.table, each.text, each.ids) for each in result.findings.all()]


@pytest.fixture(scope='module')
def expected_of_damaged(tmp_path_factory):
    """The findings and the rows of a copy on SQLite of the cloud with damaged rows."""
    folder = tmp_path_factory.mktemp('damaged')
    original.fill(original.create(f'sqlite:///{folder}/original.sqlite'), damaged_pieces())
    result, _said = adopt(f'sqlite:///{folder}/original.sqlite',
                          f'sqlite:///{folder}/reference.sqlite')
    assert len(told(result)) > 20
    return told(result), contents()


@pytest.mark.parametrize(('left', 'right'), [
    ('sqlite', 'postgresql'), ('postgresql', 'mariadb'), ('mariadb', 'sqlite'),
    ('old_mysql', 'mariadb')])
def test_engines(left, right, url_of, expected_of_damaged):
    """Each engine on each side, with rows that are damaged as any engine stores them."""
    url = url_of(left, f'original_of_{right}')
    original.fill(original.create(url), damaged_pieces())
    target = url_of(right, f'adopted_from_{left}')
    result, _said = adopt(url, target)
    findings, rows = expected_of_damaged
    assert told(result) == findings
    assert contents() == rows
    # New rows get ids that no copied row has.
    services.create(context.get_admin_context(), {
        'host': 'new', 'binary': 'cinder-volume', 'topic': 'x'})
    with session.current().reader.connect() as conn:
        ids = conn.execute(sa.select(models.Service.__table__.c.id)).scalars().all()
    assert len(set(ids)) == len(rows['services']) + 1
    CONF.set_override('connection', url, 'database')


@pytest.mark.parametrize('engine', ENGINES)
def test_nothing_of_a_source_is_changed(engine, url_of, request):
    """Not even where its account may write; and the copy does not take it for a target."""
    url = url_of(engine, 'original_only_read')
    original.create(url)
    opened = source.Source(url)
    with opened.connect() as conn, pytest.raises(Exception, match='(?i)read.?only'):
        conn.execute(sa.text("INSERT INTO quota_classes (id, class_name) VALUES (1, 'x')"))
    opened.close()
    use(url)
    for act in (migration.db_sync, session.verify):
        with pytest.raises(Exception, match='cinder-manage db adopt'):
            act()


# ------------------------------------------------------------------------------------------ kills
class Mortal:
    """Kills the process, in turn after a batch and before another; each life copies `batches`."""

    def __init__(self, life, batches):
        self._life, self._left = life, batches

    def __call__(self, _name):
        return self

    def __enter__(self):
        self._left -= 1
        if self._life % 2 and self._left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def __exit__(self, kind, *_rest):
        if not self._life % 2 and self._left == 0 and kind is None:
            os.kill(os.getpid(), signal.SIGKILL)


def live_once(url, target, life, batches):
    """Adopt in a child; return whether it lived to the end."""
    child = os.fork()
    if not child:
        try:
            fault_points.around = Mortal(life, batches)
            adopt(url, target)
            os._exit(0)
        finally:
            sys.stderr.flush()
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or status == 0, status
    return status == 0


@pytest.mark.parametrize(('engine', 'batches'), [
    ('sqlite', 1), ('postgresql', 4), ('mariadb', 4)])
def test_killed_at_each_batch(engine, batches, plain, expected, url_of, monkeypatch):
    monkeypatch.setattr(copy, 'BATCH', 70)
    url, target = f'sqlite:///{plain}', url_of(engine, 'adopted_by_mortals')
    session.reset()
    lives = 0
    while not live_once(url, target, lives, batches):
        lives += 1
    assert lives > 30 / batches
    use(target)
    assert contents() == expected


def test_run_twice(plain, expected, tmp_path):
    for text in (None, 'The rows of the last adoption are removed, and copied again.'):
        _result, said = adopt(f'sqlite:///{plain}', f'sqlite:///{tmp_path}/twice.sqlite')
        assert text is None or text in said
        assert contents() == expected


def test_the_measurement_of_a_large_cloud(mariadb, tmp_path):
    """A slice of `tools/bench --only adopt`; its memory hardly depends on the number of rows."""
    for figure in bench.measure(mariadb, tmp_path, 1500):
        assert figure.verdict in ('', 'kept'), figure


# ----------------------------------------------------------------------------------------- damage
LISTS = (volumes, snapshots, attachments, transfers, backups, groups, group_snapshots, types,
         group_types)
# Findings about rows that were copied nevertheless.
COPIED = ('repaired', 'forgotten')


@pytest.mark.parametrize('seed', range(SEEDS))
def test_random_damage(seed, plain, tmp_path):
    path = shutil.copy(plain, tmp_path / 'damaged.sqlite')
    assert original_damage.damage(path, seed) > 100
    result, _said = adopt(f'sqlite:///{path}', f'sqlite:///{tmp_path}/adopted.sqlite')
    left_out = collections.Counter()
    for finding in result.findings.all():
        assert finding.ids and '\n' not in finding.line()
        if finding.code not in COPIED:
            left_out[finding.table] += finding.count
    states = copy.progress.steps(context.get_admin_context())
    for step in mapping.STEPS:
        assert states[step.name].finished
        if step.source != 'quality_of_service_specs':
            assert states[step.name].rows_read == (
                result.rows[step.name] + left_out[step.source]), step.name
    assert_readable()


def assert_readable():
    """What was copied can be listed and counted: no reader meets a value that it does not expect.
    """
    ctxt = context.get_admin_context()
    for module in LISTS:
        module.list_rows(ctxt, all_tenants=True, detail=True)
    services.list_all(ctxt)
    assert quota_recount.differences(ctxt) == []
