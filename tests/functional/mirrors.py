# SPDX-License-Identifier: Apache-2.0
"""Two Ceph clusters that mirror the pool POOL to each other, each with a daemon rbd-mirror, and an
installation whose back end fails over between them."""

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
from collections.abc import Iterator

from cinder.brick.ceph import cluster as clusters
from cinder.brick.ceph import errors
from tests.functional import ceph
from tests.functional.processes import wait_until
from tests.functional.suite import Node, Suite
from tools.ceph_cluster import Cluster, rights

POOL, SECOND, DAEMON, USER = 'mirrored', 'second', 'rbd-mirror', 'mirroring'
HERE, THERE = 'default', SECOND
_RIGHTS = {'mon': 'profile rbd-mirror', 'osd': 'profile rbd', 'mgr': 'profile rbd'}
# Looks for changes more often than every 5 to 30 s.
_IMPATIENT = ('--rbd-mirror-image-state-check-interval=1', '--rbd-mirror-journal-poll-age=1',
              '--rbd-mirror-pool-replayers-refresh-interval=2',
              '--rbd-mirror-leader-heartbeat-interval=1')
POINTS = ('service.failover:execute:claim:after', 'service.failover:driver:before',
          'service.failover:driver:after',
          *(f'ceph:Image.{call}:{when}' for call in (
              'metadata_set', 'mirror_image_demote', 'mirror_image_promote', 'mirror_image_resync',
              'metadata_remove') for when in ('before', 'after')))

# Of requests about the trash.
TRASH_POINTS = ('volume.delete:driver:after', 'volume.restore:driver:after',
                'trash.purge:driver:after')


def lacking() -> str | None:
    """Return why there can be no mirrors here, None if there can."""
    if not shutil.which(DAEMON, path=f'{os.environ.get("PATH", "")}:/usr/bin'):
        return f'{DAEMON} is not installed'
    return ceph.lacking()


@contextlib.contextmanager
def peers(one: Cluster, other: Cluster) -> Iterator[None]:
    """Let two clusters mirror the pool to each other for the length of a block."""
    for cluster in (one, other):
        cluster.add_pool(POOL)
        cluster.add_user(DAEMON, _RIGHTS)
        cluster.add_user(USER, rights([POOL]))
        cluster.rbd('mirror', 'pool', 'enable', POOL, 'image', '--site-name',
                    f'site-{cluster.name}')
    token = one.rbd('mirror', 'pool', 'peer', 'bootstrap', 'create', POOL)
    path = pathlib.Path(other.folder) / 'token'
    path.write_text(token)
    other.rbd('mirror', 'pool', 'peer', 'bootstrap', 'import', '--direction', 'rx-tx', POOL,
              str(path))
    with contextlib.ExitStack() as stack:
        for cluster in (one, other):
            stack.enter_context(_daemon(cluster))
        yield


@contextlib.contextmanager
def _daemon(cluster: Cluster) -> Iterator[None]:
    with open(cluster.folder / 'log' / f'{DAEMON}.out', 'wb') as output:
        process = subprocess.Popen(
            [DAEMON, '-f', '-n', f'client.{DAEMON}', '-k', str(cluster.keyring(DAEMON)),
             *_IMPATIENT], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            env=os.environ | {'CEPH_CONF': str(cluster.folder / 'daemons.conf')})
    try:
        yield
    finally:
        process.kill()
        process.wait(10)


