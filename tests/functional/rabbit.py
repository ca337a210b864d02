# SPDX-License-Identifier: Apache-2.0
"""A RabbitMQ node of our own: its ports, its data and its Erlang port mapper are private.

The node is started by its own script and not by the distribution's wrapper, which would change to
the user rabbitmq; so it runs as whoever runs the tests, root or not.
"""

import glob
import os
import pathlib
import shutil
import subprocess

from tests.functional.processes import Process, free_port, listens, wait_until

_SCRIPTS = '/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin'
# One scheduler and no busy waiting: the machine has few processors and others need them.
_ERLANG = ('+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none '
           '-kernel inet_dist_use_interface {127,0,0,1}')
_BOOT_SECONDS = 90


def scripts() -> pathlib.Path | None:
    """Return the directory of RabbitMQ's own scripts, None where it is not installed."""
    found = sorted(glob.glob(_SCRIPTS))
    return pathlib.Path(found[-1]) if found and shutil.which('epmd') else None


class Rabbit:
    """One broker on the loopback address; virtual hosts keep the suites apart."""

    def __init__(self, directory: pathlib.Path, boot_seconds: float = _BOOT_SECONDS):
        self.directory = directory
        self._boot_seconds = boot_seconds
        self.port = free_port()
        self._vhosts: set[str] = set()
        self._scripts = scripts()
        directory.mkdir(parents=True, exist_ok=True)
        mapper_port = free_port()
        self._env = self._environment(mapper_port)
        self._mapper = Process('epmd', ['epmd', '-port', str(mapper_port), '-address',
                                        '127.0.0.1'], directory / 'epmd.log')
        self._node = Process('rabbitmq', [str(self._scripts / 'rabbitmq-server')],
                             directory / 'rabbitmq.log', self._env)

    def _environment(self, mapper_port: int) -> dict[str, str]:
        here = self.directory
        (here / 'plugins').write_text('[].\n')
        # The defaults are shares of the whole machine, which others use at the same time.
        (here / 'rabbitmq.conf').write_text('vm_memory_high_watermark.absolute = 1GB\n'
                                            'disk_free_limit.absolute = 50MB\n')
        return os.environ | {
            'HOME': str(here), 'LANG': 'C.UTF-8',
            'ERL_EPMD_PORT': str(mapper_port), 'ERL_EPMD_ADDRESS': '127.0.0.1',
            'RABBITMQ_NODENAME': f'functional{self.port}@localhost',
            'RABBITMQ_NODE_IP_ADDRESS': '127.0.0.1', 'RABBITMQ_NODE_PORT': str(self.port),
            'RABBITMQ_DIST_PORT': str(free_port()),
            'RABBITMQ_MNESIA_BASE': str(here / 'mnesia'), 'RABBITMQ_LOG_BASE': str(here),
            'RABBITMQ_LOGS': '-', 'RABBITMQ_PID_FILE': str(here / 'pid'),
            'RABBITMQ_CONFIG_FILE': str(here / 'rabbitmq.conf'),
            'RABBITMQ_CONF_ENV_FILE': str(here / 'none'),
            'RABBITMQ_ENABLED_PLUGINS_FILE': str(here / 'plugins'),
            'RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS': _ERLANG,
        }

    def url(self, vhost: str) -> str:
        """Return the transport URL of a virtual host, which is made when it is new."""
        if vhost not in self._vhosts:
            self._vhosts.add(vhost)
            self._make_vhost(vhost)
        return f'rabbit://guest:guest@127.0.0.1:{self.port}/{vhost}'

    def start(self) -> None:
        """Start the broker, or start it again with the data it had."""
        if not self._mapper.running:
            self._mapper.start()
        self._node.start()
        # It answers on its port before it lets anybody in; await_startup knows.
        self._node.wait_for(lambda: listens(self.port), self._boot_seconds)
        wait_until(lambda: self._control('await_startup', check=False) == 0, self._boot_seconds,
                   'rabbitmq to let clients in')

    def kill9(self) -> None:
        """Kill the broker; the port mapper lives on."""
        self._node.kill9()

    def stop(self) -> None:
        """End the broker and its port mapper."""
        self._node.kill9()
        self._mapper.stop()

    def lose_queues(self, vhost: str) -> None:
        """Drop every queue, exchange and message of a virtual host and cut its connections."""
        self._control('delete_vhost', vhost)
        self._make_vhost(vhost)

    def trace(self, vhost: str, on: bool = True) -> None:
        """Publish a copy of each message of a virtual host on its exchange amq.rabbitmq.trace."""
        self._control('trace_on' if on else 'trace_off', '-p', vhost)

    def tail(self) -> str:
        """Return the last lines of the broker's log."""
        return self._node.tail()

    def _make_vhost(self, vhost: str) -> None:
        self._control('add_vhost', vhost)
        self._control('set_permissions', '-p', vhost, 'guest', '.*', '.*', '.*')

    def _control(self, *words: str, check: bool = True) -> int:
        done = subprocess.run(
            [self._scripts / 'rabbitmqctl', '-q', '-n', self._env['RABBITMQ_NODENAME'], *words],
            env=self._env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise RuntimeError(f'rabbitmqctl {words}: {done.stdout}{done.stderr}')
        return done.returncode
