# SPDX-License-Identifier: Apache-2.0
"""A crowd: slow copies that one project asks for and that wait on a back end, and how long short
work of somebody else takes meanwhile."""

import contextlib
import dataclasses
import datetime
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa

from cinder.coordination import Coordinator
from tests.functional.client import Client
from tests.functional.processes import wait_until
from tests.functional.suite import BACKEND, Suite
from tools.initiator import CONNECTOR

# The bytes of a copy, and what all copies together may move in a second: each second one copy more
# is done, however many run, and none costs much CPU time.
BYTES = 64 * 1024
PERIOD = 3
OPTIONS: Mapping[str, Mapping[str, object]] = {
    # Down is who was not heard of for two heartbeats.
    'DEFAULT': {'report_interval': 2, 'service_down_time': 6,
                'backend_stats_polling_interval': PERIOD, 'periodic_interval': 1,
                'quota_volumes': -1, 'quota_gigabytes': -1, 'quota_snapshots': -1},
    BACKEND: {'file_reflink': 'never', 'volume_copy_bps_limit': BYTES,
              'max_over_subscription_ratio': 10000}}
SENDERS = 8


def _table(name: str, *columns: str) -> sa.TableClause:
    return sa.table(name, *map(sa.column, columns))


_VOLUMES = _table('volumes', 'id', 'project_id')
_SERVICES = _table('services', 'host')
_EVENTS = _table('events', 'project_id')
_OPERATIONS = _table('operations', 'id', 'verb', 'project_id', 'stage', 'state', 'resource_id',
                     'arguments')


class Crowd:
    """Clones of one volume, for a project of their own.

    :param suite: runs with OPTIONS
    :param seconds: how long to wait for one volume
    :param fields: more fields of each volume
    """

    def __init__(self, suite: Suite, seconds: float = 30, **fields: object) -> None:
        self.client = suite.client(project=uuid.uuid4().hex)
        self.fields = fields
        self._engine = sa.create_engine(suite.database, poolclass=sa.pool.NullPool)
        self.source = self.client.ready_volume(seconds=seconds, **fields)

    def ask(self, number: int) -> None:
        """Ask for so many more; return when all of them have come to the back end."""
        with ThreadPoolExecutor(SENDERS) as pool:
            list(pool.map(lambda _index: self.client.create_volume(
                source_volid=self.source['id'], **self.fields), range(number)))
        wait_until(lambda: not self.count(stage='schedule'), 60, 'the clones to be placed')

    def repeat(self, number: int) -> None:
        """Have so many more as if they had been asked for: rows like those of one that waits, for
        the poller to find."""
        tables = sa.MetaData()
        tables.reflect(self._engine, only=['operations', 'volumes'])
        operations, volumes = tables.tables['operations'], tables.tables['volumes']
        with self._engine.begin() as conn:
            one = conn.execute(sa.select(operations).where(
                operations.c.project_id == self.client.project, operations.c.state == 'queued',
                operations.c.stage == 'execute')).mappings().first()
            volume = conn.execute(sa.select(volumes).where(
                volumes.c.id == one['resource_id'])).mappings().one()
            ids = [str(uuid.uuid4()) for _ in range(number)]
            conn.execute(volumes.insert(), [{**volume, 'id': each} for each in ids])
            conn.execute(operations.insert(), [
                {**one, 'id': str(uuid.uuid4()), 'resource_id': each} for each in ids])

    def seconds_to_begin(self, client: Client, source: dict) -> float:
        """How long a copy that another project asks for waits until it runs."""
        began = time.monotonic()
        made = client.create_volume(source_volid=source['id'], **self.fields)['id']
        wait_until(lambda: self.count(project_id=client.project, resource_id=made,
                                      stage='execute', state='running'), 60, f'the copy {made}')
        return time.monotonic() - began

    def count(self, **wanted: str) -> int:
        """How many of them are queued, and what else is wanted of their operations."""
        where = {'project_id': self.client.project, 'state': 'queued', **wanted}
        with self._engine.connect() as conn:
            return conn.execute(sa.select(sa.func.count()).select_from(_OPERATIONS).where(
                *(_OPERATIONS.c[name] == value for name, value in where.items()))).scalar_one()

    def arguments(self, **wanted: str) -> str:
        """The arguments of an operation, as they are kept."""
        with self._engine.connect() as conn:
            return conn.execute(sa.select(_OPERATIONS.c.arguments).where(
                *(_OPERATIONS.c[name] == value for name, value in wanted.items()))).scalar_one()


