# SPDX-License-Identifier: Apache-2.0
"""Which key a volume, snapshot or backup gets, and when it goes."""
import pytest

from cinder import exception, operations
from cinder.conf.keymgr import FIXED_KEY_ID
from cinder.db import backups as backups_db
from cinder.db import group_types as group_types_db
from cinder.db import groups as groups_db
from cinder.db import journal, session, type_encryption
from cinder.db import messages as messages_db
from cinder.db import quotas as quotas_db
from cinder.db import snapshots as snapshots_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.keymgr import keys, sharing
from cinder.rpc import backup as backup_rpc
from cinder.rpc import volume as volume_rpc
from cinder.volume.api import backups, groups, snapshots, volumes, zones
from tests.fakes import backup_service
from tests.fakes import key_manager as fake

LUKS = {'provider': 'luks', 'cipher': 'aes-xts-plain64', 'key_size': 256,
        'control_location': 'front-end'}


@pytest.fixture(autouse=True)
def _fresh_zones(database, sent):
    zones._cache = (0.0, {})
    yield
    zones._cache = (0.0, {})


@pytest.fixture
def make_type(ctxt):
    def make(name='secret', **settings):
        made = types_db.create(ctxt, {'name': name, 'is_public': True})
        type_encryption.create(ctxt, made.id, {**LUKS, **settings})
        return types_db.get(ctxt, made.id)
    return make


@pytest.fixture
def secret(make_type):
    return make_type()


@pytest.fixture
def volume(ctxt, secret, key_manager):
    """An encrypted volume that is available."""
    made = volumes.create(ctxt, size=1, volume_type=secret)
    volumes_db.overwrite(ctxt, made.id, {'status': 'available', 'host': 'h@b#p'})
    return volumes_db.get(ctxt, made.id)


def _snapshot(ctxt, volume):
    made = snapshots.create(ctxt, volume)
    snapshots_db.overwrite(ctxt, made.id, {'status': 'available'})
    volumes_db.overwrite(ctxt, volume.id, {'status': 'available'})
    return snapshots_db.get(ctxt, made.id)


# -------------------------------------------------------------------------------------- create
def test_a_volume_of_an_encrypted_type_has_a_key(ctxt, volume, key_manager):
    (key_id, (owner, key)), = key_manager.kept.items()
    assert volume.encryption_key_id == key_id and volume.encrypted and volume.has_own_key
    assert (owner, key.algorithm, key.bit_length) == ('u1', 'aes', 256)


def test_other_volumes_need_no_key_manager(ctxt):
    made = volumes.create(ctxt, size=1)
    assert made.encryption_key_id is None and not made.encrypted and not made.has_own_key


def test_without_a_key_manager_there_is_no_encrypted_volume(ctxt, secret, sent):
    with pytest.raises(exception.InvalidVolumeType, match='no key manager is configured'):
        volumes.create(ctxt, size=1, volume_type=secret)
    assert sent == [] and volumes_db.list_rows(ctxt).rows == []


def test_a_key_manager_that_is_down_changes_nothing(ctxt, secret, sent, key_manager):
    key_manager.down = True
    with pytest.raises(exception.KeyManagerUnavailable):
        volumes.create(ctxt, size=1, volume_type=secret)
    assert sent == [] and volumes_db.list_rows(ctxt).rows == []


def test_a_volume_that_is_refused_leaves_no_key(ctxt, secret, key_manager):
    quotas_db.set_limits(ctxt, 'p1', {'volumes': 0})
    with pytest.raises(exception.QuotaError):
        volumes.create(ctxt, size=1, volume_type=secret)
    assert key_manager.kept == {}


@pytest.mark.parametrize(('error', 'kept'), [(exception.CommitUnknown, 1), (RuntimeError, 0)])
def test_a_key_stays_only_where_its_volume_may_be(ctxt, secret, key_manager, error, kept,
                                                  monkeypatch):
    monkeypatch.setattr(volumes, '_record', lambda *_args: (_ for _ in ()).throw(error()))
    with pytest.raises(error):
        volumes.create(ctxt, size=1, volume_type=secret)
    assert len(key_manager.kept) == kept


