# SPDX-License-Identifier: Apache-2.0
"""Starts and stops cinder-all in a folder of its own, with volumes as files and without
authentication, and asks it for faults. It uses the standard library only and imports nothing of the
service."""
import contextlib
import json
import pathlib
import socket
import subprocess  # nosec B404
import sys
import tempfile
import time
import urllib.error
import urllib.request
from typing import Any

START_SECONDS, STOP_SECONDS = 60, 10
_PAUSE = 0.02
_CONFIG = """\
[DEFAULT]
state_path = {folder}
osapi_volume_listen = 127.0.0.1
osapi_volume_listen_port = {port}
osapi_volume_workers = 1
api_paste_config = {paste}
auth_strategy = noauth
transport_url = fake:/
host = testing
enabled_backends = files
log_file = {folder}/cinder.log
use_stderr = false
report_interval = 2
periodic_fuzzy_delay = 0
operation_poll_interval = 1
graceful_shutdown_timeout = 1
backup_posix_path = {folder}/backup
fault_injection = true

[database]
connection = sqlite:///{folder}/cinder.sqlite

[coordination]
backend_url = file://{folder}

[oslo_concurrency]
lock_path = {folder}/locks

[files]
volume_driver = cinder.volume.drivers.file.FileVolumeDriver
volume_backend_name = files
file_volume_dir = {folder}/volumes
target_helper = local
"""


class SuiteFailed(Exception):
    """The suite did not start, or refuses a fault."""


class Suite:
    """API, scheduler, volume and backup service in one process, as a context manager.

    :param folder: for everything that it keeps; None makes a temporary one, which is removed at the
        end
    :param port: of the API on 127.0.0.1; None takes a free one
    :param options: further lines of cinder.conf, such as '[DEFAULT]\\nquota_volumes = 3'
    :ivar endpoint: URL of the service, without version
    :ivar faults: see Faults
    """

    project = '00000000000000000000000000000001'

    def __init__(self, folder: pathlib.Path | str | None = None, port: int | None = None,
                 options: str = '') -> None:
        self._stack = contextlib.ExitStack()
        self.folder = pathlib.Path(folder or self._stack.enter_context(
            tempfile.TemporaryDirectory(prefix='cinder-testing-')))
        self.port = port or _free_port()
        self.endpoint = f'http://127.0.0.1:{self.port}'
        self._options = options
        self._process: subprocess.Popen | None = None
        self._log_start = 0
        self.faults = Faults(self.endpoint)

    @property
    def url(self) -> str:
        """URL of the API v3 with the project."""
        return f'{self.endpoint}/v3/{self.project}'

    @property
    def environment(self) -> dict[str, str]:
        """Variables for openstackclient and openstacksdk."""
        return {'OS_AUTH_TYPE': 'none', 'OS_ENDPOINT': self.url, 'OS_VOLUME_API_VERSION': '3.71',
                'OS_BLOCK_STORAGE_ENDPOINT_OVERRIDE': self.url}

    @property
    def log(self) -> pathlib.Path:
        """The log of the service."""
        return self.folder / 'cinder.log'

    # ------------------------------------------------------------------------------------- life
    def __enter__(self) -> 'Suite':
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, and return when it takes requests and work.

        :raises SuiteFailed: it does not start; with the end of its log
        """
        config = self.folder / 'cinder.conf'
        config.write_text(_CONFIG.format(folder=self.folder, port=self.port, paste=_paste_file())
                          + self._options + '\n')
        # The log has the lines of earlier starts.
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        with (self.folder / 'cinder-all.out').open('wb') as out:
            self._process = subprocess.Popen(  # nosec B603
                [sys.executable, '-m', 'cinder.cmd.all', '--config-file', str(config)],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            status = self._process.poll()
            if status is not None or time.monotonic() > deadline:
                tail = self._tail()
                self.stop()
                what = f'ended with status {status}' if status is not None else 'is not ready'
                raise SuiteFailed(f'cinder-all {what}. The end of its log:\n{tail}')
            time.sleep(_PAUSE)

    def stop(self) -> None:
        """Stop it; what is stuck is killed."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        self._stack.close()

    def _is_ready(self) -> bool:
        with contextlib.suppress(OSError, ValueError):
            services = self.call('GET', 'os-services')['services']
            return {row['binary'] for row in services if row['state'] == 'up'} >= {
                'cinder-scheduler', 'cinder-volume', 'cinder-backup'}
        return False

    def _tail(self) -> str:
        lines: list[str] = []
        for path, start in ((self.log, self._log_start), (self.folder / 'cinder-all.out', 0)):
            if path.exists():
                lines += path.read_bytes()[start:].decode(errors='replace').splitlines()[-15:]
        return '\n'.join(lines) or '(nothing)'

    # ---------------------------------------------------------------------------------- the API
    def call(self, method: str, path: str, body: dict | None = None) -> dict:
        """Send a request below the project; return the JSON of the answer.

        :raises OSError: no answer, or one with an error (urllib.error.HTTPError)
        """
        return _send(method, f'{self.url}/{path}', body, {
            'X-Auth-Token': f'tester:{self.project}', 'OpenStack-API-Version': 'volume 3.71'})


