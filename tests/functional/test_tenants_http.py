# SPDX-License-Identifier: Apache-2.0
"""A slice of test_tenants.py over HTTP: one API process, its pipeline as it is shipped, and tokens
of a real Keystone. Every operation is asked; by fewer personas, and of nobody's things once."""

import http.client
import sqlite3

import pytest

from cinder.db import session
from tests.database import Database
from tests.functional.processes import Process, free_port, listens, running
from tests.functional.suite import ROOT, render, script
from tests.functional.tenants import (
    OURS,
    PERSONAS,
    THEIRS,
    Answer,
    World,
    applies,
    expected,
)
from tests.functional.test_tenants import ASKS, fits, leaks, name

# Persona of the table -> the one of Keystone.
WHO = {'nobody': None, 'reader': 'reader', 'member': 'member', 'admin': 'project-admin',
       'their member': 'other-member', 'system admin': 'system-admin'}
# Who may waits for daemons in vain here: for each service in turn.
WAITING = ('/os-services/get-log',)
SENT = ('HTTP_OPENSTACK_API_VERSION', 'CONTENT_TYPE')


class Served:
    """The world of the table, served by a process to users of Keystone.

    Their projects have ids of Keystone's making: rows and requests are translated, and so are
    answers, for what reads them to find the ids of the table.
    """

    def __init__(self, world: World, database: Database, keystone, folder) -> None:
        self.world, self.port, self._persona = world, free_port(), None
        self._ids = {OURS: keystone.projects['own'], THEIRS: keystone.projects['other']}
        self._tokens = {who: keystone.token(who) for who in WHO.values() if who}
        path = folder / 'cinder.sqlite'
        with sqlite3.connect(database.path) as source, sqlite3.connect(path) as copy:
            source.backup(copy)
        self._database = Database(None, path)
        self._rows = {table: [tuple(self._translated(value) for value in row) for row in rows]
                      for table, rows in self._database.rows().items()}
        self.restore()
        config = folder / 'cinder.conf'
        config.write_text(render({
            'DEFAULT': {'osapi_volume_listen': '127.0.0.1', 'osapi_volume_workers': 1,
                        'osapi_volume_listen_port': self.port, 'auth_strategy': 'keystone',
                        'api_paste_config': ROOT / 'etc/cinder/api-paste.ini',
                        'state_path': folder, 'transport_url': 'fake:/',
                        'rpc_response_timeout': 1, 'service_down_time': 3600},
            'database': {'connection': f'sqlite:///{path}', 'sqlite_synchronous': False},
            'oslo_concurrency': {'lock_path': folder / 'locks'},
            'keystone_authtoken': keystone.credentials()}))
        self.process = Process('cinder-api of the table', [script('cinder-api'), '--config-file',
                                                           config], folder / 'api.log')
        self._connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=60)

    def _translated(self, value):
        if isinstance(value, str):
            for ours, real in self._ids.items():
                value = value.replace(ours, real)
        return value

    def restore(self) -> None:
        """Undo what requests have changed, if they have."""
        self._database.restore(self._rows)

    def ask(self, persona, ask, whose) -> Answer:
        """World.ask(), through the socket."""
        self._persona = persona
        self.world.send = self._send
        try:
            return self.world.ask(persona, ask, whose)
        finally:
            del self.world.send

    def _send(self, environ) -> Answer:
        headers = {key.removeprefix('HTTP_').replace('_', '-'): environ[key]
                   for key in SENT if key in environ}
        token = self._tokens.get(WHO[self._persona.name])
        if token:
            headers['X-Auth-Token'] = token
        url = environ['PATH_INFO'] + (environ['QUERY_STRING'] and f'?{environ["QUERY_STRING"]}')
        self._connection.request(
            environ['REQUEST_METHOD'], self._translated(url),
            self._translated(environ['wsgi.input'].read().decode()) or None, headers)
        answer = self._connection.getresponse()
        headers, body = tuple(answer.getheaders()), answer.read()
        for ours, real in self._ids.items():
            body = body.replace(real.encode(), ours.encode())
        return Answer(answer.status, headers, body, ())


@pytest.fixture(scope='module')
def served(only_database, identity_service, tmp_path_factory):
    database, rows = only_database
    database.restore(rows)
    folder = tmp_path_factory.mktemp('served')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, '_engines', database.engines)
        world = World(database, folder, patch)
        try:
            made = Served(world, database, identity_service, folder)
            with running(made.process, lambda: listens(made.port)):
                yield made
        finally:
            world.close()


@pytest.mark.parametrize('ask', ASKS, ids=name)
def test_every_answer_over_http_is_that_of_the_table(served, ask):
    wrong = []
    for persona in PERSONAS:
        if persona.name not in WHO or not applies(persona, ask):
            continue
        for whose in (OURS, None) if persona.name == 'member' else (OURS,):
            right = expected(persona, ask, whose)
            if right is None and (not ask.succeeds or ask.path in WAITING):
                continue
            answer = served.ask(persona, ask, whose)
            served.restore()
            if not fits(answer, right):
                wrong.append(f'{persona.name} on {whose or "nothing"}: {answer.status}, not '
                             f'{right or "a success"}: {answer.body[:200]}')
            wrong += [f'{persona.name} on {whose or "nothing"} reads {what}'
                      for what in leaks(served.world, persona, answer, whose)]
    assert not wrong, '\n'.join(wrong)
