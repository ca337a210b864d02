# SPDX-License-Identifier: Apache-2.0
"""Objects cross the bus as what the receiver understands, and come back equal."""
import datetime

import pytest

from cinder import exception, objects
from cinder.objects import base

objects.register_all()


def _volume(**values):
    return objects.Volume(**{'id': 'v1', 'size': 1, 'status': 'creating', 'name_id': None,
                             'metadata': {'a': 'b'}, **values})


def test_history_names_each_object_with_its_version():
    known = base.manifest(base.CURRENT_VERSION)
    registered = base.CinderObjectRegistry.obj_classes()
    assert known == {name: classes[0].VERSION for name, classes in registered.items()
                     if name in known}
    assert set(known) == {name for name, classes in registered.items()
                          if classes[0].OBJ_PROJECT_NAMESPACE == 'cinder'
                          and not classes[0].__module__.startswith('tests')}


def test_a_newer_release_understands_all_that_we_know():
    newer = base.CinderObjectSerializer('1.99')
    assert newer.versions == base.manifest(base.CURRENT_VERSION)


def test_unknown_history_is_refused():
    with pytest.raises(exception.CappedVersionUnknown, match='99.0'):
        base.CinderObjectSerializer('99.0')


def test_round_trip_keeps_values_and_children():
    moment = datetime.datetime(2024, 1, 2, 3, 4, 5)
    kind = objects.VolumeType(id='t', extra_specs={'k': 'v'})
    sent = _volume(created_at=moment, volume_type=kind,
                   attachments=[objects.VolumeAttachment(id='a', connector={'host': 'h'})])
    serializer = base.CinderObjectSerializer(base.CURRENT_VERSION)
    got = serializer.deserialize_entity(None, serializer.serialize_entity(None, sent))
    assert (got.id, got.metadata, got.created_at) == ('v1', {'a': 'b'}, moment)
    assert got.volume_type.extra_specs == {'k': 'v'}
    assert got.attachments[0].connector == {'host': 'h'}


def test_plain_values_in_containers_stay_plain():
    serializer = base.CinderObjectSerializer()
    assert serializer.serialize_entity(None, {'a': [1, 'x', None]}) == {'a': [1, 'x', None]}


def test_older_peer_gets_the_older_object(monkeypatch):
    @base.CinderObjectRegistry.register
    class Grown(base.CinderObject):
        VERSION = '1.1'
        fields = {'old': objects.fields.string(), 'new': objects.fields.string()}

        def obj_make_compatible(self, primitive, target_version):
            super().obj_make_compatible(primitive, target_version)
            if target_version == '1.0':
                primitive.pop('new', None)

    monkeypatch.setattr(base, 'HISTORY', (('1.0', {'Grown': '1.0'}), ('1.1', {'Grown': '1.1'})))
    grown = Grown(old='o', new='n')
    new, old = (base.CinderObjectSerializer(cap).serialize_entity(None, grown)
                for cap in ('1.1', '1.0'))
    assert new['versioned_object.data'] == {'old': 'o', 'new': 'n'}
    assert old['versioned_object.data'] == {'old': 'o'}
    assert old['versioned_object.version'] == '1.0'


def test_from_row_leaves_foreign_columns_out():
    made = objects.Volume.from_row({'id': 'v', 'deleted': True, 'size': 2}, metadata={'k': 'v'})
    assert (made['id'], made.size, made.metadata) == ('v', 2, {'k': 'v'})
    assert not made.obj_what_changed()


def test_what_was_not_loaded_is_an_attribute_error():
    with pytest.raises(AttributeError, match='attachments'):
        _ = _volume().attachments
    assert _volume().get('attachments', 'none') == 'none'


def test_storage_name_survives_a_migration():
    assert _volume().name == 'volume-v1'
    assert _volume(name_id='v0').name == 'volume-v0'
