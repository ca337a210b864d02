# SPDX-License-Identifier: Apache-2.0
"""Our drivers of object stores on real servers, alone and behind a proxy that brings their faults.

The whole table of faults on all servers: BACKUP_STORES_FULL=1.
"""
import dataclasses
import itertools
import json
import logging
import os
import random
import shutil
import socket
import subprocess
import sys
import time
import uuid

import pytest
from oslo_config import cfg

import cinder.conf
from cinder import exception, objects
from cinder.backup import driver
from cinder.backup.chunked import deletion
from cinder.backup.object_store import option_checks, upload
from tests import backup_stores
from tests.backup_stores import MIB, Case, play
from tests.functional import backup_peer, object_stores
from tests.functional.fault_proxy import Fault, FaultProxy
from tests.functional.processes import free_port
from tests.functional.suite import ROOT
from tests.functional.test_backup_format import GIB, restored
from tests.unit.backup.chunked.conftest import Bench

FULL = bool(os.environ.get('BACKUP_STORES_FULL'))
KINDS = ('rclone', 'swift', 'swift-s3')
SECRETS = (object_stores.SECRET_KEY, object_stores.PASSWORD)
every_server = pytest.mark.parametrize('server', KINDS, indirect=True)


@dataclasses.dataclass
class Server:
    """A server and the options of our driver for it."""

    server: object
    options: object
    proxy: FaultProxy
    folder: object

    def store(self, url=None, **more):
        """Return a driver that goes to a URL (by default directly) and does not wait between two
        attempts, but notes the seconds."""
        conf = cfg.ConfigOpts()
        cinder.conf.register(conf)
        conf([], project='cinder', default_config_files=[], default_config_dirs=[])
        # A large object, of 32 MiB, is kept in a file then.
        sizes = dict.fromkeys(('backup_s3_object_size', 'backup_swift_object_size'), 8 * MIB)
        for name, value in {'state_path': str(self.folder), **sizes, **self.options(url),
                            **more}.items():
            conf.set_override(name, value)
        store = driver.load(conf)
        store.pauses = []
        store.policy.sleep = store.pauses.append
        return store


@pytest.fixture(scope='module')
def proxies():
    made = {}
    yield made
    for proxy in made.values():
        proxy.stop()


@pytest.fixture
def server(request, proxies, tmp_path):
    kind = request.param
    server = request.getfixturevalue('s3_service' if kind == 'rclone' else 'swift_service')
    if kind not in proxies:
        proxies[kind] = FaultProxy(server.port)
        proxies[kind].start()
    return Server(server, server.s3_options if kind == 'swift-s3' else server.options,
                  proxies[kind], tmp_path)


