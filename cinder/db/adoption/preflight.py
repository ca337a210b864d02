# SPDX-License-Identifier: Apache-2.0
"""What is checked before an adoption, as a table: CHECKS. Each check only reads the source; its
queries are in questions.py, the values of all rows are judged by the conversions of the copy."""
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import NamedTuple

from cinder.db import models
from cinder.db.adoption import conversions, mapping, questions, selection
from cinder.db.adoption.findings import REFUSAL, WARNING, Findings
from cinder.db.adoption.questions import Found, Target
from cinder.db.adoption.source import Source

PAGE = 1000
# Conversions that need more than the row.
_RELATED = ('parent', 'consumer')


class Check(NamedTuple):
    """A check.

    :param code: its name
    :param text: what is wrong; {} is what the query returns besides the ids
    :param remedy: what the operator does about it
    :param find: query: the rows for which it is so
    :param harmless: whether an operator may ignore a refusal: the rows are copied as they are, and
        nothing is lost
    """

    code: str
    severity: str
    table: str
    text: str
    remedy: str
    find: Callable[[Source, Target], Iterator[Found]]
    harmless: bool = False


_WAIT = ('Start the services of the original and wait until it is done, or set the status with '
         '"cinder reset-state" there.')
_MIGRATE = 'Run "cinder-manage db online_data_migrations" of the original until nothing is left.'
_DELETE = 'Delete it with the original, or clear its row there.'
CHECKS = (
    Check('services-up', REFUSAL, 'services', 'these services have reported lately',
          'Stop the services of the original on these hosts, wait for service_down_time, and run '
          'this again.', questions.reporting),
    *(Check('in-transition', REFUSAL, table, 'an operation is under way, status {}', _WAIT,
            questions.in_statuses(table, statuses))
      for table, statuses in questions.TRANSITIONAL.items()),
    Check('migrating', REFUSAL, 'volumes', 'a migration is under way, migration_status {}', _WAIT,
          questions.migrating),
    *(Check('unknown-backend', REFUSAL, table, 'they are on {}',
            'Configure the back end here and name it in enabled_backends, or rename it with '
            '--map-host. With --ignore unknown-backend the rows are copied, and nothing works on '
            'them until a service of that name runs.', questions.on_unknown_backend(table),
            harmless=True)
      for table in ('volumes', 'groups')),
    Check('shared-target', REFUSAL, 'volumes', 'they are attached through an NVMe subsystem of '
          'several volumes (lvm_share_target)', 'Detach them with the original. With --ignore '
          'shared-target the rows are copied, and cinder-volume sets the volumes to error.',
          questions.sharing_a_target, harmless=True),
    Check('attachment-specs', REFUSAL, 'attachment_specs', 'rows of the time before connectors '
          'were stored in the attachments', _MIGRATE, questions.any_of('attachment_specs'),
          harmless=True),
    *(Check('no-type', REFUSAL, table, 'they have no volume type', _MIGRATE,
            questions.without(table, 'volume_type_id')) for table in ('volumes', 'snapshots')),
    *(Check('use-quota', REFUSAL, table, 'use_quota is NULL', _MIGRATE,
            questions.without(table, 'use_quota')) for table in ('volumes', 'snapshots')),
    Check('no-uuid', REFUSAL, 'services', 'they have no uuid', _MIGRATE,
          questions.without('services', 'uuid')),
    *(Check('consistency-groups', REFUSAL, table, 'consistency groups, which are generic groups '
            'since Queens', 'Migrate them with a release of the original that has the online '
            'migration, or delete them.', questions.any_of(table))
      for table in ('consistencygroups', 'cgsnapshots')),
    Check('temporary', WARNING, 'backups', 'they name a temporary volume or snapshot that was '
          'left, {}', _DELETE, questions.temporaries),
    Check('pending-transfer', WARNING, 'transfers', 'they are not accepted yet', 'The keys stay '
          'valid; nothing has to be done.', questions.pending_transfers),
    *(Check('duplicate-metadata', WARNING, table, 'they have the key {} more than once; the last '
            'value is taken', 'Remove the others there if it is the wrong one.',
            questions.duplicates(table, owner)) for table, owner in questions.PAIRS.items()),
    Check('quota-drift', WARNING, 'quota_usages', 'the usage stored for {} is not that of the rows',
          'Nothing has to be done: usage is counted here.', questions.drifted),
    *(Check('no-key-manager', WARNING, table, 'they are encrypted, and cinder.conf has no {}',
            'Configure the key manager that the original uses, before the services are started.',
            questions.without_keys(table)) for table in ('volumes', 'snapshots', 'backups')),
    Check('unknown-backup-driver', WARNING, 'backups', 'they were made by {}, which is not '
          'available here', 'They are listed, and cannot be restored or deleted here.',
          questions.by_unknown_driver),
)
# Codes of refusals that an operator may ignore.
HARMLESS = frozenset(check.code for check in CHECKS if check.harmless)


def examine(source: Source, target: Target, ignored: Collection[str] = (),
            values: bool = True) -> Findings:
    """Run all checks.

    :param ignored: codes in HARMLESS, which become warnings
    :param values: also convert the values of all rows, as the copy does
    """
    findings = Findings()
    for check in CHECKS:
        severity = WARNING if check.code in ignored else check.severity
        for found in check.find(source, target):
            findings.add(severity, check.code, check.table, check.text.format(found.words),
                         remedy=check.remedy, row_id=found.row_id)
    for step in mapping.STEPS if values else ():
        _examine_values(source, step, target.hosts, findings)
    return findings


# ------------------------------------------------------------------------------- values of rows
def _examine_values(source: Source, step: mapping.Step, hosts: Mapping[str, str],
                    findings: Findings) -> None:
    """Convert the values of all rows of a step that are not deleted."""
    columns = models.metadata.tables[step.target].c
    rules = [(rule.sources[0], conversions.KINDS[rule.kind](rule, columns[name]))
             for name, rule in step.columns.items()
             if rule.sources and rule.kind not in _RELATED]
    scope = conversions.Scope(hosts, lambda _text: None)
    for row in _rows(source, step):
        for column, convert in rules:
            try:
                convert(row, scope)
            except conversions.Unusable as exc:
                findings.add(REFUSAL, 'unusable', step.source, f'{column} {exc}',
                             remedy='Correct the rows in the source.', row_id=row[step.key])


def _rows(source: Source, step: mapping.Step) -> Iterator[Mapping]:
    last = None
    where = [*selection.live(source, step.source), *selection.part(source, step)]
    while True:
        rows = source.after(step.source, step.key, last, PAGE, where)
        yield from rows
        if len(rows) < PAGE:
            return
        last = rows[-1][step.key]