def test_an_error_after_the_commit_leaves_the_key(ctxt, secret, key_manager, monkeypatch):
    record = volumes._record

    def fail(*args):
        record(*args)
        raise RuntimeError
    monkeypatch.setattr(volumes, '_record', fail)
    with pytest.raises(RuntimeError):
        volumes.create(ctxt, size=1, volume_type=secret)
    row, = volumes_db.list_rows(ctxt, detail=True).rows
    assert [row['encryption_key_id']] == list(key_manager.kept)


# -------------------------------------------------------------------------------------- copies
def test_a_snapshot_shares_the_key(ctxt, volume, key_manager):
    assert _snapshot(ctxt, volume).encryption_key_id == volume.encryption_key_id
    assert len(key_manager.kept) == 1


def _copies(ctxt, volume):
    """Copy a volume and a snapshot; return whether the copies have the same keys, under ids of
    their own, and whether their headers are to get other keys."""
    snapshot = _snapshot(ctxt, volume)
    made = [volumes.create(ctxt, source_volume=volume), volumes.create(ctxt, snapshot=snapshot)]
    keys_of = [volume.encryption_key_id, *(each.encryption_key_id for each in made)]
    assert len(set(keys_of)) == 3 and set(keys_of) == set(keys.manager().kept)
    asked = {'rekeys' in journal.unfinished_for(ctxt, each.id)[0].arguments for each in made}
    return {keys.are_equal(ctxt, keys_of[0], key) for key in keys_of[1:]}, asked


def test_copies_have_keys_of_their_own(ctxt, volume):
    assert _copies(ctxt, volume) == ({False}, {True})


def _without_header(ctxt, volume, monkeypatch):
    type_encryption.update(ctxt, volume.volume_type_id, {'provider': 'plain'})


def _old_services(ctxt, volume, monkeypatch):
    monkeypatch.setattr(volume_rpc.VolumeAPI, 'supports', lambda self, version: False)


def _not_for_services(ctxt, volume, monkeypatch):
    monkeypatch.setattr(sharing, 'has_owners', lambda manager: True)


@pytest.mark.parametrize('reason', [_without_header, _old_services, _not_for_services])
def test_copies_have_the_same_key_where_no_header_can_be_changed(ctxt, volume, monkeypatch,
                                                                 reason):
    reason(ctxt, volume, monkeypatch)
    assert _copies(ctxt, volumes_db.get(ctxt, volume.id)) == ({True}, {False})


def test_a_key_that_only_the_source_shares_is_not_kept(ctxt, volume, monkeypatch, key_manager):
    present = set(key_manager.kept)
    monkeypatch.setattr(keys, 'share', lambda _ctxt, key: key in present)
    with pytest.raises(exception.KeyManagerUnavailable):
        volumes.create(ctxt, source_volume=volume)
    assert set(key_manager.kept) == present


def test_the_fixed_key_is_shared_and_stays(ctxt, secret):
    fake.configure(fake.FIXED_KEY, None)
    volume = volumes.create(ctxt, size=1, volume_type=secret)
    volumes_db.overwrite(ctxt, volume.id, {'status': 'available', 'host': 'h@b#p'})
    volume = volumes_db.get(ctxt, volume.id)
    assert volume.encryption_key_id == FIXED_KEY_ID and not volume.has_own_key
    assert volumes.create(ctxt, source_volume=volume).encryption_key_id == FIXED_KEY_ID
    volumes_db.overwrite(ctxt, volume.id, {'status': 'available'})
    volumes.delete(ctxt, volumes_db.get(ctxt, volume.id))
    assert keys.manager().get(ctxt, FIXED_KEY_ID)
    fake.clear()


def test_encrypted_bytes_need_a_type_that_is_encrypted_so(ctxt, volume, secret, make_type,
                                                          key_manager):
    plain = types_db.default(ctxt)
    for other, told in ((plain, 'is encrypted, but volumes of type __DEFAULT__ are not encrypted'),
                        (make_type('more', key_size=512), 'differs from that of type more')):
        with pytest.raises(exception.InvalidInput, match=told):
            volumes.create(ctxt, source_volume=volume, volume_type=other)
    unencrypted = volumes_db.create(ctxt, {'project_id': 'p1', 'size': 1, 'status': 'available'})
    with pytest.raises(exception.InvalidInput, match='is not encrypted, but'):
        volumes.create(ctxt, source_volume=unencrypted, volume_type=secret)
    assert volumes.create(ctxt, source_volume=volume, volume_type=make_type('twin')).encrypted
    assert len(key_manager.kept) == 2


