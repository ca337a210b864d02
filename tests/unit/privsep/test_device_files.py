# SPDX-License-Identifier: Apache-2.0
"""A descriptor comes from the helper where this process may not open the device itself. The helper
runs in this process here; tests/lvm has a real one with real devices."""
import os
import stat
import types

import pytest

from cinder import exception
from cinder.privsep import device_files


@pytest.fixture
def path(tmp_path):
    file = tmp_path / 'device'
    file.write_bytes(b'data')
    return str(file)


@pytest.fixture
def forbidden(monkeypatch, path):
    """The path is a block device that only the helper may open; the calls of the helper."""
    real, send, calls = os.open, device_files._send, []

    def refuse(*_args):
        raise PermissionError('no')

    def helper(*args):
        calls.append(args)
        with monkeypatch.context() as patch:
            patch.setattr(os, 'open', real)
            send.__wrapped__(*args) if hasattr(send, '__wrapped__') else send(*args)
    monkeypatch.setattr(device_files, '_ROOT', os.geteuid())
    monkeypatch.setattr(os, 'open', refuse)
    monkeypatch.setattr(device_files, '_send', helper)
    monkeypatch.setattr(stat, 'S_ISBLK', lambda _mode: True)
    return calls


@pytest.mark.parametrize('writable', [False, True])
def test_what_this_process_may_open(path, writable):
    descriptor = device_files.open_file(path, writable)
    try:
        if writable:
            os.pwrite(descriptor, b'DATA', 0)
        assert os.pread(descriptor, 9, 0) == (b'DATA' if writable else b'data')
    finally:
        os.close(descriptor)


def test_what_only_the_helper_may_open(path, forbidden):
    descriptor = device_files.open_file(path)
    assert os.pread(descriptor, 9, 0) == b'data'
    assert not os.get_inheritable(descriptor)
    os.close(descriptor)
    assert forbidden[0][:2] == (path, False)


def test_the_helper_opens_devices_only(path, forbidden, monkeypatch):
    answers = iter((True, False))
    monkeypatch.setattr(device_files, 'stat', types.SimpleNamespace(
        S_ISBLK=lambda _mode: next(answers)))
    with pytest.raises(PermissionError, match='is not a block device'):
        device_files.open_file(path)


def test_a_file_of_somebody_else_is_not_for_the_helper(path, forbidden, monkeypatch):
    monkeypatch.setattr(stat, 'S_ISBLK', lambda _mode: False)
    with pytest.raises(PermissionError):
        device_files.open_file(path)
    assert forbidden == []


def test_another_process_cannot_pass_for_the_helper(path, forbidden, monkeypatch):
    monkeypatch.setattr(device_files, '_ROOT', os.geteuid() + 1)
    with pytest.raises(exception.VolumeBackendAPIException, match='another process'):
        device_files.open_file(path)
