# SPDX-License-Identifier: Apache-2.0
"""Which back ends cinder-volume starts, where they run, and when it gives up."""
import sys

import pytest

from cinder import exception
from cinder.cmd import common, volume
from cinder.conf import CONF
from cinder.rpc import base as rpc


class Launcher:
    def __init__(self):
        self.launched = []
        self.waited = False

    def launch_service(self, server):
        self.launched.append(server)

    def wait(self):
        self.waited = True


class Services:
    """Stands in for cinder.service."""

    def __init__(self, broken=()):
        self.broken = broken
        self.launcher = Launcher()
        self.kinds = []
        self.Service = self

    def create(self, service_name, **kwargs):
        if service_name in self.broken:
            raise RuntimeError('no driver of that name')
        return service_name, kwargs

    def process_launcher(self):
        self.kinds.append('processes')
        return self.launcher

    def single_process_launcher(self):
        self.kinds.append('single')
        return self.launcher


@pytest.fixture(autouse=True)
def enable(monkeypatch, unparsed):
    CONF.register_opt(volume.BACKEND_NAME)

    def setup(*names, broken=(), backend_name=None):
        CONF.set_override('enabled_backends', list(names))
        CONF.set_override('backend_name', backend_name)
        services = Services(broken)
        monkeypatch.setattr(volume, 'service', services)
        monkeypatch.setattr(common, 'warn_of_configuration', lambda: None)
        return services
    yield setup
    for name in ('enabled_backends', 'backend_name', 'cluster'):
        CONF.clear_override(name)
    rpc.cleanup()


def names(services):
    return [name for name, _ in services.launcher.launched]


def test_children_inherit_what_a_warning_has_corrected(enable, monkeypatch):
    services = enable('a', 'b')
    launched = []
    monkeypatch.setattr(common, 'warn_of_configuration',
                        lambda: launched.append(list(services.launcher.launched)))
    volume._launch_services_posix()
    assert launched == [[]] and names(services) == ['a', 'b']


def test_each_backend_is_a_service_in_a_child(enable):
    services = enable('a', 'b')
    CONF.set_override('cluster', 'c')
    volume._launch_services_posix()
    assert services.kinds == ['processes'] and services.launcher.waited
    assert names(services) == ['a', 'b']
    _, arguments = services.launcher.launched[0]
    assert arguments['host'] == f'{CONF.host}@a'
    assert arguments['cluster'] == 'c@a'
    assert (arguments['binary'], arguments['coordination']) == ('cinder-volume', True)


def test_a_backend_may_have_a_host_and_zone_of_its_own(enable):
    services = enable('own')
    volume._launch_service(services.launcher, 'own')
    for name, value in (('backend_host', 'ceph'), ('backend_availability_zone', 'z9')):
        CONF.set_override(name, value, group='own')
    volume._launch_service(services.launcher, 'own')
    for name in ('backend_host', 'backend_availability_zone'):
        CONF.clear_override(name, group='own')
    _, arguments = services.launcher.launched[1]
    assert (arguments['host'], arguments['availability_zone']) == ('ceph@own', 'z9')


def test_a_backend_that_cannot_start_is_logged_and_skipped(enable, caplog):
    services = enable('a', 'bad', 'c', broken=['bad'])
    volume._launch_services_posix()
    assert names(services) == ['a', 'c']
    assert 'bad' in caplog.text and 'no driver of that name' in caplog.text


def test_a_wrong_value_costs_only_its_own_backend(enable, caplog, tmp_path):
    services = enable('a', 'wrong')
    volume._launch_service(services.launcher, 'wrong')
    services.launcher.launched.clear()
    path = tmp_path / 'c.conf'
    path.write_text('[wrong]\nlvm_mirrors = many\n')
    CONF(['--config-file', str(path)], project='cinder')
    volume._launch_services_posix()
    CONF([], project='cinder', default_config_files=[], default_config_dirs=[])
    assert names(services) == ['a']
    assert 'Back end wrong is skipped' in caplog.text


def test_none_started_is_status_1(enable):
    enable('a', 'b', broken=['a', 'b'])
    with pytest.raises(SystemExit) as caught:
        volume._launch_services_posix()
    assert caught.value.code.count('\n') == 0


def test_ensure_service_started():
    volume._ensure_service_started(True)
    with pytest.raises(SystemExit):
        volume._ensure_service_started(False)


# -------------------------------------------------------------------------------------- Windows
class Child:
    made = []

    def __init__(self, argv):
        self.argv, self.ended = argv, []
        self.made.append(self)

    def wait(self):
        self.ended.append('wait')

    def terminate(self):
        self.ended.append('terminate')


@pytest.fixture
def children(monkeypatch):
    Child.made = []
    monkeypatch.setattr(volume.subprocess, 'Popen', Child)
    monkeypatch.setattr(sys, 'argv', ['cinder-volume.exe', '--config-file', 'c.conf'])
    return Child.made


def test_windows_runs_each_backend_as_this_program_again(enable, children):
    services = enable('a', 'b')
    volume._launch_services_win32()
    assert services.kinds == []
    assert [child.argv for child in children] == [
        [sys.executable, '-m', 'cinder.cmd.volume', '--config-file', 'c.conf',
         '--backend_name', name] for name in ('a', 'b')]
    assert all(child.ended == ['wait', 'terminate'] for child in children)


@pytest.mark.parametrize(('enabled', 'backend_name'), [(('a',), None), (('a', 'b'), 'b')])
def test_windows_runs_one_backend_in_this_process(enable, children, enabled, backend_name):
    services = enable(*enabled, backend_name=backend_name)
    volume._launch_services_win32()
    assert children == [] and services.kinds == ['single'] and services.launcher.waited
    assert names(services) == [backend_name or 'a']


def test_windows_refuses_a_backend_that_is_not_enabled(enable, children):
    enable('a', 'b', backend_name='c')
    with pytest.raises(exception.InvalidInput) as caught:
        volume._launch_services_win32()
    assert 'a, b' in str(caught.value)


@pytest.mark.parametrize(('system', 'branch'), [
    ('posix', '_launch_services_posix'), ('nt', '_launch_services_win32')])
def test_main_takes_the_branch_of_the_system(enable, monkeypatch, system, branch):
    enable('a')
    taken = []
    CONF.unregister_opt(volume.BACKEND_NAME)
    for step in ('read_configuration', 'start_logging', 'prepare_privileges',
                 'install_guru_meditation'):
        monkeypatch.setattr(common, step, lambda *_programs, step=step: taken.append(step))
    for name in ('_launch_services_posix', '_launch_services_win32'):
        monkeypatch.setattr(volume, name, lambda name=name: taken.append(name))
    monkeypatch.setattr(volume.os, 'name', system)
    try:
        volume.main()
    finally:
        monkeypatch.undo()
    assert taken == ['read_configuration', 'start_logging', 'prepare_privileges',
                     'install_guru_meditation', branch]
