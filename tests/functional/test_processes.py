# SPDX-License-Identifier: Apache-2.0
"""The daemons as processes: how they start, reload, drain and stop, and how they refuse to start.

One database file and the in-memory bus are enough: what they do for volumes is tested elsewhere.
"""
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse

import pytest

from cinder.cmd import RARELY_USED
from tests.functional.daemon import PROJECT, ROOT, SECONDS, Daemon, sync
from tests.functional.processes import Process, children, free_port, wait_until


def gone(pid: int) -> bool:
    try:
        return pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] == 'Z'
    except FileNotFoundError:
        return True


def silence(pid: int) -> None:
    """Have none of its threads do anything until SIGCONT; they run on until one sees the signal."""
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: all(path.read_text().rpartition(')')[2].split()[0] == 'T'
                           for path in pathlib.Path(f'/proc/{pid}/task').glob('*/stat')),
               SECONDS, f'process {pid} to stand still', pause=0.001)


def sleeps(pid: int) -> int:
    """How often the process went to sleep until now (proc(5), status)."""
    return int(re.search(r'^voluntary_ctxt_switches:\s+(\d+)', pathlib.Path(
        f'/proc/{pid}/status').read_text(), re.MULTILINE)[1])


# What each daemon would load for nothing: megabytes in each of its processes.
UNUSED = {
    'api': {'tooz', 'oslo_privsep.capabilities', 'requests'},
    'scheduler': {'cinder.policy', 'requests', 'html'},
    'volume': {'cinder.policy', 'requests', 'html', 'oslo_utils.imageutils.format_inspector'},
    'backup': {'cinder.policy', 'requests', 'html', 'tooz', 'os_brick'},
}
UNUSED_BY_ALL = {'OpenSSL', 'cryptography', 'sqlalchemy.orm', 'sqlalchemy.dialects.mysql',
                 'oslo_reports.guru_meditation_report', 'dns', 'yappi',
                 *RARELY_USED.keys() - {'html'}}
# Prints which modules are loaded, and which of the others a thread cannot load by using them.
LOADED_THEN_USED = '''
import sys, threading, types
def loaded(is_loaded=True):
    return [name for name, module in list(sys.modules.items())
            if (type(module) is types.ModuleType) is is_loaded and name != "__main__"]
print(*loaded())
from cinder.cmd import RARELY_USED
import oslo_policy._parser, sqlalchemy.dialects.postgresql
def use():
    for name in RARELY_USED:
        getattr(sys.modules[name], "anything", None)
thread = threading.Thread(target=use)
thread.start()
thread.join()
print(RARELY_USED.keys() & set(loaded(False)))
import asyncio, xmlrpc.client, yaml
async def three():
    return 3
print(type(oslo_policy._parser._parse_check("http://localhost/")), asyncio.run(three()),
      xmlrpc.client.DateTime, yaml.safe_dump({"a": 1}))
'''


@pytest.mark.parametrize('name', UNUSED)
def test_daemons_load_only_what_they_use(name):
    manager = f', cinder.{name}.manager' if name in ('volume', 'backup') else ''
    code = f'import cinder.cmd.{name}{manager}\n{LOADED_THEN_USED}'
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', code], capture_output=True,
                          text=True, check=True, timeout=SECONDS, cwd=ROOT)
    loaded, left, *used = done.stdout.splitlines()
    assert set(loaded.split()) & (UNUSED[name] | UNUSED_BY_ALL) == set()
    assert left == 'set()'
    assert used[0] == ("<class 'oslo_policy._external.HttpCheck'> 3 "
                       "<class 'xmlrpc.client.DateTime'> a: 1")


# ----------------------------------------------------------------------------------- cinder-api
def test_workers_share_a_free_port_and_dead_ones_are_replaced(daemon):
    api = daemon('api').begin()
    before = set(api.children())
    assert len(before) == 2
    victim = before.pop()
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: len(api.children()) == 2 and victim not in api.children(), SECONDS,
               'another worker')
    before = sleeps(api.pid)
    time.sleep(1)
    assert sleeps(api.pid) - before < 20, 'the parent looks for dead workers all the time'
    assert all(api.answers() for _ in range(10))
    assert api.end() == 0
    assert 'Traceback' not in api.text()
    assert 'Deprecat' not in api.text() and 'deprecat' not in api.text()


