# SPDX-License-Identifier: Apache-2.0
"""What a driver of a backup store must offer, and how the configured one is loaded.

Most stores keep named objects in containers (BackupDriver). They know nothing of volumes, rows or
formats: cinder.backup.chunked names the objects, and compresses and verifies their content. A store
in which backups have a format of its own (FormatDriver) reads and writes volumes itself.
"""
import abc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol

from oslo_config import cfg

from cinder import class_paths, exception, objects
from cinder.backup.facts import Found, Progress, Report, Source, Target, Written
from cinder.conf import backup as backup_options
from cinder.conf.problem import Problem

# Compression makes no object larger by more than one part in so many.
GROWTH = 64


class Writer(Protocol):
    """An object that is being written."""

    def write(self, data: bytes) -> object:
        """Append all of `data`."""


class PatchingWriter(Writer, Protocol):
    """The same for drivers with `can_patch`."""

    def patch(self, offset: int, data: bytes) -> object:
        """Replace bytes that are written already."""


class Reader(Protocol):
    """An object that is being read."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, at most `size`; b'' at the end only."""


class Driver(abc.ABC):
    """A backup store.

    All methods may block, and are called in several native threads at once; a driver retries what
    is worth a retry itself. They raise subclasses of BackupStoreError whose text names the
    container and the object.

    :param conf: the options of this service
    """

    # Whether notifications of progress are sent after a time too.
    enable_progress_timer = True

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self.conf = conf

    @classmethod
    def class_path(cls) -> str:
        """Return what the column `service` of a backup holds."""
        return f'{cls.__module__}.{cls.__qualname__}'

    @classmethod
    @abc.abstractmethod
    def get_driver_options(cls) -> list[cfg.Opt]:
        """Return the options that this driver reads."""

    def for_project(self, project_id: str) -> 'Driver':
        """Return the driver for the backups of one project: another one if each project has its own
        part of the store."""
        del project_id
        return self

    def set_up(self) -> None:  # noqa: B027 - most stores need nothing
        """Make the store reachable, such as mount it, if it is not. Unlike the other methods it is
        called in a thread of the service, as it may use the privileged helper.

        :raises BackupStoreError: it fails
        """

    def problems(self) -> Iterator[Problem]:
        """Yield what is wrong with the options, without asking the store: the service does not
        start with it. The constructor finds the rest."""
        yield from ()

    @abc.abstractmethod
    def check(self) -> None:
        """Do nothing if the store answers and accepts objects.

        :raises BackupStoreError: the reason why it does not
        """

    @abc.abstractmethod
    def container_of(self, backup: objects.Backup) -> str:
        """Return the container of a new backup: the one that the user asks for, or the default.

        :raises InvalidBackupContainer: the store cannot have a container of that name
        """

    def prefix_of(self, backup: objects.Backup) -> str:
        """Return what the names of the objects of a new backup begin with. The result is kept in
        `service_metadata`; afterwards the row is read and the prefix is never made again."""
        created = backup.created_at.strftime('%Y%m%d%H%M%S')
        return f'volume_{backup.volume_id}_{created}_backup_{backup.id}'

    def place_of(self, backup: objects.Backup, parent: objects.Backup | None) -> dict[str, str]:
        """Return what is kept in the columns of a new backup.

        :param parent: the backup on which it builds
        """
        del parent
        return {'container': self.container_of(backup), 'service_metadata': self.prefix_of(backup)}


class BackupDriver(Driver):
    """A store of named objects in containers; backups in it have the chunked format."""

    # Most plain bytes of one object, a multiple of `block_size`: set by __init__.
    object_size: int
    # Plain bytes of which the format keeps one digest.
    block_size: int
    # Most bytes that writer() accepts; None: there is no limit.
    largest_object: int | None = None
    # Whether writers are PatchingWriters. The format then streams an object of any size; else it
    # collects one object in memory before it writes it.
    can_patch = False

    @abc.abstractmethod
    def create_container(self, container: str) -> None:
        """Create a container if it does not exist."""

    @abc.abstractmethod
    def writer(self, container: str, name: str) -> AbstractContextManager[Writer]:
        """Write an object, or replace it: it is visible and durable when the block ends without an
        error, and else it is not changed."""

    @abc.abstractmethod
    def reader(self, container: str, name: str) -> AbstractContextManager[Reader]:
        """Read an object.

        :raises BackupObjectNotFound: there is none of that name
        """

    @abc.abstractmethod
    def names(self, container: str, prefix: str) -> list[str]:
        """Return the names of the objects that begin with `prefix`, in order, also those of writes
        that were interrupted; none if there is no such container."""

    @abc.abstractmethod
    def delete(self, container: str, name: str) -> None:
        """Delete an object; a missing one is no error."""

    def delete_container(self, container: str) -> None:
        """Delete a container that was created for one backup, if it is empty; else do nothing."""
        del container


