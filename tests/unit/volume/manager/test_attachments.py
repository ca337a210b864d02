# SPDX-License-Identifier: Apache-2.0
"""What an initiator is told about a volume."""
import pytest

from cinder.db import attachments as attachments_db
from cinder.db import qos_specs, types, volumes
from cinder.volume.manager import attachments
from tests.unit.volume.manager.conftest import POOL

CONNECTOR = {'host': 'client', 'initiator': 'iqn.x'}


@pytest.mark.parametrize(('consumer', 'told'), [
    ('front-end', {'read_iops_sec': '9'}), ('both', {'read_iops_sec': '9'}), ('back-end', None)])
def test_the_hypervisor_is_told_what_it_has_to_enforce(manager, ctxt, consumer, told):
    qos = qos_specs.create(ctxt, 'fast', consumer, {'read_iops_sec': '9'})
    volume_type = types.create(ctxt, {'name': 'gold'})
    qos_specs.associate(ctxt, qos['id'], volume_type.id)
    made = volumes.create(ctxt, {'project_id': 'p1', 'size': 1, 'status': 'available',
                                 'host': POOL, 'volume_type_id': volume_type.id})
    volume = volumes.get(ctxt, made.id)
    manager.backend.driver.create_volume(volume)
    endpoint = next(one for one in manager.additional_endpoints
                    if isinstance(one, attachments.AttachmentEndpoint))
    info = endpoint.initialize_connection(ctxt, volume, CONNECTOR)
    assert info['data']['qos_specs'] == told


def test_the_export_goes_with_the_last_of_those_that_go_at_once(manager, ctxt, monkeypatch):
    """The API removes the row of an attachment when the back end has answered: of two that are
    deleted at the same time each is still there while the other one is disconnected."""
    made = volumes.create(ctxt, {'project_id': 'p1', 'size': 1, 'status': 'in-use', 'host': POOL,
                                 'multiattach': True})
    volume = volumes.get(ctxt, made.id)
    manager.backend.driver.create_volume(volume)
    endpoint = next(one for one in manager.additional_endpoints
                    if isinstance(one, attachments.AttachmentEndpoint))
    present = [attachments_db.create(ctxt, {
        'volume_id': volume.id, 'attach_status': 'attached', 'project_id': 'p1',
        'connector': {'host': host}, 'connection_info': {}}) for host in 'ab']
    removed = []
    monkeypatch.setattr(manager.backend.driver, 'remove_export',
                        lambda ctxt, volume: removed.append(volume.id))
    for attachment in present:
        endpoint.attachment_delete(ctxt, volume, attachment.id)
        endpoint.attachment_delete(ctxt, volume, attachment.id)
    assert removed == [volume.id]