def test_workers_count_the_requests_of_a_project_together(daemon):
    api = daemon('api', api_project_rate='0.001', api_project_burst=4).begin()
    ask = f'/v3/{PROJECT}/extensions'
    one, other = api.children()
    for silent in one, other:
        silence(silent)
        assert [api.ask(ask)[0] for _ in range(2)] == [200, 200]
        os.kill(silent, signal.SIGCONT)
    for silent in one, other:
        silence(silent)
        assert api.ask(ask)[0] == 429
        os.kill(silent, signal.SIGCONT)
        # The worker that takes its place does not begin with full buckets.
        os.kill(silent, signal.SIGKILL)
    wait_until(lambda: len(api.children()) == 2 and not {one, other} & set(api.children()), SECONDS,
               'other workers')
    assert {api.ask(ask)[0] for _ in range(4)} == {429}


KILLED_WHILE_LOGGING = '''
import eventlet
eventlet.monkey_patch()
import logging, os, signal
from cinder.cmd import common
common.read_configuration()
common.start_logging()
child = os.fork()
if not child:
    for handler in logging.getLogger().handlers:
        handler.acquire()
    os.kill(os.getpid(), signal.SIGKILL)
os.waitpid(child, 0)
logging.getLogger('cinder').warning('the parent goes on')
'''


def test_a_worker_that_is_killed_while_it_logs_holds_up_nobody():
    done = subprocess.run([sys.executable, '-c', KILLED_WHILE_LOGGING], cwd=ROOT, timeout=SECONDS,
                          capture_output=True, text=True, check=True)
    assert 'the parent goes on' in done.stdout + done.stderr, done


def test_workers_end_with_a_parent_that_was_killed(daemon):
    api = daemon('api').begin()
    workers = api.children()
    os.kill(api.pid, signal.SIGKILL)
    wait_until(lambda: all(map(gone, workers)), SECONDS, 'the workers to end')


def test_reload_takes_mutable_options_and_survives_a_broken_file(daemon):
    api = daemon('api').begin()
    workers = api.children()
    api.write(debug='true')
    api.signal(signal.SIGHUP)
    api.says('Option DEFAULT.debug changed from', times=3)
    assert api.children() == workers, 'nothing was restarted'
    for times, content in ((3, '[DEFAULT\n'), (6, '[DEFAULT]\nosapi_max_limit = many\n')):
        api.path.write_text(content)
        api.signal(signal.SIGHUP)
        api.says('The configuration is not reloaded', times=times)
    assert api.running and api.children() == workers and api.answers()


def slow_create(api: Daemon) -> tuple[threading.Thread, list]:
    """Ask for a volume at an API that takes its time; returns the thread and its answer."""
    answers = []

    def ask():
        try:
            answers.append(api.ask(f'/v3/{PROJECT}/volumes', 'POST', {'volume': {'size': 1}})[0])
        except (OSError, http.client.HTTPException) as exc:
            answers.append(type(exc))
    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.5)
    return thread, answers


def test_stop_finishes_requests_and_takes_no_new_ones(daemon):
    api = daemon('api', fault_points='volume.create:api:commit:before=delay:2')
    sync(api)
    api.begin()
    thread, answers = slow_create(api)
    api.signal(signal.SIGTERM)
    time.sleep(0.5)
    assert not api.answers()
    thread.join(SECONDS)
    assert answers == [202]
    assert api._popen.wait(SECONDS) == 0


def test_stop_has_a_time_limit(daemon):
    api = daemon('api', fault_points='volume.create:api:commit:before=delay:60',
                 graceful_shutdown_timeout=2)
    sync(api)
    api.begin()
    thread, answers = slow_create(api)
    workers = api.children()
    began = time.monotonic()
    api.end()
    wait_until(lambda: all(map(gone, workers)), SECONDS, 'the workers to end')
    assert time.monotonic() - began < 10
    thread.join(SECONDS)
    assert answers[0] != 202


