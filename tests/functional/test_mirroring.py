# SPDX-License-Identifier: Apache-2.0
"""A back end that fails over between two real Ceph clusters, and back: planned, with cinder-volume
killed on the way, and without the primary. Of its trash no image may stay on the other cluster.
MIRRORS_FULL=1 kills at each point and both ways, and tries the whole table of the trash."""

import contextlib
import itertools
import os

import pytest

from cinder.brick.ceph import errors, images
from tests.functional import ceph, mirrors
from tests.functional.mirrors import HERE, THERE
from tests.functional.processes import wait_until

FULL = bool(os.environ.get('MIRRORS_FULL'))
KIB = 1024


@pytest.fixture(scope='module')
def second(workspace):
    if reason := mirrors.lacking():
        pytest.skip(reason)
    with ceph.started(workspace / 'ceph-second', THERE, pools=(), users={}) as made:
        yield made


@pytest.fixture(scope='module')
def site(installation, postgresql, ceph_cluster, second):
    with (mirrors.peers(ceph_cluster, second),
          installation('mirrors', postgresql.url('mirrors'), kind=mirrors.MirroredSuite,
                       primary=ceph_cluster, second=second) as suite):
        suite.make_type('journal', replication_enabled='<is> True')
        suite.make_type('snapshot', replication_enabled='<is> True', rbd__mirror_mode='snapshot',
                        rbd__mirror_snapshot_interval='1m')
        yield suite


@pytest.fixture(scope='module')
def volumes(site):
    """A volume mirrored by journal, one by snapshots, and one that is not mirrored."""
    client = site.client()
    made = [client.ready_volume(**({'volume_type': kind} if kind else {}))['id']
            for kind in ('journal', 'snapshot', None)]
    assert [site.status_of(each) for each in made] == [
        ('available', 'enabled')] * 2 + [('available', 'disabled')]
    for each in made:
        site.write(HERE, each, b'before' * KIB, 0)
    return made


def _check(site, place, volumes, texts):
    """Compare the bytes of the mirrored volumes with what was written, 1 MiB apart."""
    for volume in volumes[:2]:
        for number, text in enumerate(texts):
            found = site.read(place, volume, len(text) * KIB, number * KIB ** 2)
            assert found == text * KIB, (place, volume, number)


def _go(site, target, status, point):
    if point is None:
        site.fail_over(target)
    else:
        with site.killed_at(point, 90):
            site.fail_over(target)
        site.ensure_running()
    return site.wait_failed_over(status, 150)


@pytest.mark.parametrize(('there', 'back'), [
    ('ceph:Image.mirror_image_demote:after', 'ceph:Image.mirror_image_promote:after'),
    *([(point, point) for point in mirrors.POINTS if 'resync' not in point] if FULL else ())])
def test_there_and_back(site, volumes, there, back):
    mirrored, plain = volumes[:2], volumes[2]
    texts = [b'before', b'planned']
    for volume in mirrored:
        site.write(HERE, volume, texts[1] * KIB, KIB ** 2)
    found = _go(site, THERE, 'failed-over', there)
    assert (found['status'], found['active_backend_id']) == ('disabled', THERE)
    assert found['disabled_reason'] == 'failed-over'
    assert [site.status_of(each) for each in volumes] == [
        ('available', 'failed-over')] * 2 + [('error', 'not-capable')]
    _check(site, THERE, volumes, texts)
    assert site.monitor_of(mirrored[0]) == site.port_of(THERE) != site.port_of(HERE)
    texts.append(b'there')
    for volume in mirrored:
        site.write(THERE, volume, texts[2] * KIB, 2 * KIB ** 2)
    found = _go(site, HERE, 'enabled', back)
    assert (found['status'], found['active_backend_id']) == ('enabled', None)
    assert [site.status_of(each) for each in volumes] == [
        ('available', 'enabled')] * 2 + [('available', 'disabled')]
    _check(site, HERE, volumes, texts)
    assert site.read(HERE, plain, 6 * KIB) == b'before' * KIB
    assert site.monitor_of(mirrored[0]) == site.port_of(HERE)


def test_a_wrong_target_changes_nothing(site, volumes):
    site.fail_over('third')
    assert site.wait_failed_over('enabled')['active_backend_id'] is None


def test_a_group_fails_over_alone(site, volumes):
    site.make_type('plain')
    group, volume = site.make_group('replicated', 'plain')
    assert site.status_of(volume) == ('available', 'disabled')
    site.replicate_group(group, 'enable', 'enabled')
    site.write(HERE, volume, b'before' * KIB, 0)
    site.replicate_group(group, 'failover', 'failed-over', secondary_backend_id=THERE)
    assert site.status_of(volume) == ('available', 'failed-over')
    assert [site.monitor_of(each) for each in (volume, volumes[0])] == [
        site.port_of(THERE), site.port_of(HERE)]
    assert site.read(THERE, volume, 6 * KIB) == b'before' * KIB
    site.write(THERE, volume, b'there' * KIB, KIB ** 2)
    client = site.client()
    snapshot = client.ready_snapshot(volume)['id']
    client.delete(f'snapshots/{snapshot}', expect=202)
    client.wait_gone('snapshot', snapshot)
    site.replicate_group(group, 'failover', 'enabled', secondary_backend_id=HERE)
    assert site.read(HERE, volume, 5 * KIB, KIB ** 2) == b'there' * KIB
    site.replicate_group(group, 'disable', 'disabled')
    assert site.status_of(volume) == ('available', 'disabled')


