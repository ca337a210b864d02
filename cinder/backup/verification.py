# SPDX-License-Identifier: Apache-2.0
"""Verifies backups without restoring them, at the request of an operator or from time to time, and
records the result with the backup."""
import functools

from oslo_log import log as logging

from cinder import exception, objects
from cinder.backup import chains, facts, formats
from cinder.backup import driver as driver_api
from cinder.brick import blocking
from cinder.context import RequestContext
from cinder.db import backups as backups_db
from cinder.db import session
from cinder.rpc import notifications

LOG = logging.getLogger(__name__)
# Keys of the metadata of a backup with the time of the last verification, and its result.
WHEN, RESULT = 'verified_at', 'verified'
_LONGEST = 255


def verify(ctxt: RequestContext, driver: driver_api.Driver, backup: objects.Backup,
           sample: int) -> facts.Report:
    """Read a backup and those that it builds on from the store, and record what was found.

    :param sample: percent of the objects that are read
    :raises InvalidBackup, BackupNotFound: the backup, or one that it needs, is not available, or
        was deleted meanwhile.
    :raises BackupStoreError: the store does not answer, which is recorded nowhere.
    """
    chain = chains.of(ctxt, backup, driver.class_path())
    report = blocking.copy(functools.partial(
        formats.of(driver.for_project(backup.project_id)).verify, chain, sample=sample))
    if report.problems:
        _require_kept(ctxt, backup)
    for problem in report.problems:
        LOG.error('Backup %s is damaged: %s', backup.id, problem)
    _conclude(ctxt, backup, report)
    return report


@session.retry_on_deadlock
def _conclude(ctxt: RequestContext, backup: objects.Backup, report: facts.Report) -> None:
    with session.writer(ctxt):
        if report.problems:
            _record(ctxt, backup, f'damaged, {len(report.problems)} faults: {report.problems[0]}')
            notifications.notify(ctxt, 'backup', 'backup.verify.error', backup,
                                 reason=report.problems[0])
        else:
            _record(ctxt, backup, f'good, {report.objects} of {report.total} objects')
            notifications.notify(ctxt, 'backup', 'backup.verify.end', backup)


def _require_kept(ctxt: RequestContext, backup: objects.Backup) -> None:
    """Require that a backup of which objects are missing was not deleted meanwhile.

    :raises InvalidBackup, BackupNotFound: it was.
    """
    status = backups_db.get(ctxt, backup.id).status
    if status not in ('available', 'restoring'):
        raise exception.InvalidBackup(
            reason=f'backup {backup.id} is in status {status} since it was being verified; '
                   'expected available')


def _record(ctxt: RequestContext, backup: objects.Backup, result: str) -> None:
    backups_db.mark(ctxt, backup.id, WHEN, **{RESULT: result[:_LONGEST]})


def verify_next(ctxt: RequestContext, driver: driver_api.Driver, host: str, interval: int,
                sample: int) -> bool:
    """Verify the backup of a host that was not verified for the longest time; return whether one
    was due.

    :param interval: seconds after which a backup is due again
    """
    due = backups_db.least_recently_marked(ctxt, host, driver.class_path(), WHEN, interval)
    if due is None:
        return False
    try:
        verify(ctxt, driver, due, sample)
    except exception.BackupNotFound:
        LOG.info('Backup %s was deleted while it was verified.', due.id)
    except (exception.InvalidBackup, exception.BackupStoreRefused) as exc:
        # Recorded, so that the other backups have their turn.
        LOG.warning('Backup %s cannot be verified: %s', due.id, exc)
        _record(ctxt, due, f'not verified, {exc}')
    return True
