# SPDX-License-Identifier: Apache-2.0
"""The lock services that [coordination] backend_url can name: the package of the client of each,
and whether its locks hold between hosts."""
import urllib.parse
import uuid
from typing import NamedTuple

from cinder.coordination import files


class LockService(NamedTuple):
    """A kind of lock service.

    :param package: that has its client; None: this package has it
    :param between_hosts: whether a lock that one host holds keeps the other hosts off
    :param tells_losses: whether the holder can know that its lock is lost: by the time of its
        lease, or by asking for it. A lock of a database goes with its connection, which tooz does
        not tell
    """

    package: str | None
    between_hosts: bool = True
    tells_losses: bool = True


# Scheme of the URL -> its service. Locks of files and of System V semaphores are the kernel's
# (flock(2), semop(2)): tooz says so by leaving DISTRIBUTED_ACROSS_HOSTS out of the CHARACTERISTICS
# of these drivers. It leaves it out of etcd's too, which is a server for many hosts all the same.
SERVICES = {
    'file': LockService(None, between_hosts=False),
    'ipc': LockService('sysv_ipc', between_hosts=False),
    'etcd3+http': LockService('etcd3gw'), 'etcd3+https': LockService('etcd3gw'),
    'redis': LockService('redis'), 'zookeeper': LockService('kazoo'),
    'kazoo': LockService('kazoo'), 'memcached': LockService('pymemcache'),
    'mysql': LockService('PyMySQL', tells_losses=False),
    'postgresql': LockService('psycopg2-binary', tells_losses=False),
    'kubernetes': LockService('sherlock'),
}
# That are kept open over HTTP: as many as there are locks asked for at a time.
CONNECTIONS = 100
EXAMPLES_BETWEEN_HOSTS = 'etcd3+http://HOST:2379 or redis://HOST:6379'
EXAMPLES = f'file:///FOLDER for one host, {EXAMPLES_BETWEEN_HOSTS} for several'


def scheme_of(url: str) -> str:
    """What a URL begins with: the kind of the service."""
    return url.partition(':')[0]


def make(url: str):
    """A driver of tooz, or one with the same methods, that is not connected yet.

    :raises Exception: whatever tooz and its drivers make of a URL that they do not understand
    """
    if scheme_of(url) == 'file':
        return files.FileLocks(urllib.parse.urlsplit(url).path)
    return make_by_tooz(url)


def make_by_tooz(url: str):
    """The same, also for files of one host: tooz knows which parameters such a URL may have."""
    # It costs 20 MB and a tenth of a second, which processes without locks need not pay.
    from tooz import coordination
    driver = coordination.get_coordinator(url, uuid.uuid4().hex.encode())
    session = getattr(getattr(driver, 'client', None), 'session', None)
    if session is not None:
        # etcd's, of the library requests: it would keep ten connections, and warn of each other.
        for start in ('http://', 'https://'):
            session.mount(start, type(session.get_adapter(start))(pool_maxsize=CONNECTIONS))
    return driver
