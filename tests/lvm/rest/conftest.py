# SPDX-License-Identifier: Apache-2.0
"""The whole service on three volume groups, one for all tests of this folder: thin on `lab`, thin
and small on `lab2`, thick on `thick`. After each test everything has to fit together again."""
import os

import pytest

from tests.functional.suite import add_tails
from tests.lvm import group, initiator, operations, service
from tests.lvm import image_server as image_server_module
from tests.lvm.service import MIB, TIMEOUT_SECONDS, attached, delete, digest, ready


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    add_tails(item, report)
    return report


@pytest.fixture(scope='session')
def image_server(tmp_path_factory):
    with image_server_module.running(tmp_path_factory.mktemp('images')) as server:
        yield server


@pytest.fixture(scope='session')
def suite(tmp_path_factory, image_server):
    with service.running(tmp_path_factory.mktemp('service'), operations.FAULTS,
                         glance_api_servers=image_server.url,
                         # An attachment beside others has taken more than a minute.
                         rpc_response_timeout=service.TIMEOUT_SECONDS) as suite:
        suite.client().post('group_types', {'group_type': {
            'name': 'consistent', 'group_specs': {
                'consistent_group_snapshot_enabled': '<is> True'}}})
        yield suite


@pytest.fixture
def client(suite):
    return suite.client()


@pytest.fixture(autouse=True)
def at_peace(suite, witness):
    """After each test all daemons work, rows and storage agree, and nothing is left of it."""
    suite.wait_ready(TIMEOUT_SECONDS)
    before = service.logical_volumes()
    yield
    service.Oracle(suite).check(TIMEOUT_SECONDS)
    assert service.logical_volumes() == before
    witness.check()


class Witness:
    """Somebody who uses a volume through the initiator, whatever the tests do to the service."""

    def __init__(self, device: str, volume: str) -> None:
        self.device, self.volume = device, volume
        self.sample = b''
        self.write()

    def write(self) -> None:
        """Other bytes than before."""
        self.sample = os.urandom(MIB)
        initiator.write(self.device, self.sample)

    def check(self) -> None:
        """What was written is there, and more can be written."""
        assert digest(initiator.read(self.device, MIB)) == digest(self.sample)
        self.write()


@pytest.fixture(scope='session')
def witness(suite):
    client = suite.client()
    volume = ready(client, name='witness')
    with attached(client, volume) as device:
        made = Witness(device, volume)
        yield made
        made.check()
    assert service.stored(volume) == digest(made.sample)
    delete(client, 'volume', volume)
    assert group.volumes_of_group() == {}
