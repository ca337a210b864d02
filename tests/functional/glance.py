# SPDX-License-Identifier: Apache-2.0
"""A Glance of our own, on SQLite and plain files, with a second store in Ceph. Without a Keystone
it takes everybody for its administrator."""
import contextlib
import hashlib
import json
import os
import pathlib
import sqlite3
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping

from tests.functional.keystone import Keystone
from tests.functional.neighbours import exchange
from tests.functional.processes import Process, free_port, listens, stopped
from tests.functional.suite import render, script

_BOOT_SECONDS = 60
_RULES = ('context_is_admin', 'default', 'add_image', 'get_image', 'get_images', 'modify_image',
          'delete_image', 'publicize_image', 'communitize_image', 'download_image', 'upload_image')


class Glance:
    """One image service; its data outlives its process.

    :param directory: holds its configuration, database, images and logs
    :param keystone: knows who asks
    :param rbd: options of a store 'ceph' in RBD; it tells where it keeps its images
    :param cinder: options of a store 'volumes' in volumes of this service, found in the catalog
    :param options: more groups of options
    """

    def __init__(self, directory: pathlib.Path, keystone: Keystone | None = None,
                 rbd: Mapping[str, str] | None = None,
                 cinder: Mapping[str, str] | None = None,
                 options: Mapping[str, Mapping[str, str]] | None = None):
        self.directory = directory
        self.images = directory / 'images'
        self.images.mkdir(parents=True)
        self.port = free_port()
        self.url = f'http://127.0.0.1:{self.port}'
        (directory / 'glance-api.conf').write_text(render({
            'DEFAULT': {'enabled_backends': 'files:file' + (',ceph:rbd' if rbd else '') + (
                            ',volumes:cinder' if cinder is not None else ''),
                        'enable_image_import': False, 'show_image_direct_url': bool(rbd),
                        # It would read a whole volume for that, through a target.
                        'do_secure_hash': False},
            **({'ceph': rbd} if rbd else {}),
            **({'volumes': cinder} if cinder is not None else {}),
            'database': {'connection': f'sqlite:///{directory}/glance.sqlite?timeout=60'},
            'glance_store': {'default_backend': 'files'},
            'files': {'filesystem_store_datadir': self.images},
            'os_glance_staging_store': {'filesystem_store_datadir': directory / 'staging'},
            'os_glance_tasks_store': {'filesystem_store_datadir': directory / 'tasks'},
            'oslo_policy': {'policy_file': directory / 'policy.yaml'},
            'oslo_concurrency': {'lock_path': directory},
            'paste_deploy': {'config_file': _paste(), 'flavor': 'keystone' if keystone else ''},
            'keystone_authtoken': keystone.credentials() if keystone else {},
            **(options or {})}))
        # Without a Keystone nobody has a role.
        (directory / 'policy.yaml').write_text('{}' if keystone else ''.join(
            f'"{rule}": "@"\n' for rule in _RULES))
        # Glance reads the command line of whoever loads it, so that has to be empty.
        (directory / 'server.py').write_text(
            f"wsgi_app = 'glance.wsgi.api:application'\nbind = '127.0.0.1:{self.port}'\n"
            "worker_class = 'gthread'\nthreads = 8\ncontrol_socket_disable = True\n"
            "accesslog = '-'\n")
        self._process = Process(
            f'glance on port {self.port}', [script('gunicorn')], directory / 'glance.log',
            os.environ | {'OS_GLANCE_CONFIG_DIR': str(directory), 'PYTHONWARNINGS': 'ignore',
                          'GUNICORN_CMD_ARGS': f'--config {directory}/server.py'})

    # -------------------------------------------------------------------------------------- life
    def prepare(self) -> None:
        """Make the tables."""
        done = subprocess.run(
            [script('glance-manage'), '--config-file', self.directory / 'glance-api.conf',
             'db', 'sync'], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f'glance-manage: {done.stdout}{done.stderr}'

    def start(self) -> None:
        self._process.start()
        self._process.wait_for(lambda: listens(self.port), _BOOT_SECONDS)

    def transfers_of(self, ident: str) -> int:
        """Return how many times the data of an image was sent, whole or in part."""
        return self._process.log.read_text().count(f'"GET /v2/images/{ident}/file')

    def stop(self) -> None:
        self._process.stop()

    def kill9(self) -> None:
        self._process.kill9()

    def paused(self) -> contextlib.AbstractContextManager[None]:
        """Let it stand still, with all that it sends and takes, for the length of a block."""
        return stopped((self._process.pid, *self._process.children()))

    # -------------------------------------------------------------------------------------- data
    def add(self, data: bytes | pathlib.Path, disk_format: str = 'raw', token: str = '',
            store: str = '', **values) -> dict:
        """Make an image of some bytes, or of a file, and return what is known of it.

        :param store: where its data goes
        """
        image = self.call('POST', '', {'name': 'picture', 'disk_format': disk_format,
                                       'container_format': 'bare', **values}, token)
        data = data.read_bytes() if isinstance(data, pathlib.Path) else data
        self.call('PUT', f'/{image["id"]}/file', data, token,
                  {'X-Image-Meta-Store': store} if store else {})
        return self.show(image['id'], token)

    def plant(self, image_id: str, data: bytes, disk_format: str) -> None:
        """Put other data into an image, which a Glance of today would look into and refuse."""
        (self.images / image_id).write_bytes(data)
        with contextlib.closing(sqlite3.connect(self.directory / 'glance.sqlite')) as database:
            database.execute(
                'UPDATE images SET size = ?, disk_format = ?, os_hash_value = ? WHERE id = ?',
                (len(data), disk_format, hashlib.sha512(data).hexdigest(), image_id))
            database.commit()

    def show(self, image_id: str, token: str = '') -> dict:
        return self.call('GET', f'/{image_id}', token=token)

    def names(self) -> set[str]:
        return {image['name'] for image in self.call('GET', '')['images']}

    def call(self, method: str, path: str, body=None, token: str = '',
             headers: Mapping[str, str] | None = None):
        """Ask for what is below /v2/images; bytes are sent and returned as they are."""
        raw = isinstance(body, bytes)
        request = urllib.request.Request(
            f'{self.url}/v2/images{path}', body if raw or body is None else
            json.dumps(body).encode(), method=method, headers={
                'Content-Type': 'application/octet-stream' if raw else 'application/json',
                'X-Auth-Token': token, **(headers or {})})
        return exchange(request)[0]


def _paste() -> pathlib.Path:
    """The pipelines that come with Glance, beside its programs."""
    return pathlib.Path(script('python')).parents[1] / 'etc/glance/glance-api-paste.ini'


@contextlib.contextmanager
def running(directory: pathlib.Path, **arguments: object) -> Iterator[Glance]:
    """Run a Glance for the length of a block; :param arguments: as for Glance."""
    server = Glance(directory, **arguments)
    server.prepare()
    try:
        server.start()
        yield server
    finally:
        server.stop()
