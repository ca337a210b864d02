# SPDX-License-Identifier: Apache-2.0
"""What the three daemons cost while nobody asks for anything: CPU, messages, statements, memory."""

import collections
import json
import threading
import time
from collections.abc import Iterable

import kombu

from tests.functional import databases, rabbit
from tests.functional.suite import Suite
from tools.bench import measure as kernel
from tools.bench.report import Figure

# After the start: back ends report, reports are answered, pools of connections settle.
SETTLE_SECONDS = 45
CPU_SECONDS_PER_HOUR, MESSAGES_PER_MINUTE, PSS_MEBIBYTES = 40, 4, 220
VHOST = 'bench'


def measure(suite: Suite, server: databases.Server, broker: rabbit.Rabbit,
            seconds: int) -> list[Figure]:
    """Watch the running daemons of a suite on the virtual host VHOST for so many seconds."""
    print(f'Letting the daemons settle for {SETTLE_SECONDS} s ...', flush=True)
    time.sleep(SETTLE_SECONDS)
    trees = {name: kernel.tree(process.pid) for name, process in suite.processes.items()}
    print(f'Watching them do nothing for {seconds} s ...', flush=True)
    with Published(broker) as published:
        before, began = _spent(trees), time.monotonic()
        statements = kernel.Statements(server).during(lambda: time.sleep(seconds))
        took = time.monotonic() - began
        spent = {name: total - before[name] for name, total in _spent(trees).items()}
    _print('Messages', published.names, took)
    _print('Statements', (text[:70] for text in statements), took)
    return [
        *(Figure(f'idle: CPU of cinder-{name}, an hour', each * 3600 / took, 's')
          for name, each in spent.items()),
        Figure('idle: CPU of all daemons, an hour', sum(spent.values()) * 3600 / took, 's',
               CPU_SECONDS_PER_HOUR),
        Figure('idle: messages published a minute', len(published.names) * 60 / took, '',
               MESSAGES_PER_MINUTE),
        Figure('idle: SQL statements a minute', len(statements) * 60 / took, ''),
        *memory(trees)]


def memory(trees: dict[str, list[int]]) -> list[Figure]:
    """The memory of each process, and of all together."""
    figures = []
    for name, pids in trees.items():
        for index, pid in enumerate(pids):
            role = 'parent' if index == 0 else 'child'
            figures.append(Figure(f'idle: PSS of cinder-{name}, {role}',
                                  kernel.pss_mebibytes(pid), 'MiB'))
    pids = [pid for each in trees.values() for pid in each]
    return [*figures,
            Figure('idle: PSS of all daemons', sum(map(kernel.pss_mebibytes, pids)), 'MiB',
                   PSS_MEBIBYTES),
            Figure('idle: the same, if no other program used the same libraries',
                   kernel.memory_alone(pids), 'MiB')]


def _spent(trees: dict[str, list[int]]) -> dict[str, float]:
    return {name: kernel.cpu_seconds(pids, reaped=True) for name, pids in trees.items()}


def _print(what: str, names: Iterable[str], took: float) -> None:
    print(f'{what} a minute:')
    for name, number in collections.Counter(names).most_common():
        print(f'  {number * 60 / took:.2f}  {name}')


class Published:
    """Collects the names of the messages that are published, from the broker's own trace."""

    def __init__(self, broker: rabbit.Rabbit) -> None:
        self.names: list[str] = []
        self._broker = broker
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> 'Published':
        self._connection = kombu.Connection(
            self._broker.url(VHOST).replace('rabbit://', 'amqp://'))
        trace = kombu.Exchange('amq.rabbitmq.trace', 'topic', internal=True, passive=True)
        queue = kombu.Queue('', trace, 'publish.#', exclusive=True, auto_delete=True)
        self._consumer = self._connection.Consumer(
            [queue], on_message=self._note, no_ack=True)
        self._consumer.consume()
        self._broker.trace(VHOST)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._broker.trace(VHOST, on=False)
        self._over.set()
        self._thread.join()
        self._connection.release()

    def _listen(self) -> None:
        while not self._over.is_set():
            try:
                self._connection.drain_events(timeout=0.5)
            except TimeoutError:
                continue

    def _note(self, message: kombu.Message) -> None:
        body = json.loads(message.body)
        method = json.loads(body.get('oslo.message', '{}')).get('method', 'reply')
        keys = ', '.join(message.headers.get('routing_keys') or ())
        self.names.append(f'{method} to {message.headers.get("exchange_name")} {keys}')
