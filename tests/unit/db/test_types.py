# SPDX-License-Identifier: Apache-2.0
"""Volume types: names, extra specs, access, defaults."""
import pytest

from cinder import exception
from cinder.conf import CONF
from cinder.db import models, qos_specs, quotas, session, type_access, types, volumes


@pytest.fixture
def make(database, ctxt):
    def make_type(name, specs=None, projects=(), **values):
        return types.create(ctxt, {'name': name, **values}, specs, projects)
    return make_type


def test_found_by_id_and_by_name(make, ctxt):
    made = make('fast', {'k': 'v'})
    for read in (types.get(ctxt, made.id), types.get_by_name(ctxt, 'fast'),
                 types.get_by_name_or_id(ctxt, 'fast'), types.get_by_name_or_id(ctxt, made.id)):
        assert (read.id, read.name, read.extra_specs, read.is_public) == (
            made.id, 'fast', {'k': 'v'}, True)
    with pytest.raises(exception.VolumeTypeNotFound):
        types.get_by_name_or_id(ctxt, 'Fast')
    with pytest.raises(exception.VolumeTypeNotFound):
        types.get(ctxt, 'nothing')


def test_a_type_is_read_with_one_statement(make, ctxt, statements):
    made = make('fast', {'k': 'v', 'capabilities:x': None})
    specs = qos_specs.create(ctxt, 'qos', 'both', {'total_iops_sec': '7'})
    qos_specs.associate(ctxt, specs['id'], made.id)
    statements.clear()
    read = types.get(ctxt, made.id)
    assert len(statements) == 1
    assert read.extra_specs == {'k': 'v', 'capabilities:x': None}
    assert read.qos_specs == {
        'id': specs['id'], 'consumer': 'both', 'specs': {'total_iops_sec': '7'}}


def test_a_name_is_unique_among_the_living(make, ctxt):
    first = make('fast')
    with pytest.raises(exception.VolumeTypeExists):
        make('fast')
    types.destroy(ctxt, first.id)
    second = make('fast')
    assert types.get_by_name(ctxt, 'fast').id == second.id
    other = make('slow')
    with pytest.raises(exception.VolumeTypeExists):
        types.update(ctxt, other.id, {'name': 'fast'})
    types.update(ctxt, other.id, {'name': 'slower', 'is_public': False})
    assert types.get(ctxt, other.id).name == 'slower'
    with pytest.raises(exception.VolumeTypeNotFound):
        types.update(ctxt, first.id, {'description': 'x'})


def test_private_types(make, ctxt, tenant, stranger):
    given = make('private', is_public=False, projects=['p1'])
    assert types.get(tenant, given.id).name == 'private'
    with pytest.raises(exception.VolumeTypeNotFound):
        types.get(stranger, given.id)
    assert len(types.list_rows(stranger)) == 1
    assert len(types.list_rows(tenant)) == 2
    assert len(types.list_rows(ctxt, filters={'is_public': False})) == 1
    assert len(types.list_rows(ctxt, filters={'is_public': None})) == 2
    type_access.add(ctxt, given.id, 'p2')
    with pytest.raises(exception.VolumeTypeAccessExists):
        type_access.add(ctxt, given.id, 'p2')
    assert type_access.projects(ctxt, given.id) == ['p1', 'p2']
    type_access.remove(ctxt, given.id, 'p2')
    with pytest.raises(exception.VolumeTypeAccessNotFound):
        type_access.remove(ctxt, given.id, 'p2')


def test_extra_specs(make, ctxt, tenant):
    made = make('fast', {'k': 'v'})
    assert types.set_extra_specs(ctxt, made.id, {'l': 'w'}) == {'k': 'v', 'l': 'w'}
    assert types.list_rows(tenant, filters={'extra_specs': {'l': 'w'}}).rows[0][
        'extra_specs'] == {'k': 'v', 'l': 'w'}
    types.delete_extra_spec(ctxt, made.id, 'k')
    with pytest.raises(exception.VolumeTypeExtraSpecsNotFound):
        types.delete_extra_spec(ctxt, made.id, 'k')
    assert types.get(ctxt, made.id).extra_specs == {'l': 'w'}
    with pytest.raises(exception.VolumeTypeNotFound):
        types.set_extra_specs(ctxt, 'nothing', {'l': 'w'})