# ----------------------------------------------------------------------------------- deletions
def test_the_key_goes_with_its_volume(ctxt, volume, key_manager):
    volumes.delete(ctxt, volume)
    assert key_manager.kept == {}


def test_a_refused_deletion_leaves_the_key(ctxt, volume, key_manager):
    _snapshot(ctxt, volume)
    with pytest.raises(exception.InvalidVolume, match='snapshots'):
        volumes.delete(ctxt, volume)
    assert key_manager.kept
    volumes.delete(ctxt, volume, cascade=True)
    assert key_manager.kept == {}


def test_a_volume_that_was_never_placed_takes_its_key_along(ctxt, secret, key_manager):
    volumes.delete(ctxt, volumes.create(ctxt, size=1, volume_type=secret), force=True)
    assert key_manager.kept == {}


def test_a_key_that_is_left_does_not_keep_the_volume_and_is_told(ctxt, volume, key_manager):
    key_manager.down = True
    volumes.delete(ctxt, volume)
    assert volumes_db.get(ctxt, volume.id).status == 'deleting'
    message, = messages_db.list_rows(ctxt, filters={'resource_uuid': volume.id}).rows
    assert message['user_message'] == (
        f'delete volume:Key {volume.encryption_key_id} was left in the key manager.')


# -------------------------------------------------------------------------------------- groups
@pytest.fixture
def group(ctxt, volume, secret):
    kind = group_types_db.create(ctxt, {'name': 'kind', 'is_public': True})
    made = groups_db.create(ctxt, {
        'project_id': 'p1', 'status': 'available', 'replication_status': 'disabled',
        'host': 'h@b#p', 'availability_zone': 'nova'}, [secret.id], kind)
    volumes_db.update(ctxt, volume.id, {'group_id': made.id})
    return groups_db.get(ctxt, made.id)


def test_a_copied_group_has_copied_keys(ctxt, group, volume, key_manager):
    made = groups.copy_group(ctxt, group)
    copy, = (volumes_db.get(ctxt, ident) for ident in groups_db.volume_ids(ctxt, made.id))
    assert {copy.encryption_key_id, volume.encryption_key_id} == set(key_manager.kept)
    assert len(key_manager.kept) == 2


def test_a_group_that_cannot_be_copied_leaves_no_keys(ctxt, group, volume, key_manager):
    quotas_db.set_limits(ctxt, 'p1', {'volumes': 1})
    with pytest.raises(exception.QuotaError):
        groups.copy_group(ctxt, group)
    assert set(key_manager.kept) == {volume.encryption_key_id}


def test_the_keys_go_with_the_volumes_of_a_group(ctxt, group, key_manager):
    groups.delete(ctxt, group, delete_volumes=True)
    assert key_manager.kept == {}


# ------------------------------------------------------------------------------------- backups
@pytest.fixture
def backup(ctxt, volume):
    backup_service.register(ctxt)
    made = backups.create(ctxt, volume)
    operations.cancel_queued(ctxt, made, 'It is done.')
    backups_db.overwrite(ctxt, made.id, {'status': 'available'})
    return backups_db.get(ctxt, made.id)


def test_the_key_stays_for_the_last_backup(ctxt, volume, backup, key_manager):
    assert backup.encryption_key_id == volume.encryption_key_id
    volumes.delete(ctxt, volume)
    volumes_db.destroy(ctxt, volume.id)
    assert key_manager.kept
    backups.delete(ctxt, backup)
    assert key_manager.kept == {}


def test_a_deleted_backup_leaves_the_key_of_its_volume(ctxt, backup, key_manager):
    backups.delete(ctxt, backup)
    assert key_manager.kept


def test_a_backup_goes_to_a_new_volume_of_the_type(ctxt, volume, secret, backup, key_manager):
    made = volumes_db.get(ctxt, backups.restore(ctxt, backup)[0])
    assert made.volume_type_id == secret.id
    assert keys.are_equal(ctxt, made.encryption_key_id, volume.encryption_key_id)
    assert made.encryption_key_id != volume.encryption_key_id


