# SPDX-License-Identifier: Apache-2.0
"""A scheduler with one back end on a real database, and the volumes it is to place."""
import pytest
import sqlalchemy as sa

from cinder.db import models, session
from cinder.db import operations as operations_db
from cinder.db import volumes as volumes_db
from cinder.scheduler.manager import SchedulerManager
from tests.fakes import scheduler as fakes


class VolumeBus:
    """What the scheduler says to the volume services."""

    def __init__(self):
        self.created, self.retyped, self.asked = [], [], 0

    def start(self, ctxt, operation, volume):
        if operation.verb == 'volume.retype':
            self.retyped.append((volume.id, operation.host, operation.stage))
        else:
            self.created.append((volume.host, operation.host, operation.stage, operation.state))

    def publish_service_capabilities(self, ctxt):
        self.asked += 1


@pytest.fixture
def bus():
    return VolumeBus()


@pytest.fixture
def clock():
    return fakes.Clock()


@pytest.fixture
def later():
    return fakes.Later()


@pytest.fixture
def services():
    return fakes.Services(fakes.service('n1@lvm', availability_zone='az1'))


@pytest.fixture
def manager(bus, clock, services, later):
    """A scheduler that is ready and knows one back end of 100 GiB."""
    manager = SchedulerManager('sched', conf=fakes.options(), volume_api=bus,
                               list_services=services, clock=clock, timers=later)
    clock.now += 100
    tell(manager)
    manager.readiness._ready.set()
    return manager


def tell(manager, host='n1@lvm', cluster=None, **report):
    manager.update_service_capabilities(None, 'volume', host, fakes.report(**report),
                                        '2030-01-01T00:00:00', cluster)


def wanted(ctxt, size=10, arguments=None, **values):
    """A volume that waits for a place, and its operation."""
    volume = volumes_db.create(ctxt, {
        'size': size, 'status': 'creating', 'attach_status': 'detached', 'project_id': 'p1',
        'user_id': 'u1', **values})
    volume.volume_type = None
    operation = operations_db.create(ctxt, 'volume.create', volume, stage='schedule',
                                     arguments=arguments)
    return volume, operation


def row(ctxt, operation):
    return operations_db.get(ctxt, operation.id)


def told(ctxt, volume):
    with session.reader(ctxt) as conn:
        return conn.execute(sa.select(models.Message.__table__).where(
            models.Message.__table__.c.resource_uuid == volume.id)).mappings().all()