def test_guru_meditation_report(daemon):
    api = daemon('api').begin()
    for pid in (api.pid, api.children()[0]):
        before = api.text().count('Guru Meditation')
        os.kill(pid, signal.SIGUSR2)
        api.says('Guru Meditation', times=before + 1)
    api.says('osapi_volume_workers = 2')
    for section in ('Package', 'Threads', 'Green Threads', 'Configuration'):
        assert section in api.text()
    assert api.answers()


def test_https(daemon, tmp_path):
    for name in ('key', 'cert'):
        assert not (tmp_path / name).exists()
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1',
                    '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1',
                    '-keyout', tmp_path / 'key', '-out', tmp_path / 'cert'],
                   check=True, capture_output=True)
    api = daemon('api', osapi_volume_use_ssl='true')
    api.sections['ssl'] = {'cert_file': tmp_path / 'cert', 'key_file': tmp_path / 'key'}
    api.write()
    context = ssl.create_default_context(cafile=tmp_path / 'cert')
    api.begin(ready=lambda: api.answers(tls=context))
    # A client that connects and says nothing must not keep the others out.
    with socket.create_connection(('127.0.0.1', api.port)), \
            socket.create_connection(('127.0.0.1', api.port)):
        time.sleep(0.2)
        began = time.monotonic()
        assert api.ask(tls=context)[0] == 200
        assert time.monotonic() - began < 5


def test_systemd_is_told_when_it_is_ready(daemon, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices:
        notices.bind(str(tmp_path / 'notify'))
        notices.settimeout(SECONDS)
        daemon('api', env={'NOTIFY_SOCKET': str(tmp_path / 'notify')}).start()
        assert notices.recv(100) == b'READY=1'


def test_gunicorn_serves_the_application_with_threads(daemon, tmp_path):
    pytest.importorskip('gunicorn')
    api = daemon('api')
    sync(api)
    port = api.served_elsewhere = free_port()
    program = Process('gunicorn', [
        sys.executable, '-m', 'gunicorn', '--workers', '1', '--threads', '4', '--no-control-socket',
        '--bind', f'127.0.0.1:{port}', 'cinder.wsgi.api:application'], tmp_path / 'gunicorn.log',
        {**api.env, 'OS_CINDER_CONFIG_FILES': str(api.path)})
    program.start()
    try:
        program.wait_for(api.answers, SECONDS)
        status, body = api.ask(f'/v3/{PROJECT}/volumes', 'POST', {'volume': {'size': 1}})
        assert status == 202, body
    finally:
        program.stop()


def test_importing_the_application_patches_nothing(daemon):
    api = daemon('api')
    code = ('import socket, threading, time; before = socket.socket, threading.Thread.start, '
            'time.sleep, threading.Lock\n'
            'import cinder.wsgi.api\n'
            'assert before == (socket.socket, threading.Thread.start, time.sleep, threading.Lock)\n'
            'import eventlet.patcher\n'
            'assert not any(map(eventlet.patcher.is_monkey_patched, '
            '("socket", "thread", "time", "os", "select")))')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False,
                          env={**api.env, 'OS_CINDER_CONFIG_FILES': str(api.path)})
    assert done.returncode == 0, done.stderr


# --------------------------------------------------------------------------- wrong configuration
def refused(process: Daemon) -> str:
    """Run a daemon that cannot start; returns its one line."""
    process.start()
    assert process._popen.wait(SECONDS) == 1, process.tail()
    assert 'Traceback' not in process.text()
    lines = [line for line in process.text().splitlines() if not re.match(r'\d{4}-', line)]
    assert len(lines) == 1, process.text()
    return lines[0]


