# SPDX-License-Identifier: Apache-2.0
"""Two Ceph clusters that mirror the pool POOL to each other, each with a daemon rbd-mirror, and an
installation whose back end fails over between them."""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
from collections.abc import Iterator

from cinder.brick.ceph import cluster as clusters
from tests.functional import ceph
from tests.functional.processes import wait_until
from tests.functional.suite import Node, Suite
from tools.ceph_cluster import Cluster, rights

POOL, SECOND, DAEMON, USER = 'mirrored', 'second', 'rbd-mirror', 'mirroring'
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
        self.clusters = {'default': primary, SECOND: second}
        super().__init__(*args, **{
            'backends': ('ceph',), 'nodes': (Node('node1'), Node('node2', ('volume',))), **kwargs})

    def _backend(self, name):
        second = self.clusters[SECOND]
        return {'volume_backend_name': name, **ceph.options(self.clusters['default'], POOL),
                'replication_device': f'backend_id:{SECOND},conf:{second.conf},user:{USER}',
                'rbd_user': USER,
                'rados_connect_timeout': 3, 'rados_connection_retries': 0,
                'replication_connect_timeout': 3, 'rbd_failover_timeout': 60,
                'rbd_failback_timeout': 120}

    def _fault_points(self):
        return [f'{name}=kill@{self.flags / name}' for name in POINTS]

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
