# SPDX-License-Identifier: Apache-2.0
"""The operators of extra specs."""
import pytest

from cinder.scheduler.filters import extra_specs_ops


@pytest.mark.parametrize(('value', 'wanted'), [
    ('lvm', 'lvm'), (True, 'True'), (5, '5'),
    (5, '= 5'), (6, '= 5'), (6, '>= 5'), (5.0, '== 5'), (4, '<= 5'), (6, '!= 5'),
    ('infinite', '>= 1000'),
    ('abc', 's== abc'), ('abd', 's!= abc'), ('abb', 's< abc'), ('abc', 's<= abc'),
    ('abd', 's> abc'), ('abc', 's>= abc'),
    (True, '<is> True'), ('true', '<is> True'), (False, '<is> False'), ('no', '<is> False'),
    ('thin-iscsi', '<in> iscsi'), ('a b c', '<all-in> a c'),
    ('gold', '<or> silver <or> gold'), (2, '<or> 1 <or> 2'),
    (['iSCSI', 'FC'], 'FC'), (['iSCSI', 'FC'], '<in> FC'), (['a', 'b', 'c'], '<all-in> a c'),
    (['gold', 'silver'], '<or> bronze <or> silver'), (['a'], 's!= b'), ([1, 9], '>= 5'),
    ('==', '=='),
])
def test_fits(value, wanted):
    assert extra_specs_ops.match(value, wanted)


@pytest.mark.parametrize(('value', 'wanted'), [
    ('lvm', 'LVM'), ('lvm', ''), (True, 'False'), (4, '= 5'), (4, '>= 5'), (5.1, '== 5'),
    (6, '<= 5'), (5, '!= 5'), ('many', '>= 5'), (7, '>= many'), ('many', '!= 5'),
    ('abc', 's== ABC'), ('abc', 's!= abc'), ('abc', 's< abc'), ('abc', 's> abc'),
    (False, '<is> True'), ('maybe', '<is> True'), (True, '<is> False'),
    ('thin', '<in> thick'), ('a b', '<all-in> a c'), ('gold', '<or> silver <or> golden'),
    (['iSCSI'], 'FC'), (['FCoE'], '<in> FC'), (['a'], '<all-in> a c'), (['a', 'b'], 's!= b'),
    ([5, 6], '!= 5'), ([], 'x'),
])
def test_does_not_fit(value, wanted):
    assert not extra_specs_ops.match(value, wanted)
