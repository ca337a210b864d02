# SPDX-License-Identifier: Apache-2.0
"""TgtAdm against a tgtd in memory: command lines, repeated and interrupted work, other users of the
same tgtd."""
import pytest

from cinder import exception
from cinder.privsep import command
from cinder.volume.targets import tgt
from tests.fakes import volumes
from tests.fakes.tgtd import FakeTgtd, Target

PATH = '/dev/vg/a'
NAME = volumes.CONNECTOR['initiator']
READER = {'initiator': 'iqn.reader', 'mode': 'ro'}


@pytest.fixture
def tgtd():
    return FakeTgtd()


def target_of(tgtd, **options):
    return tgt.TgtAdm(volumes.options(**options), tgtd, tgtd.create_account)


def exported(tgtd, **options):
    target, volume = target_of(tgtd, **options), volumes.volume()
    volumes.stored(volume, target.create_export(volume, PATH))
    target.initialize_connection(volume, PATH, volumes.CONNECTOR)
    return target, volume, tgtd.named(target.iqn(volume))


def lines(tgtd):
    found = [' '.join(argv) for argv in tgtd.commands]
    tgtd.commands.clear()
    return found


def test_the_command_lines(tgtd):
    target, volume, _shown = exported(tgtd, use_chap_auth=True)
    name = volume.provider_auth.split()[1]
    start = 'tgtadm --lld iscsi --mode'
    assert lines(tgtd) == [
        f'{start} target --op show',
        f'{start} target --op new --tid 1 --targetname {target.iqn(volume)}',
        f'{start} logicalunit --op new --tid 1 --lun 1 --backing-store {PATH}',
        f'{start} logicalunit --op update --tid 1 --lun 1 --params scsi_id=a,scsi_sn=a',
        f'{start} account --op bind --tid 1 --user {name}',
        f'{start} target --op show',
        f'{start} target --op bind --tid 1 --initiator-name {NAME}']
    target.remove_export(volume)
    assert lines(tgtd) == [
        f'{start} target --op show',
        f'{start} target --op delete --force --tid 1',
        f'{start} account --op delete --user {name}']
    assert (tgtd.targets, tgtd.accounts) == ({}, {})


def test_the_secret_is_in_no_command_line(tgtd):
    target, volume, _shown = exported(tgtd, use_chap_auth=True)
    target.remove_export(volume)
    secret = volume.provider_auth.split()[2]
    assert not any(secret in line for line in lines(tgtd))


def test_without_chap_there_is_no_account(tgtd):
    _target, _volume, shown = exported(tgtd)
    assert (shown.accounts, tgtd.accounts, shown.acl) == ([], {}, [NAME])


def test_an_export_that_is_there_stays_untouched(tgtd):
    target, volume, shown = exported(tgtd, use_chap_auth=True)
    shown.sessions.append('iqn.host')
    lines(tgtd)
    fields = target.ensure_export(volume, PATH)
    assert lines(tgtd) == ['tgtadm --lld iscsi --mode target --op show']
    assert fields['provider_location'] == volume.provider_location
    assert shown.sessions


def test_everything_comes_back_after_a_restart_of_tgtd(tgtd):
    target, volume, _shown = exported(tgtd, use_chap_auth=True)
    tgtd.targets = {1: Target(1, 'iqn.other', '/dev/vg/b')}
    tgtd.accounts = {}
    volumes.stored(volume, target.ensure_export(volume, PATH))
    shown = tgtd.named(target.iqn(volume))
    _chap, name, secret = volume.provider_auth.split()
    assert (shown.tid, shown.path, shown.accounts) == (2, PATH, [name])
    assert tgtd.accounts == {name: secret}
    assert ',2 ' in volume.provider_location


@pytest.mark.parametrize('number', range(4))
def test_an_export_that_was_interrupted_anywhere_is_completed(tgtd, number):
    target, volume = target_of(tgtd, use_chap_auth=True), volumes.volume()
    target._execute = lambda *argv, **kw: tgtd(*argv) if len(tgtd.commands) < number else 1 / 0
    with pytest.raises(ZeroDivisionError):
        target.create_export(volume, PATH)
    target._execute = tgtd
    volumes.stored(volume, target.create_export(volume, PATH))
    shown = tgtd.named(target.iqn(volume))
    assert (shown.path, shown.acl) == (PATH, [])
    assert shown.accounts == list(tgtd.accounts)[-1:] == [volume.provider_auth.split()[1]]


def test_nobody_gets_in_before_chap_is_on(tgtd):
    target = target_of(tgtd, use_chap_auth=True)
    tgtd.create_account = None
    target._create_account = lambda name, secret: (_ for _ in ()).throw(OSError('refused'))
    volume = volumes.volume()
    with pytest.raises(tgt.TgtError, match='refused'):
        target.create_export(volume, PATH)
    assert tgtd.named(target.iqn(volume)).acl == []