@pytest.mark.parametrize(('module', 'options', 'words'), [
    ('api', {'osapi_volume_workers': 0}, 'osapi_volume_workers'),
    ('api', {'osapi_volume_workers': 'many'}, 'osapi_volume_workers'),
    ('api', {'osapi_volume_listen': '0.0.0.0'}, 'noauth_allow_remote'),
    ('api', {'api_paste_config': '/no/such/file'}, '/no/such/file'),
    ('api', {'osapi_volume_use_ssl': 'true'}, 'cert_file'),
    ('api', {'transport_url': 'pigeon://here'}, 'pigeon'),
    ('scheduler', {'scheduler_manager': 'no.such.Manager'}, 'no'),
    ('volume', {'enabled_backends': ''}, 'enabled_backends'),
    ('volume', {'enabled_backends': 'files,files'}, 'files more than once'),
    ('volume', {'enabled_backends': 'files,gone'}, 'no file has a section [gone]'),
    ('all', {'enabled_backends': 'files\n  host = here'}, 'begins with a blank'),
    ('scheduler', {'host': 'a@b'}, 'contains "@"'),
    ('api', {'public_endpoint': 'example.com'}, 'public_endpoint'),
    ('api', {'debug': 'perhaps'}, '[DEFAULT] debug = perhaps'),
    ('scheduler', {'state_path': '/srv/$home'}, '$$'),
    ('all', {'enabled_backends': ''}, 'enabled_backends'),
    ('volume', {'cluster': 'c'}, 'provides locks for one host only'),
    ('all', {'cluster': 'c'}, 'provides locks for one host only'),
    ('all', {'osapi_volume_listen': '0.0.0.0'}, 'noauth_allow_remote'),
])
def test_a_wrong_option_is_one_line_and_status_1(daemon, module, options, words):
    assert words in refused(daemon(module, **options))


@pytest.mark.parametrize(('driver', 'words'), [
    ('file.FileVolumeDriver', 'file_shared_storage = true'),
    ('lvm.LVMVolumeDriver', 'LVMVolumeDriver supports one host only')])
def test_a_cluster_without_shared_storage_is_one_line_and_status_1(daemon, driver, words):
    volume = daemon('volume', cluster='c')
    volume.sections['coordination'] = {'backend_url': 'postgresql://127.0.0.1:9/locks'}
    volume.sections['files']['volume_driver'] = f'cinder.volume.drivers.{driver}'
    volume.write()
    line = refused(volume)
    assert words in line and 'cluster = c' in line and '[files]' in line


def test_a_taken_port_is_one_line_and_status_1(daemon):
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert str(port) in refused(daemon('api', osapi_volume_listen_port=port))


@pytest.mark.parametrize('content', [
    '[composite:osapi_volume\n', '[app:another]\npaste.app_factory = a:b\n',
    '[app:osapi_volume]\npaste.app_factory = no.such.module:factory\n'])
def test_a_bad_paste_file_is_one_line_and_status_1(daemon, tmp_path, content):
    (tmp_path / 'paste.ini').write_text(content)
    refused(daemon('api', api_paste_config=tmp_path / 'paste.ini'))


def test_a_missing_configuration_file_is_one_line(daemon):
    api = daemon('api')
    api.path.unlink()
    assert 'cinder.conf' in refused(api)


@pytest.mark.parametrize(('module', 'section', 'option', 'words'), [
    ('volume', 'more', 'volume_clear = zero', 'have the same file_volume_dir'),
    ('api', 'nova', 'timeout = soon', '[nova] timeout = soon'),
    ('all', 'keystone_authtoken', 'password = geh$eim', '[keystone_authtoken] password'),
    ('scheduler', 'DEFAULT', '# \udcff', 'which is not UTF-8'),
    ('api', 'DEFAULT', 'nothing', 'Failed to parse')])
def test_a_wrong_line_of_any_section_is_one_line_and_status_1(daemon, module, section, option,
                                                              words):
    process = daemon(module, enabled_backends='files,more')
    process.sections['more'] = process.sections['files']
    process.write()
    with process.path.open('a', errors='surrogateescape') as file:
        file.write(f'[{section}]\n{option}\n')
    line = refused(process)
    assert words in line and 'geh' not in line


