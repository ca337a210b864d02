# SPDX-License-Identifier: Apache-2.0
"""What a back end says of itself through the capabilities API."""
import pytest

from cinder import exception
from cinder.volume.host import capabilities
from tests.unit.volume.conftest import BACKEND


def test_a_working_back_end(manager, ctxt):
    answer = manager.get_capabilities(ctxt)
    assert answer['namespace'] == f'OS::Storage::Capabilities::{BACKEND}'
    assert (answer['pool_name'], answer['vendor_name']) == ('files', 'Open Source')
    assert answer['properties'].keys() == {'thin_provisioning'}
    assert (answer['replication_targets'], answer['description']) == ([], None)


def test_extra_capabilities_do_not_replace_reported_ones(manager, monkeypatch):
    monkeypatch.setattr(manager.backend.configuration, 'extra_capabilities',
                        {'service_level': 'gold', 'vendor_name': 'mine'}, raising=False)
    found = manager.backend.capabilities()
    assert (found['service_level'], found['vendor_name']) == ('gold', 'Open Source')


def test_one_that_does_not_work(manager, ctxt):
    manager.backend.initialized = False
    with pytest.raises(Exception) as caught:
        manager.get_capabilities(ctxt)
    assert isinstance(caught.value.exc_info[1], exception.DriverNotInitialized)


def test_several_pools_and_protocols():
    answer = capabilities.describe('h@b', {
        'storage_protocol': ['iSCSI', 'FC'], 'replication_targets': ['b2'],
        'pools': [{'pool_name': 'p1'}, {'pool_name': 'p2', 'QoS_support': True}]})
    assert (answer['pool_name'], answer['storage_protocol']) == (None, 'iSCSI')
    assert answer['properties']['qos']['type'] == 'boolean'
    assert answer['replication_targets'] == ['b2']
