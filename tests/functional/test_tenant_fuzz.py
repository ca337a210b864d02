# SPDX-License-Identifier: Apache-2.0
"""Requests with good, foreign and broken tokens, made up by dice, through the whole pipeline with
keystonemiddleware in it: no 5xx, nothing of another project read or changed, no secret in a log.

FUZZ_TENANTS says how many requests (default 2500), FUZZ_SEED which (default 0).
"""
import collections
import json
import logging
import os
import random

import pytest
import sqlalchemy as sa
from keystoneauth1 import loading
from keystonemiddleware import auth_token
from oslo_log import log as oslo_log

from cinder.api import identity
from cinder.conf import CONF
from cinder.db import models, session
from tests.functional import asks
from tests.functional.tenants import OURS, PERSONAS, PROJECTS, THEIRS, Caller, World, kinds
from tests.functional.test_tenants import ASKS, QUERIES, WRITES, leaks

REQUESTS = int(os.environ.get('FUZZ_TENANTS', '2500'))
SEED = int(os.environ.get('FUZZ_SEED', '0'))
SECTION = 'keystone_authtoken'
SECRET = 'planted-secret'  # noqa: S105 - not one of anybody's
JUNK = (None, True, -1, 0, 2 ** 63, 10 ** 40, 1.5, '', 'x' * 300, '\0', '\ud800', 'é☃', '../..',
        '%s', [], {}, [[]], {'a': {}}, "'; DROP TABLE volumes; --", f'{SECRET}-value')
EXPIRED = f'{SECRET}-expired'
SERVICE, = (persona for persona in PERSONAS if persona.service)
ADMIN, = (persona for persona in PERSONAS if persona.name == 'admin')
TOKENS = ('', 'x', 'x' * 9000, '\xff\xfe', f'gAAAAA{SECRET}-broken', 'None', 'user:project',
          EXPIRED, ' ', '\t', '{"token": {}}')
FORGED = {
    'HTTP_X_ROLES': 'admin,member,reader', 'HTTP_X_ROLE': 'admin', 'HTTP_X_USER_ID': 'root',
    'HTTP_X_PROJECT_ID': THEIRS, 'HTTP_X_TENANT_ID': THEIRS, 'HTTP_X_SERVICE_ROLES': 'service',
    'HTTP_X_IDENTITY_STATUS': 'Confirmed', 'HTTP_X_SERVICE_IDENTITY_STATUS': 'Confirmed',
    'HTTP_OPENSTACK_SYSTEM_SCOPE': 'all', 'HTTP_X_IS_ADMIN_PROJECT': 'True',
    'HTTP_X_DOMAIN_ID': 'default', 'HTTP_X_FORWARDED_FOR': '127.0.0.1',
    'HTTP_X_OPENSTACK_REQUEST_ID': 'req-\r\nx', 'HTTP_ACCEPT': 'text/html, */*',
    'HTTP_HOST': 'elsewhere.example.com', 'HTTP_CONTENT_ENCODING': 'gzip'}
VERSIONS = ('volume 3.71',) * 30 + ('volume 3.0', 'volume 3.27', 'volume latest', 'volume 9.9', 'x',
                                    'volume', 'compute 2.1', 'volume 3.71, compute 2.1')


def token(persona):
    return f'{SECRET}-token-{persona.name.replace(" ", "-")}'


def told(persona, expires='2099'):
    """What Keystone tells of a token."""
    domain = {'id': 'default', 'name': 'Default'}
    facts = {'methods': ['password'], 'user': {'id': 'u' * 32, 'name': 'u', 'domain': domain},
             'issued_at': '2020-01-01T00:00:00.000000Z', 'audit_ids': ['a'],
             'expires_at': f'{expires}-01-01T00:00:00.000000Z',
             'roles': [{'id': name, 'name': name} for name in persona.roles]}
    if persona.project is None:
        return {'token': facts | {'system': {'all': True}}}
    return {'token': facts | {'project': {'id': persona.project, 'name': 'p', 'domain': domain}}}


