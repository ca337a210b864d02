# SPDX-License-Identifier: Apache-2.0
"""A Keystone of our own, on SQLite, with Fernet tokens, and with a user for every persona.

The suite that asks it is started by Guarded; what personas may do is left to the tests.
"""

import dataclasses
import json
import os
import pathlib
import subprocess
import time
import urllib.request

from tests.functional.client import Client
from tests.functional.neighbours import exchange
from tests.functional.processes import Process, free_port, listens
from tests.functional.suite import Node, Suite, render, script

PASSWORD = 'open-sesame'
ADMIN, SERVICE = 'admin', 'service'
# The type of volumes in which Glance may keep images.
TYPE_OF_IMAGES = 'kept-as-images'
# How long the suite of the tests believes a token.
CACHE_SECONDS = 3
_BOOT_SECONDS = 60
_DOMAIN = {'id': 'default'}


@dataclasses.dataclass(frozen=True)
class Persona:
    """A user with one role in one place: a project, all of the system, or the domain."""

    role: str
    project: str | None = None
    system: bool = False
    domain: bool = False

    @property
    def scope(self) -> dict:
        if self.project:
            return {'project': {'name': self.project, 'domain': _DOMAIN}}
        return {'system': {'all': True}} if self.system else {'domain': _DOMAIN}


PERSONAS = {
    'reader': Persona('reader', 'own'), 'member': Persona('member', 'own'),
    'manager': Persona('manager', 'own'), 'project-admin': Persona('admin', 'own'),
    'other-reader': Persona('reader', 'other'), 'other-member': Persona('member', 'other'),
    'other-admin': Persona('admin', 'other'),
    'system-reader': Persona('reader', system=True),
    'system-admin': Persona('admin', system=True),
    'domain-admin': Persona('admin', domain=True),
    SERVICE: Persona('service', 'services'),
}


