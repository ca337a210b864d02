# SPDX-License-Identifier: Apache-2.0
"""Verifies backups without restoring them, at the request of an operator or from time to time, and
records the result with the backup."""
import functools

from oslo_log import log as logging

from cinder import objects
from cinder.backup import chains, work
from cinder.backup import driver as driver_api
from cinder.backup.chunked import facts
from cinder.backup.chunked import verify as chunked_verify
from cinder.brick import blocking
from cinder.context import RequestContext
from cinder.db import backups as backups_db
from cinder.rpc import notifications

LOG = logging.getLogger(__name__)
# Keys of the metadata of a backup with the time of the last verification, and its result.
WHEN, RESULT = 'verified_at', 'verified'
_LONGEST = 255


def verify(ctxt: RequestContext, driver: driver_api.BackupDriver, backup: objects.Backup,
           sample: int) -> facts.Report:
    """Read a backup and those that it builds on from the store, and record what was found.

    :param sample: percent of the objects that are read
    :raises InvalidBackup: the backup, or one that it needs, is not available.
    :raises BackupStoreError: the store does not answer, which is recorded nowhere.
    """
    chain = chains.of(ctxt, backup, driver.class_path())
    report = blocking.copy(functools.partial(
        chunked_verify.verify, driver.for_project(backup.project_id), chain, spool=work.spool(),
        sample=sample))
    result = (f'{len(report.problems)} faults: {report.problems[0]}' if report.problems
              else f'{report.objects} of {report.total} objects')
    backups_db.mark(ctxt, backup.id, WHEN, **{
        RESULT: f'{"damaged" if report.problems else "good"}, {result}'[:_LONGEST]})
    for problem in report.problems:
        LOG.error('Backup %s is damaged: %s', backup.id, problem)
    phase, reason = (('error', {'reason': report.problems[0]}) if report.problems
                     else ('end', {}))
    notifications.notify(ctxt, 'backup', f'backup.verify.{phase}', backup, **reason)
    return report


def verify_next(ctxt: RequestContext, driver: driver_api.BackupDriver, host: str, interval: int,
                sample: int) -> bool:
    """Verify the backup of a host that was not verified for the longest time; return whether one
    was due.

    :param interval: seconds after which a backup is due again
    """
    due = backups_db.least_recently_marked(ctxt, host, driver.class_path(), WHEN, interval)
    if due is None:
        return False
    verify(ctxt, driver, due, sample)
    return True
