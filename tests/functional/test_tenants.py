# SPDX-License-Identifier: Apache-2.0
"""Every operation of the API, asked by everybody about things of every project: the answers are
what the policy table says, and what belongs to others is answered like what does not exist, in
status, headers, body and statements."""
import itertools

import pytest

from cinder.api import beside, wsgi
from cinder.db import session
from tests import replay
from tests.api import verbs
from tests.functional import asks
from tests.functional.tenants import (
    MARK,
    OURS,
    PERSONAS,
    PROJECTS,
    World,
    applies,
    comparable,
    expected,
    kinds,
)

ASKS = [ask for each in asks.OPERATIONS for ask in asks.of(each)]
WRITES = {'INSERT', 'UPDATE', 'DELETE'}


@pytest.fixture(scope='module')
def world(only_database, tmp_path_factory):
    database, rows = only_database
    database.restore(rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, '_engines', database.engines)
        made = World(database, tmp_path_factory.mktemp('tenants'), patch)
        yield made
        made.close()


def name(ask):
    body = '' if ask.body is None else ' '.join(f'{key} {value}' for key, value in ask.body.items())
    return f'{ask.each.method} {ask.path} {body}'[:110]


@pytest.mark.parametrize('ask', ASKS, ids=name)
def test_every_answer_is_that_of_the_table(world, ask):
    wrong, successes = [], 0
    for persona, whose in itertools.product(PERSONAS, (None, *PROJECTS[::-1])):
        if applies(persona, ask):
            answer = world.ask(persona, ask, whose)
            right = expected(persona, ask, whose)
            if not fits(answer, right):
                wrong.append(f'{persona.name} on {whose or "nothing"}: {answer.status}, not '
                             f'{right or "a success"}: {answer.body[:200]}')
            wrong += [f'{persona.name} on {whose or "nothing"} reads {what}'
                      for what in leaks(world, persona, answer, whose)]
            successes += right is None and answer.status < 300
            if WRITES & set(kinds(answer)):
                world.restore()
    assert not wrong, '\n'.join(wrong)
    assert bool(successes) == ask.succeeds


def test_every_change_of_every_operation_is_an_event(world):
    """What the fixture has written with SQL differs before and after."""
    admin = next(persona for persona in PERSONAS if persona.is_admin)
    before, changed, wrong = set(replay.differences(verbs.ADMIN)), 0, []
    for ask in ASKS:
        if applies(admin, ask):
            answer = world.ask(admin, ask, OURS)
            if WRITES & set(kinds(answer)):
                changed += 1
                wrong += [f'{name(ask)}: {each}'
                          for each in set(replay.differences(verbs.ADMIN)) - before]
                world.restore()
    assert changed > 50
    assert not wrong, '\n'.join(wrong)


def fits(answer, right):
    if right is not None:
        return answer.status in right
    return answer.status not in (401, 403, 500)


def leaks(world, persona, answer, whose):
    """What of another project is in an answer."""
    if persona.is_admin:
        return
    sent = whose and set(world.ids[whose].values())
    for project in {*PROJECTS} - {persona.project}:
        text = answer.body.decode('utf-8', 'replace') + str(answer.headers)
        foreign = set(world.belongings(project).values()) - (sent or set())
        yield from (ident for ident in foreign if ident in text)
        if MARK + project in text:
            yield MARK + project


ABOUT_OWNED = [ask for ask in ASKS if any(thing in str(ask.path) + str(ask.body)
                                          for thing in asks.OWNED)]


@pytest.mark.parametrize('ask', ABOUT_OWNED, ids=name)
def test_what_others_have_is_like_what_nobody_has(world, ask):
    for persona in PERSONAS:
        if persona.is_admin or persona.roles is None or not applies(persona, ask):
            continue
        for project in {*PROJECTS} - {persona.project}:
            # The first answer may find caches cold.
            world.ask(persona, ask, None)
            nothing, foreign = world.ask(persona, ask, None), world.ask(persona, ask, project)
            assert comparable(foreign, world.ids[project]) == comparable(nothing, world.nothing)
            assert kinds(foreign) == kinds(nothing), persona.name


LISTS = [each for each in asks.OPERATIONS
         if each.method == 'GET' and '{' not in each.path and each.path != '/openapi']
LISTERS = [persona for persona in PERSONAS
           if persona.name in ('roleless', 'member', 'their reader', 'system reader')]
# What might widen a list or show by its answer that something is there.
QUERIES = ('', '?all_tenants=1', '?all_tenants=1&project_id=<project>', '?project_id=<project>',
           '?tenant_id=<project>&all_tenants=true', '?volume_id=<volume>', '?id=<volume>',
           '?snapshot_id=<snapshot>', '?group_id=<group>', '?resource_uuid=<volume>',
           '?marker=<volume>', '?marker=<snapshot>', '?marker=<group>', '?marker=<transfer>',
           '?name~=secret', "?metadata={'k': 'secret'}", '?host=node@fake', '?user_id=user',
           '?with_count=1&all_tenants=1', '?list_volume=1&all_tenants=1', '?is_public=none',
           '?sort=project_id:asc&all_tenants=1')


