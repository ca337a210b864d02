# SPDX-License-Identifier: Apache-2.0
"""What is special to S3; tests/unit/backup/object_store has the rest."""
import base64
import hashlib

import pytest

from cinder import exception, objects
from cinder.backup import driver
from cinder.backup.drivers.s3 import S3BackupDriver
from tests.fakes import object_store
from tests.unit.backup.object_store.conftest import (
    S3_OPTIONS,
    SECRET,
    options,
    quick,
    read,
    write,
)

KEY = 'KeyOfTheCustomer'.ljust(32, '!')


@pytest.fixture
def make(conf):
    def make(**values):
        made = quick(S3BackupDriver(options(conf, S3_OPTIONS | values)), object_store.S3())
        made.connections.containers['c'] = {}
        return made
    return make


@pytest.mark.parametrize(('values', 'text'), [
    ({'backup_s3_endpoint_url': None}, 'needs backup_s3_endpoint_url: not set'),
    ({'backup_s3_store_access_key': None, 'backup_s3_store_secret_key': ''},
     'needs backup_s3_store_access_key, backup_s3_store_secret_key: not set'),
    ({'backup_s3_store_bucket': ''}, 'needs backup_s3_store_bucket'),
    ({'backup_s3_endpoint_url': 'store:80'}, 'backup_s3_endpoint_url = store:80 cannot be used'),
    ({'backup_s3_endpoint_url': f'http://u:{SECRET}@store'}, 'it contains a user'),
    ({'backup_s3_https_proxy': f'u:{SECRET}@proxy:1'}, 'backup_s3_https_proxy = .* cannot'),
    ({'backup_s3_ca_cert_file': '/no/such'}, 'backup_s3_ca_cert_file = /no/such cannot be read'),
    ({'backup_s3_object_size': 1000}, 'backup_s3_object_size = 1000 is not a multiple of'),
    ({'backup_s3_retry_mode': 'eager'}, 'eager is not one of: legacy, standard, adaptive'),
    ({'backup_s3_sse_customer_key': KEY}, 'must both be set'),
    ({'backup_s3_sse_customer_algorithm': 'AES256'}, 'must both be set'),
    ({'backup_s3_sse_customer_algorithm': 'ROT13', 'backup_s3_sse_customer_key': KEY},
     'ROT13 is not one of: AES256'),
    ({'backup_s3_sse_customer_algorithm': 'AES256', 'backup_s3_sse_customer_key': KEY[1:]},
     'has 31 bytes; AES256 needs 32')])
def test_options_that_cannot_be_used_are_refused(make, values, text):
    with pytest.raises(exception.InvalidConfigurationValue, match=text) as told:
        make(**values)
    assert SECRET not in str(told.value) and KEY[1:] not in str(told.value)


def test_it_is_loaded_by_the_path_of_the_original(conf):
    options(conf, S3_OPTIONS)
    conf.set_override('backup_driver', 'cinder.backup.drivers.s3.S3BackupDriver')
    loaded = driver.load(conf)
    assert type(loaded) is S3BackupDriver and loaded.block_size == 32768


@pytest.mark.parametrize(('name', 'valid'), [
    (None, True), ('my.bucket-1_X', True), ('ab', False), ('a/b', False), ('..', False),
    ('../up', False), ('bücket', False), ('x' * 256, False), ('abc?x=', False)])
def test_buckets_have_valid_names(make, name, valid):
    backup = objects.Backup(container=name)
    if valid:
        assert make().container_of(backup) == name or name is None
    else:
        with pytest.raises(exception.InvalidBackupContainer):
            make().container_of(backup)
    assert make().container_of(objects.Backup(container=None)) == 'volumebackups'


def test_the_region_that_the_store_names_is_used_from_then_on(make):
    store = make()
    store.connections.region = 'eu-central-7'
    write(store, 'o', b'x')
    assert read(store, 'o') == b'x' and len(store.connections.requests) == 3
    store.create_container('new')
    assert store.pauses == []


def test_a_bucket_that_another_process_has_just_created_is_used(make):
    store = make()
    store.connections.faults = [object_store.Answer(404)]
    store.create_container('c')
    assert [method for method, *_rest in store.connections.requests] == ['GET', 'PUT', 'GET']


