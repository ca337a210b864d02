# SPDX-License-Identifier: Apache-2.0
"""Steps that the daemons share: one line for a wrong configuration, warnings, privileges."""
import concurrent.futures
import logging
import re
import signal
import sys

import pytest
from oslo_config import cfg
from oslo_privsep import priv_context
from oslo_reports import opts as gmr_opts

from cinder import exception
from cinder.cmd import common
from cinder.conf import CONF


@pytest.fixture
def read(tmp_path, monkeypatch, unparsed):
    def configure(text):
        path = tmp_path / 'cinder.conf'
        path.write_text(text)
        monkeypatch.setattr(sys, 'argv', ['/usr/bin/cinder-scheduler', '--config-file', str(path)])
        CONF.set_override('connection', f'sqlite:///{tmp_path}/cinder.sqlite', 'database')
        common.read_configuration('cinder-scheduler')
    yield configure
    CONF.clear_override('connection', 'database')
    CONF([], project='cinder', default_config_files=[], default_config_dirs=[])


@pytest.mark.parametrize('error', [
    exception.InvalidConfigurationValue(option='workers', value=0),
    OSError(98, 'Address already in use'), cfg.ConfigFilesNotFoundError(['/no/such/file']),
    LookupError('no app named x\nin file y'), ImportError('no module'), ValueError('bad')])
def test_what_an_operator_got_wrong_is_one_line_and_status_1(error, monkeypatch, unparsed):
    monkeypatch.setattr(sys, 'argv', ['/usr/bin/cinder-api'])
    with pytest.raises(SystemExit) as caught, common.errors_in_one_line():
        raise error
    assert caught.value.code.startswith('cinder-api: ')
    assert '\n' not in caught.value.code


@pytest.mark.parametrize('make', [
    list, lambda: [logging.StreamHandler()], lambda: [logging.NullHandler()]],
    ids=['before', 'before, with that of a library', 'after'])
def test_the_reason_is_printed_once_wherever_the_log_is(monkeypatch, unparsed, capsys, make):
    """Before and after logging is set up."""
    monkeypatch.setattr(logging.getLogger(), 'handlers', make())
    CONF.set_override('log_file', '/no/matter')
    try:
        with pytest.raises(SystemExit) as caught:
            common.stop_with('no')
    finally:
        CONF.clear_override('log_file')
    assert caught.value.code.endswith(': no')
    assert capsys.readouterr() == ('', '')


def test_what_is_not_meant_for_people_is_one_line_with_its_place(monkeypatch, unparsed):
    monkeypatch.setattr(sys, 'argv', ['/usr/bin/cinder-api'])
    with pytest.raises(SystemExit) as caught, common.errors_in_one_line():
        raise AttributeError('x\ny')
    assert re.fullmatch(r'cinder-api: AttributeError: x y \(test_common.py, line \d+\)',
                        caught.value.code)


@pytest.mark.parametrize(('text', 'word'), [
    ('[DEFAULT]\nconcurrency_backend = threading\nbackdoor_port = 0\n', 'backdoor_port'),
    ('[DEFAULT]\nosapi_volume_workers = many\n', 'osapi_volume_workers'),
    ('[DEFAULT]\nstate_path = $nonsense\n', 'state_path'),
    ('[DEFAULT]\noperation_lease = 10\nreport_interval = 10\n', 'operation_lease'),
    ('[DEFAULT]\nfault_points = nonsense\n', 'fault_points'),
    ('no section\n', 'no section'),
    ('[DEFAULT]\nauth_strategy = noauth\nfault_injection = true\n', 'needs cinder-all'),
    ('[DEFAULT]\nauth_strategy = keystone\nfault_injection = true\n', 'needs auth_strategy'),
    ('[DEFAULT]\nauth_strategy = noauth\nnoauth_allow_remote = true\nfault_injection = true\n',
     'needs auth_strategy'),
])
def test_every_value_is_read_at_the_start(read, text, word):
    with pytest.raises((SystemExit, exception.InvalidConfigurationValue)) as caught:
        read(text)
    assert word in str(caught.value)


def test_unknown_options_are_named_and_impossible_intervals_mended(read, caplog):
    read('[DEFAULT]\nno_such_option = 1\nservice_down_time = 5\nreport_interval = 10\n')
    common.warn_of_configuration()
    assert '[DEFAULT] no_such_option' in caplog.text and 'using 25 seconds' in caplog.text
    assert CONF.service_down_time == 25
    CONF.clear_override('service_down_time')


@pytest.mark.parametrize(('uid', 'helper'), [
    (0, []), (64061, ['sudo', 'cinder-rootwrap', '/etc/cinder/rootwrap.conf'])])
def test_privileged_commands_start_through_the_rootwrap_unless_root(monkeypatch, uid, helper):
    given = []
    monkeypatch.setattr(common.os, 'geteuid', lambda: uid)
    monkeypatch.setattr(priv_context, 'init', lambda root_helper: given.append(root_helper))
    common.prepare_privileges()
    assert given == [helper]


def test_a_report_is_in_a_file_named_after_the_program(monkeypatch, tmp_path):
    gmr_opts.set_defaults(CONF)
    CONF.set_override('log_dir', str(tmp_path), 'oslo_reports')
    monkeypatch.setattr(sys, 'argv', ['/usr/bin/cinder-scheduler'])
    before = signal.getsignal(signal.SIGUSR2)
    try:
        common.install_guru_meditation()
        with concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix='execute x') as pool:
            pool.submit(int).result()
            signal.raise_signal(signal.SIGUSR2)
    finally:
        signal.signal(signal.SIGUSR2, before)
        CONF.clear_override('log_dir', 'oslo_reports')
    (report,) = tmp_path.iterdir()
    assert report.name.startswith('cinder-scheduler_')
    assert 'osapi_volume_workers' in report.read_text()
    # The library names the threads by their numbers only.
    number = re.search(r'Thread #(\d+): execute x_0', report.read_text())[1]
    assert re.search(rf'Thread #{number}\s+-', report.read_text())