class Keystone:
    """One identity service; its data outlives its process.

    :param directory: holds its configuration, keys, database and logs
    """

    def __init__(self, directory: pathlib.Path):
        self.directory = directory
        directory.mkdir(parents=True)
        self.port = free_port()
        self.url = f'http://127.0.0.1:{self.port}/v3'
        self.projects: dict[str, str] = {}
        self._roles: dict[str, str] = {}
        self._process = self._server(self.port, 3600)
        self._prepare()

    def _server(self, port: int, expiration: int) -> Process:
        """Return a server on the one database, whose tokens live for so many seconds."""
        folder = self.directory / str(port)
        folder.mkdir()
        (folder / 'keystone.conf').write_text(render({
            'database': {'connection': f'sqlite:///{self.directory}/keystone.sqlite?timeout=60'},
            'fernet_tokens': {'key_repository': self.directory / 'fernet'},
            'token': {'expiration': expiration},
            'cache': {'enabled': True, 'backend': 'dogpile.cache.memory'},
            # Fewer rounds than are safe: each request of a test would wait for them.
            'identity': {'password_hash_rounds': 4}}))
        # Keystone reads the command line of whoever loads it, so that has to be empty.
        (folder / 'server.py').write_text(
            f"wsgi_app = 'keystone.wsgi.api:application'\nbind = '127.0.0.1:{port}'\n"
            # One request at a time: SQLite refuses the second of two transactions that begin to
            # write, as the first logins of users do, and Keystone answers 500.
            "worker_class = 'gthread'\nthreads = 1\ncontrol_socket_disable = True\n")
        environment = os.environ | {
            'OS_KEYSTONE_CONFIG_DIR': str(folder), 'PYTHONWARNINGS': 'ignore',
            'GUNICORN_CMD_ARGS': f'--config {folder}/server.py'}
        return Process(f'keystone on port {port}', [script('gunicorn')], folder / 'keystone.log',
                       environment)

    # -------------------------------------------------------------------------------------- life
    def start(self) -> None:
        """Serve; with the users and projects of all personas, which the first start makes."""
        self._process.start()
        self._process.wait_for(lambda: listens(self.port), _BOOT_SECONDS)
        if not self.projects:
            self._populate()

    def stop(self) -> None:
        self._process.stop()

    def kill9(self) -> None:
        self._process.kill9()

    def signal(self, number: int) -> None:
        """Send a signal to the server and to the worker that it forked."""
        for pid in (self._process.pid, *self._process.children()):
            os.kill(pid, number)

    def short_lived(self, persona: str, seconds: int) -> tuple[str, float]:
        """Return a token that ends after so many seconds, and when it was made (monotonic)."""
        port = free_port()
        server = self._server(port, seconds)
        server.start()
        try:
            server.wait_for(lambda: listens(port), _BOOT_SECONDS)
            return self.token(persona, f'http://127.0.0.1:{port}/v3'), time.monotonic()
        finally:
            server.stop()

    # -------------------------------------------------------------------------------------- data
    def _prepare(self) -> None:
        config = self.directory / str(self.port) / 'keystone.conf'
        owner = [str(number) for number in (os.getuid(), os.getgid())]
        for words in (['db_sync'],
                      ['fernet_setup', '--keystone-user', owner[0], '--keystone-group', owner[1]],
                      ['bootstrap', '--bootstrap-password', PASSWORD,
                       '--bootstrap-public-url', self.url, '--bootstrap-internal-url', self.url,
                       '--bootstrap-region-id', 'one']):
            done = subprocess.run([script('keystone-manage'), '--config-file', config, *words],
                                  capture_output=True, text=True, check=False)
            assert done.returncode == 0, f'keystone-manage {words}: {done.stdout}{done.stderr}'

    def _populate(self) -> None:
        self._roles = {role['name']: role['id'] for role in self.call('GET', '/roles')['roles']}
        for name, persona in PERSONAS.items():
            self._add_user(name, persona.role,
                           f'/projects/{self._project(persona.project)}' if persona.project
                           else '/system' if persona.system else '/domains/default')

    def add_user(self, name: str, project: str, role: str) -> None:
        """Make a user with a role in a project, which is made when there is none of that name."""
        self._add_user(name, role, f'/projects/{self._project(project)}')

    def _project(self, name: str) -> str:
        if name not in self.projects:
            self.projects[name] = self.call('POST', '/projects', {'project': {
                'name': name, 'domain_id': 'default'}})['project']['id']
        return self.projects[name]

    def _add_user(self, name: str, role: str, where: str) -> None:
        user = self.call('POST', '/users', {'user': {
            'name': name, 'password': PASSWORD, 'domain_id': 'default'}})['user']['id']
        self.call('PUT', f'{where}/users/{user}/roles/{self._roles[role]}')

    def add_role(self, name: str, project: str, role: str) -> str:
        """Give a user one more role in a project; return the path of that."""
        user, = self.call('GET', f'/users?name={name}')['users']
        place, = self.call('GET', f'/projects?name={project}')['projects']
        path = f'/projects/{place["id"]}/users/{user["id"]}/roles/{self._roles[role]}'
        self.call('PUT', path)
        return path

    def add_endpoint(self, kind: str, url: str) -> str:
        """Put a service of this type into the catalog; returns its id."""
        service = self.call('POST', '/services', {'service': {'type': kind, 'name': kind}})
        self.call('POST', '/endpoints', {'endpoint': {
            'service_id': service['service']['id'], 'interface': 'public', 'region_id': 'one',
            'url': url}})
        return service['service']['id']

    def remove_service(self, service_id: str) -> None:
        """Take a service out of the catalog."""
        self.call('DELETE', f'/services/{service_id}')

    # -------------------------------------------------------------------------------------- tokens
    def token(self, persona: str, url: str | None = None) -> str:
        """Return a new token of a persona."""
        scope = {'project': {'name': ADMIN, 'domain': _DOMAIN}} if persona == ADMIN else (
            PERSONAS[persona].scope)
        user = {'name': persona, 'domain': _DOMAIN, 'password': PASSWORD}
        _body, headers = self._exchange('POST', f'{url or self.url}/auth/tokens', {'auth': {
            'identity': {'methods': ['password'], 'password': {'user': user}}, 'scope': scope}})
        return headers['X-Subject-Token']

    def revoke(self, token: str) -> None:
        self.call('DELETE', '/auth/tokens', headers={'X-Subject-Token': token})

    def call(self, method: str, path: str, body=None, headers=None):
        """Ask as the administrator and return the JSON of the answer."""
        return self._exchange(method, self.url + path, body, {
            'X-Auth-Token': self.token(ADMIN), **(headers or {})})[0]

    @staticmethod
    def _exchange(method: str, url: str, body=None, headers=None):
        request = urllib.request.Request(
            url, None if body is None else json.dumps(body).encode(),
            {'Content-Type': 'application/json', **(headers or {})}, method=method)
        return exchange(request, 30)

    def credentials(self) -> dict[str, str]:
        """Return the options with which a service asks: who it is, and where Keystone is."""
        return {'auth_type': 'password', 'auth_url': self.url, 'username': SERVICE,
                'password': PASSWORD, 'project_name': PERSONAS[SERVICE].project,
                'user_domain_id': 'default', 'project_domain_id': 'default',
                'www_authenticate_uri': self.url, 'interface': 'public'}

    def clouds(self) -> dict:
        """Return what a clouds.yaml has to hold: a cloud for each persona, of its name."""
        return {'clouds': {name: {
            'auth': {'auth_url': self.url, 'username': name, 'password': PASSWORD,
                     'user_domain_id': 'default', **_place(persona)},
            'region_name': 'one', 'identity_api_version': 3} for name, persona in PERSONAS.items()}}


