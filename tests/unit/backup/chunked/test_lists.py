# SPDX-License-Identifier: Apache-2.0
"""_metadata and _sha256file: their form, and that anything else is refused with its place."""
import copy
import hashlib
import json
import random

import pytest

from cinder import exception
from cinder.backup.chunked import digests, json_stream, metadata, names
from cinder.backup.chunked.digests import Digests
from tests.fakes.backup_store import MemoryBackupDriver
from tests.unit.backup.chunked.conftest import Bench, shorten

DATA = random.Random(2).randbytes(3000) + bytes(3144)


@pytest.fixture(scope='module')
def written(tmp_path_factory):
    """A Bench, a full backup of DATA, and what the store then has."""
    bench = Bench(MemoryBackupDriver(2048), tmp_path_factory.mktemp('spool'))
    with pytest.MonkeyPatch.context() as patch:
        shorten(patch)
        backup = bench.full(DATA, volume_meta={'volume-base-metadata': {'id': 'v'},
                                               'volume-metadata': {'ä': '1'}})
    return bench, backup, dict(bench.store.containers['backups'])


@pytest.fixture
def made(written, small):
    """Copies of the Bench and the backup."""
    bench, backup, there = written
    bench = copy.copy(bench)
    bench.store = copy.copy(bench.store)
    bench.store.containers = {'backups': dict(there)}
    return bench, copy.deepcopy(backup)


def change(made, name, function):
    there = made[0].store.containers['backups']
    key = name(made[1].service_metadata)
    there[key] = function(there[key])


def test_both_lists_have_the_form_of_the_original(made):
    bench, backup = made
    there = bench.store.containers['backups']
    prefix = backup.service_metadata
    listed = json.loads(there[f'{prefix}_metadata'])
    facts = {'version': '1.0.0', 'backup_id': backup.id, 'volume_id': backup.volume_id,
             'backup_name': 'é "', 'backup_description': None,
             'created_at': '2026-11-29 13:59:20+00:00'}
    assert {key: listed[key] for key in facts} == facts and listed['parent_id'] is None
    assert json.loads(listed['volume_meta']) == {
        'version': 2, 'volume-base-metadata': {'id': 'v'}, 'volume-metadata': {'ä': '1'}}
    objects = {name: fact for each in listed['objects'] for name, fact in each.items()}
    assert set(there) == {*objects, f'{prefix}_metadata', f'{prefix}_sha256file'}
    for name, fact in objects.items():
        part = DATA[fact['offset']:fact['offset'] + fact['length']]
        assert set(fact) == {'offset', 'length', 'compression', 'md5'}
        assert fact['md5'] == hashlib.md5(part).hexdigest()
        assert fact['compression'] != 'none' or there[name] == part
    sums = json.loads(there[f'{prefix}_sha256file'])
    assert {key: sums[key] for key in facts} == facts and sums['chunk_size'] == 512
    assert sums['sha256s'] == [hashlib.sha256(DATA[start:start + 512]).hexdigest()
                               for start in range(0, len(DATA), 512)]


def test_they_are_read_as_they_were_written(made, tmp_path):
    bench, backup = made
    found = metadata.read(bench.store, backup)
    assert found.size == len(DATA) and found.volume_meta['volume-metadata'] == {'ä': '1'}
    with digests.read(bench.store, backup, str(tmp_path)) as known:
        assert known.count == 12 and known.is_zero(6, 6) and not known.is_zero(5, 2)
        assert known.get(0, 1) == hashlib.sha256(DATA[:512]).digest()


def set_value(*keys, value):
    """Change a value of a JSON text; the last key may be new."""
    def changed(text):
        whole = json.loads(text)
        *path, last = keys
        inner = whole
        for key in path:
            inner = next(iter(inner[key].values())) if key == 0 else inner[key]
        inner[last] = value
        return json.dumps(whole).encode()
    return changed


NUMBERS = [-1, 1.5, '7', None, True, 2**70, [], {}]
BAD_METADATA = [
    *(set_value('objects', 0, 'offset', value=value) for value in NUMBERS),
    *(set_value('objects', 0, 'length', value=value) for value in (0, *NUMBERS)),
    *(set_value('objects', 0, 'compression', value=value) for value in ('lzma', 1, None, [])),
    *(set_value('objects', 0, 'md5', value=value) for value in ('x', 'A' * 32, 1, None, '1' * 33)),
    *(set_value('objects', value=value) for value in (
        [[]], [{}], ['x'], [{'a': 1, 'b': 2}], [{'../x': {}}], [{'other-00001': {}}])),
    *(set_value('version', value=value) for value in ('2.0.0', None, 1, 'x' * 1000)),
    set_value('backup_id', value='another'), set_value('volume_size_bytes', value='x'),
    set_value('volume_size_bytes', value=100),
    *(set_value('volume_meta', value=value) for value in ('{', '[]', 1, '[' * 100000)),
    lambda text: set_value('objects', value=json.loads(text)['objects'][:1] * 2)(text)]
