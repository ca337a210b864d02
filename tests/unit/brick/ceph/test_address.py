# SPDX-License-Identifier: Apache-2.0
"""Addresses of images, as they are written and read."""
import pytest

from cinder.brick.ceph.address import Address, parse
from cinder.brick.ceph.cluster import Settings


@pytest.mark.parametrize(('address', 'text'), [
    (Address('volumes', 'volume-1'), 'rbd:volumes/volume-1:cluster=ceph'),
    (Address('p', 'i', namespace='n', snapshot='s'), 'rbd:p/n/i@s:cluster=ceph'),
    (Address('p', 'i', settings=Settings('cinder', '/etc/ceph/a:b.conf', 'c')),
     'rbd:p/i:id=cinder:conf=\\/etc\\/ceph\\/a\\:b.conf:cluster=c'),
    (Address('p:@', 'a/b=c\\', snapshot='x@y'), 'rbd:p\\:\\@/a\\/b\\=c\\\\@x\\@y:cluster=ceph')])
def test_an_address(address, text):
    assert str(address) == text
    assert parse(text) == address


@pytest.mark.parametrize('text', ['/dev/vg/volume-1', 'rbd', 'rbd:', 'rbd:x', 'a:rbd:p/i'])
def test_what_is_none(text):
    assert parse(text) is None