@pytest.fixture(autouse=True, scope='module')
def said():
    """All that is logged, at the level DEBUG, while these tests run."""
    records = []

    class Handler(logging.Handler):
        def emit(self, record):
            records.append(self.format(record))
    handler, root = Handler(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield records
    root.removeHandler(handler)
    root.setLevel(level)


# ------------------------------------------------------------------------------------ contract
# The requests are the same as for another server of S3.
SHORT = {backup_stores.an_object_is_read_as_it_was_written, backup_stores.names_may_be_any_text,
         backup_stores.what_is_unknown_is_named}


@pytest.mark.parametrize(('server', 'case'), [
    (kind, case) for kind in KINDS for case in backup_stores.CASES
    if FULL or kind != 'swift-s3' or case in SHORT], indirect=['server'])
def test_the_store_does_what_all_do(server, case):
    play(case, server.store(), size=32 * MIB)


@every_server
def test_connections_are_used_again(server):
    store = server.store(server.proxy.url)
    case = Case(store, MIB)
    before = server.proxy.connections
    for number in range(5):
        case.write(f'-{number}', b'x')
        assert case.read(f'-{number}') == b'x'
    case.clear()
    assert server.proxy.connections - before <= 1


@every_server
def test_a_listing_has_several_pages(server, monkeypatch):
    store = server.store()
    case = Case(store, MIB)
    names = [f'-{number:05}' for number in range(12)]
    for name in names:
        case.write(name, b'')
    # As many at a time as the server is asked for.
    ask = store._ask
    limit = 'limit' if 'Swift' in type(store).__name__ else 'max-keys'

    def few(method, *args, query=None, **kwargs):
        pages.append(query)
        return ask(method, *args, query=query and query | {limit: '5'}, **kwargs)
    pages = []
    monkeypatch.setattr(store, '_ask', few)
    store._recent.__init__()
    assert case.names() == names and len(pages) >= 3
    case.clear()


# -------------------------------------------------------------------------------------- faults
# Name -> what the requests of a write and a read meet. After them both must have succeeded.
FAULTS = {
    'throttled': (Fault(status=503, headers={'Retry-After': '7'}, method='PUT'),
                  Fault(status=429, headers={'Retry-After': '9'}, method='GET')),
    'out of order': (Fault(status=500, method='PUT'), Fault(status=502, method='GET'),
                     Fault(status=504, method='GET')),
    'reset before the answer': (Fault(reset='before', method='PUT'),
                                Fault(reset='before', method='GET')),
    'answer lost': (Fault(reset='after', method='PUT'), Fault(reset='after', method='GET')),
    'short': (Fault(cut=1_000_000, method='GET'), Fault(cut=0, method='GET')),
    'short at the end': (Fault(cut=3 * MIB - 1, method='GET'),),
    'wrong content': (Fault(flip=2_000_000, method='GET'),),
    'wrong digest': (Fault(headers={'ETag': '"' + '0' * 32 + '"'}, method='PUT'),
                     Fault(headers={'ETag': '"' + '0' * 32 + '"'}, method='GET')),
    'damaged on the way': (Fault(status=422, method='PUT'),),
    'not there yet': (Fault(status=404, method='GET', path='-00001'),) * 2,
    'container not there yet': (Fault(status=404, method='PUT'),),
}
# With S3 there is no such answer.
ONLY_SWIFT = {'damaged on the way'}
SLICE = {'rclone': set(FAULTS), 'swift': {'throttled', 'answer lost', 'short', 'wrong content',
                                          'damaged on the way', 'not there yet'},
         'swift-s3': {'throttled', 'wrong digest'}}


@pytest.mark.parametrize(('server', 'name'), [
    (kind, name) for kind in KINDS for name in FAULTS
    if (FULL or name in SLICE[kind]) and (kind == 'swift' or name not in ONLY_SWIFT)],
    indirect=['server'])
def test_a_fault_that_passes_is_survived(server, name):
    case = Case(server.store(server.proxy.url), MIB)
    content = random.Random(name).randbytes(3 * MIB)
    with server.proxy.with_faults(*FAULTS[name]):
        case.write('-00001', content)
        assert case.read('-00001') == content
    if name == 'throttled':
        assert [round(pause) for pause in case.store.pauses] == [7, 9]
    if name == 'short':
        # What had come was not asked for again.
        assert len([1 for method, _path in server.proxy.requests if method == 'GET']) == 3
        assert server.proxy.headers['Range'] == 'bytes=1000000-'
    with server.proxy.with_faults(Fault(status=503, method='GET'),
                                  Fault(reset='after', method='DELETE')):
        case.clear()
    assert case.names() == []


@every_server
def test_a_new_object_that_is_not_listed_yet_is_deleted(server):
    case = Case(server.store(server.proxy.url), MIB)
    case.write('-00001', b'x')
    name = f'{case.prefix}-00001'
    with server.proxy.with_faults(Fault(hide=name, method='GET')):
        assert case.names() == ['-00001']
    with server.proxy.with_faults(Fault(hide=name, method='GET')):
        case.clear()
    assert server.store().names(case.container, case.prefix) == []


@every_server
def test_an_outage_ends_with_the_reason_after_all_attempts(server):
    dead = f'http://127.0.0.1:{free_port()}'
    store = server.store(server.proxy.url)
    case = Case(store, MIB)
    case.write('-00001', b'x')
    retries = store.policy.retries
    with server.proxy.with_faults(*[Fault(reset='before')] * (retries + 1)), \
            pytest.raises(exception.BackupStoreUnavailable, match=f'-00001.*{retries + 1} times'):
        case.read('-00001')
    assert len(store.pauses) == retries
    case.clear()
    with pytest.raises(exception.BackupStoreUnavailable, match='refused'):
        server.store(dead).check()


@pytest.mark.parametrize('server', ['rclone'], indirect=True)
def test_a_server_that_stops_sending_is_noticed(server):
    store = server.store(server.proxy.url, backup_s3_timeout=0.5)
    case = Case(store, MIB)
    content = random.Random(7).randbytes(MIB)
    case.write('-00001', content)
    with server.proxy.with_faults(Fault(cut=1000, stall=60, method='GET')):
        assert case.read('-00001') == content
    with socket.create_server(('127.0.0.1', 0)) as silent:
        url = f'http://127.0.0.1:{silent.getsockname()[1]}'
        silent_store = server.store(url, backup_s3_timeout=0.5, backup_s3_retry_max_attempts=1)
        began = time.monotonic()
        with pytest.raises(exception.BackupStoreUnavailable, match='timed out.*2 times'):
            silent_store.names('bucket', '')
        assert time.monotonic() - began < 15
    case.clear()


@pytest.mark.skipif(not FULL, reason='BACKUP_STORES_FULL=1: it waits')
@every_server
def test_an_upload_may_take_longer_than_the_timeout(server, monkeypatch):
    pieces = upload.Upload.pieces

    def slowly(content):
        for piece in pieces(content):
            time.sleep(1.5)
            yield piece
    monkeypatch.setattr(upload.Upload, 'pieces', slowly)
    store = server.store()
    monkeypatch.setattr(store.connections, '_settings',
                        store.connections._settings._replace(timeout=5))
    case, content = Case(store, MIB), bytes(4 * upload.PIECE)
    case.write('-00001', content)
    assert store.pauses == [] and case.read('-00001') == content
    case.clear()


class Huge(upload.Upload):
    """More zeros than Swift accepts in one request, which are never kept."""

    def pieces(self):
        return itertools.repeat(bytes(upload.PIECE), self.length // upload.PIECE)


@pytest.mark.skipif(not FULL, reason='BACKUP_STORES_FULL=1: it sends 5 GiB')
@pytest.mark.parametrize('server', ['swift', 'swift-s3'], indirect=True)
@pytest.mark.timeout(900)
def test_an_object_that_is_too_large_for_the_store_names_the_option(server):
    store = server.store()
    case, content = Case(store, MIB), Huge('/none', 0, True)
    content.length = option_checks.LARGEST_REQUEST + MIB
    with pytest.raises(exception.BackupStoreError, match=f'too large|maximum.*{store.SIZE_OPTION}'
                       ) as told:
        store._run(case.container, 'huge', lambda: store.put_object(
            case.container, 'huge', content))
    assert type(told.value) is exception.BackupStoreError and store.pauses == []


@pytest.mark.parametrize('server', ['swift'], indirect=True)
def test_a_quota_of_the_store_is_told_as_such(server):
    store = server.store(backup_swift_container='small')
    case = Case(store, MIB)
    store._ask('POST', case.container, headers={'X-Container-Meta-Quota-Bytes': '2'}).close()
    with pytest.raises(exception.BackupStoreFull, match='quota'):
        case.write('-00002', bytes(MIB))
    assert store.pauses == []
    case.clear()


# --------------------------------------------------------------------------------- credentials
@every_server
def test_wrong_credentials_are_told_in_one_line_at_once(server, said):
    wrong = {name: 'ASecretThatIsWrong' for name in ('backup_s3_store_secret_key',
                                                     'backup_swift_key')}
    store = server.store(**wrong)
    for call in (store.check, lambda: store.names('bucket', ''),
                 lambda: store.create_container('bucket')):
        with pytest.raises(exception.BackupStoreRefused, match='check backup_s') as told:
            call()
        assert '\n' not in str(told.value) and 'ASecretThatIsWrong' not in repr(told.value)
    assert store.pauses == []
    assert not [line for line in said if 'ASecretThatIsWrong' in line]


@pytest.mark.parametrize('server', ['rclone'], indirect=True)
def test_a_proxy_gets_its_own_credentials(server):
    user = f'http://user:ProxyPassword@127.0.0.1:{server.proxy.port}'
    store = server.store(backup_s3_http_proxy=user)
    case = Case(store, MIB)
    case.write('-00001', b'x')
    assert server.proxy.headers['Proxy-Authorization'].startswith('Basic ')
    assert case.read('-00001') == b'x'
    case.clear()
    nowhere = user.replace(str(server.proxy.port), str(free_port()))
    with pytest.raises(exception.BackupStoreUnavailable) as told:
        server.store(backup_s3_http_proxy=nowhere).check()
    assert 'ProxyPassword' not in str(told.value)


@pytest.fixture
def certificate(tmp_path):
    """Files of a certificate that no authority has signed, and of its key."""
    files = tmp_path / 'server.pem', tmp_path / 'server.key'
    subprocess.run(
        ['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1',
         '-nodes', '-days', '2', '-subj', '/CN=store', '-addext', 'subjectAltName=IP:127.0.0.1',
         '-out', files[0], '-keyout', files[1]], check=True, capture_output=True)
    return files


@pytest.mark.skipif(not shutil.which('openssl'), reason='needs openssl')
def test_the_certificate_of_the_store_is_verified(s3_service, certificate, tmp_path):
    secure = object_stores.Rclone(tmp_path / 'secure', certificate)
    server = Server(secure, secure.options, None, tmp_path)
    secure.start()
    try:
        unknown = server.store()
        with pytest.raises(exception.BackupStoreUnavailable, match='certificate cannot be verif'):
            unknown.names('bucket', '')
        assert unknown.pauses == []
        for options in ({'backup_s3_ca_cert_file': str(certificate[0])},
                        {'backup_s3_verify_ssl': False}):
            case = Case(server.store(**options), MIB)
            case.write('-00001', b'x')
            assert case.read('-00001') == b'x'
            case.clear()
    finally:
        secure.stop()


@pytest.mark.parametrize('server', ['swift', 'swift-s3'], indirect=True)
def test_a_token_that_the_server_forgot_is_renewed(server):
    store = server.store(server.proxy.url)
    case = Case(store, MIB)
    case.write('-00001', b'x')
    if hasattr(store, 'identity'):
        store.identity._known = store.identity._known._replace(token='AUTH_tkForgotten')
    assert case.read('-00001') == b'x' and store.pauses == []
    case.clear()


# ------------------------------------------------------------------------------------- backups
def volume(size):
    """Half random, half zeros, and repeated parts."""
    chance = random.Random(11)
    parts = [chance.randbytes(MIB), bytes(MIB), b'repeated' * (MIB // 8)]
    return b''.join(parts[chance.randrange(3)] for _part in range(size // MIB))


# What the requests of a backup meet, in the order in which they come.
WORK = (Fault(status=503, headers={'Retry-After': '1'}, method='PUT', path='-00002'),
        Fault(reset='after', method='PUT', path='_metadata'),
        Fault(reset='before', method='PUT', path='_sha256file'))
RESTORE = (Fault(cut=100_000, method='GET', path='-00001'), Fault(status=500, method='GET'),
           Fault(status=404, method='GET', path='_metadata'))


@every_server
def test_a_chain_is_written_restored_and_deleted_in_spite_of_faults(server):
    small = dict.fromkeys(('backup_s3_object_size', 'backup_swift_object_size'), 4 * MIB)
    store = server.store(server.proxy.url, **small)
    bench = Bench(store, server.folder)
    first = volume(24 * MIB)
    second = first[:5 * MIB] + bytes(2 * MIB) + b'changed!' + first[7 * MIB + 8:]
    with server.proxy.with_faults(*WORK):
        full = bench.full(first)
    child = bench.backup(parent=full)
    with server.proxy.with_faults(Fault(status=429, method='PUT')):
        written = bench.write(child, second, parent=full)
    assert 0 < written.plain_bytes < 4 * MIB
    with server.proxy.with_faults(*RESTORE):
        assert bench.restore([full, child], b'?' * (24 * MIB)) == second
    assert bench.restore([full], size=24 * MIB) == first
    store._recent.__init__()
    with server.proxy.with_faults(Fault(reset='after', method='DELETE')):
        for backup in (child, full):
            deletion.delete(store, backup)
    assert store.names(full.container, f'volume_{full.volume_id}') == []


@pytest.mark.parametrize('server', ['rclone'], indirect=True)
def test_a_damaged_object_is_named_and_nothing_else_is_blamed(server):
    store = server.store(server.proxy.url)
    bench = Bench(store, server.folder)
    full = bench.full(volume(8 * MIB))
    name = next(name for name in store.names(full.container, full.service_metadata)
                if name.endswith('-00001'))
    path = server.server.folder / full.container / name
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(exception.BackupDataError, match=f'{name}.*offset'):
        bench.restore([full], size=8 * MIB)
    store.delete(full.container, name)
    with pytest.raises(exception.BackupObjectNotFound, match=name):
        bench.restore([full], size=8 * MIB)
    deletion.delete(store, full)


# ---------------------------------------------------------------------------------- the original
@pytest.fixture(scope='module')
def peer(tmp_path_factory):
    try:
        python = backup_peer.python()
    except backup_peer.Unavailable as exc:
        pytest.skip(str(exc))
    return backup_peer.Peer(python, tmp_path_factory.mktemp('peer'))


def columns(backup):
    return {name: getattr(backup, name) for name in (
        'id', 'volume_id', 'container', 'service_metadata', 'size', 'parent_id')}


@pytest.mark.parametrize(('server', 'client', 'name'), [
    ('swift', 'swiftclient', 'swift'), ('rclone', 'boto3', 's3')], indirect=['server'])
@pytest.mark.timeout(1200)
def test_the_original_and_this_one_restore_the_backups_of_each_other(server, client, name, peer):
    """With the same options."""
    if peer.lacks(client):
        pytest.skip(f'the environment with the original has no {client}')
    sizes = {f'backup_{name}_object_size': 4 * MIB, f'backup_{name}_enable_progress_timer': False}
    store = server.store(**sizes)
    bench = Bench(store, server.folder)
    data = volume(12 * MIB)
    # The names of objects of the bench are the same in each test.
    full = bench.backup(id=str(uuid.uuid4()), volume_id=str(uuid.uuid4()))
    bench.write(full, data)
    path = server.folder / 'volume'
    path.write_bytes(bytes(12 * MIB))
    peer.restore([columns(full)], path, True, **server.options(), **sizes)
    assert path.read_bytes() == data
    changed = data[:5 * MIB] + b'changed' + data[5 * MIB + 7:]
    path.write_bytes(changed)
    made = peer.backup(path, columns(full), {
        'id': str(uuid.uuid4()), 'volume_id': full.volume_id, 'size': 1, 'parent_id': full.id},
        **server.options(), **sizes)
    child = objects.Backup(**{name: made[name] for name in columns(full)})
    assert child.container == full.container
    # The original has no volumes smaller than 1 GiB.
    path = restored(store, [full, child], server.folder / 'restored', GIB, True, server.folder)
    with path.open('rb') as stream:
        assert stream.read(len(changed)) == changed
    for backup in (child, full):
        deletion.delete(store, backup)
    assert store.names(full.container, f'volume_{full.volume_id}') == []


# ----------------------------------------------------------------------------------- green threads
GREEN = '''
import sys
from cinder import concurrency
concurrency.use('eventlet')
import json, threading, time
from oslo_config import cfg
import cinder.conf
from cinder.backup import driver
from cinder.backup.chunked import deletion
from cinder.backup.object_store import option_checks, upload
from tests.backup_stores import Case
conf = cfg.ConfigOpts()
cinder.conf.register(conf)
conf([], project='cinder', default_config_files=[], default_config_dirs=[])
for name, value in json.loads(sys.argv[1]).items():
    conf.set_override(name, value)
store = driver.load(conf)
native = concurrency.original('threading')
gaps, done, errors = [], [], []

def use(number):
    try:
        content = bytes([number]) * 3_000_000
        for _time in range(3):
            case.write(f'-{number}', content)
            assert case.read(f'-{number}') == content
        done.append(number)
    except BaseException as exc:
        errors.append(exc)

def use_all():
    threads = [native.Thread(target=use, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

def tick():
    last = time.monotonic()
    while len(gaps) < 1_000_000:
        time.sleep(0.01)
        now = time.monotonic()
        gaps.append(now - last)
        last = now

concurrency.call_long(store.check, 'check')
case = concurrency.call_long(lambda: Case(store, 1), 'case')
ticker = threading.Thread(target=tick, daemon=True)
ticker.start()
began = time.monotonic()
concurrency.call_long(use_all, 'copies')
print(json.dumps({'done': sorted(done), 'errors': [repr(exc) for exc in errors],
                  'ticks': len(gaps), 'seconds': time.monotonic() - began, 'most': max(gaps)}))
concurrency.call_long(case.clear, 'clear')
'''


@pytest.mark.parametrize('server', ['rclone', 'swift'], indirect=True)
def test_native_threads_of_a_daemon_on_eventlet_use_it(server, tmp_path):
    done = subprocess.run(
        [sys.executable, '-c', GREEN, json.dumps({'state_path': str(tmp_path),
                                                  **server.options(server.proxy.url)})],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert (found['done'], found['errors']) == ([0, 1, 2, 3, 4, 5], [])
    # The hub went on: with a blocked one there would be a few long gaps.
    assert found['ticks'] > found['seconds'] * 5, found


# ------------------------------------------------------------------------------------- the rest
def test_no_secret_was_logged(said):
    """Runs last: of all tests above."""
    assert said
    assert not [line for line in said for secret in (*SECRETS, 'ProxyPassword') if secret in line]