class Faults:
    """Faults of a suite that runs, by its API /faults.

    :param endpoint: URL of the service, without version
    """

    def __init__(self, endpoint: str) -> None:
        self._url = f'{endpoint}/faults'

    def add(self, verb: str | None = None, action: str = 'fail', *, request: str | None = None,
            seconds: float = 1.0, times: int | None = None, status: int = 503,
            message: str = 'a fault was injected') -> str:
        """Add a fault; return its id.

        :param verb: pattern of operations, such as 'volume.create', 'snapshot.*' or '*'
        :param action: 'fail', 'slow', 'stuck' (until the fault is removed) or 'lose_reply'
        :param request: instead of a verb, pattern of 'METHOD path' below the project, such as
            'POST attachments'; it cannot be stuck
        :param seconds: how long 'slow' takes
        :param times: how many times it happens; None: until it is removed
        :param status: HTTP status of a request that fails
        :param message: reason of the failure, as users see it
        :raises SuiteFailed: the fault is not possible; says why
        """
        target: dict[str, Any] = {'verb': verb} if request is None else {'request': request}
        fault = {**target, 'action': action, 'seconds': seconds, 'status': status,
                 'message': message, **({} if times is None else {'times': times})}
        try:
            return _send('POST', self._url, {'fault': fault})['fault']['id']
        except urllib.error.HTTPError as exc:
            raise SuiteFailed(json.loads(exc.read())['error']['message']) from None

    def list_all(self) -> list[dict]:
        """Return the faults that are there."""
        return _send('GET', self._url)['faults']

    def remove(self, ident: str) -> None:
        """Remove a fault; what is stuck goes on."""
        _send('DELETE', f'{self._url}/{ident}')

    def clear(self) -> None:
        """Remove all faults."""
        _send('DELETE', self._url)


def _send(method: str, url: str, body: dict | None = None,
          headers: dict[str, str] | None = None) -> dict:
    request = urllib.request.Request(
        url, method=method, data=None if body is None else json.dumps(body).encode(),
        headers={'Content-Type': 'application/json', **(headers or {})})
    # No proxy of the environment stands between this machine and itself.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=60) as answer:
        text = answer.read()
    return json.loads(text) if text else {}


def _paste_file() -> pathlib.Path:
    """Return the paste file of this installation: beside the package in a tree, else with the data
    files."""
    above = pathlib.Path(__file__).resolve().parents[2]
    for folder in (above, pathlib.Path(sys.prefix)):
        found = folder / 'etc' / 'cinder' / 'api-paste.ini'
        if found.exists():
            return found
    raise SuiteFailed(f'api-paste.ini is neither below {above}/etc/cinder nor below '
                      f'{sys.prefix}/etc/cinder')


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        return sock.getsockname()[1]