class MirroredSuite(Suite):
    """A cluster of two volume services whose back end is a pool of the first Ceph, with copies on
    the other one."""

    def __init__(self, *args, primary: Cluster, second: Cluster, **kwargs):
        self.clusters = {HERE: primary, THERE: second}
        super().__init__(*args, **{
            'backends': ('ceph',), 'nodes': (Node('node1'), Node('node2', ('volume',))), **kwargs})

    def _backend(self, name):
        second = self.clusters[SECOND]
        return {'volume_backend_name': name, **ceph.options(self.clusters['default'], POOL),
                'replication_device': f'backend_id:{SECOND},conf:{second.conf},user:{USER}',
                'rbd_user': USER,
                'rados_connect_timeout': 3, 'rados_connection_retries': 0,
                'replication_connect_timeout': 3, 'rbd_failover_timeout': 60,
                'delete_to_trash_hours': 1,
                'rbd_failback_timeout': 120}

    def _fault_points(self):
        return [f'{name}=kill@{self.flags / name}' for name in (*POINTS, *TRASH_POINTS)]

    def run(self, site: str, function, *args):
        """Call function(pool, ...) on the pool of one of the clusters."""
        cluster = self.clusters[site]
        return clusters.get(clusters.Settings(
            user=USER, conf=str(cluster.conf), cluster_name=cluster.name, timeout=5,
            retries=0)).run(POOL, function, *args)

    def write(self, site: str, volume: str, data: bytes, offset: int) -> None:
        def work(pool):
            with pool.image(f'volume-{volume}') as image:
                image.write(data, offset)
        self.run(site, work)

    def read(self, site: str, volume: str, length: int, offset: int = 0) -> bytes:
        def work(pool):
            with pool.image(f'volume-{volume}', read_only=True) as image:
                return image.read(offset, length)
        return self.run(site, work)

    def places(self, volume: str) -> dict[str, str]:
        """Return what the clusters have of a volume: site -> 'volume', 'copy' or 'trash'."""
        def work(pool):
            names = {each['name'] for each in pool.rbd('list2')}
            if f'trash-volume-{volume}' in names:
                return 'trash'
            if f'volume-{volume}' not in names:
                return None
            with pool.image(f'volume-{volume}', read_only=True) as image:
                info = image.mirror_image_get_info()
            enabled = info['state'] == pool.module.RBD_MIRROR_IMAGE_ENABLED
            return 'volume' if not enabled or info.get('primary') else 'copy'
        found = {}
        for site in self.clusters:
            # The daemon removes an image while it is looked at.
            with contextlib.suppress(errors.NotFound):
                found[site] = self.run(site, work)
        return {site: what for site, what in found.items() if what}

    def wait_for_places(self, volume: str, **expected: str) -> None:
        """Wait until the clusters have that, see places()."""
        wait_until(lambda: self.places(volume) == expected, 90,
                   lambda: f'{expected} instead of {self.places(volume)}')

    # ---------------------------------------------------------------------------------- requests
    def services(self) -> list[dict]:
        """Return the volume services, which have to say the same of their back end."""
        found = self.client().get('os-services?binary=cinder-volume')['services']
        assert len(found) == 2
        return found

    def service(self) -> dict:
        """Return the first of them."""
        return self.services()[0]

    def fail_over(self, target: str | None) -> None:
        """Ask for a failover."""
        self.client().put('os-services/failover_host',
                          {'host': self.service()['host'], 'backend_id': target}, expect=202)

    def wait_failed_over(self, status: str, seconds: float = 90) -> dict:
        """Wait until the replication of the service has this status; return the service."""
        wait_until(lambda: self.service()['replication_status'] != 'failing-over', seconds,
                   'the end of the failover')
        found = self.services()
        assert {each['replication_status'] for each in found} == {status}, found
        assert len({each['active_backend_id'] for each in found}) == 1, found
        return found[0]

    def make_type(self, name: str, **specs: str) -> None:
        """Make a volume type."""
        ident = self.client().post('types', {'volume_type': {'name': name}})[
            'volume_type']['id']
        if specs:
            self.client().post(f'types/{ident}/extra_specs', {'extra_specs': {
                key.replace('__', ':'): value for key, value in specs.items()}})

    def status_of(self, volume: str) -> tuple[str, str]:
        """Return the status and the replication status of a volume."""
        found = self.client().show('volume', volume)
        return found['status'], found['replication_status']

    def make_group(self, kind: str, volume_type: str) -> tuple[str, str]:
        """Make a group whose type enables replication, with one volume; return the ids of both."""
        client = self.client()
        made = client.post('group_types', {'group_type': {
            'name': kind, 'group_specs': {'group_replication_enabled': '<is> True'}}})
        group = client.post('groups', {'group': {
            'group_type': made['group_type']['id'], 'volume_types': [volume_type]}})['group']['id']
        client.wait_for_status('group', group, 'available')
        return group, client.ready_volume(volume_type=volume_type, group_id=group)['id']

    def replicate_group(self, group: str, verb: str, status: str, **arguments) -> None:
        """Ask for a change of the replication of a group, and wait for its end."""
        client = self.client()
        client.post(f'groups/{group}/action', {f'{verb}_replication': arguments}, expect=202)
        wait_until(lambda: not client.show('group', group)['replication_status'].endswith('ing')
                   and client.show('group', group)['replication_status'] != 'failing-over', 90,
                   f'{verb}_replication')
        assert client.show('group', group)['replication_status'] == status

    def monitor_of(self, volume: str) -> str:
        """Return the port of the monitor to which hosts are led that attach the volume, whichever
        service they ask."""
        [port] = {self._attached(volume) for _service in self.services() * 2}
        return port

    def _attached(self, volume: str) -> str:
        client = self.client()
        made = client.post('attachments', {'attachment': {
            'volume_uuid': volume, 'instance_uuid': '00000000-0000-4000-8000-00000000000a',
            'connector': {'host': 'h', 'initiator': 'iqn.2026-11.test:h'}}})['attachment']
        client.delete(f'attachments/{made["id"]}')
        return made['connection_info']['ports'][0]

    def port_of(self, site: str) -> str:
        """Return the port of the monitor of a cluster."""
        dump = json.loads(self.clusters[site].ask({'prefix': 'mon dump', 'format': 'json'})[0])
        return dump['mons'][0]['addr'].rpartition(':')[2].partition('/')[0]


