# SPDX-License-Identifier: Apache-2.0
"""Who holds a device, by what a made-up /sys and /proc tell. By those of this machine:
tests/functional/test_device_users.py."""
import os

import pytest

from cinder.privsep import command, device_users


@pytest.fixture
def device(tmp_path):
    """A block device without a driver: it can be held, not opened to read."""
    path = tmp_path / 'device'
    try:
        os.mknod(path, 0o600 | 0o060000, os.makedev(7, 1234))
    except PermissionError:
        pytest.skip('needs the right to make device nodes')
    return str(path)


@pytest.mark.skipif(os.geteuid(), reason='needs root, to run commands without sudo')
def test_a_look_that_takes_too_long_finds_nobody(device, monkeypatch):
    monkeypatch.setattr(device_users, 'TIMEOUT_SECONDS', 0)
    started = []
    start = command.start_script
    monkeypatch.setattr(command, 'start_script',
                        lambda *args, **kwargs: started.append(start(*args, **kwargs))
                        or started[0])
    assert device_users.find_users(device) == []
    assert started[0].returncode is not None


def test_devices_and_file_systems_are_named(device, monkeypatch):
    texts = {'/sys/dev/block/7:1234/holders/dm-3/dm/name': 'vg-snapshot',
             '/proc/self/mountinfo': '26 25 7:1234 / /mnt rw - ext4 /dev/x rw\n'
                                     '27 25 7:1 / /home rw - ext4 /dev/y rw',
             '/proc/17/comm': 'tgtd'}
    monkeypatch.setattr(device_users, '_read', lambda path: texts.get(path, ''))
    monkeypatch.setattr(device_users.os, 'listdir', lambda path: {
        '/sys/dev/block/7:1234/holders': ['dm-3', 'md0']}[path])
    monkeypatch.setattr(device_users, '_processes', lambda *_numbers: {17, 18})
    assert device_users.find_users(device) == [
        '? (process 18)', 'device md0', 'device vg-snapshot', 'tgtd (process 17)',
        'the file system at /mnt']


def test_a_device_that_is_gone_is_held_by_nobody(tmp_path):
    assert device_users.find_users(str(tmp_path / 'none')) == []