@pytest.mark.parametrize('verify', [True, False])
def test_the_digest_is_sent_and_compared_if_it_is_to_be(make, verify):
    store = make(backup_s3_md5_validation=verify)
    wrong = object_store.Answer(200, {'ETag': object_store.etag(b'other')})
    store.connections.faults = [wrong]
    write(store, 'o', b'content')
    sent = store.connections.requests[0][2].get('Content-MD5')
    assert sent == (object_store.md5(b'content') if verify else None)
    assert len(store.connections.requests) == (2 if verify else 1)


def test_the_key_of_the_customer_goes_with_each_object_and_nowhere_else(make):
    store = make(backup_s3_sse_customer_algorithm='AES256', backup_s3_sse_customer_key=KEY)
    # Its ETag is not the digest of the content.
    store.connections.faults = [object_store.Answer(200, {'ETag': object_store.etag(b'cipher')})]
    write(store, 'o', b'plain')
    store.connections.containers['c']['o'] = b'plain'
    assert read(store, 'o') == b'plain'
    store.names('c', '')
    store.delete('c', 'o')
    prefix = 'x-amz-server-side-encryption-customer-'
    expected = {f'{prefix}algorithm': 'AES256',
                f'{prefix}key': base64.b64encode(KEY.encode()).decode(),
                f'{prefix}key-MD5': base64.b64encode(hashlib.md5(KEY.encode()).digest()).decode()}
    found = [{name: value for name, value in headers.items() if name.startswith(prefix)}
             for _method, _path, headers in store.connections.requests]
    assert found == [expected, expected, {}, {}]


@pytest.mark.parametrize('scheme', ['http', 'https'])
def test_a_key_that_is_sent_in_the_open_is_told(make, scheme):
    store = make(backup_s3_sse_customer_algorithm='AES256', backup_s3_sse_customer_key=KEY,
                 backup_s3_endpoint_url=f'{scheme}://store')
    found = [problem.text for problem in store.problems() if not problem.fatal]
    assert len(found) == (scheme == 'http') and KEY not in ''.join(found)


@pytest.mark.parametrize(('endpoint', 'digest'), [
    ('http://store', hashlib.sha256(b'x').hexdigest()), ('https://store', 'UNSIGNED-PAYLOAD')])
def test_the_digest_of_the_body_is_signed_where_tls_does_not_protect_it(make, endpoint, digest):
    store = make(backup_s3_endpoint_url=endpoint)
    write(store, 'o', b'x')
    assert store.connections.requests[0][2]['x-amz-content-sha256'] == digest


@pytest.mark.parametrize(('status', 'code', 'kind'), [
    (403, 'SignatureDoesNotMatch', exception.BackupStoreRefused),
    (403, 'RequestTimeTooSkewed', exception.BackupStoreRefused),
    (403, 'QuotaExceeded', exception.BackupStoreFull),
    (400, 'EntityTooLarge', exception.BackupStoreError),
    (400, 'RequestTimeout', exception.BackupStoreUnavailable),
    (400, 'BadDigest', exception.BackupStoreUnavailable),
    (400, 'MalformedXML', exception.BackupStoreError)])
def test_codes_tell_more_than_the_status(make, status, code, kind):
    store = make()
    store.connections.faults = [store.connections.error(status, code)] * 9
    with pytest.raises(exception.BackupStoreError, match=code) as told:
        write(store, 'o', b'')
    assert type(told.value) is kind


def test_a_list_that_cannot_be_read_is_asked_for_again(make):
    store = make()
    store.connections.containers['c'] = {'a': b''}
    store.connections.faults = [object_store.Answer(200, {}, b'<html>')]
    assert store.names('c', '') == ['a']


def test_a_list_whose_rest_cannot_be_asked_for_is_refused(make):
    store = make()
    store.connections.faults = [object_store.Answer(
        200, {}, b'<ListBucketResult><Key>a</Key><IsTruncated>true</IsTruncated>'
                 b'</ListBucketResult>')]
    with pytest.raises(exception.BackupStoreError, match='c: .*not complete.*ListObjectsV2'):
        store.names('c', '')


def test_a_bucket_that_another_process_is_deleting_is_created_afterwards(make):
    store = make()
    store.connections.faults = [None, store.connections.error(409, 'OperationAborted')]
    store.create_container('new')
    assert 'new' in store.connections.containers and len(store.pauses) == 1
