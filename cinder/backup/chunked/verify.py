# SPDX-License-Identifier: Apache-2.0
"""Reads a backup and the chain below it from the store without restoring it, and reports each
fault: lists, objects, blocks."""
import contextlib
import math
import random

from cinder import exception, objects
from cinder.backup import driver as driver_api
from cinder.backup import threads
from cinder.backup.chunked import digests, parts, plan, reader, volume, zeros
from cinder.backup.chunked.plan import Part
from cinder.backup.facts import Progress, Report

_FAULTS = (exception.BackupDataError, exception.BackupStoreError, exception.InvalidBackup)
_MOST = 100  # lines of a report


def verify(driver: driver_api.BackupDriver, chain: list[objects.Backup], *, spool: str,
           sample: int = 100, progress: Progress | None = None) -> Report:
    """Check a backup with the chain below it.

    :param chain: the backups from the full one to the one that is checked
    :param spool: directory for temporary files
    :param sample: percent of the objects that are read, at least one of them; the lists are always
    :raises BackupStoreError: the store does not answer or refuses access, which is no fault of the
        backup
    """
    driver.check()
    problems: list[str] = []
    try:
        read = reader.read_chain(driver, chain)
    except _FAULTS as exc:
        return Report(0, 0, 0, (_problem(driver, exc),))
    found = plan.parts(read, read[-1][1].size)
    for backup, metadata in read:
        problems += _missing(driver, backup, {entry.name for entry in metadata.entries})
    chosen = found if sample >= 100 else _sample(found, sample)
    count, plain = 0, 0
    with contextlib.ExitStack() as opened:
        try:
            for backup in chain[:-1]:
                digests.read(driver, backup, spool).close()
            known = opened.enter_context(digests.read(driver, chain[-1], spool))
            reader.check_coverage(chain[-1], found, known, read[-1][1].size)
        except _FAULTS as exc:
            return Report(0, len(found), 0, (*problems, _problem(driver, exc)))
        objects_reader = parts.PartReader(driver, volume.Nowhere(), known, read[-1][1].size,
                                          opened)
        work = _Check(driver, objects_reader)
        total = sum(part.entry.length for part in chosen)
        readers = opened.enter_context(threads.Pool(parts.READERS, 'backup-read'))
        opened.push(objects_reader.interrupt)

        def report() -> None:
            if progress:
                progress(plain, total, count)

        for part in reader.ordered(readers, work.check, chosen, report):
            count, plain = count + 1, plain + part.entry.length
            report()
    return Report(count, len(found), plain, tuple((problems + work.problems)[:_MOST]))


def _problem(driver: driver_api.BackupDriver, exc: exception.CinderException) -> str:
    """Return the line for a fault of the backup.

    :raises BackupStoreError: it is one of the store, which does not answer at all
    """
    if isinstance(exc, exception.BackupStoreError):
        driver.check()
    return str(exc)


def _missing(driver: driver_api.BackupDriver, backup: objects.Backup,
             listed: set[str]) -> list[str]:
    """Return a line for each object that the store does not name."""
    there = driver.names(backup.container, backup.service_metadata)
    return [f'The backup store has no object {backup.container}/{name}'
            for name in sorted(listed.difference(there))]


def _sample(found: list[Part], percent: int) -> list[Part]:
    count = min(max(math.ceil(len(found) * percent / 100), 1), len(found))
    chosen = random.SystemRandom().sample(found, count)
    return sorted(chosen, key=lambda part: part.entry.offset)


class _Check:
    """Reads objects and collects their faults."""

    def __init__(self, driver: driver_api.BackupDriver, work: parts.PartReader) -> None:
        self._driver, self._work = driver, work
        self.problems: list[str] = []

    def check(self, part: Part) -> Part:
        """Read an object."""
        try:
            if not self._is_known(part):
                self._work.read(part)
        except exception.BackupObjectNotFound:
            pass  # _missing() reports it
        except _FAULTS as exc:
            self.problems.append(_problem(self._driver, exc))
        return part

    def _is_known(self, part: Part) -> bool:
        """Whether this is an object of zeros exactly as zeros.py makes it: those are long."""
        entry = part.entry
        if not self._work.is_zero(part):
            return False
        expected = zeros.stored(entry.length, entry.compression)
        with self._driver.reader(part.backup.container, entry.name) as stream:
            read = b''
            while len(read) <= len(expected) and (more := stream.read(2**20)):
                read += more
        return read == expected
