# SPDX-License-Identifier: Apache-2.0
"""What no back end takes is notified of with the row that says so."""
from cinder.db import volumes as volumes_db
from tests.unit.scheduler.conftest import wanted


def test_a_refusal(manager, ctxt, told):
    volume, operation = wanted(ctxt, size=500)
    manager.create_volume(ctxt, operation, volume)
    assert volumes_db.get(ctxt, volume.id).status == 'error'
    assert told.types == ['scheduler.create_volume']
    assert told.events[0][1]['status'] == 'error' and told.events[0][1]['reason']
    told.require_changes()