def test_another_path_under_the_same_name_is_replaced(tgtd):
    target, volume, shown = exported(tgtd)
    target.ensure_export(volume, '/dev/vg/moved')
    assert shown.path == '/dev/vg/moved'


def test_a_number_that_another_back_end_took_meanwhile(tgtd):
    tgtd.taken_meanwhile = ['iqn.b', 'iqn.a']
    _target, volume, shown = exported(tgtd)
    assert shown.tid == 3
    assert ',3 ' in volume.provider_location


def test_no_number_to_be_had(tgtd):
    tgtd.taken_meanwhile = [f'iqn.{number}' for number in range(9)]
    with pytest.raises(tgt.TgtError, match='no free target number'):
        exported(tgtd)


def test_removing_twice_and_without_tgtd(tgtd):
    target, volume, _shown = exported(tgtd)
    target.remove_export(volume)
    target.remove_export(volume)
    tgtd.running = False
    assert target.remove_export(volume) == {'provider_location': None, 'provider_auth': None}


def test_removing_ends_sessions_and_names_them(tgtd, caplog):
    target, volume, shown = exported(tgtd)
    shown.sessions.append('iqn.host')
    target.remove_export(volume)
    assert tgtd.targets == {}
    assert 'iqn.host' in caplog.text


def test_a_host_that_leaves_is_thrown_out_and_others_stay(tgtd, caplog):
    target, volume, shown = exported(tgtd)
    target.initialize_connection(volume, PATH, {'initiator': 'iqn.other'})
    shown.sessions = [NAME]
    lines(tgtd)
    target.terminate_connection(volume, volumes.CONNECTOR)
    assert (shown.acl, shown.sessions) == (['iqn.other'], [])
    assert f'{NAME} is still connected' in caplog.text
    assert [line.split('--mode ')[1].split(' --tid')[0] for line in lines(tgtd)] == [
        'target --op show', 'target --op show', 'target --op unbind', 'conn --op delete']
    shown.sessions = ['iqn.other']
    target.terminate_connection(volume, volumes.CONNECTOR)
    assert (shown.acl, shown.sessions) == (['iqn.other'], ['iqn.other'])


def test_nobody_leaves_a_tgtd_that_is_not_running(tgtd):
    target, volume, _shown = exported(tgtd)
    tgtd.running = False
    target.terminate_connection(volume, volumes.CONNECTOR)


def test_a_unit_is_read_only_while_nobody_may_write(tgtd):
    target, volume = target_of(tgtd), volumes.volume()
    volumes.stored(volume, target.create_export(volume, PATH))
    shown = tgtd.named(target.iqn(volume))
    target.initialize_connection(volume, PATH, READER)
    assert shown.read_only
    target.extend(volume, PATH)
    assert shown.read_only
    target.initialize_connection(volume, PATH, volumes.CONNECTOR)
    assert not shown.read_only
    target.initialize_connection(volume, PATH, READER)
    assert not shown.read_only


def test_where_names_are_not_known_everybody_gets_in(tgtd):
    target, volume, shown = exported(tgtd)
    volume.attachments = [volumes.attachment()]
    target.ensure_export(volume, PATH)
    assert shown.acl == [NAME, 'ALL']


def of_the_original(tgtd, path=PATH, **fields):
    """A target as tgt-admin(8) makes it from a file of the original."""
    volume = volumes.volume(**fields)
    iqn = f'iqn.2010-10.org.openstack:{volume.name}'
    shown = tgtd.targets[7] = Target(7, iqn, path, accounts=['user'], acl=['ALL'],
                                     sessions=[NAME])
    tgtd.accounts['user'] = 'secret'
    volume.provider_location = f'127.0.0.1:3260,7 {iqn} 1'
    volume.provider_auth = 'CHAP user secret'
    volume.attachments = [volumes.attachment(NAME)]
    return volume, shown


def test_a_target_of_the_original_is_closed_to_others_and_its_session_continues(tgtd, tmp_path):
    device, link = tmp_path / 'dm-1', tmp_path / 'vg-a'
    device.touch()
    link.symlink_to(device)
    volume, shown = of_the_original(tgtd, str(device))
    before = volume.provider_location, volume.provider_auth
    target = target_of(tgtd)
    volumes.stored(volume, target.ensure_export(volume, str(link)))
    assert (volume.provider_location, volume.provider_auth) == before
    assert (shown.acl, shown.sessions, shown.accounts) == ([NAME], [NAME], ['user'])
    assert [line.split('--op ')[1].split(' --tid')[0] for line in lines(tgtd)] == [
        'show', 'bind', 'unbind']
    target.terminate_connection(volume, volumes.CONNECTOR)
    target.remove_export(volume)
    assert (tgtd.targets, tgtd.accounts) == ({}, {})


