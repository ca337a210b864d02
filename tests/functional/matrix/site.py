# SPDX-License-Identifier: Apache-2.0
"""A whole installation in this process: the API's pipeline, a scheduler and three volume services
with the file driver, over a bus without threads of its own. What it does can be held anywhere."""
import contextlib
import copy
import os
import pathlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from cinder import (
    compute,
    context,
    coordination,
    exception,
    fault_points,
    host_names,
    objects,
    operations,
)
from cinder.conf import CONF
from cinder.db import journal, session
from cinder.db import services as services_db
from cinder.db import volumes as volumes_db
from cinder.objects.base import CinderObjectSerializer
from cinder.operations import runner as runner_module
from cinder.rpc import client as rpc_client
from cinder.scheduler import manager as scheduler_module
from cinder.scheduler import steps
from cinder.volume import configuration
from cinder.volume import manager as manager_package
from cinder.volume.data import image_upload, nova_swap
from cinder.volume.host import locks
from cinder.volume.manager import calls
from tests.api.client import Answer, Api
from tests.fakes import backup_service, key_manager
from tests.functional.matrix.server import Server

ADMIN = context.RequestContext(is_admin=True, roles=['admin'], overwrite=False)
BACKENDS = ('one', 'two', 'keeps')
# What a driver is asked for that changes storage or exports.
DRIVER_CALLS = (
    'create_volume', 'create_volume_from_snapshot', 'create_cloned_volume', 'delete_volume',
    'extend_volume', 'create_snapshot', 'delete_snapshot', 'revert_to_snapshot', 'create_export',
    'ensure_export', 'remove_export', 'initialize_connection', 'terminate_connection',
    'manage_existing', 'manage_existing_snapshot', 'migrate_volume', 'trash_volume',
    'restore_trashed_volume', 'purge_trashed_volume', 'trash_snapshot',
    'restore_trashed_snapshot', 'purge_trashed_snapshot')
OPTIONS = {
    'backend_defaults': {'volume_driver': 'cinder.volume.drivers.file.FileVolumeDriver',
                         'target_helper': 'fake'},
    None: {'operation_max_attempts': 3, 'service_down_time': 10 ** 6, 'quota_volumes': -1,
           # More than a busy machine needs, less than TIMEOUT_SECONDS.
           'migration_create_volume_timeout_secs': 15,
           'migration_completion_timeout_secs': 15, 'enable_force_upload': True,
           'quota_snapshots': -1, 'quota_gigabytes': -1, 'quota_groups': -1}}
# Seconds in which whatever was begun must have come to its next step.
TIMEOUT_SECONDS = 20


class Stage:
    """Every step of the work passes here: a step can be noted, held, or made to fail.

    :ivar seen: (step, whether it may be held) of all that passed, in order.
    """

    def __init__(self) -> None:
        self.reached, self._go = threading.Event(), threading.Event()
        self._inside = threading.local()
        self.clear()

    def clear(self) -> None:
        """Hold nothing, note everything."""
        self.seen: list[tuple[str, bool]] = []
        self._wanted: tuple[str, int] | None = None
        self._error: Exception | None = None
        self._rest: Exception | None = None
        self._late: list[Callable[[], None]] = []
        self.lost = False

    def hold(self, step: str, number: int, error: Exception | None = None,
             lost: bool = False) -> None:
        """Hold what comes to a step for the `number`-th time.

        :param error: raised there when it is let go.
        :param lost: a message that is held is never delivered.
        """
        self.clear()
        self.reached.clear()
        self._go.clear()
        self._wanted, self._error, self.lost = (step, number), error, lost

    def release(self, rest: Exception | None = None) -> None:
        """Let it go on.

        :param rest: raised by each call of a driver that begins from now on.
        """
        self._rest = rest
        self._go.set()
        late, self._late = self._late, []
        for deliver in late if not self.lost else ():
            deliver()

    def heal(self) -> None:
        """Let the drivers work again."""
        self._rest = None

    @contextlib.contextmanager
    def transaction(self, ctxt: object) -> Iterator[object]:
        """Stands in for session.writer: what is inside cannot be held without holding all."""
        depth = getattr(self._inside, 'depth', 0)
        self._inside.depth = depth + 1
        try:
            with _WRITER(ctxt) as conn:
                yield conn
        finally:
            self._inside.depth = depth

    def _is_wanted(self, step: str) -> bool:
        if self._wanted is None or self._wanted[0] != step:
            return False
        number = self._wanted[1] - 1
        self._wanted = (step, number) if number else None
        return not number

    def passes(self, step: str) -> None:
        """Called by the work itself, in its thread."""
        if ':api:' in step:
            return
        self.seen.append((step, not getattr(self._inside, 'depth', 0)))
        if self._is_wanted(step):
            self.reached.set()
            assert self._go.wait(TIMEOUT_SECONDS), f'{step} is held for too long'
            if self._error:
                raise self._error
        elif self._rest and step.startswith('driver.') and step.endswith(':before'):
            raise self._rest

    def sends(self, step: str, deliver: Callable[[], None]) -> None:
        """A message: one that is held does not keep its sender."""
        self.seen.append((step, True))
        if self._is_wanted(step):
            self._late.append(deliver)
            self.reached.set()
        else:
            deliver()