def test_a_backup_goes_to_a_volume_of_the_type_of_its_deleted_volume(ctxt, volume, secret, backup,
                                                                    key_manager):
    volumes_db.destroy(ctxt, volume.id)
    made = volumes_db.get(ctxt, backups.restore(ctxt, backup)[0])
    assert made.volume_type_id == secret.id
    assert keys.are_equal(ctxt, made.encryption_key_id, backup.encryption_key_id)


def test_a_backup_of_a_volume_that_was_purged_needs_a_type(ctxt, volume, secret, backup,
                                                           key_manager):
    backups_db.overwrite(ctxt, backup.id, {'volume_id': 'purged'})
    backup = backups_db.get(ctxt, backup.id)
    with pytest.raises(exception.InvalidInput, match='is encrypted, but'):
        backups.restore(ctxt, backup)
    made = volumes.create(ctxt, backup=backup, volume_type=secret)
    assert keys.are_equal(ctxt, made.encryption_key_id, backup.encryption_key_id)


def _target(ctxt, **values):
    made = volumes.create(ctxt, size=1, **values)
    volumes_db.overwrite(ctxt, made.id, {'status': 'available', 'host': 'h@b#p'})
    return volumes_db.get(ctxt, made.id)


def test_a_volume_gets_the_key_of_the_backup(ctxt, volume, secret, backup, key_manager):
    other = _target(ctxt, volume_type=secret)
    before = set(key_manager.kept)
    backups.restore(ctxt, backup, other)
    operation, = journal.unfinished_for(ctxt, backup.id)
    made, = set(key_manager.kept) - before
    assert operation.arguments == {'volume_id': other.id, 'new_key_id': made}
    assert keys.are_equal(ctxt, made, backup.encryption_key_id)
    # Until the data is there.
    assert volumes_db.get(ctxt, other.id).encryption_key_id == other.encryption_key_id


def test_a_rehearsal_makes_no_key(ctxt, volume, secret, backup, key_manager):
    other = _target(ctxt, volume_type=secret)
    before = set(key_manager.kept)
    with session.rehearsal(ctxt):
        backups.restore(ctxt, backup, other)
    assert set(key_manager.kept) == before


def test_a_volume_with_the_key_of_the_backup_keeps_it(ctxt, volume, backup, key_manager):
    assert backups.restore(ctxt, backup, volume)[0] == volume.id
    operation, = journal.unfinished_for(ctxt, backup.id)
    assert operation.arguments == {'volume_id': volume.id}


def _of_another_type(ctxt, make_type, backup):
    return _target(ctxt, volume_type=make_type('other', provider='luks2'))


def _plain(ctxt, make_type, backup):
    return _target(ctxt)


def _of_a_purged_volume(ctxt, make_type, backup):
    backups_db.overwrite(ctxt, backup.id, {'volume_id': 'purged'})
    return _target(ctxt, volume_type=make_type('like it'))


def _with_a_snapshot(ctxt, make_type, backup):
    made = _target(ctxt, volume_type=make_type('like it'))
    snapshots_db.create(ctxt, {'project_id': 'p1', 'volume_id': made.id, 'volume_size': 1,
                               'status': 'available'})
    return made


@pytest.mark.parametrize(('target', 'reason'), [
    (_plain, 'is encrypted, but volume .* is not encrypted; restore it to a new volume'),
    (_of_another_type, 'is not encrypted as the type of volume'),
    (_of_a_purged_volume, 'its own type is not known any more'), (_with_a_snapshot, 'snapshot')])
def test_where_a_backup_does_not_go(ctxt, volume, make_type, backup, key_manager, target, reason):
    made = target(ctxt, make_type, backup)
    before = set(key_manager.kept)
    with pytest.raises(exception.InvalidVolume, match=reason):
        backups.restore(ctxt, backups_db.get(ctxt, backup.id), made)
    assert set(key_manager.kept) == before


def test_backup_services_of_a_former_release_give_no_keys(ctxt, volume, secret, backup,
                                                          key_manager, monkeypatch):
    other = _target(ctxt, volume_type=secret)
    monkeypatch.setattr(backup_rpc.BackupAPI, 'supports', lambda *_args: False)
    with pytest.raises(exception.ServiceTooOld):
        backups.restore(ctxt, backup, other)