def test_a_target_of_the_original_stays_open_while_somebody_attached_did_not_tell_his_name(tgtd):
    volume, shown = of_the_original(tgtd)
    volume.attachments.append(volumes.attachment())
    target_of(tgtd).ensure_export(volume, PATH)
    assert (shown.acl, shown.sessions) == (['ALL'], [NAME])


def test_a_target_of_the_original_becomes_read_only_for_a_reader(tgtd):
    volume, shown = of_the_original(tgtd)
    volume.attachments[0].attach_mode = 'ro'
    target_of(tgtd).ensure_export(volume, PATH)
    assert (shown.acl, shown.read_only) == ([NAME], True)


def test_a_unit_that_tgt_cannot_provide_is_refused(tgtd):
    volume, _shown = of_the_original(tgtd)
    volume.provider_location = volume.provider_location[:-1] + '0'
    with pytest.raises(exception.VolumeBackendAPIException, match='target_helper.*detached'):
        target_of(tgtd).ensure_export(volume, PATH)


def test_a_shared_account_outlives_the_volume(tgtd):
    options = {'use_chap_auth': True, 'chap_username': 'me', 'chap_password': 'secret'}
    target, volume, _shown = exported(tgtd, **options)
    _target, _other, shown = exported(tgtd, **options)
    target.remove_export(volume)
    assert tgtd.accounts == {'me': 'secret'}
    assert shown.accounts == ['me']


def test_no_tgtd_is_an_error_with_its_reason(tgtd):
    tgtd.running = False
    with pytest.raises(tgt.NotRunning, match='not connected'):
        exported(tgtd)


def test_a_late_answer_is_waited_for_and_no_error_of_the_volume(tgtd):
    target, volume, _shown = exported(tgtd)

    def late(*_argv, **_kwargs):
        raise command.CommandOverdue('', 'tgtadm did not end within 20 s', -1, 'tgtadm', 'late')
    target._execute = late
    with pytest.raises(exception.BackendUnresponsive, match='target show: tgtadm did not end'):
        target.remove_export(volume)


def test_growing_opens_the_file_again_unless_somebody_is_logged_in(tgtd, caplog):
    target, volume, shown = exported(tgtd)
    lines(tgtd)
    target.extend(volume, PATH)
    assert [line.split('--mode ')[1].split(' --tid')[0] for line in lines(tgtd)] == [
        'target --op show', 'logicalunit --op delete', 'logicalunit --op new',
        'logicalunit --op update']
    shown.sessions.append('iqn.host')
    target.extend(volume, PATH)
    assert shown.sessions == ['iqn.host']
    assert 'iqn.host sees the new size' in caplog.text


def test_growing_a_volume_that_is_not_exported_asks_nobody(tgtd):
    target_of(tgtd).extend(volumes.volume(), PATH)
    assert tgtd.commands == []


def test_options_of_the_unit(tgtd):
    _target, _volume, shown = exported(tgtd, iscsi_write_cache='off', iscsi_target_flags='sync',
                                       report_discard_supported=True)
    assert shown.flags == 'sync'
    assert shown.params[:2] == ['scsi_id=a', 'scsi_sn=a']
    assert shown.params[2].startswith('mode_page=8:0:18:0x10:')
    assert shown.params[3] == 'thin_provisioning=1'


def test_who_is_connected_to_what(tgtd):
    target, volume, shown = exported(tgtd)
    shown.sessions.append(NAME)
    assert target.exports() == {target.iqn(volume): [NAME]}
    assert target.lost_exports([volume]) == []
    tgtd.targets.clear()
    assert target.lost_exports([volume]) == [volume]


def test_without_tgtd_nothing_is_exported_and_nothing_can_be_brought_back(tgtd):
    target, volume, _shown = exported(tgtd)
    tgtd.running = False
    assert target.exports() == {}
    with pytest.raises(tgt.NotRunning):
        target.lost_exports([volume])


def test_an_export_that_has_gone_lets_nobody_in(tgtd):
    target, volume, _shown = exported(tgtd)
    tgtd.targets.clear()
    with pytest.raises(tgt.Missing, match='no longer exists'):
        target.initialize_connection(volume, PATH, volumes.CONNECTOR)


def test_an_account_that_cannot_be_made_is_an_error_without_the_secret():
    def refuse(name, secret):
        raise OSError('tgtd does not answer')
    target = tgt.TgtAdm(volumes.options(use_chap_auth=True, chap_username='n',
                                        chap_password='hidden'), FakeTgtd(), refuse)
    with pytest.raises(tgt.TgtError, match='does not answer') as caught:
        target.create_export(volumes.volume(), PATH)
    assert 'hidden' not in str(caught.value)
