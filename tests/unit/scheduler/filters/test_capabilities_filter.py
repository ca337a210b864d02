# SPDX-License-Identifier: Apache-2.0
"""Extra specs of a type against the capabilities of a pool."""
import pytest

from cinder.scheduler.capacity import Capacity
from cinder.scheduler.filters.capabilities_filter import CapabilitiesFilter
from cinder.scheduler.host_manager import Pool
from tests.fakes import scheduler as fakes


def refuse(extra_specs, **capabilities):
    report = fakes.report(**capabilities)
    pool = Pool('p', report, Capacity.from_report(report), 'h@b')
    return CapabilitiesFilter(fakes.options()).refuse(pool, fakes.request(extra_specs=extra_specs))


@pytest.mark.parametrize('extra_specs', [
    {}, {'volume_backend_name': 'lvm'}, {'capabilities:volume_backend_name': 'lvm'},
    {'multiattach': '<is> True'}, {'qos:maxIOPS': '500'}, {'provisioning:type': 'thin'},
    {'capabilities:limits:iops': '>= 10'}, {'RESKEY:availability_zones': 'az9'},
    {'storage_protocol': 'iscsi'}, {'storage_protocol': '<or> NVMe-oF <or> ISCSI'},
])
def test_fits(extra_specs):
    assert refuse(extra_specs, limits={'iops': 50}) is None


@pytest.mark.parametrize(('extra_specs', 'detail'), [
    ({'volume_backend_name': 'ceph'}, 'volume_backend_name must be ceph, and it is lvm'),
    ({'capabilities:compression': '<is> True'},
     'capabilities:compression must be <is> True, and it reports none'),
    ({'capabilities:limits:iops': '>= 100'},
     'capabilities:limits:iops must be >= 100, and it is 50'),
    ({'capabilities:vendor_name:x': '1'}, 'capabilities:vendor_name:x must be 1, and it reports'),
    ({'storage_protocol': 'FC'}, 'storage_protocol must be FC, and it is iSCSI'),
])
def test_refusal_says_which_key(extra_specs, detail):
    reason = refuse(extra_specs, limits={'iops': 50})
    assert reason.detail.startswith(detail)


def test_tenant_learns_neither_key_nor_value():
    reason = refuse({'secret_key': 'secret_value'})
    assert 'secret' not in reason.words


@pytest.mark.parametrize('spelling', ['FC', 'fc', 'fibre_channel', 'Fibre-Channel'])
@pytest.mark.parametrize('reported', ['FC', 'fibre_channel', ['iSCSI', 'fc']])
def test_spellings_of_a_protocol_are_one(spelling, reported):
    assert refuse({'storage_protocol': spelling}, storage_protocol=reported) is None
