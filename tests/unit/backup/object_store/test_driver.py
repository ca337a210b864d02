# SPDX-License-Identifier: Apache-2.0
"""What both drivers of object stores do with objects, and with the faults of a store."""
import datetime
import email.utils
import itertools
import logging

import pytest

from cinder import exception, objects
from cinder.backup.object_store import download, driver, faults, memory
from tests.fakes.object_store import Answer, etag
from tests.unit.backup.object_store.conftest import SECRET, read, write

CONTENT = bytes(range(256)) * 2
RETRIES = 4


def test_what_is_written_is_read_listed_and_deleted(store):
    names = [f'volume_1/az_ü &<>"_{number}' for number in range(5)]
    for name in names:
        write(store, name, CONTENT, b'x', b'')
    write(store, 'other', b'')
    assert store.names('c', 'volume_1/') == names and store.names('c', 'none') == []
    assert (read(store, names[2]), read(store, 'other')) == (CONTENT + b'x', b'')
    for name in (*names, *names, 'other'):
        store.delete('c', name)
    assert store.connections.containers['c'] == {} and store.names('c', '') == []
    assert store.names('no-such', '') == []
    store.delete('no-such', 'x')
    store.delete_container('c')


def test_an_object_is_written_when_the_block_ends_without_an_error(store):
    with pytest.raises(KeyboardInterrupt), store.writer('c', 'o') as stream:
        stream.write(CONTENT)
        raise KeyboardInterrupt
    assert store.connections.requests == []


def test_a_large_object_is_kept_in_a_file_and_verified_at_its_end(store, tmp_path, monkeypatch):
    store.conf.set_override('state_path', str(tmp_path))
    store.object_size = 1000
    parts = [bytes([number]) * 100_000 for number in range(5)]
    write(store, 'o', *parts, b'end')
    assert store.connections.containers['c']['o'] == b''.join(parts) + b'end'
    assert list(tmp_path.iterdir()) == []
    store.connections.containers['c']['o'] = CONTENT * 2
    assert read(store, 'o') == CONTENT * 2
    store.connections.faults = [lambda answer: Answer(200, dict(answer.headers),
                                                      bytes(len(CONTENT * 2)))]
    with pytest.raises(exception.BackupDataError, match='c/o.*MD5'):
        read(store, 'o')
    store.conf.clear_override('state_path')


def test_names_of_objects_have_the_form_of_the_original(store):
    backup = objects.Backup(id='b', volume_id='v', availability_zone='nova',
                            created_at=datetime.datetime(2026, 11, 30, 1, 2, 3))
    assert store.prefix_of(backup) == 'volume_v/20261130010203/az_nova_backup_b'
    backup.availability_zone = 'z' * 255
    assert len(store.prefix_of(backup).replace('_b', '_' + 'b' * 36)) < 255


def test_the_container_is_created_once(store):
    store.create_container('new')
    assert 'new' in store.connections.containers
    store.connections.containers['new']['o'] = b''
    store.connections.requests.clear()
    store.create_container('new')
    assert store.connections.containers['new'] == {'o': b''}
    assert {method for method, _path, _headers in store.connections.requests} <= {'GET', 'HEAD'}


def test_a_missing_container_is_named_if_none_is_to_be_created(store):
    store.conf.set_override('backup_create_containers', False)
    store.create_container('c')
    with pytest.raises(exception.BackupStoreRefused, match='new.*backup_create_containers'):
        store.create_container('new')
    assert 'new' not in store.connections.containers and store.pauses == []


# -------------------------------------------------------------------------------------- faults
def status(number, **headers):
    return Answer(number, {name.replace('_', '-'): value for name, value in headers.items()})


def cut(after):
    """The connection ends after so many bytes."""
    def change(answer):
        answer._cut = after
        return answer
    return change


def short(count):
    """The answer is complete but for its last bytes."""
    def change(answer):
        answer._content = answer._content[:-count]
        return answer
    return change


def wrong(answer):
    answer._content = b'?' + answer._content[1:]
    return answer


TEMPORARY = {
    'outage': faults.Fault('ConnectionRefusedError'), 'reset': faults.Fault('ProtocolError'),
    'slow': faults.Fault('ReadTimeoutError', timed_out=True),
    **{str(number): status(number) for number in sorted(faults.TEMPORARY)}}


@pytest.mark.parametrize('fault', TEMPORARY.values(), ids=TEMPORARY)
@pytest.mark.parametrize('call', ['write', 'read', 'names', 'delete', 'create'])
def test_a_temporary_fault_is_retried_and_then_told(store, fault, call):
    def act():
        return {'write': lambda: write(store, 'o', CONTENT), 'read': lambda: read(store, 'o'),
                'names': lambda: store.names('c', 'o'), 'delete': lambda: store.delete('c', 'o'),
                'create': lambda: store.create_container('c')}[call]()
    store.connections.containers['c']['o'] = CONTENT
    store.connections.faults = [fault] * RETRIES
    assert act() == {'read': CONTENT, 'names': ['o']}.get(call)
    assert len(store.pauses) == RETRIES
    store.connections.containers['c']['o'] = CONTENT
    store._recent = driver.Recent()
    store.connections.faults = [fault] * (RETRIES + 1)
    with pytest.raises(exception.BackupStoreUnavailable, match=f'c.*{RETRIES + 1} times'):
        act()


