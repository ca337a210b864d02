# SPDX-License-Identifier: Apache-2.0
"""Exports as the API and a running service keep them: nothing without an attachment, and back again
when the target daemon dies. One process, SQLite and the bus in memory."""
import subprocess

import pytest

from tests.functional import storage, tgt
from tests.functional.oracle import Oracle
from tests.functional.processes import wait_until
from tests.functional.suite import Node, Suite
from tools.initiator import CONNECTOR, Device

pytestmark = pytest.mark.skipif(
    not tgt.usable(), reason='needs root, tgtd (package tgt) and qemu-img with iSCSI '
                             '(qemu-utils, qemu-block-extra)')


@pytest.fixture(scope='module')
def suite(tmp_path_factory):
    folder = tmp_path_factory.mktemp('exports')
    server = tgt.Tgtd(folder / 'tgt')
    server.start()
    made = Suite(folder / 'suite', f'sqlite:///{folder}/cinder.sqlite', 'fake:/', server,
                 [Node('node1', ('all',))])
    try:
        made.start()
        yield made
    finally:
        made.stop()
        server.stop()


@pytest.fixture
def client(suite):
    return suite.client()


def targets(suite):
    return subprocess.run(['tgtadm', '--lld', 'iscsi', '--op', 'show', '--mode', 'target'],
                          env=suite.environment(), check=True, capture_output=True,
                          text=True).stdout


@pytest.mark.parametrize('connector', [{'host': 'x'}, {'host': 'x', 'initiator': '../x'},
                                       {'host': 'x', 'initiator': 7}])
def test_a_connector_that_iscsi_cannot_use_is_refused_and_nothing_is_exported(
        suite, client, connector):
    volume = client.ready_volume()
    with pytest.raises(AssertionError, match='400.*initiator'):
        client.post('attachments', {'attachment': {
            'volume_uuid': volume['id'], 'connector': connector}})
    assert volume['id'] not in targets(suite)


def test_exports_come_back_when_tgtd_dies_and_the_service_does_not(suite, client):
    volume, content = client.ready_volume(), storage.sample()
    attachment = client.post('attachments', {'attachment': {
        'volume_uuid': volume['id'], 'connector': CONNECTOR}})['attachment']
    client.post(f'attachments/{attachment["id"]}/action', {'os-complete': {}}, expect=204)
    device = Device(attachment['connection_info'])
    device.write(content)
    suite.tgtd.kill9()
    suite.tgtd.start()
    # Looked for each 20 seconds.
    wait_until(lambda: volume['id'] in targets(suite), 40, 'the export', pause=0.5)
    assert device.read(1) == content
    client.delete(f'attachments/{attachment["id"]}')
    assert targets(suite) == ''
    Oracle(suite).check()