class FormatDriver(Driver):
    """A store in which backups have a format of its own. What is called again after an interruption
    goes on, or starts over without leaving anything behind."""

    # Whether no two backups have the same service_metadata, but for records that were imported with
    # another id.
    prefix_is_of_one = False

    @abc.abstractmethod
    def complete(self, backup: objects.Backup) -> Written | None:
        """Return the result of write() if nothing is missing in the store, else None."""

    @abc.abstractmethod
    def write(self, backup: objects.Backup, source: Source, *, parent: objects.Backup | None,
              volume_meta: dict[str, Any], progress: Progress) -> Written:
        """Write a backup, or what is missing of one that was interrupted.

        :param parent: the backup whose changes are written
        :param volume_meta: facts of the volume, see volume_meta.of()
        """

    @abc.abstractmethod
    def restore(self, chain: list[objects.Backup], target: Target, *, done: int,
                checkpoint: Callable[[int], object], progress: Progress) -> None:
        """Write the data of a backup to a volume.

        :param chain: the backups from the full one to the one that is restored
        :param done: the last number with which `checkpoint` was called by an interrupted restore
        :param checkpoint: called from time to time with a number that grows
        """

    @abc.abstractmethod
    def verify(self, chain: list[objects.Backup], *, sample: int) -> Report:
        """Read a backup without restoring it.

        :param sample: percent of the data that are read
        """

    @abc.abstractmethod
    def look(self, backup: objects.Backup) -> Found:
        """Return what a complete backup has.

        :raises BackupObjectNotFound, BackupDataError: it is not complete, or it is another one
        """

    @abc.abstractmethod
    def volume_meta(self, backup: objects.Backup) -> dict[str, Any]:
        """Return what a complete backup knows of its volume, see volume_meta.of()."""

    @abc.abstractmethod
    def delete_backup(self, backup: objects.Backup) -> None:
        """Delete all that a backup has in the store, and nothing that others need; what is not
        there is no error."""

    def image_of(self, backup: objects.Backup) -> str | None:
        """Return the name of what only one operation changes at a time; None: there is no such
        thing."""
        del backup
        return None

    def source_snapshot(self, backup: objects.Backup) -> str | None:
        """Return the name that the snapshot from which a complete backup was read should keep on
        its storage, for the next incremental backup; None: it need not be kept."""
        del backup
        return None


def load(conf: cfg.ConfigOpts) -> Driver:
    """Return the driver that the option backup_driver names.

    :raises InvalidConfigurationValue: it names no driver, or the driver refuses its options
    """
    found = class_paths.load('backup_driver', conf.backup_driver)
    if not (isinstance(found, type) and issubclass(found, Driver)):
        raise exception.InvalidConfigurationValue(
            f'backup_driver = {conf.backup_driver} is not a driver of a backup store; expected the '
            'path of a subclass of cinder.backup.driver.Driver')
    return found(conf)


def check_sizes(conf: cfg.ConfigOpts, option: str, block_option: str,
                largest: int | None = None) -> None:
    """Check the options with the sizes of an object and of a block.

    :param largest: most bytes of an object that the store accepts; None: there is no limit
    :raises InvalidConfigurationValue: an object is not a whole number of blocks, or compression may
        make it too large
    """
    size, block = conf[option], conf[block_option]
    if size % block:
        raise exception.InvalidConfigurationValue(
            f'{option} = {size} is not a multiple of {block_option} = {block}')
    if largest is None or conf.backup_compression_algorithm.lower() in backup_options.UNCOMPRESSED:
        return
    most = largest * GROWTH // (GROWTH + 1)
    if size > most:
        raise exception.InvalidConfigurationValue(
            f'{option} = {size} is too large: expected at most {most - most % block}, because '
            f'compression may add 1/{GROWTH} and the store accepts {largest} bytes in one '
            'request; or set backup_compression_algorithm = none')