@pytest.fixture(scope='module')
def world(only_database, tmp_path_factory):
    """The pipeline with keystonemiddleware, to which Keystone's answers are handed."""
    database, rows = only_database
    database.restore(rows)
    known = {token(persona): told(persona) for persona in PERSONAS if persona.roles is not None}
    known[EXPIRED] = told(ADMIN, expires='2020')

    def fetch(_middleware, asked, **_kwargs):
        if asked not in known:
            raise auth_token.InvalidToken('no such token')
        return known[asked]
    loading.register_auth_conf_options(CONF, SECTION)
    CONF.register_opts(loading.get_auth_plugin_conf_options('none'), SECTION)
    CONF.set_override('auth_type', 'none', SECTION)
    CONF.set_override('www_authenticate_uri', 'http://127.0.0.1:1', SECTION)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, '_engines', database.engines)
        patch.setattr(auth_token.AuthProtocol, 'fetch_token', fetch)
        patch.setattr(identity, 'require_project', lambda *_args: None)
        made = World(database, tmp_path_factory.mktemp('fuzz'), patch, authtoken=True)
        made.daemons.silent = False
        yield made
        made.close()
    CONF.clear_override('auth_type', SECTION)
    CONF.clear_override('www_authenticate_uri', SECTION)


class Log(logging.Handler):
    """Every line of every logger, as a file would have it; at the levels of `debug = true`."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.lines = []
        self.setFormatter(logging.Formatter('%(name)s %(message)s'))

    def emit(self, record):
        self.lines.append(self.format(record))


@pytest.fixture
def log():
    handler, root = Log(), logging.getLogger()
    level = root.level
    before = {}
    for text in oslo_log.get_default_log_levels():
        name, _equals, word = text.partition('=')
        before[name] = logging.getLogger(name).level
        logging.getLogger(name).setLevel(word)
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler.lines
    root.removeHandler(handler)
    root.setLevel(level)
    for name, old in before.items():
        logging.getLogger(name).setLevel(old)


class Dice:
    """Makes requests up.

    :ivar persona: who asks in the request made last; `sent` all of it, `good` whether the token is.
    """

    def __init__(self, world, seed):
        self.world, self.dice = world, random.Random(seed)
        self.ids = [{*ids.values()} for ids in world.ids.values()]

    def request(self):
        chance = self.dice.random
        self.persona = self.dice.choice([each for each in PERSONAS if each.roles is not None])
        ask = self.dice.choice(ASKS)
        path, body = self._filled(ask)
        if chance() < 0.2:
            path = path.partition('?')[0] + self._fill(self.dice.choice(QUERIES))
        if chance() < 0.1:
            path += self.dice.choice(('/', '/x', '%00', '/\xff', '?limit=-1', '.json', '?a=%FF',
                                      '?limit=99999999999999999999', '/..', 'x' * 300))
        if chance() < 0.1:
            path = f'/{self.dice.choice((*PROJECTS, self.persona.project, "0"))}{path}'
        if body is not None and chance() < 0.3:
            body = self._bend(body)
        environ = Caller(self.world, self.persona).environ(ask.each.method, path, body)
        if body is not None and chance() < 0.05:
            environ['wsgi.input'].truncate(self.dice.randrange(8))
        environ['HTTP_OPENSTACK_API_VERSION'] = self.dice.choice(VERSIONS)
        self.good = chance() < 0.8
        environ['HTTP_X_AUTH_TOKEN'] = (token(self.persona) if self.good
                                        else self.dice.choice(TOKENS))
        if chance() < 0.2:
            for name in self.dice.sample(sorted(FORGED), 4):
                environ[name] = FORGED[name]
        if chance() < 0.1:
            environ['HTTP_X_SERVICE_TOKEN'] = self.dice.choice(
                [*TOKENS[1:], *(token(each) for each in PERSONAS if each.roles)])
        if environ['HTTP_X_AUTH_TOKEN'] == EXPIRED and environ.get(
                'HTTP_X_SERVICE_TOKEN') == token(SERVICE):
            # A service may bring to its end what a user has begun.
            self.good, self.persona = True, ADMIN
        self.sent = f'{ask.each.method} {path} {body}'
        return environ

    def _filled(self, ask):
        path, body = json.loads(self._fill(json.dumps([ask.path, ask.body])))
        return path, body

    def _fill(self, text):
        for name in {*asks.OWNED, '<project>', *(f'{{{key}}}' for key in self.world.ids[OURS])}:
            while name in text:
                own = self.world.ids[self.persona.project or OURS]
                there = self.dice.choice((own, own, *self.world.ids.values(), self.world.nothing))
                text = text.replace(name, there[name[1:-1]], 1)
        return text

    def _bend(self, value):
        """A JSON value with something else somewhere."""
        if isinstance(value, dict) and value and self.dice.random() < 0.8:
            key = self.dice.choice(sorted(value))
            bent = {**value, key: self._bend(value[key])}
            if self.dice.random() < 0.2:
                bent[self.dice.choice(('x', '', key.upper(), 'project_id', 'id'))] = value[key]
            return bent
        return self.dice.choice(JUNK)


def rows_of(project):
    """Everything that belongs to a project."""
    with session.current().reader.connect() as conn:
        return {table.name: conn.execute(sa.select(table).where(
            table.c.project_id == project).order_by(*table.primary_key)).all()
            for table in models.metadata.tables.values() if 'project_id' in table.c}


@pytest.mark.timeout(900)
def test_made_up_requests(world, log):
    dice, statuses, wrong = Dice(world, SEED), collections.Counter(), []
    untouched = {project: rows_of(project) for project in PROJECTS}
    for number in range(REQUESTS):
        answer = world.send(dice.request())
        statuses[answer.status] += 1
        wrong += [f'{number} {dice.persona.name}: {dice.sent[:300]} -> {answer.status} {what}'
                  for what in faults(world, dice, answer, untouched)]
        if WRITES & set(kinds(answer)):
            world.restore()
    print('\nanswers by status:', json.dumps(dict(sorted(statuses.items()))))
    assert not wrong, '\n'.join(wrong[:20])
    assert sum(statuses[code] for code in (200, 202, 204)) > REQUESTS / 10
    assert statuses[401] > REQUESTS / 20 and statuses[403] and statuses[404]
    # What was refused is in the log, so the log is whole.
    assert any(f'{SECRET}-value' in line for line in log)
    assert not [line for line in log if any(secret in line for secret in secrets(world))][:5]


@pytest.mark.parametrize(('extra', 'status'), [
    ({}, 409), ({'HTTP_X_SERVICE_ROLES': 'service'}, 409),
    ({'HTTP_X_SERVICE_ROLES': 'service', 'HTTP_X_SERVICE_IDENTITY_STATUS': 'Confirmed'}, 409),
    ({'HTTP_X_SERVICE_TOKEN': token(ADMIN)}, 401), ({'HTTP_X_SERVICE_TOKEN': EXPIRED}, 401),
    ({'HTTP_X_SERVICE_TOKEN': 'made up'}, 401), ({'HTTP_X_SERVICE_TOKEN': token(SERVICE)}, 200)])
def test_only_a_service_token_makes_a_service(world, extra, status):
    """What a server uses (CVE-2023-2088), asked by an administrator who says more than he is."""
    environ = Caller(world, ADMIN).environ('DELETE', f'/attachments/{world.ids[OURS]["holding"]}')
    answer = world.send(environ | {'HTTP_X_AUTH_TOKEN': token(ADMIN)} | extra)
    assert answer.status == status, answer.body
    world.restore()


def secrets(world):
    """What no log may hold."""
    return [f'{SECRET}-token', f'{SECRET}-broken', EXPIRED, f'{SECRET}-chap',
            *(world.ids[project]['auth_key'] for project in PROJECTS)]


def faults(world, dice, answer, untouched):
    """What is wrong with an answer."""
    if answer.status >= 500:
        yield f'fails: {answer.body[:200]}'
    if not dice.good:
        if answer.status != 401:
            yield f'is not refused: {answer.body[:200]}'
        return
    if dice.persona.is_admin:
        return
    said = {ident for ids in dice.ids for ident in ids if ident in dice.sent}
    for project in {*PROJECTS} - {dice.persona.project}:
        yield from (f'reads {what}' for what in leaks(world, dice.persona, answer, None)
                    if what not in said)
        if WRITES & set(kinds(answer)) and rows_of(project) != untouched[project]:
            yield f'changes what {project} has'
