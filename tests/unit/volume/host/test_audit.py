# SPDX-License-Identifier: Apache-2.0
"""The rows that a driver compares its storage with, and the step at start and the doctor that ask
for it, on a volume group in memory."""
import json
import sys
import types

import pytest

from cinder import exception
from cinder.cmd import volume_doctor
from cinder.conf import CONF
from cinder.db import attachments as attachments_db
from cinder.db import operations as operations_db
from cinder.db import snapshots as snapshots_db
from cinder.db import volumes as volumes_db
from cinder.privsep import command
from cinder.volume import manager as manager_package
from cinder.volume.host import audit, init_host
from tests.fakes.volume_group import GIB, FakeVolumeGroup, Volume

sys.modules.setdefault('cinder.cmd.monkey_patch', types.ModuleType('cinder.cmd.monkey_patch'))

HOST = 'here@lvm'
OPTIONS = {'volume_driver': 'cinder.volume.drivers.lvm.LVMVolumeDriver', 'volume_group': 'vg',
           'target_helper': 'fake', 'lvm_type': 'thin', 'volume_backend_name': 'lvm'}


@pytest.fixture
def group(monkeypatch):
    group = FakeVolumeGroup()
    group.volumes['vg-pool'] = Volume('vg-pool', 95 * GIB, 't')
    monkeypatch.setattr(command, 'execute', group)
    return group


@pytest.fixture
def manager(database, conf, sent, group):
    for name, value in OPTIONS.items():
        CONF.set_override(name, value, 'backend_defaults')
    made = manager_package.VolumeManager(HOST)
    made.backend.driver.executor = group
    yield made
    made.stop()
    for name in OPTIONS:
        CONF.clear_override(name, 'backend_defaults')


def volume_row(ctxt, **values):
    return volumes_db.create(ctxt, {'project_id': 'p1', 'user_id': 'u1', 'size': 1,
                                    'status': 'available', 'host': f'{HOST}#lvm', **values})


def stored(group, name, **values):
    group.volumes[name] = Volume(name, GIB, 'V', 'vg-pool', **{
        'thin_id': len(group.volumes), **values})
    return group.volumes[name]


def test_what_the_database_says(database, ctxt, monkeypatch):
    mine = volume_row(ctxt)
    moved = volume_row(ctxt, name_id='11111111-2222-4333-8444-555555555555', host='there@lvm')
    snapshot = snapshots_db.create(ctxt, {'project_id': 'p1', 'volume_id': mine.id})
    attachments_db.create(ctxt, {'volume_id': mine.id, 'attach_status': 'attaching',
                                 'connector': {'host': 'h'}})
    attachments_db.create(ctxt, {'volume_id': moved.id, 'attach_status': 'reserved'})
    operation = operations_db.create(ctxt, 'volume.extend', moved, host='there@lvm')
    rows = audit.rows(ctxt, HOST)
    assert [volume.id for volume in rows.volumes] == [mine.id]
    assert [each.id for each in rows.snapshots] == [snapshot.id]
    assert (rows.connected, rows.busy) == ({mine.id}, {moved.id})
    assert rows.place_of(f'volume-{mine.id}') == f'{HOST}#lvm'
    assert rows.place_of(f'_snapshot-{snapshot.id}') == f'{HOST}#lvm'
    assert rows.place_of(f'volume-{moved.name_id}') == 'there@lvm'
    assert rows.place_of(f'volume-{moved.id}') == ''
    assert rows.place_of('home') is None and rows.place_of('volume-home') is None
    monkeypatch.setattr(CONF, 'snapshot_name_template', 'volume-%s', raising=False)
    assert rows.place_of(f'volume-{mine.id}') == f'{HOST}#lvm'
    assert rows.place_of(f'volume-{snapshot.id}') == f'{HOST}#lvm'
    assert rows.place_of(f'volume-{moved.id}') == ''
    operations_db.claim(ctxt, operation, 'me', 60)
    operations_db.finish(ctxt, operation)
    assert audit.rows(ctxt, HOST).busy == set()