def test_what_has_no_effect_or_no_value_is_named_at_the_start(daemon):
    api = daemon('api', no_such_option=1, log_dir='', quota_volumes='',
                 graceful_shutdown_timeout='')
    api.sections['database']['max_retries'] = ''
    api.sections['keystone_authtoken'] = {'usernme': 'cinder'}
    api.sections['oslo_messaging_rabit'] = {'ssl': 'true'}
    api.write()
    sync(api)
    api.begin()
    for words in ('[DEFAULT] no_such_option', 'Did you mean username?',
                  'Did you mean [oslo_messaging_rabbit]?',
                  'not set: [DEFAULT] log_dir, quota_volumes, graceful_shutdown_timeout; '
                  '[database] max_retries.'):
        api.says(words)
    assert api.ask(f'/v3/{PROJECT}/volumes')[0] == 200
    assert api.ask(f'/v3/{PROJECT}/volumes', 'POST', {'volume': {'size': 1}})[0] == 202
    assert api.end() == 0


# ----------------------------------------------------------------------- scheduler, volume, all
def test_the_scheduler_waits_for_its_tables_and_says_so_once(daemon):
    scheduler = daemon('scheduler')
    scheduler.start()
    scheduler.says('cannot be registered')
    time.sleep(2)
    assert scheduler.running
    assert scheduler.text().count('cannot be registered') == 1
    sync(scheduler)
    scheduler.says('cinder-scheduler on', times=2)
    scheduler.says('is up.')
    assert scheduler.end() == 0
    assert 'has stopped' in scheduler.text()


def test_a_missing_broker_is_waited_for_and_does_not_hinder_the_stop(daemon):
    scheduler = daemon('scheduler', transport_url=f'rabbit://a:b@127.0.0.1:{free_port()}/')
    sync(scheduler)
    scheduler.start()
    scheduler.says('does not respond; waiting for it')
    time.sleep(2)
    assert scheduler.running
    assert scheduler.text().count('does not respond') == 1
    assert 'is unreachable' not in scheduler.text()
    assert scheduler.end(seconds=10) == 0


def test_each_backend_is_a_process_and_a_bad_one_is_skipped(daemon):
    volume = daemon('volume', enabled_backends='files,bad,more', host='node')
    volume.sections['bad'] = {'volume_driver': 'no.such.Driver'}
    volume.sections['more'] = {**volume.sections['files'],
                               'file_volume_dir': volume.path.parent / 'more'}
    volume.write()
    sync(volume)
    volume.start()
    for name in ('files', 'more'):
        volume.says(f'cinder-volume on node@{name} is up.')
    assert 'Back end bad' in volume.text()
    before = volume.children()
    assert len(before) == 2
    os.kill(before[0], signal.SIGKILL)
    volume.says('is up.', times=3)
    assert len(volume.children()) == 2
    assert volume.end() == 0
    assert volume.text().count('has stopped') == 2


def test_a_backend_whose_storage_is_missing_stays_alive_and_down(daemon):
    volume = daemon('volume', enabled_backends='files', host='node')
    volume.sections['files']['file_volume_dir'] = '/proc/no/such/folder'
    volume.write()
    sync(volume)
    volume.start()
    volume.says('node@files is down')
    time.sleep(2)
    assert volume.running and len(volume.children()) == 1
    assert volume.text().count('is down') == 1


def test_only_bad_backends_is_status_1(daemon):
    volume = daemon('volume', enabled_backends='bad')
    volume.sections['bad'] = {'volume_driver': 'no.such.Driver'}
    volume.write()
    volume.start()
    assert volume._popen.wait(SECONDS) == 1
    assert 'None of the enabled back ends' in volume.text()


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_all_in_one_process_starts_by_itself_and_stops_cleanly(daemon, number):
    suite = daemon('all', host='node').begin()
    wait_until(lambda: suite.services() == {
        'node@files cinder-volume': 'up', 'node cinder-scheduler': 'up',
        'node cinder-backup': 'up'}, SECONDS, 'all up')
    assert children(suite.pid) == []
    status, body = suite.ask(f'/v3/{PROJECT}/volumes', 'POST', {'volume': {'size': 1}})
    assert status == 202
    where = f'/v3/{PROJECT}/volumes/{json.loads(body)["volume"]["id"]}'
    wait_until(lambda: json.loads(suite.ask(where)[1])['volume']['status'] == 'available', SECONDS,
               'the volume')
    assert suite.end(number) == 0
    assert 'Traceback' not in suite.text()
    assert suite.text().count('has stopped') == 3
    suite.begin()
    assert json.loads(suite.ask(where)[1])['volume']['status'] == 'available'
    assert suite.services()['node@files cinder-volume'] in ('up', 'down')


