# SPDX-License-Identifier: Apache-2.0
"""Which launcher serves what, and reloads that must not kill the daemon."""
import os

import pytest
from oslo_config import cfg
from oslo_service import service as oslo_service

from cinder import concurrency, exception, service
from cinder.conf import CONF
from cinder.service import eventlet_launcher, launchers, threading_launcher


class Server(oslo_service.ServiceBase):
    def start(self):
        pass

    stop = wait = reset = start


class Launcher:
    made = []

    def __init__(self, conf, restart_method='mutate', drains_at_interrupt=False):
        assert not drains_at_interrupt
        self.made.append((type(self).__name__, restart_method))
        self.launched = None

    def launch_service(self, server, workers=1):
        self.launched = (server, workers)

    def wait(self):
        return 4


class ProcessLauncher(Launcher):
    pass


@pytest.fixture(autouse=True, params=concurrency.BACKENDS)
def backend(request, monkeypatch):
    monkeypatch.setattr(concurrency, 'is_green', lambda: request.param == concurrency.EVENTLET)
    monkeypatch.setattr(launchers, '_launcher', None)
    Launcher.made = []
    # oslo.service finds the classes in the module where its launch() is defined.
    for name, fake in (('ServiceLauncher', Launcher), ('ProcessLauncher', ProcessLauncher)):
        monkeypatch.setitem(oslo_service.launch.__globals__, name, fake)
    return request.param


@pytest.fixture
def fakes(monkeypatch):
    monkeypatch.setattr(threading_launcher, 'SingleProcessLauncher', Launcher)
    monkeypatch.setattr(threading_launcher, 'ProcessLauncher', ProcessLauncher)


@pytest.mark.parametrize(('workers', 'name'), [
    (None, 'Launcher'), (1, 'Launcher'), (2, 'ProcessLauncher'), (5, 'ProcessLauncher')])
def test_one_worker_stays_in_this_process(fakes, workers, name):
    service.serve(Server(), workers=workers)
    assert Launcher.made == [(name, 'mutate')]
    assert launchers._launcher.launched[1] == workers


@pytest.mark.parametrize('workers', [0, -1])
def test_no_worker_is_an_error(workers):
    with pytest.raises(ValueError):
        service.serve(Server(), workers=workers)


def test_serving_twice_is_an_error(fakes):
    service.serve(Server())
    with pytest.raises(RuntimeError):
        service.serve(Server())


def test_wait_returns_the_exit_status(fakes):
    service.serve(Server())
    assert service.wait() == 4


def test_process_launcher_reloads_in_place():
    launcher = eventlet_launcher.ProcessLauncher(CONF)
    assert launcher.restart_method == 'mutate'
    assert isinstance(launcher, oslo_service.ProcessLauncher)
    launcher.signal_handler.clear()


@pytest.mark.parametrize('kind', ['SingleProcessLauncher', 'ProcessLauncher'])
def test_launchers_are_those_of_the_threads_of_the_process(backend, monkeypatch, kind):
    modules = {'eventlet': eventlet_launcher, 'threading': threading_launcher}
    monkeypatch.setattr(modules[backend], kind, lambda conf: (backend, conf))
    make = {'SingleProcessLauncher': service.single_process_launcher,
            'ProcessLauncher': service.process_launcher}[kind]
    assert make() == (backend, CONF)


def test_a_broken_file_at_a_reload_changes_nothing(tmp_path, caplog):
    path = tmp_path / 'c.conf'
    path.write_text('[DEFAULT]\nlevel = 1\n')
    conf = cfg.ConfigOpts()
    conf.register_opt(cfg.IntOpt('level', mutable=True))
    conf(['--config-file', str(path)])
    assert launchers._reject_bad_reload(conf) is launchers._reject_bad_reload(conf)
    path.write_text('[DEFAULT\nlevel\n')
    conf.mutate_config_files()
    assert conf.level == 1
    assert 'is not reloaded' in caplog.text
    path.write_text('[DEFAULT]\nlevel = 3\nosapi_max_limit = many\n')
    conf.mutate_config_files()
    assert conf.level == 1
    assert 'is not reloaded: [DEFAULT] osapi_max_limit = many' in caplog.text
    path.write_text('[DEFAULT]\nlevel = 2\n')
    conf.mutate_config_files()
    assert conf.level == 2


def test_draining_ends_before_the_launcher_kills():
    for limit, expected in ((60, 48), (0, None)):
        CONF.set_override('graceful_shutdown_timeout', limit)
        assert launchers.drain_time() == expected
    CONF.clear_override('graceful_shutdown_timeout')


def test_attributes_that_do_not_exist():
    with pytest.raises(AttributeError):
        service.nonsense  # noqa: B018


@pytest.mark.parametrize(('error', 'status'), [
    (ValueError('no such\nvalue'), os.EX_CONFIG), (cfg.Error('wrong'), os.EX_CONFIG),
    (exception.InvalidConfigurationValue(option='a', value='b'), os.EX_CONFIG),
    (OSError(28, 'No space left'), 1)])
def test_what_keeps_a_service_from_starting_is_one_line(error, status, caplog):
    with pytest.raises(SystemExit) as caught, launchers.starting('cinder-x on y'):
        raise error
    assert caught.value.code == status
    (record,) = (each for each in caplog.records if each.levelname == 'CRITICAL')
    assert record.getMessage().startswith('cinder-x on y cannot start: ')
    assert '\n' not in record.getMessage() and not record.exc_info
