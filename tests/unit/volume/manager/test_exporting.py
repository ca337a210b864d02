# SPDX-License-Identifier: Apache-2.0
"""Exports that a target has lost come back, one by one, and others are not touched."""
import pytest

from cinder.db import attachments as attachments_db
from cinder.db import volumes as volumes_db
from cinder.volume.targets import fake, iscsi
from tests.fakes import volumes
from tests.unit.volume.manager.conftest import POOL

CHAP = iscsi.Chap('name', 'secret')


class Target(fake.FakeTarget):
    broken = ()

    def _export(self, iqn, path, chap, initiators):
        if iqn.endswith(self.broken):
            raise OSError('no such device')
        return super()._export(iqn, path, chap, initiators)


@pytest.fixture
def target(manager):
    manager.backend.driver.target = Target(volumes.options(), None)
    return manager.backend.driver.target


@pytest.fixture
def used(ctxt, manager, target):
    """Makes volumes that are attached."""
    def make():
        made = volumes_db.create(ctxt, {
            'project_id': 'p1', 'size': 1, 'status': 'in-use', 'host': POOL,
            'provider_auth': str(CHAP)})
        attachments_db.create(ctxt, {'volume_id': made.id, 'attach_status': 'attached',
                                     'attach_mode': 'ro', 'connector': {'initiator': 'iqn.a'}})
        return volumes_db.get(ctxt, made.id)
    return make


def test_what_is_lost_comes_back_with_who_may_use_it(manager, ctxt, target, used):
    lost, kept = used(), used()
    target.exported = {target.iqn(kept): ('untouched', None)}
    manager.restore_exports(ctxt)
    assert target.exported[target.iqn(kept)] == ('untouched', None)
    path = manager.backend.driver.local_path(lost)
    assert target.exported[target.iqn(lost)] == (path, CHAP)
    assert target.allowed == {target.iqn(lost): {'iqn.a': True}}
    assert volumes_db.get(ctxt, lost.id).provider_location


def test_one_that_cannot_come_back_does_not_keep_the_others(manager, ctxt, target, used, caplog):
    broken, lost = used(), used()
    target.broken = (broken.id,)
    manager.restore_exports(ctxt)
    assert list(target.exported) == [target.iqn(lost)]
    assert f'{broken.id} could not be exported again' in caplog.text
    assert volumes_db.get(ctxt, broken.id).status == 'in-use'


def test_a_target_that_does_not_answer_is_told_of(manager, ctxt, target, used, caplog,
                                                  monkeypatch):
    def fail():
        raise iscsi.exception.VolumeBackendAPIException(data='tgtd is away')
    used()
    monkeypatch.setattr(target, '_present', fail)
    manager.restore_exports(ctxt)
    assert 'tgtd is away' in caplog.text


def test_one_that_was_detached_meanwhile_stays_gone(manager, ctxt, target, used, monkeypatch):
    lost = used()
    look = target.lost_exports

    def detached(listed):
        volumes_db.update(ctxt, lost.id, {'status': 'available'})
        return look(listed)
    monkeypatch.setattr(target, 'lost_exports', detached)
    manager.restore_exports(ctxt)
    assert target.exported == {}
