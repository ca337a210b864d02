# SPDX-License-Identifier: Apache-2.0
"""A scheduler and a volume service in this process, over a volume group and a tgtd in memory: only
the bus and what lies below cinder/privsep/command.py are fakes."""
from collections.abc import Callable
from typing import Any

from oslo_concurrency.processutils import ProcessExecutionError

from cinder import context, coordination
from cinder.conf import CONF
from cinder.db import services as services_db
from cinder.privsep import command
from cinder.rpc import client
from cinder.scheduler import manager as scheduler_manager
from cinder.volume import manager as volume_manager
from tests.fakes.tgtd import FakeTgtd
from tests.fakes.volume_group import FakeVolumeGroup

ADMIN = context.RequestContext(is_admin=True, roles=['admin'], overwrite=False)
HOST = 'node@lvm'
OPTIONS = {'volume_driver': 'cinder.volume.drivers.lvm.LVMVolumeDriver', 'volume_group': 'vg',
           'target_helper': 'tgtadm'}


class Deployment:
    """:ivar group, tgtd: what the commands work on
    :ivar on_command: called with the words of each command, from where it would be started
    """

    def __init__(self, monkeypatch, folder) -> None:
        self.group, self.tgtd = FakeVolumeGroup(), FakeTgtd()
        self.on_command: Callable[[list[str]], None] = lambda words: None
        self._sent: list[tuple[str, str, context.RequestContext, dict]] = []
        monkeypatch.setattr(client.RPCAPI, 'cctxt', lambda api, **_to: _Sender(self, api.TOPIC))
        monkeypatch.setattr(command, '_runner', lambda _words: self._run)
        for name, value in OPTIONS.items():
            CONF.set_override(name, value, 'backend_defaults')
        CONF.set_override('state_path', str(folder))
        CONF.set_override('lock_path', str(folder), 'oslo_concurrency')
        coordination.COORDINATOR.stop()
        service = services_db.create(ADMIN, {'host': HOST, 'binary': 'cinder-volume',
                                             'topic': 'cinder-volume', 'availability_zone': 'nova'})
        services_db.heartbeat(ADMIN, service.id)
        self.scheduler = scheduler_manager.SchedulerManager('node')
        self.volume = volume_manager.VolumeManager(HOST)
        self._endpoints = {topic: [*manager.additional_endpoints, manager] for topic, manager in (
            ('cinder-scheduler', self.scheduler), ('cinder-volume', self.volume))}
        self.volume.init_host()
        assert self.volume.is_working(), self.volume.backend.trouble
        self.volume.backend.publish(ADMIN)
        self.deliver()
        self.scheduler.readiness._ready.set()

    def close(self) -> None:
        for manager in (self.scheduler, self.volume):
            manager.stop()
        coordination.COORDINATOR.stop()
        for name in OPTIONS:
            CONF.clear_override(name, 'backend_defaults')
        CONF.clear_override('lock_path', 'oslo_concurrency')
        CONF.clear_override('state_path')

    def deliver(self) -> None:
        """Deliver what was cast, one message after the other, until nothing is left to do."""
        while self._sent:
            topic, method, ctxt, arguments = self._sent.pop(0)
            self.answer(topic, method, ctxt, arguments)
            for manager in (self.scheduler, self.volume):
                assert manager.runner.wait(10)

    def answer(self, topic: str, method: str, ctxt: context.RequestContext,
               arguments: dict[str, Any]) -> Any:
        endpoint = next(each for each in self._endpoints[topic] if hasattr(each, method))
        return getattr(endpoint, method)(ctxt, **arguments)

    def cast(self, *message: Any) -> None:
        self._sent.append(message)

    def _run(self, words: list[str], *_how: object) -> tuple[int, str, str]:
        self.on_command(words)
        try:
            out, err = (self.tgtd if words[0] == 'tgtadm' else self.group)(*words)
        except ProcessExecutionError as exc:
            return exc.exit_code, exc.stdout, exc.stderr
        return 0, out, err


class _Sender:
    def __init__(self, deployment: Deployment, topic: str) -> None:
        self._deployment, self._topic = deployment, topic

    def can_send_version(self) -> bool:
        return True

    def cast(self, ctxt: context.RequestContext, method: str, **arguments: Any) -> None:
        self._deployment.cast(self._topic, method, ctxt, arguments)

    def call(self, ctxt: context.RequestContext, method: str, **arguments: Any) -> Any:
        return self._deployment.answer(self._topic, method, ctxt, arguments)