def _place(persona: Persona) -> dict[str, str]:
    if persona.project:
        return {'project_name': persona.project, 'project_domain_id': 'default'}
    return {'system_scope': 'all'} if persona.system else {'domain_id': 'default'}


# Where the API is killed between a key and the commit of the row that has it.
KEY_POINTS = ('key:create:before', 'key:create:after', 'volume.create:api:commit:before',
              'volume.create:api:commit:after', 'volume.delete:api:commit:after',
              'transfer.create:api:commit:after')
# Where the volume service is killed while an upload registers a clone.
REGISTRATION_POINTS = tuple(f'volume.upload:{step}:{when}' for step in ('clone', 'register')
                            for when in ('before', 'after'))


class Guarded(Suite):
    """A suite whose API asks a Keystone; its tests are clients with tokens."""

    def __init__(self, *args, keystone: Keystone, **kwargs):
        self.keystone = keystone
        super().__init__(*args, **kwargs)
        keystone.add_endpoint('block-storage', f'{self.endpoint}/v3')
        keystone.add_endpoint('volumev3', f'{self.endpoint}/v3/$(project_id)s')

    def fault_names(self) -> list[str]:
        return [*KEY_POINTS, *REGISTRATION_POINTS]

    def configuration(self, node: Node) -> dict[str, dict[str, object]]:
        groups = super().configuration(node)
        groups['DEFAULT']['auth_strategy'] = 'keystone'
        groups['keystone_authtoken'] = self.keystone.credentials() | {
            'token_cache_time': CACHE_SECONDS} | groups.get('keystone_authtoken', {})
        return groups

    def store_of_images(self) -> dict[str, str]:
        """Return the options of a store of Glance in volumes of a type."""
        return {'cinder_volume_type': TYPE_OF_IMAGES, 'cinder_os_region_name': 'one',
                'cinder_store_auth_address': self.keystone.url,
                'cinder_store_user_name': ADMIN, 'cinder_store_password': PASSWORD,
                'cinder_store_project_name': ADMIN}

    def client(self, persona: str = 'project-admin', token: str | None = None,
               **kwargs) -> Client:
        """Return a client with a token of a persona, in the persona's project if it has one."""
        place = PERSONAS[persona].project
        client = Client(self.endpoint, self.keystone.projects.get(place), **kwargs)
        client.headers['X-Auth-Token'] = token or self._token(persona)
        return client

    def _token(self, persona: str) -> str:
        if persona not in self._tokens:
            self._tokens[persona] = self.keystone.token(persona)
        return self._tokens[persona]

    @property
    def _tokens(self) -> dict[str, str]:
        return self.__dict__.setdefault('_made_tokens', {})