def forget(suite: Suite, host: str, *clients: Client) -> None:
    """Remove a host that is gone, and the volumes of the projects that were there, from the
    database."""
    engine = sa.create_engine(suite.database, poolclass=sa.pool.NullPool)
    with engine.begin() as conn:
        conn.execute(_SERVICES.delete().where(_SERVICES.c.host.like(f'{host}@%')))
        for table in (_EVENTS, _OPERATIONS, _VOLUMES):
            conn.execute(table.delete().where(table.c.project_id.in_(
                [client.project for client in clients])))


def write(suite: Suite, volume: dict, size: int = BYTES) -> None:
    """Give a volume, which is a file, some bytes to copy."""
    with (suite.volumes / f'volume-{volume["id"]}').open('r+b') as file:
        file.write(b'x' * size)


@dataclasses.dataclass
class Times:
    """Seconds that the short work of a project took, one of each for each round."""

    create: list[float] = dataclasses.field(default_factory=list)
    attach: list[float] = dataclasses.field(default_factory=list)
    delete: list[float] = dataclasses.field(default_factory=list)


@contextlib.contextmanager
def timed(seconds: list[float]) -> Iterator[None]:
    """Add how long a block takes."""
    began = time.monotonic()
    yield
    seconds.append(time.monotonic() - began)


def short_work(client: Client, rounds: int, times: Times | None = None, seconds: float = 30,
               **fields: object) -> Times:
    """Make an empty volume, attach it and delete it, some times.

    :param times: to add to
    :param seconds: how long to wait for one volume
    """
    times = times or Times()
    for _round in range(rounds):
        with timed(times.create):
            volume = client.ready_volume(seconds=seconds, **fields)
        with timed(times.attach):
            attachment = client.post('attachments', {'attachment': {
                'volume_uuid': volume['id'], 'connector': CONNECTOR}})['attachment']
        client.delete(f'attachments/{attachment["id"]}')
        with timed(times.delete):
            client.delete(f'volumes/{volume["id"]}', expect=202)
            client.wait_gone('volume', volume['id'], seconds)
    return times


class Reports:
    """Watches, for the length of a block, when back ends measure what they have."""

    def __init__(self, client: Client) -> None:
        self._client = client
        # (pool, moment), in the order in which they were seen.
        self._seen: list[tuple[str, str]] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> 'Reports':
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        while True:
            for pool in self._client.get('scheduler-stats/get_pools?detail=true')['pools']:
                found = pool['name'], pool['capabilities']['timestamp']
                if found not in self._seen:
                    self._seen.append(found)
            if self._end.wait(1):
                return

    @property
    def gaps(self) -> list[float]:
        """Seconds between two of the reports that came to the scheduler, of the only back end."""
        return self.gaps_of('')

    def gaps_of(self, backend: str) -> list[float]:
        """The same of one of several, 'host@backend'."""
        moments = [datetime.datetime.fromisoformat(stamp) for pool, stamp in self._seen
                   if pool.startswith(backend)]
        return [(later - one).total_seconds()
                for one, later in zip(moments, moments[1:], strict=False)]


@contextlib.contextmanager
def blocked_calls(suite: Suite, client: Client, number: int, seconds: float = 30,
                  **fields: object) -> Iterator[list[int]]:
    """Have so many calls wait, for the length of a block, for a volume that somebody holds; yields
    the statuses of those that are answered."""
    volume, statuses = client.ready_volume(seconds=seconds, **fields), []
    locks = Coordinator(f'file://{suite.state}/coordination')

    def call() -> None:
        statuses.append(client.request('POST', f'volumes/{volume["id"]}/action', {
            'os-initialize_connection': {'connector': CONNECTOR}}).status)

    callers = [threading.Thread(target=call, daemon=True) for _ in range(number)]
    try:
        with locks.lock(f'volume-{volume["id"]}', timeout=5):
            for caller in callers:
                caller.start()
            yield statuses
    finally:
        for caller in callers:
            caller.join()
        locks.stop()
        client.action(volume['id'], 'os-terminate_connection', {'connector': CONNECTOR})
