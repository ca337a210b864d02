# SPDX-License-Identifier: Apache-2.0
"""The database is there and does not let us work: no login, no rights, no tables, one after another
while the service runs. Whoever asks is told to come back, and all goes on when it is mended."""

import json
import re
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from tests.functional import databases
from tests.functional.daemon import PROJECT, SECONDS, Daemon, sync
from tests.functional.processes import wait_until

NAME, USER = 'refusing', 'guest'
# What is asked meanwhile: reading, writing, and calling a service.
REQUESTS = (('GET', 'volumes/detail', None),
            ('POST', 'volumes', {'volume': {'size': 1, 'name': 'lost'}}),
            ('DELETE', 'volumes/{id}', None),
            ('GET', 'os-services', None), ('GET', 'types', None), ('GET', 'limits', None))
CUT = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{USER}'"
# What an operator does and undoes; each list ends the connections where rights last as long.
TABLES = ('volumes', 'services', 'volume_types')
POSTGRESQL = {
    'login': ([f'ALTER ROLE {USER} NOLOGIN', CUT], [f'ALTER ROLE {USER} LOGIN']),
    'rights': ([f'REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {USER}'],
               [f'GRANT ALL ON ALL TABLES IN SCHEMA public TO {USER}']),
    'tables': ([f'ALTER TABLE {name} RENAME TO {name}_away' for name in TABLES],
               [f'ALTER TABLE {name}_away RENAME TO {name}' for name in TABLES]),
}
MARIADB = {
    'login': ([f"ALTER USER {USER} IDENTIFIED BY 'other'", f'KILL USER {USER}'],
              [f"ALTER USER {USER} IDENTIFIED BY 'secret'"]),
    'rights': ([f'REVOKE ALL ON {NAME}.* FROM {USER}', f'KILL USER {USER}'],
               [f'GRANT ALL ON {NAME}.* TO {USER}']),
    'tables': ([f'RENAME TABLE {NAME}.{name} TO {NAME}.{name}_away' for name in TABLES],
               [f'RENAME TABLE {NAME}.{name}_away TO {NAME}.{name}' for name in TABLES]),
}
MAKE = {'postgresql': [f"CREATE ROLE {USER} LOGIN PASSWORD 'secret'",
                       f'GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {USER}'],
        'mariadb': [f"CREATE USER {USER} IDENTIFIED BY 'secret'"]}
FAULTS = {'postgresql': POSTGRESQL, 'mariadb': MARIADB}


class Guest:
    """A service whose database user has no more than the rights that it was given."""

    def __init__(self, daemon: Callable[..., Daemon], server: databases.Server) -> None:
        url = sa.make_url(server.url(NAME))
        self._engine = sa.create_engine(url, isolation_level='AUTOCOMMIT',
                                        poolclass=sa.pool.NullPool)
        self.daemon = daemon('all', host='node', default_volume_type='__DEFAULT__')
        self._connect(url)
        sync(self.daemon)
        self._url = url.set(username=USER, password='secret')

    def _connect(self, url: sa.URL) -> None:
        self.daemon.sections['database'] = {
            'connection': url.render_as_string(hide_password=False), 'max_pool_size': 5}
        self.daemon.write()

    def begin(self) -> None:
        self._connect(self._url)
        self.daemon.begin()
        wait_until(lambda: set(self.daemon.services().values()) == {'up'}, SECONDS, 'all up')

    def execute(self, statements: list[str]) -> None:
        with self._engine.connect() as conn:
            for statement in statements:
                conn.exec_driver_sql(statement)

    def ask(self, method: str, path: str, body: dict | None = None) -> tuple[int, dict]:
        status, text = self.daemon.ask(f'/v3/{PROJECT}/{path}', method, body)
        return status, json.loads(text or b'{}')

    def ready_volume(self) -> str:
        status, body = self.ask('POST', 'volumes', {'volume': {'size': 1}})
        assert status == 202, body
        where = f'volumes/{body["volume"]["id"]}'
        wait_until(lambda: self.ask('GET', where)[1]['volume']['status'] == 'available', SECONDS,
                   'the volume')
        return body['volume']['id']


@pytest.mark.parametrize('engine', ['postgresql', 'mariadb'])
def test_a_database_that_refuses(daemon, request, engine):
    guest = Guest(daemon, request.getfixturevalue(engine))
    guest.execute(MAKE[engine])
    guest.execute(FAULTS[engine]['rights'][1])
    guest.begin()
    kept = guest.ready_volume()
    for name, (broken, mended) in FAULTS[engine].items():
        guest.execute(broken)
        try:
            for method, path, body in REQUESTS:
                status, answer = guest.ask(method, path.format(id=kept), body)
                assert status == 503, f'{name}: {method} {path}: {status} {answer}'
                assert 'serviceUnavailable' in answer
        finally:
            guest.execute(mended)
        wait_until(lambda: guest.ask('GET', 'volumes/detail')[0] == 200, SECONDS, 'an answer')
        assert guest.ready_volume(), name
    assert guest.ask('GET', f'volumes/{kept}')[1]['volume']['status'] == 'available'
    assert not [volume for volume in guest.ask('GET', 'volumes')[1]['volumes']
                if volume['name'] == 'lost']
    assert guest.daemon.running
    text = guest.daemon.text()
    assert 'Traceback' not in text
    reasons = re.findall(r'The database is unavailable; requests.*', text)
    assert len(reasons) == len(set(reasons)) and reasons, text


@pytest.mark.parametrize('engine', ['postgresql', 'mariadb'])
def test_a_login_refused_at_the_start_is_waited_for(daemon, request, engine):
    server = request.getfixturevalue(engine)
    url = sa.make_url(server.url(NAME)).set(username='nobody', password='s3cret')
    scheduler = daemon('scheduler')
    scheduler.sections['database'] = {'connection': url.render_as_string(hide_password=False)}
    scheduler.write()
    scheduler.start()
    scheduler.says('The database cannot be reached; waiting for it: ')
    assert 'nobody' in scheduler.text() and 's3cret' not in scheduler.text()
    assert scheduler.running and 'Traceback' not in scheduler.text()
    assert scheduler.end(seconds=10) == 0
