# SPDX-License-Identifier: Apache-2.0
"""cinder-rtstool: what it asks of the kernel; tests/lvm/test_lio.py has the kernel."""
import pytest

from cinder.cmd import rtstool

IQN, HOST = 'iqn.2010-10.org.openstack:volume-1', 'iqn.1993-08.org.debian:01:host'


@pytest.fixture
def kernel(monkeypatch):
    """The calls of the functions that configure the kernel."""
    calls = []
    for name in ('export', 'allow', 'forbid', 'remove', 'sessions'):
        monkeypatch.setattr(rtstool.lio, name,
                            lambda *args, name=name: calls.append((name, *args)))
    monkeypatch.setattr(rtstool.uuid, 'uuid4', lambda: SERIAL)
    monkeypatch.setattr(rtstool.lio, 'targets', lambda: ['iqn.b', 'iqn.a'])
    return calls


SERIAL = '11111111-1111-4111-8111-111111111111'
ALLOW = ('allow', IQN, 0, {HOST: False}, None, ('user', 'secret'))


@pytest.mark.parametrize(('line', 'calls'), [
    (f'create /dev/x {IQN} user secret',
     [('export', IQN, 0, SERIAL, '/dev/x', [('0.0.0.0', 3260)], True, False, False)]),
    (f'create /dev/x {IQN} user secret False {HOST} -a10.0.0.1,10.0.0.2 -p3261',
     [('export', IQN, 0, SERIAL, '/dev/x', [('10.0.0.1', 3261), ('10.0.0.2', 3261)], True, False,
       False),
      ALLOW]),
    (f'add-initiator {IQN} user secret {HOST}', [ALLOW]),
    (f'delete-initiator {IQN} {HOST}', [('forbid', IQN, HOST)]),
    (f'delete {IQN}', [('remove', IQN)]),
    ('verify', [('sessions', 'iqn.1993-08.org.debian:none')])])
def test_commands(line, calls, kernel, capsys):
    assert rtstool.main(['cinder-rtstool', *line.split()]) == 0
    assert kernel == calls and capsys.readouterr().out == ''


def test_targets_are_printed_one_on_a_line(kernel, capsys):
    assert rtstool.main(['cinder-rtstool', 'get-targets']) == 0
    assert capsys.readouterr().out == 'iqn.a\niqn.b\n'


@pytest.mark.parametrize('line', ['', 'bogus', 'delete', 'create /dev/x', 'get-targets x'])
def test_wrong_usage_prints_the_usage(line, kernel, capsys):
    assert rtstool.main(['/usr/bin/cinder-rtstool', *line.split()]) == 1
    assert 'cinder-rtstool get-targets\n' in capsys.readouterr().out and kernel == []


@pytest.mark.parametrize(('line', 'words'), [
    ('save /etc/target/saveconfig.json', 'no file has them'),
    (f'create /dev/x {IQN} user secret True', 'iSER is not supported'),
    (f'create /dev/x {IQN} user secret {HOST} other', 'unexpected argument other'),
    (f'create /dev/x {IQN} user secret -pmany', '-pmany is no port')])
def test_what_is_refused(line, words, kernel, capsys):
    assert rtstool.main(['cinder-rtstool', *line.split()]) == 1
    assert words in capsys.readouterr().err and kernel == []


def test_a_refusal_of_the_kernel_is_one_line(monkeypatch, capsys):
    def refuse(*_args):
        raise OSError('no configfs')
    monkeypatch.setattr(rtstool.lio, 'remove', refuse)
    assert rtstool.main(['cinder-rtstool', 'delete', IQN]) == 1
    assert capsys.readouterr().err == 'cinder-rtstool: delete: no configfs\n'