def test_at_start_what_is_safe_is_healed_and_the_rest_told(manager, group, ctxt, caplog):
    asleep = volume_row(ctxt)
    stored(group, asleep.name, active=False)
    lost = volume_row(ctxt)
    orphan = stored(group, 'volume-11111111-2222-4333-8444-555555555555')
    manager.init_host()
    assert manager.is_working()
    assert group.volumes[asleep.name].active
    assert orphan.name in group.volumes
    assert f'Repaired on {HOST}: vg/{asleep.name} is not active' in caplog.text
    assert 'not changed (missing)' in caplog.text and lost.id in caplog.text
    assert f'not changed (orphan): vg/{orphan.name} has no row' in caplog.text


def test_an_export_that_is_healed_is_taken_from_the_row(manager, group, ctxt):
    row = volume_row(ctxt)
    stored(group, row.name)
    driver = manager.backend.driver
    made = driver.target.create_export(row, driver.target.export_name(row))
    volumes_db.update(ctxt, row.id, made)
    manager.init_host()
    assert driver.target.exported == {}
    assert volumes_db.get(ctxt, row.id).provider_location is None


def test_a_comparison_that_fails_does_not_keep_the_back_end_down(manager, group, caplog):
    group.fail('dmsetup', 1, 'no permission')
    manager.init_host()
    assert manager.is_working()
    assert 'could not be compared' in caplog.text and 'no permission' in caplog.text


def test_it_is_a_step_of_the_start():
    assert init_host.STEPS.index(init_host.export_again) < init_host.STEPS.index(audit.heal)


@pytest.fixture
def examine(manager, conf, monkeypatch, capsys):
    """The doctor on one back end; returns its exit status and what it printed."""
    monkeypatch.setattr(volume_doctor.common, 'prepare_privileges', lambda: None)
    CONF.set_override('host', 'here')
    CONF.set_override('enabled_backends', ['lvm'])

    def run(**arguments):
        status = volume_doctor.examine(**arguments)
        return status, capsys.readouterr().out
    yield run
    CONF.clear_override('host')
    CONF.clear_override('enabled_backends')


def test_the_doctor_finds_nothing(examine, group, ctxt):
    stored(group, volume_row(ctxt).name)
    assert examine() == (0, '0 findings\n')
    assert examine(as_json=True) == (0, '[]\n')


def test_the_doctor_says_what_to_do_and_touches_nothing(examine, group, ctxt):
    asleep = volume_row(ctxt)
    stored(group, asleep.name, active=False)
    status, out = examine()
    assert status == 1
    assert out.splitlines() == [
        f'lvm: inactive: vg/{asleep.name} is not active. lvchange -ay -K vg/{asleep.name}.',
        '1 findings']
    assert not group.volumes[asleep.name].active
    status, out = examine(as_json=True)
    assert json.loads(out) == [{
        'backend': 'lvm', 'kind': 'inactive', 'name': asleep.name,
        'what': f'vg/{asleep.name} is not active',
        'advice': f'lvchange -ay -K vg/{asleep.name}'}]
    with pytest.raises(exception.InvalidConfigurationValue, match='other'):
        examine(backend='other')


def test_the_doctor_does_not_make_a_pool(examine, group):
    del group.volumes['vg-pool']
    assert examine() == (0, '0 findings\n')
    assert group.volumes == {}


def test_the_doctor_tells_of_a_group_that_is_missing(examine, group):
    group.missing = True
    status, out = examine()
    assert status == 1 and 'lvm: unreadable: ' in out and 'vg does not exist' in out


def test_what_was_only_on_its_way_is_not_told(examine, group, ctxt):
    row = volume_row(ctxt)

    def appear():
        if group.commands[-1][0] == 'dmsetup':
            stored(group, row.name)
    group.before = appear
    assert examine() == (0, '0 findings\n')


