# SPDX-License-Identifier: Apache-2.0
"""What /dashboard shows of the trash: its own to a tenant, all to an administrator, and nothing as
long as there is none."""
import re

import pytest

from cinder import context
from cinder.api.dashboard import data, trash
from cinder.api.dashboard import html as pages
from cinder.db import models, session
from cinder.db import trash as trash_db
from cinder.db import volumes as volumes_db
from cinder.rpc import scheduler
from tests.api.client import PROJECT
from tests.api.test_dashboard import (  # noqa: F401 - fixtures
    CAPABILITIES,
    OTHER,
    Reader,
    colors,
    contrast,
    fresh,
    operator,
    tenant,
)
from tests.fakes import daemons as fake_daemons
from tests.fakes.daemons import ADMIN

NAME = '<b>last & only</b>'


@pytest.fixture
def keeps(database):
    """A back end keeps what is deleted."""
    trash_db.note_backend(ADMIN, 'a@lvm', 24)


@pytest.fixture
def put(daemons):
    """Call it to put a volume of a project into the trash: its id."""
    def put(project, name=NAME, hours=24, **columns):
        made = volumes_db.get(ADMIN, fake_daemons.volume(project, name=name)['id'])
        with session.writer(ADMIN) as conn:
            volumes_db.destroy(ADMIN, made.id)
            trash_db.put(ADMIN, made, hours, counted=False)
            if columns:
                table = models.Trash.__table__
                conn.execute(table.update().where(table.c.id == made.id).values(**columns))
        return made.id
    return put


def rows(browser):
    return browser.page().tables['trash'][1:]


def pools(monkeypatch, **has):
    monkeypatch.setattr(scheduler.SchedulerAPI, 'get_pools', lambda *_args, **_kwargs: [
        {'name': 'a@lvm#lvm', 'capabilities': {**CAPABILITIES, **has}},
        {'name': 'b@lvm#lvm', 'capabilities': CAPABILITIES}])


def test_without_the_option_there_is_nothing(operator, tenant, database):  # noqa: F811
    trash_db.note_backend(ADMIN, 'a@lvm', 0)
    for browser in (operator, tenant):
        page = browser.page()
        assert 'trash' not in page.tables
        assert 'rash' not in browser.send('GET', '/dashboard').text
    assert 'Trash, GiB' not in operator.page().tables['pools'][0]


def test_an_empty_one_says_so(operator, tenant, keeps):  # noqa: F811
    for browser in (operator, tenant):
        text = browser.send('GET', '/dashboard').text
        assert 'Nothing is in the trash.' in text and 'Nothing in the trash</a>' in text


def test_each_sees_its_own_and_the_administrator_all(operator, tenant, keeps, put):  # noqa: F811
    own, theirs = put(PROJECT), put(OTHER, 'secret of others', status='purging')
    row, = rows(tenant)
    assert row[:-1] == [f'volume {own}', NAME, '1', 'kept']
    assert re.fullmatch(r'\d{4}-\d\d-\d\d \d\d:\d\d UTC', row[-1])
    text = tenant.send('GET', '/dashboard').text
    assert not [each for each in (theirs, OTHER, 'secret of others', fake_daemons.HOST)
                if each in text]
    assert '<b>' not in text and '1 in the trash</a>' in text
    found = {row[0]: row[1:-1] for row in rows(operator)}
    assert found == {
        f'volume {own}': [NAME, PROJECT, fake_daemons.HOST, '1', 'kept'],
        f'volume {theirs}': ['secret of others', OTHER, fake_daemons.HOST, '1', 'purging']}


def test_what_is_left_of_a_former_option_is_shown(tenant, put):  # noqa: F811
    """It can be restored until its time is over; of others there is nothing to see."""
    put(OTHER)
    assert 'trash' not in tenant.page().tables
    own = put(PROJECT)
    assert [row[0] for row in rows(tenant)] == [f'volume {own}']


def test_the_first_to_go_is_first(operator, keeps, put, monkeypatch):  # noqa: F811
    """The others are counted."""
    monkeypatch.setattr(trash, 'MOST', 2)
    late, soon, never = put(PROJECT, hours=3), put(OTHER, hours=1), put(PROJECT, hours=9)
    assert [row[0] for row in rows(operator)] == [f'volume {soon}', f'volume {late}']
    text = operator.send('GET', '/dashboard').text
    assert 'Trash: the first 2 of 3' in text and '3 in the trash' in text and never not in text


@pytest.mark.parametrize('roles', [[], ['member', 'reader'], ['reader']])
def test_a_caller_without_a_project_or_role_sees_none(roles, api, keeps, put):
    put(OTHER)
    project = None if roles else OTHER
    ctxt = context.RequestContext(user_id='u', project_id=project, roles=roles)
    assert data.collect(ctxt)['trash'] is None


def test_a_pool_has_what_its_trash_holds(operator, monkeypatch):  # noqa: F811
    pools(monkeypatch, trash_capacity_gb=1234)
    table = operator.page().tables['pools']
    assert table[0][4] == 'Trash, GiB'
    assert {row[0]: row[4] for row in table[1:]} == {'a@lvm#lvm': '1,234', 'b@lvm#lvm': ''}


def test_each_cell_names_its_column(operator, keeps, put, monkeypatch):  # noqa: F811
    """For a phone, which shows each row as a card."""
    pools(monkeypatch, trash_capacity_gb=0)
    put(PROJECT)
    page = operator.page()
    named = [attrs['data-label'] for _tag, attrs in page.tags if 'data-label' in attrs]
    assert named == [column for table in page.tables.values()
                     for _row in table[1:] for column in table[0]]


def test_every_state_has_a_color():
    style = (pages.FOLDER / 'style.css').read_text()
    for state in trash_db.STATUSES:
        color, = re.findall(rf'\.{state}\b[^{{}}]*{{ color: var\(--(\w+)\)', style)
        for found in colors().values():
            assert contrast(found[color], found['page']) >= 4.5
