# SPDX-License-Identifier: Apache-2.0
"""Addresses of monitors: their protocols and families, and how long they are believed."""
import pytest

from cinder.brick.ceph import errors, monitors


def monitor(*addresses, addr='10.0.0.9:6789/0'):
    return {'public_addrs': {'addrvec': [{'type': kind, 'addr': where, 'nonce': 0}
                                         for kind, where in addresses]}, 'addr': addr}


@pytest.mark.parametrize(('found', 'address'), [
    (monitor(('v2', '10.0.0.1:3300'), ('v1', '10.0.0.1:6789')), ('10.0.0.1', '6789')),
    (monitor(('v2', '10.0.0.1:3300')), ('10.0.0.1', '3300')),
    (monitor(('v2', '[fd00::1]:3300'), ('v1', '[fd00::1]:6789')), ('fd00::1', '6789')),
    ({'addr': '[fd00::2]:6789/0'}, ('fd00::2', '6789')),
    (monitor(), ('10.0.0.9', '6789'))])
def test_the_address_of_a_monitor(found, address):
    assert monitors.addresses({'mons': [found]}) == [address]


class Pool:
    def __init__(self):
        self.answers = []

    def monitor(self, prefix):
        assert prefix == 'mon dump'
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return {'mons': [{'addr': answer}]}


def test_a_map_is_asked_for_once_a_minute():
    now, pool = [0.0], Pool()
    known = monitors.Monitors(lambda: now[0])
    pool.answers = [errors.TimedOut('no answer'), 'a:1/0', 'b:2/0']
    with pytest.raises(errors.TimedOut):
        known.of(pool)
    for seconds, host in ((0, 'a'), (59, 'a'), (61, 'b'), (120, 'b')):
        now[0] = seconds
        assert known.of(pool)[0][0] == host
