# SPDX-License-Identifier: Apache-2.0
"""A bus that keeps what use cases and managers send."""
import pytest

from cinder import objects
from cinder.rpc import backup as backup_rpc
from cinder.rpc import scheduler as scheduler_rpc
from cinder.rpc import volume as volume_rpc
from tests.fakes import storage

objects.register_all()


@pytest.fixture(scope='package', autouse=True)
def _hurry():
    with pytest.MonkeyPatch.context() as patch:
        storage.hurry(patch)
        yield


@pytest.fixture
def sent(monkeypatch):
    """[(method, arguments)] of every message to a daemon; calls answer {}."""
    messages = []

    class Keeper:
        def cast(self, _ctxt, method, **arguments):
            messages.append((method, arguments))

        def call(self, _ctxt, method, **arguments):
            messages.append((method, arguments))
            return {}

    for api in (backup_rpc.BackupAPI, scheduler_rpc.SchedulerAPI, volume_rpc.VolumeAPI):
        monkeypatch.setattr(api, 'cctxt', lambda self, **_to: Keeper())
    return messages