@pytest.mark.parametrize('number', [429, 498, 503])
def test_a_store_that_limits_the_rate_of_requests_is_asked_again(store, number):
    store.connections.faults = [status(number, Retry_After='7')]
    write(store, 'o', CONTENT)
    assert len(store.pauses) == 1 and store.pauses[0] >= 7


def test_a_deleted_object_is_deleted_although_the_first_answer_was_lost(store):
    def lost(_answer):
        raise faults.Fault('reset')
    store.connections.containers['c']['o'] = b''
    store.connections.faults = [lost]
    store.delete('c', 'o')
    assert store.connections.containers['c'] == {}


BAD_CONTENT = {'cut': cut(300), 'short': short(1), 'wrong': wrong, 'cut at once': cut(0)}


@pytest.mark.parametrize('fault', BAD_CONTENT.values(), ids=BAD_CONTENT)
def test_content_that_is_short_or_wrong_is_read_again(store, fault):
    store.connections.containers['c']['o'] = CONTENT
    store.connections.faults = [fault, fault]
    assert read(store, 'o') == CONTENT
    assert [answer.closed for answer in store.connections.answers] == [
        True for _answer in store.connections.answers]


def test_reads_verify_in_memory_as_long_as_there_is_some(store):
    store._memory = memory.Memory(len(CONTENT) + 10)
    store.connections.containers['c']['o'] = CONTENT
    with store.reader('c', 'o'):
        # There is no memory for another one.
        store.connections.faults = [wrong]
        with pytest.raises(exception.BackupDataError, match='c/o.*MD5'):
            read(store, 'o')
        store.connections.faults = [cut(300)]
        assert read(store, 'o') == CONTENT
    store.connections.faults = [wrong]
    assert read(store, 'o') == CONTENT
    assert store._memory._free == len(CONTENT) + 10


@pytest.mark.parametrize('size', [65536, 100], ids=['in memory', 'streamed'])
def test_an_interrupted_read_goes_on_where_it_was(store, size):
    store.object_size = size
    store.connections.containers['c']['o'] = CONTENT
    store.connections.faults = [cut(300), cut(100)]
    assert read(store, 'o', 1000) == CONTENT
    asked = [(headers.get('Range'), headers.get('If-Match'))
             for _method, _path, headers in store.connections.requests]
    assert asked == [(None, None), ('bytes=300-', etag(CONTENT)), ('bytes=400-', etag(CONTENT))]


def test_a_store_that_knows_no_ranges_begins_anew(store):
    store.connections.containers['c']['o'] = CONTENT
    store.connections.faults = [cut(300), Answer(200, {'ETag': etag(CONTENT)}, CONTENT)]
    assert read(store, 'o') == CONTENT


def test_an_object_that_changes_meanwhile_is_refused(store):
    def change(answer):
        store.connections.containers['c']['o'] = CONTENT[::-1]
        return cut(300)(answer)
    store.connections.containers['c']['o'] = CONTENT
    store.connections.faults = [change]
    with pytest.raises(exception.BackupDataError, match='c/o.*has changed'):
        read(store, 'o')


@pytest.mark.parametrize('size', [65536, 100], ids=['in memory', 'streamed'])
def test_an_object_that_is_longer_than_announced_is_refused(store, size):
    """Its first answer was interrupted, and the store ignores If-Match."""
    store.object_size = size
    store.connections.containers['c']['o'] = CONTENT
    longer = CONTENT * 2
    store.connections.faults = [cut(300), Answer(
        206, {'Content-Range': f'bytes 300-{len(longer) - 1}/{len(longer)}'}, longer[300:])]
    with pytest.raises(exception.BackupDataError, match=f'c/o.*more than the {len(CONTENT)} bytes'):
        read(store, 'o')


def test_a_read_that_never_gets_further_ends(store):
    store.object_size = 0
    store.connections.containers['c']['o'] = CONTENT
    store.connections.faults = [cut(1)] * 100
    with pytest.raises(exception.BackupStoreUnavailable):
        read(store, 'o')
    assert len(store.pauses) == RETRIES


def test_after_enough_bytes_all_retries_are_there_again(store, monkeypatch):
    monkeypatch.setattr(download, 'RENEWED_BYTES', 10)
    store.connections.containers['c']['o'] = CONTENT
    store.connections.faults = [cut(10)] * 50
    assert read(store, 'o') == CONTENT


def test_a_server_that_sends_a_few_bytes_at_a_time_is_too_slow(store, monkeypatch):
    clock = itertools.count(0, 50)
    monkeypatch.setattr(download.time, 'monotonic', lambda: next(clock))
    store.connections.containers['c']['o'] = CONTENT
    with pytest.raises(exception.BackupStoreUnavailable, match='only 10 bytes came in 100 s'):
        read(store, 'o')


