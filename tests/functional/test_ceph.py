# SPDX-License-Identifier: Apache-2.0
"""RBDDriver on a real cluster: the contract of drivers, and what is particular to RBD."""

import pytest

from tests import rbd_storage
from tests.functional import ceph
from tests.unit.volume import driver_contract as contract


@pytest.fixture
def storage(ceph_cluster):
    made = rbd_storage.RBDStorage(**ceph.options(ceph_cluster, 'contract'))
    yield made
    made.clear()


class TestRBDDriver(contract.VolumeDriverContract, contract.ClonesVolumesContract,
                    contract.RevertsToSnapshotContract, contract.ManagesVolumesContract,
                    contract.ManagesSnapshotsContract):
    """The contract."""