def test_odd_names_that_are_taken_work_from_create_to_delete(daemon):
    host, back_end = 'nöde 1.x', 'größe:%b ' + 'l' * 100
    pool, zone = '<böse> & "pool"', 'Zürich 1:a'
    suite = daemon('all', host=host, enabled_backends=back_end, storage_availability_zone=zone,
                   cluster='')
    suite.sections[back_end] = {**suite.sections.pop('files'), 'volume_backend_name': pool}
    suite.write()
    suite.begin()
    place = f'{host}@{back_end}'
    wait_until(lambda: suite.services().get(f'{place} cinder-volume') == 'up', SECONDS, 'all up')

    def ask(path, method='GET', **body):
        status, answer = suite.ask(f'/v3/{PROJECT}/{path}', method, body or None)
        assert status < 300, (path, answer)
        return json.loads(answer) if answer else None

    def status_of(kind, ident):
        rows = ask(f'{kind}/detail')[kind]
        return next((row['status'] for row in rows if row['id'] == ident), '')
    kind = ask('types', 'POST', volume_type={'name': 'odd', 'extra_specs': {
        'volume_backend_name': pool}})['volume_type']['id']
    volume = ask('volumes', 'POST', volume={
        'size': 1, 'volume_type': kind, 'availability_zone': zone})['volume']['id']
    wait_until(lambda: status_of('volumes', volume) == 'available', SECONDS, suite.tail)
    shown = ask(f'volumes/{volume}')['volume']
    assert shown['os-vol-host-attr:host'] == f'{place}#{pool}'
    assert shown['availability_zone'] == zone
    where = urllib.parse.quote(place, safe='')
    assert ask(f'capabilities/{where}')['volume_backend_name'] == pool
    snapshot = ask('snapshots', 'POST', snapshot={'volume_id': volume})['snapshot']['id']
    wait_until(lambda: status_of('snapshots', snapshot) == 'available', SECONDS, suite.tail)
    ask(f'snapshots/{snapshot}', 'DELETE')
    wait_until(lambda: not status_of('snapshots', snapshot), SECONDS, suite.tail)
    ask(f'volumes/{volume}', 'DELETE')
    wait_until(lambda: not status_of('volumes', volume), SECONDS, suite.tail)
    assert suite.end() == 0 and 'Traceback' not in suite.text()


def test_noauth_listens_elsewhere_when_told_so(daemon):
    api = daemon('api', osapi_volume_listen='0.0.0.0', noauth_allow_remote='true')
    api.start()
    api.says('listens on http://0.0.0.0')


def test_stop_finishes_the_operations_at_hand(daemon):
    suite = daemon('all', host='node', fault_points='volume.create:driver:before=delay:3')
    suite.begin()
    wait_until(lambda: 'down' not in suite.services().values(), SECONDS, 'all up')
    _, body = suite.ask(f'/v3/{PROJECT}/volumes', 'POST', {'volume': {'size': 1}})
    where = f'/v3/{PROJECT}/volumes/{json.loads(body)["volume"]["id"]}'
    wait_until(lambda: json.loads(suite.ask(where)[1])['volume']['os-vol-host-attr:host'], SECONDS,
               'the volume to be placed')
    time.sleep(0.5)
    assert suite.end() == 0
    assert 'unfinished work' not in suite.text()
    suite.begin()
    assert json.loads(suite.ask(where)[1])['volume']['status'] == 'available'
    assert 'Resuming' not in suite.text()
