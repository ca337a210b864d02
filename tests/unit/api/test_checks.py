# SPDX-License-Identifier: Apache-2.0
"""What the API cannot work with is found before it listens: TLS, paste, policy, list filters."""
import contextlib
import datetime
import pathlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from cinder import policy
from cinder.api import checks, paste_file
from cinder.conf import CONF, server
from tests import paste_styles

OURS = pathlib.Path(__file__).parents[3] / 'etc/cinder/api-paste.ini'


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """A certificate with its key, another key, an encrypted one, and what is none of them."""
    folder = tmp_path_factory.mktemp('tls')
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, 'localhost')])
    key, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    now = datetime.datetime.now(datetime.UTC)
    made = (x509.CertificateBuilder().subject_name(name).issuer_name(name)
            .public_key(key.public_key()).serial_number(1).not_valid_before(now)
            .not_valid_after(now + datetime.timedelta(days=1)).sign(key, hashes.SHA256()))
    for file, content in {
            'cert': made.public_bytes(serialization.Encoding.PEM), 'key': _pem(key),
            'other': _pem(other), 'text': b'nonsense', 'encrypted': _pem(
                key, serialization.BestAvailableEncryption(b'secret'))}.items():
        (folder / file).write_bytes(content)
    return folder


def _pem(key, encryption=None):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        encryption or serialization.NoEncryption())


@contextlib.contextmanager
def options(group=None, **values):
    for name, value in values.items():
        CONF.set_override(name, value, group)
    try:
        yield
    finally:
        for name in values:
            CONF.clear_override(name, group)


def told(check):
    found = list(check(CONF))
    assert all(problem.fatal and '\n' not in problem.text for problem in found)
    return ' '.join(problem.text for problem in found)


@pytest.mark.parametrize(('section', 'words'), [
    ({}, None), ({'version': 'tlsv1_2'}, None), ({'ca_file': 'cert'}, None),
    ({'ciphers': 'ECDHE-ECDSA-AES128-GCM-SHA256'}, None),
    ({'cert_file': None, 'key_file': None}, 'cert_file'), ({'key_file': None}, 'key_file'),
    ({'cert_file': 'none'}, 'none'), ({'ca_file': 'none'}, 'none'),
    ({'key_file': 'other'}, 'mismatch'), ({'key_file': 'text'}, 'PEM'),
    ({'cert_file': 'text'}, 'PEM'), ({'ca_file': 'text'}, 'cert'),
    ({'key_file': 'encrypted'}, 'encrypted'), ({'version': 'tlsv9'}, 'tlsv9'),
    ({'version': 'tlsv1'}, 'tlsv1'), ({'ciphers': 'pigeon'}, 'pigeon'),
    ({'ciphers': 'ECDHE-RSA-AES128-GCM-SHA256', 'version': 'tlsv1_2'}, 'ECDHE-RSA'),
])
def test_tls(files, section, words):
    server.register(CONF)
    section = {'cert_file': 'cert', 'key_file': 'key', **section}
    section = {name: f'{files}/{value}' if name.endswith('_file') and value else value
               for name, value in section.items()}
    with options(osapi_volume_use_ssl=True), options('ssl', **section):
        text = told(checks.check_tls)
    assert words in text if words else not text
    with options('ssl', **section):
        assert not told(checks.check_tls), 'TLS is not asked for'


@pytest.mark.parametrize(('content', 'words'), [
    ('[composite:osapi_volume]\nuse = egg:Paste#urlmap\n', None), ('[composite\n', 'file'),
    ('a = b\n', 'no section headers'), (b'[a]\nb = \xff\n', 'utf-8'), (None, 'does not exist')])
def test_paste_file(tmp_path, content, words):
    path = tmp_path / 'paste.ini'
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    server.register(CONF)
    with options(api_paste_config=str(path)):
        text = told(checks.check_paste_file)
    assert f'api_paste_config = {path}' in text and words in text if words else not text


@pytest.mark.parametrize(('content', 'words'), [
    ('{}', None), ('{"volume": ["name"]}', None), (None, None), ('[', 'Expecting value'),
    ('[]', 'expected'), ('{"volume": "name"}', 'expected'), ('{"volume": [1]}', 'expected')])
def test_filters_file(tmp_path, content, words):
    path = tmp_path / 'filters.json'
    if content is not None:
        path.write_text(content)
    with options(resource_query_filters_file=str(path)):
        text = told(checks.check_filters_file)
    assert f'resource_query_filters_file = {path}' in text and words in text if words else not text


@pytest.mark.parametrize(('content', 'broken'), [
    ('', False), ('"volume:get": "role:reader"\n', False), ('"volume:get": "is_admn)"\n', True),
    ('a: [\n', True), ('- a\n', True)])
def test_policy_file(tmp_path, content, broken):
    path = tmp_path / 'policy.yaml'
    path.write_text(content)
    policy.reset()
    with options('oslo_policy', policy_file=str(path)):
        try:
            text = told(checks.check_policy_file)
        finally:
            policy.reset()
    assert (str(path) in text) is broken


@pytest.mark.parametrize('option', paste_file.READERS)
def test_options_that_no_filter_reads(option, tmp_path):
    server.register(CONF)
    path = paste_styles.write(tmp_path / 'api-paste.ini', paste_styles.STYLES['charm'])
    for file, expected in ((path, [option]), (OURS, [])):
        with options(api_paste_config=str(file), **{option: 5.0}):
            found = list(checks.check_paste_filters(CONF))
        assert not any(problem.fatal for problem in found)
        assert [problem.text.split()[1] for problem in found] == expected
