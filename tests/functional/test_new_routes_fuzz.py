# SPDX-License-Identifier: Apache-2.0
"""Requests to what the original does not have, made up by dice, through the whole pipeline with
keystonemiddleware in it: events, operations, the paths next to /v3, and every POST with headers by
which it waits or can be repeated. No 5xx, and nothing of other projects.

NEW_ROUTES_REQUESTS says how many requests (default 10000), NEW_ROUTES_SEED which (default: others
each time).
"""
import collections
import io
import os
import random

import pytest

from cinder.api import idempotency, waiters
from cinder.api.dashboard import identity
from tests.api import test_pages_fuzz as pages
from tests.functional.tenants import PERSONAS, PROJECTS
from tests.functional.test_tenant_fuzz import TOKENS, token, world  # noqa: F401 - a fixture
from tests.functional.test_tenants import ASKS, QUERIES, leaks

REQUESTS = int(os.environ.get('NEW_ROUTES_REQUESTS', '10000'))
SEED = int(os.environ.get('NEW_ROUTES_SEED', random.randrange(10 ** 6)))
NEW = ('/events', '/operations', '/messages')
READS = [ask for ask in ASKS if ask.each.method != 'POST' and ask.path.startswith(NEW)]
POSTS = [ask for ask in ASKS if ask.each.method == 'POST']
# Rows are made by some of them: as many as do not make the lists long.
KINDS = ('read', 'read', 'read', 'read', 'read', 'page', 'page', 'post')
# Requests after which the rows are again those of the start.
LIFE = 250
TEXTS = ('', ' ', '0', '1', '-1', '1.5', '9' * 19, '9' * 400, 'x', 'x' * 255, 'x' * 256,
         'x' * 60_000, '\xff\xfe', '\xc3\xa9', '\0', '%00', '%ff', '"', '""', '"k"', 'k"k', 'k, k',
         ',' * 300, '1 OR 1=1', '\u0661'.encode().decode('latin-1'))
VALUES = {
    'HTTP_PREFER': (*TEXTS, 'wait=0', 'wait=1', 'wait=30', 'wait=300', 'wait=-1', 'wait="5"',
                    'wait', 'wait=', 'wait=1, wait=2', 'respond-async, WAIT = 3', 'wait=3;x="a,b"',
                    'wait=999999999', 'wait=' + '9' * 5000, 'wait=\xb2', 'return=minimal',
                    'wait=1' + ', wait=1' * 500),
    # Few good ones, so that they are used again, for the same request and for others.
    'HTTP_IDEMPOTENCY_KEY': (*TEXTS, *'abc', *'abc'),
    'HTTP_ACCEPT': (*TEXTS, 'application/json', 'application/x-ndjson', 'text/event-stream',
                    'text/html', '*/*;q=0', 'text/event-stream, application/json'),
    'HTTP_LAST_EVENT_ID': TEXTS,
}
FIELDS = {
    'after': (*TEXTS, *'0123456789', *['99999'] * 25), 'wait': ('0', '-1', '1.5', 'x', '301'),
    'limit': TEXTS,
    'kind': (*TEXTS, 'create', 'update,delete'), 'resource_type': (*TEXTS, 'volume'),
    'resource_id': TEXTS, 'all_tenants': ('0', '1', 'x'), 'state': (*TEXTS, 'queued', 'failed'),
    'verb': (*TEXTS, 'volume.create'), 'marker': TEXTS, 'sort': (*TEXTS, 'created_at:asc'),
    'host': TEXTS, 'project_id': (*TEXTS, *PROJECTS), 'offset': TEXTS, 'with_count': ('1', 'x'),
    '\xff': TEXTS}