NO_JSON = [
    lambda text: b'', lambda text: text[:-1], lambda text: text[:len(text) // 2],
    lambda text: b'\xff\xfe' + text, lambda text: text + b'x', lambda text: text.replace(b',', b''),
    lambda text: b'[' * 10**6, lambda text: b'{"a":' * 10**5, lambda text: b'{"a": NaN}',
    lambda text: b'{"a": ' + b'9' * 10**6 + b'}', lambda text: b'{"a": "' + b'x' * 2**25,
    lambda text: b'{"a": 1, "a": 2}', lambda text: b'{1: 2}', lambda text: b' ' * 10**6,
    lambda text: b'{' + b','.join(b'"%d": 1' % number for number in range(200)) + b'}',
    lambda text: text.replace(b'1.0.0', b'1.0.\xff')]
BAD_DIGESTS = [
    *(set_value('chunk_size', value=value) for value in (0, 511, 2**40, *NUMBERS)),
    *(set_value('sha256s', value=value) for value in (
        [1], ['x'], ['0' * 63], ['0' * 64], ['a' * 64, None], {}, None, 'a' * 64, [['a' * 64]])),
    set_value('version', value='0.9'), set_value('backup_id', value='another'),
    lambda text: text.replace(b'chunk_size', b'another')]


@pytest.mark.parametrize('damage', BAD_METADATA + NO_JSON)
def test_another_list_of_objects_is_refused(made, damage):
    bench, backup = made
    change(made, names.metadata, damage)
    with pytest.raises(exception.BackupDataError, match='backups/volume_.*_metadata'):
        metadata.read(bench.store, backup)


@pytest.mark.parametrize('damage', BAD_DIGESTS + NO_JSON)
def test_another_list_of_digests_is_refused(made, damage, tmp_path):
    bench, backup = made
    change(made, names.digests, damage)
    with pytest.raises(exception.BackupDataError, match='backups/volume_.*_sha256file'):
        digests.read(bench.store, backup, str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_objects_that_overlap_are_named(made):
    bench, backup = made
    change(made, names.metadata, set_value('objects', 0, 'length', value=2500))
    with pytest.raises(exception.BackupDataError, match='-00002, offset 2048 .* overlaps with'):
        metadata.read(bench.store, backup)


def test_the_size_of_a_backup_of_the_original_is_that_of_its_row(made):
    bench, backup = made
    change(made, names.metadata, lambda text: text.replace(b'volume_size_bytes', b'x'))
    assert metadata.read(bench.store, backup).size == 2**30


@pytest.mark.parametrize('most', [1, 70, 2**20])
def test_a_long_list_is_read_in_runs_whatever_its_layout(made, tmp_path, most, monkeypatch):
    bench, backup = made
    bench.store.most = most
    monkeypatch.setattr(json_stream, '_PIECE', 100)
    for layout in ({'indent': 2}, {'separators': (',', ':')}, {'indent': '\t\t'}):
        change(made, names.digests, lambda text, layout=layout: json.dumps(
            json.loads(text), **layout).encode())
        with digests.read(bench.store, backup, str(tmp_path)) as known:
            assert known.get(5, 1) == hashlib.sha256(DATA[2560:3072]).digest()
            assert known.count == 12


def test_zeros_cost_no_space(tmp_path):
    with Digests(str(tmp_path), 32768) as known:
        known.put(0, bytes(32 * 2**20))
        known.put(2**20, b'x' * 32)
        assert known._file.size() == 32 * 2**20 + 32
        assert known.is_zero(0, 2**20) and known.count == 2**20 + 1


@pytest.mark.parametrize(('name', 'expected'), [
    ('p-00001', True), ('p-123456', True), ('p_metadata', True), ('p_sha256file', True),
    ('p_progress-00001', True), ('p-00001.0123abcd.part', True), ('p', False), ('p-1', False),
    ('p-00001x', False), ('p_x', False), ('px_metadata', False), ('q-00001', False)])
def test_which_objects_are_those_of_a_prefix(name, expected):
    assert names.is_of('p', name) is expected
