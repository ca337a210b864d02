# SPDX-License-Identifier: Apache-2.0
"""Volumes, groups and locks by command: renamed hosts, deletions, and what processes left."""
import fcntl
import struct

import pytest

from cinder import exception
from cinder.conf import CONF
from cinder.db import group_types, groups, operations, services, types, volumes
from cinder.rpc import base as rpc
from tests.fakes import bus as fake_bus
from tests.unit.cmd.test_manage import run, service  # noqa: F401 - a fixture


@pytest.fixture
def volume(ctxt, database):
    return volumes.create(ctxt, {'size': 1, 'status': 'available', 'host': 'old@lvm#p'})


@pytest.mark.parametrize(('current', 'new', 'expected'), [
    ('old@lvm#p', 'h1@lvm#q', 'h1@lvm#q'), ('old@lvm', 'h1@lvm', 'h1@lvm#p'),
    ('old@lv', 'h1@lvm', 'old@lvm#p'), ('old@lvm#q', 'h1@lvm#q', 'old@lvm#p')])
def test_the_host_of_volumes_is_renamed(current, new, expected, volume, service, ctxt,  # noqa: F811
                                        capsys):
    work = operations.create(ctxt, 'volume.delete', volume, host='old@lvm')
    run('volume', 'update_host', '--currenthost', current, '--newhost', new)
    moved = expected.startswith('h1')
    assert capsys.readouterr().out.startswith(f'{int(moved)} volumes')
    found = volumes.get(ctxt, volume.id)
    assert (found.host, found.service_uuid) == (expected, service.uuid if moved else None)
    assert operations.get(ctxt, work.id).host == ('h1@lvm' if moved else 'old@lvm')


def test_a_pool_is_renamed_to_a_pool(database):
    with pytest.raises(exception.InvalidInput, match='expected a pool in both'):
        run('volume', 'update_host', '--currenthost', 'a@b#p', '--newhost', 'c@b')
    with pytest.raises(SystemExit):
        run('volume', 'update_host', '--currenthost', 'a@b#p')


def test_volumes_get_their_service(volume, service, ctxt, capsys):  # noqa: F811
    services.create(ctxt, {'binary': 'cinder-volume', 'host': 'old@lvm', 'topic': 't'})
    run('volume', 'update_service')
    assert capsys.readouterr().out == '1 volumes were changed\n'
    assert volumes.get(ctxt, volume.id).service_uuid == services.find(
        ctxt, 'old@lvm', 'cinder-volume').uuid


def test_groups_are_renamed(ctxt, database, capsys):
    kind = group_types.create(ctxt, {'name': 'consistent'})
    default = types.get_by_name(ctxt, '__DEFAULT__')
    made = groups.create(ctxt, {'name': 'g', 'host': 'old@lvm#p'}, [default.id], kind)
    run('cg', 'update_cg_host', '--currenthost', 'old@lvm', '--newhost', 'new@lvm')
    assert capsys.readouterr().out.startswith('1 groups')
    assert groups.get(ctxt, made.id).host == 'new@lvm#p'


@pytest.fixture
def sent(monkeypatch):
    monkeypatch.setattr(rpc, 'init', lambda *args, **kwargs: None)
    return fake_bus.Bus().install(monkeypatch)


@pytest.mark.parametrize('status', ['available', 'deleting', 'error_deleting', 'creating'])
def test_a_volume_is_deleted_in_any_status(status, volume, ctxt, sent):
    volumes.overwrite(ctxt, volume.id, {'status': status})
    assert run('volume', 'delete', volume.id) is None
    assert (volumes.get(ctxt, volume.id).status, sent.methods()) == ('deleting', ['delete_volume'])


def test_a_volume_in_use_is_not_deleted(volume, ctxt, sent, capsys):
    volumes.overwrite(ctxt, volume.id, {'status': 'in-use'})
    assert run('volume', 'delete', volume.id) == 1
    assert capsys.readouterr().err.startswith('Volume is in-use.\n')
    with pytest.raises(exception.VolumeNotFound):
        run('volume', 'delete', 'nope')


def test_a_volume_without_a_host_is_deleted_at_once(ctxt, database, sent, capsys):
    made = volumes.create(ctxt, {'size': 1, 'status': 'error'})
    assert run('volume', 'delete', made.id) is None
    assert 'skipping rpc' in capsys.readouterr().out
    with pytest.raises(exception.VolumeNotFound):
        volumes.get(ctxt, made.id)


def test_locks_that_nobody_holds_are_removed(tmp_path, capsys):
    for name in ('cinder-left', 'cinder-held', 'other'):
        (tmp_path / name).touch()
    CONF.set_override('backend_url', f'file://{tmp_path}', 'coordination')
    CONF.set_override('state_path', str(tmp_path / 'nothing'))
    with (tmp_path / 'cinder-held').open('r+') as held:
        # A lock of the open file, not of this process, to which it would not be refused.
        fcntl.fcntl(held, fcntl.F_OFD_SETLK, struct.pack('hhqqi', fcntl.F_WRLCK, 0, 0, 0, 0))
        assert run('util', 'clean_locks', '--services-offline') == 0
    assert capsys.readouterr().out == '1 lock files removed\n'
    assert sorted(path.name for path in tmp_path.iterdir()) == ['cinder-held', 'other']
