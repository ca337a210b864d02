# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the adoption: a small cloud of the original, and databases that adopt it."""
import contextlib
import shutil
import sqlite3

import pytest
import sqlalchemy as sa

from cinder.db import migration, models, session
from cinder.db.adoption import copy, progress, source
from tests.fakes import original, original_site

VOLUMES = 60
SITE = original_site.Site(VOLUMES)


@pytest.fixture(scope='session')
def small_site(tmp_path_factory):
    """A file with a small cloud; tests copy it."""
    path = tmp_path_factory.mktemp('site') / 'original.sqlite'
    original.fill(original.create(f'sqlite:///{path}'), original_site.Site(VOLUMES).pieces())
    return path


class Adopted:
    """What an adoption gave: its result, what it showed, and the rows of the target."""

    def __init__(self, path, hosts=None, deleted_days=0, leave_out=False):
        opened, self.said = source.Source(f'sqlite:///{path}'), []
        try:
            self.result = copy.adopt(opened, hosts or {}, deleted_days, self.said.append,
                                     leave_out)
        finally:
            opened.close()
        self.tables = contents()

    @property
    def findings(self):
        return self.result.findings.all()

    def rows(self, model):
        return {row['id']: row for row in self.tables[model.table]}


def contents():
    """Return table -> rows of the target, in the order of their keys."""
    with session.current().reader.connect() as conn:
        return {name: conn.execute(sa.select(table).order_by(*table.primary_key)).mappings().all()
                for name, table in models.metadata.tables.items()}


@contextlib.contextmanager
def empty_target(only_database):
    """Provide the database of the tests, whose tables need not be made."""
    made, rows = only_database
    made.restore(rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, '_engines', made.engines)
        patch.setattr(migration, 'db_sync', lambda: None)
        yield
    with made.engines.writer.begin() as conn:
        progress.TABLE.drop(conn, checkfirst=True)


@pytest.fixture
def site(small_site, tmp_path):
    """The path of a copy of the small cloud, which the test may change."""
    return shutil.copy(small_site, tmp_path / 'original.sqlite')


@pytest.fixture
def target(only_database):
    with empty_target(only_database):
        yield


@pytest.fixture(scope='module')
def adopt_once(small_site, only_database, tmp_path_factory):
    """A function that changes a copy of the small cloud, adopts it and gives the Adopted."""
    def adopt_once(statements, **kwargs):
        path = shutil.copy(small_site, tmp_path_factory.mktemp('site') / 'original.sqlite')
        with sqlite3.connect(path) as conn:
            for statement in statements:
                conn.execute(statement)
        conn.close()
        with empty_target(only_database):
            return Adopted(path, **kwargs)
    return adopt_once
