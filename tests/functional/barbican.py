# SPDX-License-Identifier: Apache-2.0
"""A Barbican of our own, on SQLite, whose callers a Keystone knows."""
import base64
import contextlib
import json
import os
import pathlib
import secrets
import sqlite3
import subprocess
import urllib.request
from collections.abc import Iterator

from tests.functional.keystone import Keystone
from tests.functional.neighbours import exchange
from tests.functional.processes import Process, free_port, listens, stopped
from tests.functional.suite import render, script

_BOOT_SECONDS = 60
# Within which it answers to our services, on a busy machine too.
CALL_SECONDS = 6


class Barbican:
    """One key manager; its data outlives its process.

    :param directory: holds its configuration, database and logs
    :param keystone: checks the tokens, and gets this service in its catalog
    """

    def __init__(self, directory: pathlib.Path, keystone: Keystone):
        self.directory, self.keystone = directory, keystone
        # Barbican looks for its file below the home directory.
        (directory / '.barbican').mkdir(parents=True)
        self.port = free_port()
        self.url = f'http://127.0.0.1:{self.port}'
        self._database = directory / 'barbican.sqlite'
        (directory / '.barbican/barbican.conf').write_text(render({
            'DEFAULT': {'host_href': self.url},
            'database': {'connection': f'sqlite:///{self._database}?timeout=60'},
            'secretstore': {'enabled_secretstore_plugins': 'store_crypto'},
            'crypto': {'enabled_crypto_plugins': 'simple_crypto'},
            'simple_crypto_plugin': {'kek': base64.urlsafe_b64encode(secrets.token_bytes(32))
                                     .decode()},
            'keystone_authtoken': keystone.credentials()}))
        (directory / 'application.py').write_text(
            f"from paste import deploy\napplication = deploy.loadapp('config:{_paste()}')\n")
        # Barbican reads the command line of whoever loads it, so that has to be empty.
        (directory / 'server.py').write_text(
            f"wsgi_app = 'application:application'\npythonpath = '{directory}'\n"
            f"bind = '127.0.0.1:{self.port}'\nworker_class = 'gthread'\nthreads = 8\n"
            "control_socket_disable = True\n")
        self._environment = os.environ | {
            'HOME': str(directory), 'PYTHONWARNINGS': 'ignore',
            'GUNICORN_CMD_ARGS': f'--config {directory}/server.py'}
        self._process = Process(f'barbican on port {self.port}', [script('gunicorn')],
                                directory / 'barbican.log', self._environment)

    # -------------------------------------------------------------------------------------- life
    def prepare(self) -> None:
        """Make the tables, and tell the catalog of this service."""
        done = subprocess.run(
            [script('barbican-manage'), 'db', 'upgrade', '--db-url',
             f'sqlite:///{self._database}'], env=self._environment, capture_output=True, text=True,
            check=False)
        assert done.returncode == 0, f'barbican-manage: {done.stdout}{done.stderr}'
        self.keystone.add_endpoint('key-manager', self.url)

    def start(self) -> None:
        self._process.start()
        self._process.wait_for(lambda: listens(self.port), _BOOT_SECONDS)

    def stop(self) -> None:
        self._process.stop()

    def kill9(self) -> None:
        self._process.kill9()

    def paused(self) -> contextlib.AbstractContextManager[None]:
        """Let it stand still for the length of a block."""
        return stopped((self._process.pid, *self._process.children()))

    def options(self) -> dict[str, dict[str, str]]:
        """Return the options of a service that reads secrets as the user of services."""
        return {'key_manager': {'backend': 'barbican', 'auth_type': 'keystone_password',
                                'call_timeout': CALL_SECONDS, **{
                    name: value for name, value in self.keystone.credentials().items()
                    if name not in ('auth_type', 'www_authenticate_uri', 'interface',
                                    'user_domain_id', 'project_domain_id')},
                                'user_domain_name': 'Default', 'project_domain_name': 'Default'},
                'barbican': {'barbican_endpoint': self.url, 'barbican_api_version': 'v1',
                             'auth_endpoint': self.keystone.url}}

    # -------------------------------------------------------------------------------------- data
    def secret_ids(self) -> set[str]:
        """Return the ids of all secrets that are not deleted, whoever owns them."""
        with contextlib.closing(sqlite3.connect(self._database)) as database:
            return {ident for ident, in database.execute(
                'SELECT id FROM secrets WHERE deleted = 0')}

    def store(self, payload: bytes, token: str, secret_type: str = 'opaque', **values) -> str:
        """Store a secret, and return its id."""
        told = self.call('POST', '/secrets', {
            'payload': base64.b64encode(payload).decode(), 'payload_content_encoding': 'base64',
            'payload_content_type': 'application/octet-stream', 'secret_type': secret_type,
            **values}, token)
        return told['secret_ref'].rpartition('/')[2]

    def payload(self, secret_id: str, token: str) -> bytes:
        """Return the bytes of a secret."""
        return self.call('GET', f'/secrets/{secret_id}/payload', token=token,
                         headers={'Accept': 'application/octet-stream'})

    def let_read(self, secret_id: str, token: str, *users: str, private: bool = False) -> None:
        """Set the ids of those who may read a secret; `private`: others of its project may not."""
        self.call('PUT', f'/secrets/{secret_id}/acl', {
            'read': {'users': list(users), 'project-access': not private}}, token)

    def call(self, method: str, path: str, body=None, token: str = '', headers=None):
        """Ask for what is below /v1; return the JSON of the answer, or its bytes."""
        request = urllib.request.Request(
            f'{self.url}/v1{path}', None if body is None else json.dumps(body).encode(),
            {'Content-Type': 'application/json', 'X-Auth-Token': token, **(headers or {})},
            method=method)
        return exchange(request)[0]


def _paste() -> pathlib.Path:
    """The pipelines that come with Barbican, beside its programs."""
    return pathlib.Path(script('python')).parents[1] / 'etc/barbican/barbican-api-paste.ini'


@contextlib.contextmanager
def running(directory: pathlib.Path, keystone: Keystone) -> Iterator[Barbican]:
    """Run a Barbican for the length of a block; arguments as for Barbican."""
    server = Barbican(directory, keystone)
    server.prepare()
    try:
        server.start()
        yield server
    finally:
        server.stop()
