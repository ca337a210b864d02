# SPDX-License-Identifier: Apache-2.0
"""What the drivers of object stores have in common: writing, reading, listing and deleting with
retries. A subclass forms the requests of its store and interprets the answers."""
import abc
import contextlib
import functools
import time
from collections.abc import Callable, Iterable, Iterator

from oslo_config import cfg

from cinder import concurrency, exception, objects
from cinder.backup import driver
from cinder.backup.object_store import faults, memory, option_checks
from cinder.backup.object_store.connections import Answer, Connections, Settings
from cinder.backup.object_store.download import Download
from cinder.backup.object_store.memory import Memory
from cinder.backup.object_store.upload import Upload

# Most seconds that the check of a store takes.
CHECK_SECONDS = 10.0
# Seconds for which a new object may be missing in listings, or for other servers of the store.
SETTLING_SECONDS = 600
# What the objects of one backup may take of the 255 characters of the column service_metadata.
_ZONE_LENGTH = 100

# Codes of errors of S3 -> other errors than those of the status.
_FULL = frozenset(('QuotaExceeded', 'XMinioStorageFull'))
_TOO_LARGE = 'EntityTooLarge'
_TEMPORARY = frozenset(('RequestTimeout', 'SlowDown', 'InternalError', 'ServiceUnavailable',
                        'BadDigest', 'IncompleteBody', 'OperationAborted', 'Throttling',
                        'ThrottlingException', 'TooManyRequests', 'RequestLimitExceeded'))