def test_a_replicated_volume_comes_back_replicated(site):
    delete, restore, purge = mirrors.TRASH_POINTS if FULL else (None,) * 3
    case = mirrors.TrashCase(site, 'journal')
    case.make()
    case.wait_for_copy()
    case.delete(delete)
    case.finish(restore)
    case.delete()
    case.purge(purge)


def _snapshots(site, place, volume):
    """The snapshots that users made of an image."""
    def work(pool):
        with pool.image(f'volume-{volume}', read_only=True) as image:
            return [each['name'] for each in images.snapshots(image)]
    return site.run(place, work)


@pytest.mark.skipif(not FULL, reason='takes a minute; MIRRORS_FULL=1 runs it')
def test_a_snapshot_in_the_trash_follows_its_volume(site, volumes):
    """It is restored, deleted again and purged on the other cluster."""
    client, found = site.client(), {}
    for volume in volumes[:2]:
        found[volume] = client.ready_snapshot(volume)['id']
        client.delete(f'snapshots/{found[volume]}', expect=202)
        client.wait_gone('snapshot', found[volume])
    _go(site, THERE, 'failed-over', None)
    for volume, snapshot in found.items():
        assert _snapshots(site, THERE, volume) == [f'trash-snapshot-{snapshot}']
        client.post(f'snapshots/{snapshot}/restore', {}, expect=202)
        client.wait_for_status('snapshot', snapshot, 'available')
        assert _snapshots(site, THERE, volume) == [f'snapshot-{snapshot}']
        client.delete(f'snapshots/{snapshot}', expect=202)
        client.wait_gone('snapshot', snapshot)
        client.delete(f'trash/{snapshot}', expect=202)
        wait_until(lambda volume=volume: _snapshots(site, THERE, volume) == [], 60, 'the purge')
    _go(site, HERE, 'enabled', None)
    assert [_snapshots(site, HERE, volume) for volume in found] == [[], []]


@pytest.mark.timeout(1800)
@pytest.mark.skipif(not FULL, reason='takes minutes; MIRRORS_FULL=1 runs it')
def test_the_trash_during_a_failover(site):
    """Each combination of a volume, and the clusters that are used when it is deleted and when it
    is restored or purged."""
    cases = [mirrors.TrashCase(site, *values) for values in itertools.product(
        ('journal', 'snapshot', None), (HERE, THERE), ('restored', 'purged'), (HERE, THERE))]
    for case in cases:
        case.make()
    for case in cases:
        case.wait_for_copy()
    for case in cases:
        if case.deleted == HERE:
            case.delete()
    site.fail_over(THERE)
    site.wait_failed_over('failed-over', 150)
    for case in cases:
        if case.deleted == THERE:
            if case.kind:
                case.write(THERE, b'there')
            case.delete()
    for case in cases:
        if case.ended == THERE:
            case.finish()
    site.fail_over(HERE)
    site.wait_failed_over('enabled', 150)
    for case in cases:
        if case.ended == HERE:
            case.finish()
        elif case.end == 'restored' and not case.kind:
            case.restore('available', 'disabled')
    # What was restored on the other cluster since comes along with a second request.
    site.fail_over(HERE)
    site.wait_failed_over('enabled', 150)
    for case in cases:
        if case.end == 'restored':
            assert site.status_of(case.volume) == (
                'available', 'enabled' if case.kind else 'disabled'), case
            assert site.places(case.volume)[HERE] == 'volume', case
            case.check_bytes(HERE)
            case.deleted = HERE
            case.delete()
            case.purge()
    for name in (HERE, THERE):
        found = site.run(name, lambda pool: [each['name'] for each in pool.rbd('list2')])
        assert not [each for each in found if any(case.volume in each for case in cases)], name


def _new_volume(site):
    """A volume that is made on the second cluster, which takes none until that is asked for."""
    client = site.client()
    for service in site.services():
        client.put('os-services/enable', {'host': service['host'], 'binary': 'cinder-volume'})
    client.put('clusters/enable', {'name': service['cluster'], 'binary': 'cinder-volume'})
    return client.ready_volume(volume_type='journal')['id']


def test_the_primary_is_lost(site, volumes):
    """All daemons of the primary die; it comes back with changes of its own."""
    client, primary = site.client(), site.clusters[HERE]
    text = b'copied'
    for volume in volumes[:2]:
        site.write(HERE, volume, text * KIB, 3 * KIB ** 2)

    def is_copied():
        # The copy comes a moment after the volume.
        with contextlib.suppress(errors.NotFound):
            return site.read(THERE, volumes[0], 6, 3 * KIB ** 2) == text
        return False
    wait_until(is_copied, 60, 'the journal')
    for daemon in ('osd.0', 'mon.a'):
        primary.kill(daemon)
    try:
        _go(site, THERE, 'failed-over', 'service.failover:driver:after' if FULL else None)
        assert site.status_of(volumes[0]) == ('available', 'failed-over')
        assert site.read(THERE, volumes[0], 6, 3 * KIB ** 2) == text
        site.write(THERE, volumes[0], b'after' * KIB, 4 * KIB ** 2)
        new = _new_volume(site) if FULL else None
    finally:
        primary.start()
    _go(site, HERE, 'enabled', 'ceph:Image.mirror_image_resync:before' if FULL else None)
    assert site.status_of(volumes[0]) == ('available', 'enabled')
    assert site.read(HERE, volumes[0], 5 * KIB, 4 * KIB ** 2) == b'after' * KIB
    if new:
        site.read(HERE, new, 1)
    for volume in volumes:
        client.delete(f'volumes/{volume}', expect=202)
        client.wait_gone('volume', volume)
