# SPDX-License-Identifier: Apache-2.0
"""The sizes that a type allows."""
import pytest

from cinder.objects import type_sizes
from cinder.objects.type_sizes import LEAST, MOST


@pytest.mark.parametrize(('specs', 'allowed'), [
    ({}, {1, 5, 100}), ({LEAST: '5'}, {5, 100}), ({MOST: '5'}, {1, 5}),
    ({LEAST: '5', MOST: '5'}, {5}), ({LEAST: '2', MOST: '99'}, {5}), ({LEAST: 'x'}, set())])
def test_sizes(specs, allowed):
    found = {size: type_sizes.refusal(specs, 'fast', size) for size in (1, 5, 100)}
    assert {size for size, reason in found.items() if reason is None} == allowed
    assert all("'fast'" in reason for reason in found.values() if reason)


@pytest.mark.parametrize('specs', [{LEAST: '0'}, {MOST: '-1'}, {MOST: '1.5'}, {LEAST: None},
                                   {LEAST: '6', MOST: '5'}])
def test_faults(specs):
    assert type_sizes.fault(specs)
