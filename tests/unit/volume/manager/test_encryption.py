# SPDX-License-Identifier: Apache-2.0
"""Encrypted volumes on a storage host: what connectors are told, what a failed removal leaves,
and the way out of the fixed key at the start."""
import threading

import pytest

from cinder import exception
from cinder.conf.keymgr import FIXED_KEY_ID
from cinder.db import messages as messages_db
from cinder.db import volumes as volumes_db
from cinder.volume import manager as manager_package
from cinder.volume.api import volumes as volumes_api
from cinder.volume.host import init_host
from tests.fakes import key_manager as fake
from tests.unit.volume.conftest import BACKEND, POOL

OWN = 'a5ac2b4c-0001-4000-8000-000000000000'


@pytest.fixture
def make(ctxt, database):
    def make(key):
        made = volumes_db.create(ctxt, {
            'project_id': 'p1', 'user_id': 'u1', 'size': 1, 'status': 'available',
            'attach_status': 'detached', 'host': POOL, 'encryption_key_id': key})
        return volumes_db.get(ctxt, made.id)
    return make


@pytest.mark.parametrize('key', [OWN, FIXED_KEY_ID, None])
def test_a_connector_is_told(ctxt, manager, make, key):
    volume = make(key)
    manager.backend.driver.create_volume(volume)
    endpoint = next(each for each in manager.additional_endpoints
                    if hasattr(each, 'initialize_connection'))
    info = endpoint.initialize_connection(ctxt, volume, {'host': 'x', 'initiator': 'iqn'})
    assert info['data']['encrypted'] is bool(key)


@pytest.mark.parametrize(('key', 'status'), [
    (OWN, 'error'), (FIXED_KEY_ID, 'available'), (None, 'available')])
def test_a_busy_volume_without_its_key_can_only_be_deleted_again(
        ctxt, manager, sent, make, key_manager, monkeypatch, key, status):
    def busy(volume):
        raise exception.VolumeIsBusy(volume_name=volume.name, reason='open')
    volume = make(key)
    monkeypatch.setattr(manager.backend.driver, 'delete_volume', busy)
    for _ in range(2):
        volumes_api.delete(ctxt, volumes_db.get(ctxt, volume.id))
        manager.runner.handlers['volume.delete'](ctxt, **sent[-1][1])
        assert volumes_db.get(ctxt, volume.id).status == status
    assert len(messages_db.list_rows(ctxt).rows) == 2


@pytest.mark.parametrize('down', [False, True])
def test_a_start_leads_out_of_the_fixed_key(ctxt, conf, sent, make, down):
    volume, key_manager = make(FIXED_KEY_ID), fake.configure(fake.FIXED_KEY)
    key_manager.down = down
    made = manager_package.VolumeManager(BACKEND)
    made.init_host()
    for thread in threading.enumerate():
        if thread.name == 'key-migration':
            thread.join(10)
    assert made.is_working() and sent[-1][0] == 'update_service_capabilities'
    key = volumes_db.get(ctxt, volume.id).encryption_key_id
    assert [key] == ([FIXED_KEY_ID] if down else list(key_manager.kept))
    made.stop()
    fake.clear()


def test_keys_are_migrated_before_capabilities_are_published():
    assert init_host.STEPS[-2:] == (init_host.migrate_keys, init_host.publish_capabilities)
