# SPDX-License-Identifier: Apache-2.0
"""Sets of QoS specs as volume types, and through them volumes, have them."""
import pytest

from cinder import exception
from cinder.db import qos_specs, types, volumes


@pytest.fixture
def tied(ctxt, database):
    """(set, volume type) tied to each other."""
    made = qos_specs.create(ctxt, 'fast', 'front-end', {'read_iops_sec': '9'})
    volume_type = types.create(ctxt, {'name': 'gold'})
    qos_specs.associate(ctxt, made['id'], volume_type.id)
    return made, volume_type


def test_a_type_and_its_volumes_carry_the_specs(ctxt, tied):
    made, volume_type = tied
    expected = {'id': made['id'], 'consumer': 'front-end', 'specs': {'read_iops_sec': '9'}}
    assert types.get(ctxt, volume_type.id).qos_specs == expected
    volume = volumes.create(ctxt, {'volume_type_id': volume_type.id, 'size': 1})
    assert volumes.get(ctxt.elevated(), volume.id).volume_type.qos_specs == expected


def test_a_forced_delete_leaves_no_type_with_a_set_that_is_gone(ctxt, tied):
    made, volume_type = tied
    with pytest.raises(exception.QoSSpecsInUse):
        qos_specs.destroy(ctxt, made['id'])
    qos_specs.destroy(ctxt, made['id'], force=True)
    assert types.get(ctxt, volume_type.id).qos_specs is None


def test_a_deleted_type_ties_nothing(ctxt, tied):
    made, volume_type = tied
    types.destroy(ctxt, volume_type.id)
    assert qos_specs.associations(ctxt, made['id']) == []
    qos_specs.destroy(ctxt, made['id'])
    with pytest.raises(exception.QoSSpecsNotFound):
        qos_specs.get_row(ctxt, made['id'])