@contextlib.contextmanager
def killed(site: MirroredSuite, point: str | None) -> Iterator[None]:
    """Kill the service at a point during the block, and start it again; None: do nothing."""
    if point is None:
        yield
        return
    with site.killed_at(point, 60):
        yield
    site.ensure_running()


@dataclasses.dataclass
class TrashCase:
    """A volume that is deleted, and what becomes of it.

    :param kind: its type; None: it is not replicated
    :param deleted, ended: the cluster that the back end uses when it is deleted, and when it is
        restored or purged
    """

    site: MirroredSuite
    kind: str | None
    deleted: str = HERE
    end: str = 'restored'
    ended: str = HERE
    texts: list[bytes] = dataclasses.field(default_factory=lambda: [b'before'])
    volume: str = ''

    @property
    def client(self):
        return self.site.client()

    def make(self):
        self.volume = self.client.ready_volume(
            **({'volume_type': self.kind} if self.kind else {}))['id']
        self.site.write(HERE, self.volume, self.texts[0] * 1024, 0)

    def wait_for_copy(self):
        if self.kind:
            self.site.wait_for_places(self.volume, default='volume', second='copy')

    def write(self, place, text):
        self.site.write(place, self.volume, text * 1024, len(self.texts) * 1024 ** 2)
        self.texts.append(text)

    def check_bytes(self, place):
        for number, text in enumerate(self.texts):
            found = self.site.read(place, self.volume, len(text) * 1024, number * 1024 ** 2)
            assert found == text * 1024, (self, number)

    def delete(self, point=None):
        """Move it to the trash, and wait until its copy is removed."""
        with killed(self.site, point):
            self.client.delete(f'volumes/{self.volume}', expect=202)
        self.client.wait_gone('volume', self.volume, 60)
        # The image of a volume that is not replicated stays where it was made.
        self.site.wait_for_places(self.volume, **{self.deleted if self.kind else HERE: 'trash'})

    def restore(self, status, replication_status, point=None):
        with killed(self.site, point):
            self.client.post(f'volumes/{self.volume}/restore', {}, expect=202)
        self.client.wait_for_status('volume', self.volume, status, 60)
        assert self.site.status_of(self.volume) == (status, replication_status), self

    def purge(self, point=None):
        with killed(self.site, point):
            self.client.delete(f'trash/{self.volume}', expect=202)
        self.site.wait_for_places(self.volume)

    def finish(self, point=None):
        """Restore or purge it, on the cluster of `ended`."""
        if self.end == 'purged':
            self.purge(point)
        elif self.kind:
            self.restore('available', 'enabled' if self.deleted == HERE else 'failed-over', point)
            other = {HERE: THERE, THERE: HERE}[self.deleted]
            self.site.wait_for_places(self.volume, **{self.deleted: 'volume', other: 'copy'})
            assert self.site.monitor_of(self.volume) == self.site.port_of(self.deleted)
            self.check_bytes(self.deleted)
            self.write(self.deleted, b'restored')
        elif self.ended == HERE:
            self.restore('available', 'disabled', point)
        else:
            self.restore('error', 'disabled' if self.deleted == HERE else 'not-capable')
            told = [each['user_message'] for each in self.client.get('messages')['messages']
                    if each['resource_uuid'] == self.volume]
            assert any('on default and is not replicated' in each for each in told), told
            self.delete()
