# SPDX-License-Identifier: Apache-2.0
"""One process as a careful operator runs it: TLS with client certificates, an audit trail, a proxy
in front; with debug logging and CHAP, and then nothing secret in what it wrote or showed."""
import contextlib
import http.client
import json
import re
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess

import pytest

from tests.functional import tgt
from tests.functional.processes import wait_until
from tests.functional.suite import ROOT, Node, Suite
from tools.initiator import CONNECTOR

PROJECT = '0123456789abcdef0123456789abcdef'
SECRETS = {'database': 's3cretOfTheCoordination', 'key_manager': 'abcdefabcdef0123' * 4,
           'keystone_authtoken': 's3cretOfTheService'}
CATALOG = [{'type': 'block-storage', 'name': 'cinder', 'endpoints': [
    {'id': 'e1', 'publicURL': 'https://volume.example.org/v3', 'region': 'one'}]}]
pytestmark = pytest.mark.skipif(not shutil.which('openssl'), reason='needs openssl')


@pytest.fixture(scope='module')
def certificates(workspace):
    """A folder with an authority, and keys and certificates of a server and a client by it."""
    folder = workspace / 'certificates'
    folder.mkdir()
    new = ['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
           'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
    by = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-addext', 'basicConstraints=critical,CA:false']
    for name, more in (('ca', []), ('client', by),
                       ('server', [*by, '-addext', 'subjectAltName=IP:127.0.0.1'])):
        subprocess.run([*new, '-subj', f'/CN={name}', '-keyout', f'{name}.key', '-out',
                        f'{name}.pem', *more], cwd=folder, check=True, capture_output=True)
        (folder / f'{name}.key').chmod(0o600)
    return folder


@pytest.fixture(scope='module')
def service(workspace, certificates):
    paste = workspace / 'audited.ini'
    text = (ROOT / 'etc/cinder/api-paste.ini').read_text()
    # The one line that the documentation tells of, for the pipeline without Keystone.
    for old, new in (('noauth projectlimit', 'noauth audit faultwrap projectlimit'),
                     ('/etc/cinder/api_audit_map.conf', f'{ROOT}/etc/cinder/api_audit_map.conf')):
        assert old in text
        text = text.replace(old, new)
    paste.write_text(text)
    with contextlib.ExitStack() as stack:
        tgtd = None
        if tgt.usable():
            tgtd = tgt.Tgtd(workspace / 'secure-tgt')
            tgtd.start()
            stack.callback(tgtd.stop)
        suite = Suite(workspace / 'secure', f'sqlite:///{workspace}/secure/state/c.sqlite',
                      'fake:/', tgtd, nodes=(Node('secure', ('all',)),), faults=False, options={
                          'DEFAULT': {'debug': True, 'osapi_volume_use_ssl': True,
                                      'api_paste_config': paste},
                          'ssl': {'cert_file': certificates / 'server.pem',
                                  'key_file': certificates / 'server.key',
                                  'ca_file': certificates / 'ca.pem'},
                          'oslo_middleware': {'enable_proxy_headers_parsing': True},
                          'audit_middleware_notifications': {'driver': 'log'},
                          'oslo_reports': {'log_dir': workspace / 'secure'},
                          'key_manager': {'fixed_key': SECRETS['key_manager']},
                          'keystone_authtoken': {'password': SECRETS['keystone_authtoken']},
                          'coordination': {'backend_url': f'file://{workspace}/secure/state'
                                           f'?password={SECRETS["database"]}'}})
        stack.callback(suite.stop)
        suite.manage('db', 'sync')
        suite.processes['all'].start()
        suite.processes['all'].wait_for(lambda: is_up(suite, certificates), 60)
        yield suite


def trusting(certificates, name='client'):
    context = ssl.create_default_context(cafile=certificates / 'ca.pem')
    if name:
        context.load_cert_chain(certificates / f'{name}.pem', certificates / f'{name}.key')
    return context


def call(service, certificates, method, path, body=None, **headers):
    """(status, JSON or None, headers)"""
    connection = http.client.HTTPSConnection('127.0.0.1', service.port, timeout=20,
                                             context=trusting(certificates))
    sent = {'X-Auth-Token': f'tester:{PROJECT}', 'Content-Type': 'application/json',
            'OpenStack-API-Version': 'volume 3.71', 'X-User-Id': 'u1', 'X-Project-Id': PROJECT,
            'X-Service-Catalog': json.dumps(CATALOG), **headers}
    with contextlib.closing(connection):
        connection.request(method, path, json.dumps(body) if body else None, sent)
        answer = connection.getresponse()
        raw = answer.read()
    return answer.status, json.loads(raw) if raw else None, dict(answer.getheaders())


def is_up(service, certificates):
    try:
        found = call(service, certificates, 'GET', '/v3/os-services')[1]
    except OSError:
        return False
    return {'cinder-scheduler', 'cinder-volume'} <= {
        row['binary'] for row in found['services'] if row['state'] == 'up'}


# ------------------------------------------------------------------------------------------- TLS
def test_a_client_with_its_certificate_is_served(service, certificates):
    assert call(service, certificates, 'GET', '/v3/volumes')[0] == 200


def test_one_without_is_not_and_neither_is_plain_http(service, certificates):
    with pytest.raises((ssl.SSLError, ConnectionError)), \
            socket.create_connection(('127.0.0.1', service.port), 10) as raw, \
            trusting(certificates, None).wrap_socket(raw, server_hostname='127.0.0.1') as sock:
        sock.sendall(b'GET / HTTP/1.1\r\nHost: x\r\n\r\n')
        # With TLS 1.3 the server's refusal comes in place of its answer.
        if not sock.recv(1):
            raise ConnectionError('closed')
    with socket.create_connection(('127.0.0.1', service.port), 10) as raw:
        raw.sendall(b'GET / HTTP/1.1\r\nHost: x\r\n\r\n')
        assert b'HTTP/' not in raw.recv(100)


@pytest.mark.parametrize('version', [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_versions_are_refused(service, certificates, version):
    context = trusting(certificates)
    context.minimum_version = context.maximum_version = version
    context.set_ciphers('ALL:@SECLEVEL=0')
    with pytest.raises(ssl.SSLError), \
            socket.create_connection(('127.0.0.1', service.port), 10) as raw:
        context.wrap_socket(raw, server_hostname='127.0.0.1')


def test_who_never_shakes_hands_keeps_nobody_out(service, certificates):
    with socket.create_connection(('127.0.0.1', service.port), 10):
        assert call(service, certificates, 'GET', '/v3/volumes')[0] == 200


# ---------------------------------------------------------------------------------- proxy, audit
def test_a_proxy_is_believed_where_the_option_says_so(service, certificates):
    _status, body, _headers = call(service, certificates, 'GET', '/', **{
        'X-Forwarded-Proto': 'https', 'X-Forwarded-Host': 'volume.example.org'})
    links = body['versions'][0]['links']
    assert {'rel': 'self', 'href': 'https://volume.example.org/v3/'} in links
    _status, body, _headers = call(service, certificates, 'GET', '/', **{
        'X-Forwarded-Proto': 'https, http', 'X-Forwarded-Host': 'a.example.org, inside'})
    links = body['versions'][0]['links']
    assert {'rel': 'self', 'href': 'https://a.example.org/v3/'} in links


def events(service):
    """The CADF events in the log, which has each as one line."""
    text = service.processes['all'].log.read_text()
    return [json.loads(line) for line in re.findall(r'audit\.http\.\w+ \[.*?\] (\{.*\})', text)]


def test_requests_leave_an_audit_trail(service, certificates):
    status, body, headers = call(service, certificates, 'POST', f'/v3/{PROJECT}/volumes',
                                 {'volume': {'size': 1}})
    assert status == 202
    call(service, certificates, 'POST', f'/v3/{PROJECT}/volumes/nowhere/action',
         {'os-extend': {'new_size': 2}})
    call(service, certificates, 'GET', f'/v3/{PROJECT}/volumes/{body["volume"]["id"]}')
    request_id, = (value for name, value in headers.items()
                   if name.lower() == 'x-openstack-request-id')
    found = [event['payload'] for event in events(service)]
    mine = [one for one in found if one['initiator'].get('request_id') == request_id]
    assert [one['outcome'] for one in mine] == ['pending', 'success']
    assert mine[-1]['action'] == 'create' and mine[-1]['initiator']['id'] == 'u1'
    assert mine[-1]['initiator']['credential']['token'] == '***'
    assert mine[-1]['target']['typeURI'] == 'service/storage/block/volumes'
    seen = {(one['action'], one['outcome']) for one in found}
    assert {('update/os-extend', 'failure'), ('read', 'success')} <= seen


# --------------------------------------------------------------------------------------- secrets
def make_secrets(service, certificates) -> list[str]:
    """Do what has secrets in it, also wrongly; returns them."""
    def ask(method, path, body=None):
        return call(service, certificates, method, f'/v3/{PROJECT}{path}', body)

    volume = ask('POST', '/volumes', {'volume': {'size': 1}})[1]['volume']['id']
    wait_until(lambda: ask('GET', f'/volumes/{volume}')[1]['volume']['status'] == 'available', 30,
               'the volume')
    transfer = ask('POST', '/volume-transfers', {'transfer': {'volume_id': volume}})[1]['transfer']
    path = f'/volume-transfers/{transfer["id"]}/accept'
    assert ask('POST', path, {'accept': {'auth_key': [transfer['auth_key']]}})[0] == 400
    assert ask('POST', path, {'accept': {'auth_key': transfer['auth_key'] + 'x'}})[0] == 400
    assert ask('POST', path, {'accept': {'auth_key': transfer['auth_key']}})[0] == 202
    status, body, _headers = ask('POST', '/attachments', {'attachment': {
        'volume_uuid': volume, 'connector': CONNECTOR, 'instance_uuid': volume}})
    assert status == 200
    kind = ask('POST', '/types', {'volume_type': {'name': 'locked'}})[1]['volume_type']['id']
    assert ask('POST', f'/types/{kind}/encryption', {'encryption': {
        'provider': 'luks', 'control_location': 'front-end', 'cipher': 'aes-xts-plain64',
        'key_size': 256}})[0] == 200
    locked = ask('POST', '/volumes', {'volume': {'size': 1, 'volume_type': kind}})[1]['volume']
    assert ask('GET', f'/volumes/{locked["id"]}/encryption')[1]['encryption_key_id']
    made = [transfer['auth_key']]
    if service.tgtd:
        made.append(body['attachment']['connection_info']['auth_password'])
    with contextlib.closing(sqlite3.connect(service.state / 'c.sqlite')) as database:
        for auth, in database.execute('SELECT provider_auth FROM volumes'):
            made += auth.split()[2:] if auth else []
    return made


def test_no_secret_is_in_what_was_written_or_shown(service, certificates):
    secrets = [*SECRETS.values(), *make_secrets(service, certificates)]
    assert len(secrets) >= (6 if service.tgtd else 4)
    service.processes['all'].signal(signal.SIGUSR2)
    wait_until(lambda: list(service.directory.glob('*gurumeditation*')), 20, 'the report')
    shown = {'config list': service.manage('config', 'list')}
    for option in ('coordination.backend_url', 'key_manager.fixed_key'):
        shown[option] = service.manage('config', 'list', option)
    for path in [*service.directory.glob('*gurumeditation*'), *service.directory.rglob('*.log')]:
        shown[path.name] = path.read_text(errors='replace')
    assert 'fixed_key' in shown['config list'] and 'DEBUG' in shown['all-secure.log']
    assert [(name, secret[:6]) for name, text in shown.items() for secret in secrets
            if secret in text] == []


def test_files_of_the_service_are_its_own(service):
    modes = {path.name: path.stat().st_mode & 0o007 for path in service.state.rglob('*')}
    assert len(modes) > 3 and {name for name, mode in modes.items() if mode} == set()


def test_a_readable_configuration_was_told_at_the_start(service):
    log = service.processes['all'].log.read_text()
    assert re.search(r'WARNING .*Unsafe permissions: chmod o-rwx .*secure\.conf: every user of '
                     r'this host can read it, and it contains .*fixed_key', log)
