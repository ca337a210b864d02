# SPDX-License-Identifier: Apache-2.0
"""The lock services that [coordination] backend_url can name: the package of the client of each
one, and whether its locks work between hosts."""
import urllib.parse
import uuid
from typing import TYPE_CHECKING, NamedTuple

from cinder.coordination import files

if TYPE_CHECKING:
    from tooz.coordination import CoordinationDriver


class LockService(NamedTuple):
    """A kind of lock service.

    :param package: package of its client; None: no other package is needed
    :param between_hosts: whether its locks work between hosts
    :param tells_losses: whether the holder can detect that its lock is lost, by the time of its
        lease or by a request. A lock of a database ends with its connection, which tooz does not
        report
    """

    package: str | None
    between_hosts: bool = True
    tells_losses: bool = True


# Scheme of the URL -> its service. The kernel provides locks of files and of System V semaphores
# (flock(2), semop(2)); tooz shows that by omitting DISTRIBUTED_ACROSS_HOSTS from the
# CHARACTERISTICS of these drivers. It omits it for etcd as well, which is a server for many hosts.
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
# HTTP connections that are kept open: the number of locks that are requested at the same time.
CONNECTIONS = 100
EXAMPLES_BETWEEN_HOSTS = 'etcd3+http://HOST:2379 or redis://HOST:6379'
EXAMPLES = f'file:///DIRECTORY for one host, {EXAMPLES_BETWEEN_HOSTS} for several'


def scheme_of(url: str) -> str:
    """Return the scheme of a URL, which is the kind of the service."""
    return url.partition(':')[0]


def make(url: str) -> 'CoordinationDriver | files.FileLocks':
    """Return a driver of tooz, or one with the same methods, that is not connected yet.

    :raises Exception: any error of tooz and its drivers about an invalid URL
    """
    if scheme_of(url) == 'file':
        return files.FileLocks(urllib.parse.urlsplit(url).path)
    return make_by_tooz(url)


def make_by_tooz(url: str) -> 'CoordinationDriver':
    """Return a driver of tooz, also for files of one host: tooz checks the parameters of such a
    URL."""
    # Imported here: it takes 20 MB and 0.1 seconds, which processes without locks do not need.
    from tooz import coordination
    driver = coordination.get_coordinator(url, uuid.uuid4().hex.encode())
    session = getattr(getattr(driver, 'client', None), 'session', None)
    if session is not None:
        # The session of etcd uses the library requests, which keeps ten connections by default and
        # logs a warning for each further one.
        for start in ('http://', 'https://'):
            session.mount(start, type(session.get_adapter(start))(pool_maxsize=CONNECTIONS))
    return driver
