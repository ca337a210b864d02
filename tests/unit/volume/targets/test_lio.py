# SPDX-License-Identifier: Apache-2.0
"""LioAdm: what it asks of the kernel, and its errors. tests/lvm/test_lio.py has the kernel."""
import pytest

from cinder.privsep import lio as privileged
from cinder.volume.targets import base, lio
from tests.fakes import volumes

PATH = '/dev/vg/a'
NAME = volumes.CONNECTOR['initiator']


class Kernel:
    """Takes notes."""

    def __init__(self, error=None):
        self.asked, self.logged_in, self.present, self.error = [], [], [], error
        self.serial = None

    def __getattr__(self, name):
        def ask(*arguments):
            if self.error:
                raise self.error
            self.asked.append((name, *arguments))
            return {'sessions': self.logged_in, 'targets': self.present,
                    'export': self.serial or arguments[2:3] and arguments[2]}.get(name)
        return ask


def exported(kernel, **options):
    target = lio.LioAdm(volumes.options(target_helper='lioadm', **options), None, kernel)
    volume = volumes.volume()
    volumes.stored(volume, target.create_export(volume, PATH))
    return target, volume


def test_a_volume_from_export_to_removal():
    kernel = Kernel()
    target, volume = exported(kernel, use_chap_auth=True, report_discard_supported=True,
                              target_secondary_ip_addresses=['2001:db8::1'])
    iqn = target.iqn(volume)
    _chap, name, secret = volume.provider_auth.split()
    assert volume.provider_location == f'127.0.0.1:3260;[2001:db8::1]:3260,1 {iqn} 1'
    data = target.initialize_connection(volume, PATH, {**volumes.CONNECTOR, 'mode': 'ro'})['data']
    assert (data['auth_password'], data['access_mode']) == (secret, 'ro')
    kernel.logged_in = [NAME]
    target.terminate_connection(volume, volumes.CONNECTOR)
    target.remove_export(volume)
    assert kernel.asked == [
        ('export', iqn, 1, volume.id, PATH, [('127.0.0.1', 3260), ('[2001:db8::1]', 3260)], True,
         True, True),
        ('allow', iqn, 1, {}, False, (name, secret)),
        ('allow', iqn, 1, {NAME: True}, None, (name, secret)),
        ('sessions', iqn), ('forbid', iqn, NAME), ('remove', iqn)]


def test_without_chap_and_without_cache():
    kernel = Kernel()
    target, volume = exported(kernel, iscsi_write_cache='off')
    target.initialize_connection(volume, PATH, volumes.CONNECTOR)
    assert kernel.asked[0][-3:] == (False, False, False)
    assert kernel.asked[2][-3:] == ({NAME: False}, None, None)


def test_what_the_kernel_refuses_is_an_error_of_the_back_end():
    with pytest.raises(base.KernelError, match='no such device'):
        exported(Kernel(OSError('no such device')))


def test_a_kernel_without_targets_says_what_to_load(monkeypatch):
    monkeypatch.setattr(privileged, '_ISCSI', '/nonexistent/target/iscsi')
    with pytest.raises(OSError, match='load target_core_mod'):
        privileged.remove('iqn.x')


def test_after_a_boot_those_are_let_in_who_have_the_volume():
    kernel = Kernel()
    target, volume = exported(kernel)
    volume.attachments = [volumes.attachment(NAME)]
    kernel.asked.clear()
    target.ensure_export(volume, PATH)
    assert kernel.asked[1:] == [('allow', target.iqn(volume), 1, {NAME: False}, False, None)]
    volume.attachments.append(volumes.attachment())
    target.ensure_export(volume, PATH)
    assert kernel.asked[-1] == ('allow', target.iqn(volume), 1, {}, True, None)


def test_an_export_of_the_original_keeps_its_unit_and_its_serial_number():
    kernel = Kernel()
    kernel.serial = 'serial'
    target = lio.LioAdm(volumes.options(target_helper='lioadm'), None, kernel)
    volume = volumes.volume(provider_location='127.0.0.1:3260,iqn.a iqn.a 0',
                            provider_auth='CHAP user secret')
    volume.attachments = [volumes.attachment(NAME)]
    volumes.stored(volume, target.ensure_export(volume, PATH))
    assert volume.provider_location == '127.0.0.1:3260,1 iqn.a 0 serial'
    # The kernel has lost it.
    kernel.serial = None
    volumes.stored(volume, target.ensure_export(volume, PATH))
    assert volume.provider_location == '127.0.0.1:3260,1 iqn.a 0 serial'
    assert [each[:4] for each in kernel.asked[::2]] == [
        ('export', 'iqn.a', 0, volume.id), ('export', 'iqn.a', 0, 'serial')]
    assert kernel.asked[1] == kernel.asked[3] == (
        'allow', 'iqn.a', 0, {NAME: False}, False, ('user', 'secret'))


def test_exports_with_who_is_connected():
    kernel = Kernel()
    target, volume = exported(kernel)
    kernel.present, kernel.logged_in = [target.iqn(volume)], ['iqn.b', 'iqn.a']
    assert target.exports() == {target.iqn(volume): ['iqn.a', 'iqn.b']}
    assert target.lost_exports([volume, volumes.volume()])[0] is not volume