def test_a_written_object_with_another_digest_is_written_again(store):
    store.connections.faults = [Answer(201, {'ETag': etag(b'other')})]
    write(store, 'o', CONTENT)
    assert store.connections.containers['c']['o'] == CONTENT and len(store.pauses) == 1


# ------------------------------------------------------------------------- eventual consistency
def test_a_listed_object_that_is_not_there_yet_is_waited_for(store):
    store.connections.containers['c']['o'] = CONTENT
    store.connections.faults = [status(404), None] * 2
    assert read(store, 'o') == CONTENT


def test_a_missing_object_is_not_waited_for(store):
    with pytest.raises(exception.BackupObjectNotFound, match='c/o'):
        read(store, 'o')
    assert store.pauses == []


def test_a_written_object_that_is_not_listed_yet_is_known(store):
    write(store, 'p-1', CONTENT)
    hidden = store.connections.containers['c'].pop('p-1')
    assert store.names('c', 'p') == ['p-1'] and store.names('d', 'p') == []
    store.connections.faults = [status(404), status(404)]
    store.connections.containers['c']['p-1'] = hidden
    assert read(store, 'p-1') == CONTENT
    store.delete('c', 'p-1')
    assert store.names('c', 'p') == []


def test_what_was_written_long_ago_is_as_the_store_says(store, monkeypatch):
    write(store, 'p-1', CONTENT)
    store.connections.containers['c'].clear()
    monkeypatch.setattr(driver, 'SETTLING_SECONDS', -1)
    assert store.names('c', 'p') == []


def test_a_new_container_that_is_not_there_yet_is_waited_for(store):
    store.connections.faults = [status(404), status(404)]
    write(store, 'o', CONTENT)
    with pytest.raises(exception.BackupStoreUnavailable, match='container none does not exist'):
        write(store, 'o', CONTENT, container='none')


# ---------------------------------------------------------------------------------- Retry-After
def test_retry_after_is_honoured_with_a_limit(store):
    store.connections.faults = [status(503, Retry_After='30'), status(429, Retry_After='100000')]
    store.delete('c', 'o')
    assert store.pauses == [30, faults.LONGEST_PAUSE]


@pytest.mark.parametrize(('value', 'seconds'), [
    ('7', 7), ('-7', 0), ('', 0), ('soon', 0), ('7.5', 0),
    (email.utils.formatdate(1000, usegmt=True), 0)])
def test_retry_after_may_be_anything(value, seconds):
    assert faults.retry_after(value) == seconds


def test_retry_after_may_be_a_date(monkeypatch):
    monkeypatch.setattr(faults.time, 'time', lambda: 1000)
    assert faults.retry_after(email.utils.formatdate(1042, usegmt=True)) == 42
    assert faults.retry_after('Thu, 01 Jan 1970 00:17:22 -0000') == 42


# ---------------------------------------------------------------------------------- refusals
REFUSED = {401: exception.BackupStoreRefused, 403: exception.BackupStoreRefused,
           400: exception.BackupStoreError, 405: exception.BackupStoreError,
           301: exception.BackupStoreError, 413: exception.BackupStoreError,
           507: exception.BackupStoreFull}


@pytest.mark.parametrize('number', REFUSED)
def test_a_refusal_is_told_at_once_and_without_secrets(store, caplog, number):
    caplog.set_level(logging.DEBUG)
    secrets = (SECRET, getattr(store.connections, 'token', 'AccessKey'))
    answer = Answer(number, {'Location': 'http://other'}, (
        f'<Error><Code>No</Code><Message>{secrets}\nand more</Message></Error>').encode())
    store.connections.faults = [answer] * 9
    with pytest.raises(REFUSED[number]) as told:
        write(store, 'o', CONTENT)
    assert type(told.value) is REFUSED[number] and store.pauses == []
    text = f'{told.value}{told.value.kwargs}{caplog.text}'
    assert all(secret not in text for secret in secrets) and '\n' not in str(told.value)


@pytest.mark.parametrize(('text', 'kind', 'told'), [
    ('Your request is too large.', exception.BackupStoreError,
     'too large.*; if no quota .* set a smaller {}$'),
    ('Upload exceeds quota.', exception.BackupStoreFull, 'quota')])
def test_what_is_too_large_is_told_from_a_store_that_is_full(store, text, kind, told):
    store.connections.faults = [Answer(413, {}, f'<Error><Message>{text}</Message>'.encode())]
    with pytest.raises(kind, match=told.format(store.SIZE_OPTION)) as raised:
        write(store, 'o', CONTENT)
    assert type(raised.value) is kind and store.pauses == []


def test_a_check_takes_one_attempt(store):
    store.connections.faults = [status(503)]
    with pytest.raises(exception.BackupStoreUnavailable):
        store.check()
    assert store.pauses == []
    store.check()