def test_in_use(make, make_volume, ctxt):
    made = make('fast')
    volume = make_volume(volume_type_id=made.id)
    assert types.in_use(ctxt, made.id)
    with pytest.raises(exception.VolumeTypeInUse):
        types.destroy(ctxt, made.id)
    volumes.destroy(ctxt, volume.id)
    types.destroy(ctxt, made.id)
    with pytest.raises(exception.VolumeTypeNotFound):
        types.destroy(ctxt, made.id)


def test_default(make, ctxt, tenant, stranger):
    assert types.default(tenant).name == '__DEFAULT__'
    mine = make('mine')
    with session.writer(ctxt) as conn:
        conn.execute(models.DefaultVolumeType.__table__.insert().values(
            project_id='p1', volume_type_id=mine.id))
    assert types.default(tenant).name == 'mine'
    assert types.default(stranger).name == '__DEFAULT__'
    assert types.is_default(ctxt, mine.id)
    assert types.is_default(ctxt, types.default(stranger).id)
    assert not types.is_default(ctxt, make('other').id)
    assert set(types.names(ctxt).values()) == {'__DEFAULT__', 'mine', 'other'}


def test_default_that_does_not_exist(database, ctxt, monkeypatch):
    CONF.set_override('default_volume_type', 'missing')
    try:
        with pytest.raises(exception.VolumeTypeNotFound):
            types.default(ctxt)
    finally:
        CONF.clear_override('default_volume_type')


def test_qos_and_encryption_come_along(make, ctxt):
    made = make('fast')
    qos, values = models.QualityOfServiceSpec.__table__, models.QualityOfServiceValue.__table__
    encryption = models.Encryption.__table__
    with session.writer(ctxt) as conn:
        conn.execute(qos.insert().values(id='q', name='gold', consumer='back-end',
                                         created_at=session.utcnow()))
        conn.execute(values.insert().values(specs_id='q', key='iops', value='100'))
        conn.execute(encryption.insert().values(
            encryption_id='e', volume_type_id=made.id, provider='luks', key_size=256))
    types.update(ctxt, made.id, {'qos_specs_id': 'q'})
    read = types.get(ctxt, made.id)
    assert read.qos_specs == {'id': 'q', 'consumer': 'back-end', 'specs': {'iops': '100'}}
    assert (read.encryption['provider'], read.encryption['key_size']) == ('luks', 256)


def test_limits_follow_a_type_through_its_rename(database, ctxt):
    gold = types.create(ctxt, {'name': 'gold', 'is_public': True})
    quotas.set_limits(ctxt, 'p1', {'volumes_gold': 1, 'gigabytes_gold': 5, 'volumes': 9,
                                   # Of a type that had the name once.
                                   'volumes_silver': 7})
    quotas.set_limits(ctxt, 'p2', {'volumes_silver': 3})
    quotas.set_class(ctxt, quotas.DEFAULT_CLASS, {'snapshots_gold': 2})
    types.update(ctxt, gold.id, {'name': 'silver', 'description': 'd'})
    assert quotas.limits(ctxt, 'p1') == {'volumes_silver': 1, 'gigabytes_silver': 5, 'volumes': 9}
    assert quotas.limits(ctxt, 'p2') == {'volumes_silver': 3}
    assert quotas.get_class(ctxt, quotas.DEFAULT_CLASS) == {'snapshots_silver': 2}
    assert types.get_by_name(ctxt, 'silver').id == gold.id


def test_a_name_that_is_taken_changes_no_limits(database, ctxt):
    gold = types.create(ctxt, {'name': 'gold', 'is_public': True})
    types.create(ctxt, {'name': 'silver', 'is_public': True})
    quotas.set_limits(ctxt, 'p1', {'volumes_gold': 1, 'volumes_silver': 2})
    with pytest.raises(exception.VolumeTypeExists):
        types.update(ctxt, gold.id, {'name': 'silver'})
    assert quotas.limits(ctxt, 'p1') == {'volumes_gold': 1, 'volumes_silver': 2}