class ObjectStoreDriver(driver.BackupDriver):
    """A driver of an object store.

    :param conf: the options of this service
    :param settings: of the connections
    :param policy: of retries
    :param verify: whether the ETag of an object is the MD5 digest of its content
    """

    largest_object = option_checks.LARGEST_REQUEST
    # Name of the option with the size of an object.
    SIZE_OPTION: str

    def __init__(self, conf: cfg.ConfigOpts, settings: Settings, policy: faults.Policy,
                 verify: bool = True) -> None:
        super().__init__(conf)
        self.connections: Connections = Connections(settings)
        self.policy = policy
        self._timeout, self._verify = settings.timeout, verify
        self._hash_content = False
        self._recent = Recent()
        # The other workers are processes of their own.
        self._memory = Memory(memory.MOST // conf.backup_workers)

    # --------------------------------------------------------------- the requests of a subclass
    @abc.abstractmethod
    def put_object(self, container: str, name: str, content: Upload) -> None:
        """Write an object, in one attempt."""

    @abc.abstractmethod
    def get_object(self, container: str, name: str, offset: int, etag: str | None) -> Answer:
        """Ask for the content of an object from `offset` on, if it has that ETag."""

    @abc.abstractmethod
    def delete_object(self, container: str, name: str) -> None:
        """Delete an object, in one attempt.

        :raises BackupObjectNotFound: there is none
        """

    @abc.abstractmethod
    def list_objects(self, container: str, prefix: str, after: str) -> tuple[list[str], str]:
        """Return a page of names, and where the next one begins; '' after the last.

        :raises BackupObjectNotFound: there is no such container
        """

    @abc.abstractmethod
    def refusal(self) -> str:
        """Return what an operator has to check when the store refuses access."""

    def error_of(self, answer: Answer, code: str, text: str, where: str,
                 secrets: Iterable[str | None]) -> Exception:
        """Return the error of an answer.

        :param code: of S3, or ''
        :param text: of the answer
        :param secrets: what the text must not tell
        """
        for secret in filter(None, secrets):
            text = text.replace(secret, '***')
        text = ' '.join(text.split())[:300] or f'status {answer.status}'
        if answer.status == 404:
            return exception.BackupObjectNotFound(where=where)
        too_large = code == _TOO_LARGE or answer.status == 413
        if code in _FULL or answer.status == 507 or (too_large and 'quota' in text.lower()):
            return exception.BackupStoreFull(where=where, reason=text)
        if too_large:
            # The S3 of Swift answers so for a quota, too.
            return exception.BackupStoreError(where=where, reason=(
                f'{text.rstrip(".")}; if no quota of the store is used up, set a smaller '
                f'{self.SIZE_OPTION}'))
        if code in _TEMPORARY or answer.status in faults.TEMPORARY:
            return faults.of_answer(answer.status, answer.headers, text)
        if answer.status in (401, 403):
            return exception.BackupStoreRefused(where=where, reason=f'{text} ({self.refusal()})')
        if answer.status == 412:
            return exception.BackupDataError(
                where=where, reason='the object has changed since its first part was read')
        if 300 <= answer.status < 400:
            text += f'; it is elsewhere ({self.refusal()})'
        return exception.BackupStoreError(where=where, reason=text)

    # ------------------------------------------------------------------ the interface of a store
    def prefix_of(self, backup: objects.Backup) -> str:
        created = backup.created_at.strftime('%Y%m%d%H%M%S')
        zone = (backup.availability_zone or '')[:_ZONE_LENGTH]
        return f'volume_{backup.volume_id}/{created}/az_{zone}_backup_{backup.id}'

    def require_creation(self, container: str) -> None:
        """:raises BackupStoreRefused: containers are not created here"""
        if not self.conf.backup_create_containers:
            raise exception.BackupStoreRefused(
                where=container, reason='it does not exist, and backup_create_containers = False; '
                                        'create it in the store')

    @contextlib.contextmanager
    def writer(self, container: str, name: str) -> Iterator[Upload]:
        content = Upload(self.conf.state_path, self.object_size, self._hash_content)
        try:
            yield content
            self._run(container, name, lambda: self._put(container, name, content))
            self._recent.add(container, name)
        finally:
            content.close()

    def _put(self, container: str, name: str, content: Upload) -> None:
        try:
            self.put_object(container, name, content)
        except exception.BackupObjectNotFound as exc:
            raise faults.Fault(f'container {container} does not exist') from exc

    @contextlib.contextmanager
    def reader(self, container: str, name: str) -> Iterator[Download]:
        def open_at(offset: int, etag: str | None) -> Answer:
            try:
                return self.get_object(container, name, offset, etag)
            except exception.BackupObjectNotFound as exc:
                if self._is_expected(container, name):
                    raise faults.Fault('the object is not there yet') from exc
                raise
        content = Download(open_at, f'{container}/{name}', self.policy, limit=self.object_size,
                           memory=self._memory, verify=self._verify, timeout=self._timeout)
        try:
            content.open()
            yield content
        finally:
            content.close()

    def _is_expected(self, container: str, name: str) -> bool:
        """Return whether a missing object was written recently, or is listed: the server that
        answered may be behind others."""
        return self._recent.has(container, name) or name in self.names(container, name)

    def names(self, container: str, prefix: str) -> list[str]:
        found, after = self._recent.names(container, prefix), ''
        with contextlib.suppress(exception.BackupObjectNotFound):
            while True:
                page, after = self._run(container, prefix, functools.partial(
                    self.list_objects, container, prefix, after))
                found.update(name for name in page if name.startswith(prefix))
                if not after:
                    break
        return sorted(found)

    def delete(self, container: str, name: str) -> None:
        with contextlib.suppress(exception.BackupObjectNotFound):
            self._run(container, name, lambda: self.delete_object(container, name))
        self._recent.remove(container, name)

    def _run(self, container: str, name: str, attempt: Callable[[], faults.T]) -> faults.T:
        return faults.run(self.policy, f'{container}/{name}', attempt)


class Recent:
    """The objects that this process wrote recently: a store may list them late."""

    def __init__(self) -> None:
        self._written: dict[tuple[str, str], float] = {}
        self._lock = concurrency.original('threading').Lock()

    def add(self, container: str, name: str) -> None:
        now = time.monotonic()
        with self._lock:
            self._written.pop((container, name), None)
            self._written[container, name] = now
            # The oldest come first.
            for key, when in list(self._written.items()):
                if now - when < SETTLING_SECONDS:
                    break
                del self._written[key]

    def remove(self, container: str, name: str) -> None:
        with self._lock:
            self._written.pop((container, name), None)

    def has(self, container: str, name: str) -> bool:
        with self._lock:
            when = self._written.get((container, name))
        return when is not None and time.monotonic() - when < SETTLING_SECONDS

    def names(self, container: str, prefix: str) -> set[str]:
        """Return the names that begin with `prefix`."""
        oldest = time.monotonic() - SETTLING_SECONDS
        with self._lock:
            return {name for (inside, name), when in self._written.items()
                    if inside == container and name.startswith(prefix) and when > oldest}
