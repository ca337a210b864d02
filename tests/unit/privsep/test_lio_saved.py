# SPDX-License-Identifier: Apache-2.0
"""The file of saved targets of LIO, in the form that rtslib 2.2 writes."""
import json

import pytest

from cinder.privsep import lio_saved


def target(name):
    return {'fabric': 'iscsi', 'wwn': f'iqn.{name}', 'tpgs': [{'tag': 1, 'luns': [
        {'index': 0, 'storage_object': f'/backstores/block/iqn.{name}'}]}]}


def storage(name, plugin='block'):
    return {'name': f'iqn.{name}', 'plugin': plugin, 'dev': f'/dev/{name}', 'wwn': name}


@pytest.fixture
def path(tmp_path, monkeypatch):
    made = tmp_path / 'saveconfig.json'
    made.write_text(json.dumps({
        'fabric_modules': [], 'targets': [target('a'), target('b')],
        'storage_objects': [storage('a'), storage('a', 'fileio'), storage('b')]}))
    monkeypatch.setattr(lio_saved, 'PATHS', (str(tmp_path / 'absent' / 'x'), str(made)))
    return made


def test_targets_are_removed_with_their_devices_and_others_stay(path):
    assert lio_saved.find() == {'iqn.a': str(path), 'iqn.b': str(path)}
    path.chmod(0o644)
    lio_saved.remove({'iqn.a', 'iqn.unknown'})
    assert lio_saved.find() == {'iqn.b': str(path)}
    assert json.loads(path.read_text()) == {
        'fabric_modules': [], 'targets': [target('b')],
        'storage_objects': [storage('a', 'fileio'), storage('b')]}
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_file_without_the_targets_is_not_written(path):
    before = path.stat().st_mtime_ns
    lio_saved.remove({'iqn.unknown'})
    assert path.stat().st_mtime_ns == before


def test_a_damaged_file_is_told_with_its_name(path):
    path.write_text('{')
    with pytest.raises(OSError, match=f'{path} is damaged'):
        lio_saved.find()
    path.write_text('[]')
    assert lio_saved.find() == {}


def test_a_file_that_cannot_be_replaced_stays(path, monkeypatch):
    def refuse(_source, _destination):
        raise OSError(28, 'No space left on device')
    before = path.read_text()
    monkeypatch.setattr(lio_saved.os, 'replace', refuse)
    with pytest.raises(OSError, match='No space'):
        lio_saved.remove({'iqn.a'})
    assert path.read_text() == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]