_WRITER = session.writer


class Bus:
    """Delivers messages at once, with what really crosses the bus."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.servers: dict[str, dict[str, list[object]]] = {}
        self._serializer = CinderObjectSerializer()

    def cctxt(self, api: rpc_client.RPCAPI, host: str | None = None, version: str | None = None,
              fanout: bool = False, timeout: float | None = None) -> '_Sender':
        hosts = self.servers[api.TOPIC]
        name = host_names.backend_of(host)
        return _Sender(self, [hosts[name]] if name else list(hosts.values()))

    def carry(self, ctxt: context.RequestContext, arguments: dict) -> tuple[object, dict]:
        packed = self._serializer.serialize_entity(ctxt, arguments)
        return (context.RequestContext.from_dict({**ctxt.to_dict(), 'overwrite': False}),
                self._serializer.deserialize_entity(ctxt, packed))


class _Sender:
    def __init__(self, bus: Bus, servers: list[list[object]]) -> None:
        self._bus, self._servers = bus, servers

    def can_send_version(self) -> bool:
        return True

    def cast(self, ctxt: context.RequestContext, method: str, **arguments: object) -> None:
        for endpoints in self._servers:
            sent, words = self._bus.carry(ctxt, arguments)
            self._bus.stage.sends(f'message.{method}', lambda here=endpoints, sent=sent,
                                  words=words: _find(here, method)(sent, **words))

    def call(self, ctxt: context.RequestContext, method: str, **arguments: object) -> object:
        sent, words = self._bus.carry(ctxt, arguments)
        try:
            return _find(self._servers[0], method)(sent, **words)
        except rpc_client.messaging.ExpectedException as exc:
            raise exc.exc_info[1] from None


def _find(endpoints: list[object], method: str) -> Callable:
    return next(getattr(each, method) for each in endpoints if hasattr(each, method))


class Site:
    """The installation.

    :ivar services: name of a back end -> its VolumeManager.
    :ivar keeper: the backup service; it moves no bytes.
    :ivar keys: the key manager.
    """

    def __init__(self, application: Any, folder: pathlib.Path, database: Any,
                 images: Any) -> None:
        self.api, self.folder, self.database = Api(application), folder, database
        self.stranger = Api(application, project='f' * 32)
        self.images = images
        self.stage = Stage()
        self.server = Server(self)
        self.bus = Bus(self.stage)

    def start(self) -> None:
        """Bring it up; the patches and options are there already."""
        objects.register_all()
        for name in BACKENDS:
            services_db.create(ADMIN, {
                'host': f'here@{name}', 'binary': 'cinder-volume', 'topic': 'cinder-volume',
                'availability_zone': 'nova'})
        for service in services_db.list_all(ADMIN):
            services_db.heartbeat(ADMIN, service.id)
        backup_service.register(ADMIN)
        self.keeper = backup_service.BackupManager('keeper')
        self.keeper.waits = True
        self.keys = key_manager.configure()
        self.scheduler = scheduler_module.SchedulerManager('here')
        self.bus.servers = {
            'cinder-scheduler': {'here': [*self.scheduler.additional_endpoints, self.scheduler]},
            'cinder-backup': {'keeper': [
                operations.Messages(self.keeper.runner, self.keeper.target), self.keeper]},
            'cinder-volume': {}}
        self.scheduler.readiness._ready.set()
        self.services = {name: manager_package.VolumeManager(f'here@{name}') for name in BACKENDS}
        for name, manager in self.services.items():
            self.bus.servers['cinder-volume'][f'here@{name}'] = [*manager.additional_endpoints,
                                                                 manager]
            manager.init_host()
            assert manager.is_working(), manager.backend.trouble
            self._watch(manager.backend.driver)
        self.report()

    def _watch(self, driver: Any) -> None:
        for name in DRIVER_CALLS:
            setattr(driver, name, self._watched(name, getattr(driver, name)))

    def _watched(self, name: str, method: Callable) -> Callable:
        def call(*args: object, **kwargs: object) -> object:
            self.stage.passes(f'driver.{name}:before')
            made = method(*args, **kwargs)
            self.stage.passes(f'driver.{name}:after')
            return made
        return call

    @property
    def runners(self) -> list[runner_module.OperationRunner]:
        return [self.scheduler.runner, self.keeper.runner,
                *(each.runner for each in self.services.values())]

    def folder_of(self, name: str) -> pathlib.Path:
        return self.folder / name

    def report(self) -> None:
        """Let the scheduler know of all the room that there is, and of no more.

        It forgets its promises as if it had just started: that the rows were put back shows only
        where a count decreased, and each pair would leave a GiB of them until no room is left.
        """
        self.scheduler.host_manager._backends.clear()
        for manager in self.services.values():
            manager.backend.publish(ADMIN)

    def stop(self) -> None:
        for runner in self.runners:
            runner.stop()

    # ------------------------------------------------------------------------------- what it does
    def send(self, method: str, path: str, body: object = None,
             stranger: bool = False) -> Answer:
        """A request of a service on behalf of an administrator of the project, or of another."""
        return (self.stranger if stranger else self.api).request(
            method, path, body, mv='3.71', headers={'X-Service-Roles': 'service'})

    def drain(self) -> None:
        """Let time pass until nothing is left to be done.

        :raises AssertionError: something is never done.
        """
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while True:
            self._rest()
            copied = self.server.wait()
            left = journal.unfinished(ADMIN)
            if not left and not copied:
                # What ended last may still be letting go of its locks.
                self._rest()
                return
            assert time.monotonic() < deadline, 'never done: ' + ', '.join(
                f'{row["verb"]} ({row["state"]}, attempt {row["attempt"]})' for row in left)
            self.pass_time()

    def _rest(self) -> None:
        for runner in self.runners:
            assert runner.wait(TIMEOUT_SECONDS), f'{runner.executor.describe()} does not end'

    def pass_time(self) -> None:
        """What waits in the journal is looked at again."""
        self.database._conn.execute('UPDATE operations SET lease_until = NULL '
                                    "WHERE state = 'queued'")
        for runner in self.runners:
            runner.take_over(dead=())

    def come_there(self, calls: Iterable[threading.Thread] = (), seconds: float = 10) -> bool:
        """Wait until what is held is there; False when it does not come.

        :param calls: whose end may be all that is waited for.
        """
        deadline = time.monotonic() + seconds
        while not self.stage.reached.wait(0.02):
            goes_on = (any(call.is_alive() for call in calls) or self.server.is_busy()
                       or journal.unfinished(ADMIN))
            if not goes_on or time.monotonic() > deadline:
                return self.stage.reached.is_set()
            self.pass_time()
        return True

    def verbs(self) -> set[str]:
        """The verbs of all operations that there were."""
        return {verb for verb, in self.database._conn.execute('SELECT verb FROM operations')}

    def newest_attachment(self) -> str:
        """Its id; '' where there is none."""
        found = self.database._conn.execute(
            'SELECT id FROM volume_attachment ORDER BY created_at DESC LIMIT 1').fetchone()
        return found[0] if found else ''

    def left(self) -> Iterator[str]:
        """Locks that nobody needs, and images that wait for data which never comes."""
        for name in (*coordination.COORDINATOR._local, *coordination.COORDINATOR._shared):
            yield f'lock {name} is held'
        yield from (f'lock file {path.name} is left' for path in self.folder.glob('**/cinder-*'))
        for ident, image in self.images.images.items():
            if image['status'] != 'active':
                yield f'image {ident} is left in status {image["status"]}'

    def send_image(self, images: Any, image_id: str, path: str, size: int, _throttle: Any,
                   report: Callable[[int], None], _store: str | None = None) -> None:
        """Stands in for sending.send(): a GiB takes seconds."""
        self.stage.passes('driver.send:before')
        images.upload(image_id, iter([data_of(pathlib.Path(path)) or b'zeros']))
        self.stage.passes('driver.send:after')
        report(size)

    # --------------------------------------------------------------------- what is on the storage
    def files(self) -> dict[tuple[str, str], tuple[int, bytes]]:
        """(back end, name) -> (bytes, what is in them but zeros)."""
        return {(name, path.name): (path.stat().st_size, data_of(path))
                for name in BACKENDS for path in self.folder_of(name).iterdir()}

    def put_files(self, wanted: dict[tuple[str, str], tuple[int, bytes]]) -> None:
        """Make these the only files."""
        for name in BACKENDS:
            for path in self.folder_of(name).iterdir():
                path.unlink()
        for (name, file), (size, data) in wanted.items():
            path = self.folder_of(name) / file
            with open(path, 'wb') as stream:
                stream.truncate(size)
                stream.write(data)
            # What was written a moment ago is copied twice.
            os.utime(path, (1, 1))

    def copy_bytes(self, volume_id: str, target_id: str) -> None:
        """What a server does that uses both."""
        source, target = self._path_of(volume_id), self._path_of(target_id)
        data = data_of(source)
        with open(target, 'r+b') as stream:
            stream.write(data)
        os.utime(target, (1, 1))

    def _path_of(self, volume_id: str) -> pathlib.Path:
        volume = volumes_db.get(ADMIN, volume_id)
        return self.folder_of(volume.host.partition('@')[2].partition('#')[0]) / volume.name

    def exports(self) -> dict[str, tuple[dict, dict]]:
        """Back end -> what its target exports and whom it lets in."""
        return {name: copy.deepcopy((target.exported, target.allowed))
                for name, target in self._targets()}

    def put_exports(self, wanted: dict[str, tuple[dict, dict]]) -> None:
        for name, target in self._targets():
            target.exported, target.allowed = copy.deepcopy(wanted[name])

    def _targets(self) -> list[tuple[str, Any]]:
        return [(name, each.backend.driver.target) for name, each in self.services.items()]


def data_of(path: pathlib.Path) -> bytes:
    """What a file holds but zeros, in order."""
    found = []
    with open(path, 'rb', buffering=0) as file:
        start, end = 0, file.seek(0, os.SEEK_END)
        while start < end:
            try:
                start = os.lseek(file.fileno(), start, os.SEEK_DATA)
            except OSError:
                break
            stop = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            found.append(os.pread(file.fileno(), stop - start, start).strip(b'\0'))
            start = stop
    return b''.join(found)


@contextlib.contextmanager
def running(application: Any, folder: pathlib.Path, database: Any, images: Any,
            patch: Any) -> Iterator[Site]:
    """The installation, with its volumes in `folder`."""
    site = Site(application, folder, database, images)
    options = {**OPTIONS, **{name: {'file_volume_dir': str(site.folder_of(name))}
                             for name in BACKENDS}}
    # So the scheduler takes the first one where it may choose.
    options['two']['reserved_percentage'] = 50
    options['keeps'] |= {'reserved_percentage': 60, 'delete_to_trash_hours': 24}
    options[None] = {**options[None], 'state_path': str(folder)}
    options['oslo_concurrency'] = {'lock_path': str(folder)}
    for name in BACKENDS:
        configuration.Configuration(config_group=name)
    for group, values in options.items():
        for name, value in values.items():
            CONF.set_override(name, value, group)
    coordination.COORDINATOR.stop()
    patch.setattr(rpc_client.RPCAPI, 'cctxt',
                  lambda api, *args, **kwargs: site.bus.cctxt(api, *args, **kwargs))
    patch.setattr(session, 'writer', site.stage.transaction)
    patch.setattr(fault_points, 'reach', site.stage.passes)
    # drain() lets the time pass.
    patch.setattr(runner_module.OperationRunner, '_again_in', lambda *_args: None)
    patch.setattr(image_upload, 'send', site.send_image)
    patch.setattr(image_upload, 'require_complete', lambda *_args: None)
    patch.setattr(compute, 'is_configured', lambda: True)
    patch.setattr(compute, 'swap', site.server.swap)
    patch.setattr(nova_swap, 'BEGIN_SECONDS', 0.2)
    patch.setattr(locks, 'LOCK_SECONDS', 0.02)
    patch.setattr(calls, 'WAIT_SHARE', 0.0005)
    patch.setattr(steps, 'PAUSES', (0.01,))
    try:
        site.start()
        yield site
    finally:
        site.stop()
        key_manager.clear()
        coordination.COORDINATOR.stop()
        for group, values in options.items():
            for name in values:
                CONF.clear_override(name, group)


def broken() -> Exception:
    """What a storage that fails raises."""
    return exception.VolumeBackendAPIException(data='the storage is broken')
