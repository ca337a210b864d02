# SPDX-License-Identifier: Apache-2.0
"""A volume group in memory, as one of thin and as one of thick volumes."""
import pytest

from cinder.brick.local_dev import thick_lvm, thin_lvm
from tests.fakes.volume_group import GIB, FakeVolumeGroup

FIELDS = ('lv_name,lv_size,lv_attr,pool_lv,origin,data_percent,metadata_percent,'
          'lv_metadata_size,lv_health_status,lv_check_needed,thin_id')
# The bytes that are asked for a thick snapshot of 1 GiB.
SNAPSHOT = GIB + 4 * 1024 ** 2 + 64 * 1024


def lines(fake):
    return [' '.join(argv) for argv in fake.commands]


@pytest.fixture
def fake():
    return FakeVolumeGroup()


@pytest.fixture
def thin(fake):
    group = thin_lvm.ThinLVM('vg', 'sudo helper', executor=fake, freezer=fake.frozen)
    group.create_pool()
    fake.commands.clear()
    return group


@pytest.fixture
def thick(fake):
    return thick_lvm.ThickLVM('vg', 'sudo helper', executor=fake, freezer=fake.frozen)
