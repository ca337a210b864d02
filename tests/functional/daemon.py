# SPDX-License-Identifier: Apache-2.0
"""One daemon as a process, on a database file and the bus in its memory: cheap to start, with any
options. The whole service as an operator runs it is in suite.py."""

import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import sys

from tests.functional.processes import Process, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROJECT = '0123456789abcdef0123456789abcdef'
SECONDS = 30


class Daemon(Process):
    """One daemon with a configuration of its own."""

    def __init__(self, folder: pathlib.Path, module: str, env=None, **options):
        self.options = {
            'state_path': folder, 'auth_strategy': 'noauth', 'transport_url': 'fake:/',
            'osapi_volume_listen': '127.0.0.1', 'osapi_volume_listen_port': 0,
            'osapi_volume_workers': 2, 'enabled_backends': 'files', 'report_interval': 1,
            'service_down_time': 5, 'api_paste_config': ROOT / 'etc/cinder/api-paste.ini',
            **options}
        # The port of another server that serves our application.
        self.served_elsewhere = 0
        self.path = folder / 'cinder.conf'
        self.sections = {
            'database': {'connection': f'sqlite:///{folder}/cinder.sqlite'},
            'files': {'volume_driver': 'cinder.volume.drivers.file.FileVolumeDriver',
                      'target_helper': 'local'}}
        self.write()
        super().__init__(
            module, [sys.executable, '-m', f'cinder.cmd.{module}', '--config-file', str(self.path)],
            folder / f'{module}.log', {**os.environ, 'PYTHONPATH': str(ROOT), **(env or {})})

    def write(self, **options) -> None:
        self.options.update(options)
        lines = []
        for section, values in {'DEFAULT': self.options, **self.sections}.items():
            lines += [f'[{section}]', *(f'{name} = {value}' for name, value in values.items())]
        self.path.write_text('\n'.join(lines) + '\n')

    def text(self) -> str:
        return self.log.read_text(errors='replace')

    def says(self, words: str, seconds: float = SECONDS, times: int = 1) -> None:
        """Wait until the log has the words so many times."""
        wait_until(lambda: self.text().count(words) >= times, seconds,
                   lambda: f'{words!r} from {self.name}:\n{self.tail()}')

    @property
    def port(self) -> int:
        if self.served_elsewhere:
            return self.served_elsewhere
        found = re.findall(r'listens on https?://127\.0\.0\.1:(\d+)', self.text())
        return int(found[-1]) if found else 0

    def ask(self, path='/healthcheck', method='GET', body=None, tls=None) -> tuple[int, bytes]:
        kind = http.client.HTTPSConnection if tls else http.client.HTTPConnection
        connection = kind('127.0.0.1', self.port, timeout=SECONDS,
                          **({'context': tls} if tls else {}))
        try:
            connection.request(method, path, body and json.dumps(body),
                               {'Content-Type': 'application/json'})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def answers(self, **kwargs) -> bool:
        try:
            return bool(self.port) and self.ask(**kwargs)[0] == 200
        except OSError:
            return False

    def begin(self, ready=None) -> 'Daemon':
        self.start()
        self.wait_for(ready or self.answers, SECONDS)
        return self

    def end(self, number=signal.SIGTERM, seconds=SECONDS) -> int:
        """Send a signal and return the exit status."""
        self.signal(number)
        return self._popen.wait(seconds)

    def services(self) -> dict[str, str]:
        found = json.loads(self.ask(f'/v3/{PROJECT}/os-services')[1])['services']
        return {row['host'] + ' ' + row['binary']: row['state'] for row in found}


def sync(daemon: Daemon) -> None:
    subprocess.run([sys.executable, '-c', 'from cinder.cmd.manage import main; main()',
                    '--config-file', str(daemon.path), 'db', 'sync'],
                   env=daemon.env, check=True, capture_output=True)