@pytest.mark.parametrize('each', LISTS, ids=lambda each: each.path)
def test_no_list_shows_or_confirms_what_others_have(world, each):
    for persona, query, mv in itertools.product(LISTERS, QUERIES, ('3.30', '3.71')):
        ask = asks.Ask(each, each.path + query)
        for project in {*PROJECTS} - {persona.project}:
            nothing = world.ask(persona, ask, None, mv)
            foreign = world.ask(persona, ask, project, mv)
            assert not list(leaks(world, persona, foreign, project)), (persona.name, query)
            assert comparable(foreign, world.belongings(project)) == comparable(
                nothing, world.nothing), (persona.name, query)


# A list and the forms of its content.
FORMS = [(ask, form) for each in LISTS for ask in asks.of(each)
         for form in (wsgi.JSON, *each.spec.streams)]
# Lists of what every project has, whose rows name the thing itself.
FULL = {'/volumes': 'volume', '/volumes/detail': 'volume', '/snapshots/detail': 'snapshot',
        '/backups/detail': 'backup', '/attachments': 'attachment', '/groups': 'group',
        '/group_snapshots': 'group_snapshot', '/volume-transfers': 'transfer',
        '/messages': 'message', '/operations': 'operation', '/events?after=0': 'volume',
        '/events?after=0&all_tenants=1': 'volume'}


@pytest.mark.parametrize(('ask', 'form'), FORMS, ids=lambda part: (
    part if isinstance(part, str) else part.path))
def test_every_form_of_every_list_is_that_of_the_project(world, ask, form):
    """Of all projects and roles: nothing of others, and all that is its own."""
    mark = '&' if '?' in ask.path else '?'
    path = ask.path + (f'{mark}wait=0' if form in ask.each.spec.streams else '')
    for persona in PERSONAS:
        answer = world.ask(persona, ask._replace(path=path), None, HTTP_ACCEPT=form)
        if persona.roles is None or persona.passes(ask, persona.project):
            assert not list(leaks(world, persona, answer, None)), persona.name
        if answer.status == 200:
            kind = dict(answer.headers)['Content-Type'].partition(';')[0]
            assert kind == form, persona.name
            own = FULL.get(ask.path)
            if own and persona.project:
                assert world.ids[persona.project][own].encode() in answer.body, persona.name
            if own and persona.is_admin and 'all_tenants=1' in ask.path:
                assert all(world.ids[each][own].encode() in answer.body for each in PROJECTS)


def test_every_new_list_has_what_is_its_own():
    """A list without a tenant's thing in it would show nothing of others for a poor reason."""
    new = {ask.path for ask, _form in FORMS
           if ask.path.startswith(('/events', '/operations', '/messages'))}
    assert new <= set(FULL) <= {ask.path for ask, _form in FORMS}
    assert len({form for _ask, form in FORMS}) == 3


# Paths next to /v3, and what a persona with a project gets of them; others than administrators.
BESIDE = {'/dashboard': (200, 200), '/readyz': (200, 200), '/metrics': (200, 403),
          # There only without Keystone.
          '/faults': (404, 404), '/faults/x': (404, 404)}


@pytest.mark.parametrize('path', [*BESIDE, '/dashboard?project=<project>',
                                  '/dashboard?all_tenants=1&project_id=<project>',
                                  '/readyz?all_tenants=1&project_id=<project>',
                                  '/metrics?project_id=<project>'])
def test_paths_next_to_the_api_show_nothing_of_others(world, path):
    for persona, other in itertools.product(PERSONAS, PROJECTS):
        answer = world.callers[persona.name].beside(path.replace('<project>', other))
        assert not list(leaks(world, persona, answer, None)), persona.name
        if persona.project and 'reader' in persona.roles:
            admin, user = BESIDE[path.partition('?')[0]]
            assert answer.status == (admin if persona.is_admin else user), persona.name


def test_every_path_next_to_the_api_is_in_the_matrix():
    assert beside.PAGES.keys() <= BESIDE.keys()


@pytest.mark.parametrize('persona', PERSONAS, ids=lambda persona: persona.name)
def test_the_page_shows_what_the_project_has_and_nothing_of_others(world, persona):
    answer = world.callers[persona.name].beside('/dashboard')
    if persona.roles is None:
        assert answer.status == 303
        return
    assert (answer.status, list(leaks(world, persona, answer, None))) == (200, [])
    # In each project, an operation on the snapshot is under way, and the others are in the trash.
    for project, thing in itertools.product(PROJECTS, ('snapshot', 'trashed', 'trashed_snapshot')):
        assert (world.ids[project][thing].encode() in answer.body) == (
            persona.project is not None and (
                persona.is_admin or persona.project == project and 'reader' in persona.roles))
    assert (b'Largest projects' in answer.body) == (persona.is_admin and bool(persona.project))


def test_the_table_of_requests_is_whole():
    """Every placeholder has a name, every row an operation, and most requests do succeed."""
    known = {(each.method, each.path, each.action) for each in asks.OPERATIONS}
    assert set(asks.ROWS) <= known
    assert not [ask.path for ask in ASKS if '{volume_id}' in ask.path or '_id}' in ask.path]
    assert sum(ask.succeeds for ask in ASKS) > 0.75 * len(ASKS)
    assert len(ASKS) >= len(known)