@pytest.fixture
def odd(ctxt):
    """Rows that do not fit together: (volume that grows, attachment of a volume that is gone)."""
    growing = volume_row(ctxt, growth=2, status='error')
    gone = volume_row(ctxt, status='error')
    left = attachments_db.create(ctxt, {'volume_id': gone.id, 'attach_status': 'reserved'})
    volumes_db.overwrite(ctxt, gone.id, {'deleted': True})
    return growing, left


def test_growth_without_an_operation_and_attachments_of_what_is_gone_are_healed(
        manager, ctxt, odd, caplog):
    growing, left = odd
    busy = volume_row(ctxt, growth=1, status='extending')
    operations_db.create(ctxt, 'volume.extend', busy, host=HOST)
    assert {finding.kind for finding in audit.findings(ctxt, manager.backend.driver, HOST)} == {
        'growth', 'attachment'}
    manager.init_host()
    assert volumes_db.get(ctxt, growing.id).growth == 0
    assert volumes_db.get(ctxt, busy.id).growth == 1
    with pytest.raises(exception.VolumeAttachmentNotFound):
        attachments_db.get(ctxt, left.id)
    assert caplog.text.count('Repaired on') == 2
    assert audit.findings(ctxt, manager.backend.driver, HOST) == []


@pytest.fixture
def saved(manager, ctxt, tmp_path, monkeypatch):
    """A folder with files of tgt: of a volume here, of one without a row, of others; and the names
    of the targets of the first two."""
    mine, other = volume_row(ctxt), volume_row(ctxt, host='there@lvm')
    names = {'mine': mine.name, 'gone': 'volume-11111111-2222-4333-8444-555555555555',
             'other': other.name, 'home': 'home'}
    iqns = {key: f'iqn.2010-10.org.openstack:{name}' for key, name in names.items()}
    for key, iqn in iqns.items():
        (tmp_path / key).write_text(f'\n<target {iqn}>\n    backing-store /dev/vg/x\n</target>\n')
    (tmp_path / 'notes').write_text('about <target x>')
    (tmp_path / 'folder').mkdir()
    CONF.set_override('target_helper', 'tgtadm', 'backend_defaults')
    CONF.set_override('volumes_dir', str(tmp_path), 'backend_defaults')
    target = manager_package.VolumeManager(HOST).backend.driver.target
    monkeypatch.setattr(type(target), 'exports', lambda self: {})
    manager.backend.driver.target = target
    yield tmp_path, iqns
    CONF.clear_override('volumes_dir', 'backend_defaults')


def test_exports_that_come_back_by_themselves_are_told_and_removed_on_request(
        manager, ctxt, group, saved, examine, caplog, monkeypatch):
    folder, iqns = saved
    stored(group, iqns['mine'].rpartition(':')[2])
    audit.heal(ctxt, manager.backend)
    assert f'2 exports are restored from {folder}' in caplog.text
    status, text = examine()
    assert (status, text.count('lvm: saved: 2 exports')) == (1, 1)
    assert '--remove-saved-exports' in text
    assert examine(remove_saved_exports=True) == (0, '0 findings\n')
    assert sorted(path.name for path in folder.iterdir()) == ['folder', 'home', 'notes', 'other']
    assert examine(remove_saved_exports=True) == (0, '0 findings\n')


def test_saved_exports_that_cannot_be_read_are_told(manager, ctxt, group, saved, monkeypatch):
    def refuse():
        raise PermissionError(13, 'Permission denied', '/etc/target/saveconfig.json')
    monkeypatch.setattr(manager.backend.driver.target, 'saved_exports', refuse)
    found = [each for each in audit.findings(ctxt, manager.backend.driver, HOST)
             if each.kind == 'unchecked']
    assert [each.name for each in found] == ['/etc/target/saveconfig.json']
