# SPDX-License-Identifier: Apache-2.0
"""Retypes that encrypt, decrypt, or encrypt in another way, with the fakes of the unit tests: each
computes the cipher of some MiB."""
import os

import pytest

from cinder import exception, fault_points
from cinder.brick import disks
from cinder.brick.luks import opening
from cinder.db import messages as messages_db
from cinder.db import type_encryption
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.keymgr import keys
from cinder.volume.api import volume_actions
from cinder.volume.manager import migration_rows
from tests.unit.volume.manager import test_volume_migrations as unit
from tests.unit.volume.manager.test_volume_migrations import HERE, Killed, _placed, _run, _snapshot

bus, path, start, volume = unit.bus, unit.path, unit.start, unit.volume


class TestEncryption:
    """Retypes that encrypt, encrypt in another way, and decrypt."""

    MIB = 2 ** 20
    SIZE = 18 * MIB  # of a GiB, here

    @pytest.fixture(autouse=True)
    def _small(self, monkeypatch):
        monkeypatch.setattr(migration_rows, 'GIB', self.SIZE)

    @pytest.fixture
    def kind(self, ctxt):
        """Return a type; its name says how it is encrypted."""
        def kind(name, **settings):
            made = types_db.create(ctxt, {'name': name, 'is_public': True})
            if name != 'plain':
                type_encryption.create(ctxt, made.id, {
                    'provider': name, 'cipher': 'aes-xts-plain64', 'key_size': 256,
                    'control_location': 'front-end', **settings})
            return types_db.get(ctxt, made.id)
        return kind

    @pytest.fixture
    def retype(self, ctxt, bus):
        """Retype a volume on its back end."""
        def retype(volume, wanted):
            volume_actions.retype(ctxt, volume, wanted, 'on-demand')
            return _run(ctxt, bus, _placed(ctxt, bus, 'west')[1])
        return retype

    def _data(self, ctxt, path, volume):
        """What a host reads at the start and at the end."""
        with disks.opened(str(path(volume))) as disk:
            if not volume.encrypted:
                return disk.read(0, 5), disk.read(self.MIB, 3)
            opened = opening.open_header(disk, keys.passphrase(ctxt, volume.encryption_key_id))
            start = opened.header.payload
            return tuple(opened.sectors().decrypt(disk.read(start + place, 4096), place)[:length]
                         for place, length in ((0, 5), (self.MIB, 3)))

    def test_there_and_back(self, ctxt, volume, path, tmp_path, key_manager, kind, retype):
        with open(path(volume), 'r+b') as file:
            os.pwrite(file.fileno(), b'far' * 9, self.MIB)
        for name in ('luks', 'luks2', 'plain'):
            volume = retype(volume, kind(name))
            assert (volume.status, volume.volume_type.name) == ('available', name)
            assert volume.encrypted is (name != 'plain')
            assert self._data(ctxt, path, volume) == (b'start', b'far')
            assert list(key_manager.kept) == [volume.encryption_key_id] * volume.encrypted
            assert [each.name for each in (tmp_path / 'west').iterdir()] == [volume.name]
            with open(path(volume), 'rb') as file:
                assert (b'far' * 9 in file.read(self.SIZE)) is not volume.encrypted

    def test_data_that_the_header_would_cover(self, ctxt, volume, path, key_manager, kind, retype):
        with open(path(volume), 'r+b') as file:
            os.pwrite(file.fileno(), b'last', self.SIZE - 4)
        stayed = retype(volume, kind('luks'))
        assert (stayed.status, stayed.encrypted, key_manager.kept) == ('available', False, {})
        message, = messages_db.list_rows(ctxt, filters={'resource_uuid': volume.id}).rows
        assert 'extend the volume by 1 GiB first' in message['user_message']
        with open(path(stayed), 'rb') as file:
            assert os.pread(file.fileno(), 5, 0) == b'start'

    @pytest.mark.parametrize('step', ['volume.migrate:copy:after', 'volume.migrate:finish:after'])
    def test_a_service_that_is_killed(self, ctxt, bus, start, volume, path, key_manager, kind,
                                      monkeypatch, step):
        volume_actions.retype(ctxt, volume, kind('luks'), 'on-demand')
        operation = _placed(ctxt, bus, 'west')[1]

        def kill(name):
            if name == step:
                raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(fault_points, 'reach', kill)
            with pytest.raises(Killed):
                _run(ctxt, bus, operation, volume)
        again = start(HERE)
        again.runner.poll()
        again.runner.wait()
        volume = volumes_db.get(ctxt, volume.id)
        assert (volume.status, volume.encrypted) == ('available', True)
        assert self._data(ctxt, path, volume)[0] == b'start'
        assert list(key_manager.kept) == [volume.encryption_key_id]

    def test_keys_that_only_the_project_may_delete(self, ctxt, volume, key_manager, kind, retype,
                                                   monkeypatch):
        """As in Barbican: the next request of the project does."""
        volume = retype(volume, kind('luks'))
        monkeypatch.setattr(key_manager, 'down', True)
        with pytest.raises(exception.KeyManagerUnavailable):
            retype(volume, kind('luks2'))
        key_manager.down = False
        former, delete = volume.encryption_key_id, key_manager.delete
        monkeypatch.setattr(key_manager, 'delete', lambda *_args: (_ for _ in ()).throw(
            ConnectionError('not yours')))
        volume = retype(volume, kind('plain'))
        assert list(key_manager.kept) == [former] and not volume.encrypted
        monkeypatch.setattr(key_manager, 'delete', delete)
        volume = retype(volume, kind('luks1'))
        assert list(key_manager.kept) == [volume.encryption_key_id] != [former]

    @pytest.mark.parametrize(('change', 'reason'), [
        ({'status': 'in-use', 'attach_status': 'attached'}, 'is in use'),
        ({'replication_status': 'enabled'}, 'replicat')])
    def test_what_cannot_change(self, ctxt, volume, kind, key_manager, change, reason):
        volumes_db.overwrite(ctxt, volume.id, change)
        with pytest.raises(exception.InvalidVolume, match=reason):
            volume_actions.retype(ctxt, volumes_db.get(ctxt, volume.id), kind('luks'), 'on-demand')
        assert key_manager.kept == {}

    @pytest.mark.parametrize(('provider', 'settings', 'policy', 'reason'), [
        ('luks', {}, 'never', "use the migration policy 'on-demand'"),
        ('luks', {'cipher': 'aes-cbc-essiv:sha256'}, 'on-demand', 'is not possible'),
        ('luks', {'control_location': 'back-end'}, 'on-demand', 'hosts do not encrypt it'),
        ('other', {}, 'on-demand', 'is not known')])
    def test_what_is_refused(self, ctxt, volume, kind, key_manager, provider, settings, policy,
                             reason):
        with pytest.raises(exception.InvalidInput, match=reason):
            volume_actions.retype(ctxt, volume, kind(provider, **settings), policy)
        assert key_manager.kept == {}

    def test_what_snapshots_keep(self, ctxt, volume, kind, key_manager):
        _snapshot(ctxt, volume)
        with pytest.raises(exception.InvalidVolume, match='snapshots'):
            volume_actions.retype(ctxt, volumes_db.get(ctxt, volume.id), kind('luks'), 'on-demand')
        assert key_manager.kept == {}

    def test_keys_that_the_service_cannot_read(self, ctxt, volume, kind, key_manager, monkeypatch):
        monkeypatch.setattr(keys, 'share', lambda *_args: False)
        with pytest.raises(exception.KeyUnreadable, match='credentials of its own'):
            volume_actions.retype(ctxt, volume, kind('luks'), 'on-demand')
        assert key_manager.kept == {}

    def test_the_same_encryption_needs_no_copy(self, ctxt, bus, volume, kind, key_manager, retype):
        volume = retype(volume, kind('luks'))
        twin = types_db.create(ctxt, {'name': 'twin', 'is_public': True})
        type_encryption.create(ctxt, twin.id, {
            'provider': 'luks', 'cipher': 'aes-xts-plain64', 'key_size': 256,
            'control_location': 'front-end'})
        volume_actions.retype(ctxt, volume, types_db.get(ctxt, twin.id), 'never')
        assert 'encrypts' not in bus.scheduled.pop()[1]['operation'].arguments
        assert list(key_manager.kept) == [volume.encryption_key_id]
