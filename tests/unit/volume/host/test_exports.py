# SPDX-License-Identifier: Apache-2.0
"""Exports that a target has lost come back, one by one, and others are not touched."""
import pytest

from cinder.db import attachments as attachments_db
from cinder.db import snapshots as snapshots_db
from cinder.db import volumes as volumes_db
from cinder.volume.api import volume_actions
from cinder.volume.api import volumes as volumes_api
from cinder.volume.host import exports, init_host
from cinder.volume.targets import fake, iscsi
from tests.fakes import volumes
from tests.unit.volume.conftest import POOL

CHAP = iscsi.Chap('name', 'secret')


class Target(fake.FakeTarget):
    broken = ()

    def _export(self, unit, *arguments):
        if unit.iqn.endswith(self.broken):
            raise OSError('no such device')
        return super()._export(unit, *arguments)


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
        volumes_db.overwrite(ctxt, lost.id, {'status': 'available'})
        return look(listed)
    monkeypatch.setattr(target, 'lost_exports', detached)
    manager.restore_exports(ctxt)
    assert target.exported == {}


def test_one_whose_last_host_is_just_let_go_stays_gone(manager, ctxt, target, used):
    """The row of the attachment goes, and with it the status, after the export."""
    gone = used()
    attachments_db.update(ctxt, attachments_db.for_volume(ctxt, gone.id)[0].id,
                          {'connector': None})
    manager.restore_exports(ctxt)
    init_host.export_again(ctxt, manager.backend)
    assert target.exported == {}
    assert not volumes_db.get(ctxt, gone.id).provider_location


def test_one_whose_attachment_goes_while_it_is_looked_at_stays_gone(manager, ctxt, target, used,
                                                                    monkeypatch):
    """A status that was read before the last row went promises nothing."""
    gone = used()
    read = attachments_db.for_volume

    def vanish(ctxt, volume_id):
        for attachment in read(ctxt, volume_id):
            attachments_db.destroy(ctxt, attachment.id)
        return read(ctxt, volume_id)
    monkeypatch.setattr(attachments_db, 'for_volume', vanish)
    manager.restore_exports(ctxt)
    assert target.exported == {}
    assert not volumes_db.get(ctxt, gone.id).provider_location


class TestAlways:
    """Volumes that nobody has, of a back end that exports them all the same."""

    @pytest.fixture
    def unused(self, ctxt, manager, target, conf):
        def make(**values):
            made = volumes_db.create(ctxt, {'project_id': 'p1', 'size': 1, 'status': 'available',
                                            'host': POOL, **values})
            volume = volumes_db.get(ctxt, made.id)
            manager.backend.driver.create_volume(volume)
            return volume
        target.configuration.use_chap_auth = True
        conf.set_override('target_export', 'always', 'backend_defaults')
        yield make
        conf.clear_override('target_export', 'backend_defaults')

    @pytest.fixture
    def looks(self, manager, target, monkeypatch):
        """What is exported at each call of one of the driver's methods."""
        seen = []

        def at(method):
            real = getattr(manager.backend.driver, method)
            monkeypatch.setattr(manager.backend.driver, method, lambda *args: (
                seen.append(dict(target.exported)), real(*args))[1])
            return seen
        return at

    def test_a_new_one_is_exported_with_a_secret_and_lets_nobody_in(self, manager, ctxt, target,
                                                                    unused, caplog):
        volume = unused()
        manager.restore_exports(ctxt)
        (_path, chap), iqn = target.exported[target.iqn(volume)], target.iqn(volume)
        stored = volumes_db.get(ctxt, volume.id)
        assert stored.provider_auth == str(chap) and iqn in stored.provider_location
        assert target.allowed == {iqn: {}}
        assert 'is gone' not in caplog.text

    def test_at_the_next_start_it_is_the_same_export(self, manager, ctxt, target, unused):
        volume = unused()
        manager.restore_exports(ctxt)
        before = dict(target.exported)
        init_host.export_again(ctxt, manager.backend)
        assert target.exported == before
        # The target has died as well: who has nothing from it need not find it as it was.
        target.exported.clear()
        init_host.synchronize_provider_info(ctxt, manager.backend)
        assert volumes_db.get(ctxt, volume.id).provider_auth is None
        init_host.export_again(ctxt, manager.backend)
        assert target.exported.keys() == before.keys() and target.exported != before

    def test_one_that_fails_at_start_stays_available(self, manager, ctxt, target, unused):
        broken, good = unused(), unused()
        target.broken = (broken.id,)
        init_host.export_again(ctxt, manager.backend)
        assert list(target.exported) == [target.iqn(good)]
        assert volumes_db.get(ctxt, broken.id).status == 'available'

    def test_what_a_migration_copies_to_is_not_exported(self, manager, ctxt, target, unused):
        unused(migration_status='target:of-somebody')
        manager.restore_exports(ctxt)
        assert target.exported == {}

    def test_it_is_not_held_open_while_it_grows(self, manager, ctxt, target, unused, looks, sent):
        volume = unused()
        manager.restore_exports(ctxt)
        seen = looks('extend_volume')
        volumes_api.extend(ctxt, volumes_db.get(ctxt, volume.id), 2)
        operation = sent[-1][1]['operation']
        manager.runner.handlers['volume.extend'](ctxt, operation)
        assert seen == [{}] and volumes_db.get(ctxt, volume.id).size == 2
        manager.restore_exports(ctxt)
        assert list(target.exported) == [target.iqn(volume)]

    def test_nor_while_it_is_reverted(self, manager, ctxt, target, unused, looks, sent):
        volume = unused()
        snapshot = snapshots_db.create(ctxt, {'project_id': 'p1', 'volume_id': volume.id,
                                              'volume_size': 1, 'status': 'available'})
        manager.backend.driver.create_snapshot(snapshots_db.get(ctxt, snapshot.id))
        manager.restore_exports(ctxt)
        seen = looks('revert_to_snapshot')
        volume_actions.revert(ctxt, volumes_db.get(ctxt, volume.id), snapshot.id)
        manager.runner.handlers['volume.revert'](ctxt, sent[-1][1]['operation'])
        assert seen == [{}] and volumes_db.get(ctxt, volume.id).status == 'available'

    def test_one_that_somebody_has_goes_on_while_it_grows(self, manager, ctxt, target, unused,
                                                          used):
        volume = used()
        manager.restore_exports(ctxt)
        exports.close(ctxt, manager.backend, volume)
        assert list(target.exported) == [target.iqn(volume)]


def test_without_that_option_what_nobody_has_is_not_exported(manager, ctxt, target, used):
    volume = used()
    volumes_db.overwrite(ctxt, volume.id, {'status': 'available'})
    manager.restore_exports(ctxt)
    init_host.export_again(ctxt, manager.backend)
    assert target.exported == {}