class Dice:
    """Makes requests up.

    :ivar persona: who asks in the request made last, `told` what he asks for
    """

    def __init__(self, there, seed):
        self.world, self.dice, self._last = there, random.Random(seed), None

    def request(self):
        self.persona = self.dice.choice([each for each in PERSONAS if each.roles is not None])
        environ = getattr(self, self.dice.choice(KINDS))()
        if self.dice.random() < 0.9:
            environ['HTTP_X_AUTH_TOKEN'] = token(self.persona)
        elif 'HTTP_X_AUTH_TOKEN' not in environ:
            environ['HTTP_X_AUTH_TOKEN'] = self.dice.choice(TOKENS)
        self.told = {key: value[:200] for key, value in environ.items()
                     if isinstance(value, str) and key.startswith((
                         'REQUEST', 'PATH', 'QUERY', 'HTTP', 'CONTENT'))}
        return environ

    def page(self):
        """A path next to /v3."""
        return pages.made_up(self.dice).environ

    def read(self):
        """A new route of the API, also one that cancels."""
        environ = self._filled(self.dice.choice(READS))
        if self.dice.random() < 0.5:
            names = self.dice.sample(sorted(FIELDS), self.dice.randrange(1, 4))
            query = '' if 'after' in names else environ['QUERY_STRING']
            environ['QUERY_STRING'] = '&'.join(
                [query, *(f'{name}={self.dice.choice(FIELDS[name])[:3000]}'
                                            for name in names)]).strip('&')
        if 'event-stream' in self._headers(environ, 0.3).get('HTTP_ACCEPT', ''):
            environ['QUERY_STRING'] += '&wait=0'
        return environ

    def post(self):
        """Any POST, which waits or may be repeated; or the last one once more."""
        if self._last and self.dice.random() < 0.3:
            self.persona, environ = self._last
        else:
            environ = self._headers(self._filled(self.dice.choice(POSTS)), 0.7)
            self._last = self.persona, environ
        return {**environ, 'wsgi.input': io.BytesIO(environ['wsgi.input'].getvalue())}

    def _filled(self, ask):
        sent = []
        # What an administrator makes of things of other projects is of his project.
        whose = (self.persona.project if self.persona.is_admin and ask in POSTS
                 else self.dice.choice((None, *PROJECTS)))
        real, self.world.send = self.world.send, sent.append
        try:
            self.world.ask(self.persona, ask, whose,
                           self.dice.choice(('3.71', '3.71', '3.71', '3.0')))
        finally:
            self.world.send = real
        environ = {key: value for key, value in sent[0].items() if not key.startswith('HTTP_X_')}
        if self.dice.random() < 0.05:
            environ['PATH_INFO'] += self.dice.choice(('/', '/x', '%00', '\xff', '.json', 'x' * 300))
            environ['QUERY_STRING'] += self.dice.choice(QUERIES).replace('?', '&')
        return environ

    def _headers(self, environ, share):
        for name, values in VALUES.items():
            if self.dice.random() < share:
                environ[name] = self.dice.choice(values)
                if self.dice.random() < 0.1:
                    # As a server hands on a header that was sent twice.
                    environ[name] += f',{self.dice.choice(values)}'
        return environ


@pytest.fixture
def at_once(monkeypatch):
    """Nothing waits: a response that would come later comes at its time, which is now."""
    real = waiters.Waiting.__init__
    monkeypatch.setattr(waiters.Waiting, '__init__',
                        lambda self, _seconds, *more: real(self, 0, *more))
    monkeypatch.setattr(idempotency, 'PATIENCE', 0)
    monkeypatch.setattr(identity, '_ask_keystone', pages.refuse)


@pytest.mark.timeout(900)
def test_made_up_requests_to_new_routes(world, at_once):  # noqa: F811
    print(f'\nNEW_ROUTES_SEED={SEED}')
    dice, statuses, wrong = Dice(world, SEED), collections.Counter(), []
    replayed = 0
    for number in range(REQUESTS):
        environ = dice.request()
        try:
            answer = world.send(environ)
        except Exception as exc:
            wrong.append(f'{number} {dice.told}: {exc!r}')
            continue
        statuses[answer.status] += 1
        replayed += 'Idempotent-Replayed' in dict(answer.headers)
        if answer.status >= 500 and answer.status != 501:
            wrong.append(f'{number} {dice.told}: {answer.status} {answer.body[:200]}')
        wrong += [f'{number} {dice.persona.name} {dice.told} reads {what}'
                  for what in leaks(world, dice.persona, answer, None)
                  if what not in str(dice.told) and environ['REQUEST_METHOD'] != 'POST']
        if number % LIFE == LIFE - 1:
            world.restore()
    print(f'answers by status: {dict(sorted(statuses.items()))}, replayed: {replayed}')
    assert not wrong, '\n'.join(wrong[:20])
    # Of few requests, none may be of each kind.
    assert REQUESTS < 10_000 or replayed and {
        200, 202, 400, 401, 403, 404, 410} <= statuses.keys()


def test_every_new_route_is_among_them():
    assert {ask.each.path for ask in READS} == {
        '/events', '/operations', '/operations/{operation_id}', '/messages',
        '/messages/{message_id}'}
    assert len(POSTS) > 80
