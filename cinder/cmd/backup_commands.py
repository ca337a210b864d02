# SPDX-License-Identifier: Apache-2.0
"""`cinder-manage backup`: lists and verifies backups, and gives those of a host that is gone to
another one."""
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from cinder import context, exception
from cinder.db import backups as backups_db

if TYPE_CHECKING:
    from cinder.backup import driver

# Title -> minimum width; scripts split the lines at the tabs.
COLUMNS = {'ID': 32, 'User ID': 32, 'Project ID': 32, 'Host': 24, 'Name': 24, 'Container': 12,
           'Status': 12, 'Size': 12, 'Object Count': 12}


def show_list() -> None:
    """Print the backups of all projects."""
    for cells in (COLUMNS, *rows()):
        _print_row(cells)


def rows() -> Iterator[tuple[object, ...]]:
    """Return the backups of all projects, with the columns COLUMNS."""
    for row in backups_db.all_rows(context.get_admin_context()):
        yield (row['id'], row['user_id'], row['project_id'], row['host'], row['display_name'],
               row['container'], row['status'], row['size'], row['object_count'])


def _print_row(cells: Iterable[object]) -> None:
    print('\t'.join(str('' if cell is None else cell).ljust(width)
                    for cell, width in zip(cells, COLUMNS.values(), strict=True)))


def update_host(currenthost: str, newhost: str) -> None:
    """Give the backups of one host to another one, which then works on them."""
    count = backups_db.move_to_host(context.get_admin_context(), currenthost, newhost)
    print(f'{count} backups of {currenthost} now belong to {newhost}')


def verify(backup_id: str | None = None, everything: bool = False, sample: str = '100') -> int:
    """Read backups from the store and check them, without restoring; status 1 if one is damaged."""
    share = sample.removesuffix('%')
    if not share.isdecimal() or not 1 <= int(share) <= 100:
        raise exception.InvalidInput(
            reason=f'--sample is {sample}; expected a percentage from 1 to 100')
    if bool(backup_id) is everything:
        raise exception.InvalidInput(reason='expected the id of a backup, or --all')
    # Imported here, because other commands do not need the stores.
    from cinder.backup import driver
    from cinder.conf import CONF
    ctxt = context.get_admin_context()
    ids = [backup_id] if backup_id else [
        row['id'] for row in backups_db.all_rows(ctxt, status='available')]
    store = driver.load(CONF)
    store.set_up()
    return 1 if sum(_verify_one(ctxt, store, ident, int(share)) for ident in ids) else 0


def _verify_one(ctxt: context.RequestContext, store: 'driver.Driver', ident: str,
                sample: int) -> int:
    """Verify one backup and print the result; return the number of faults."""
    from cinder.backup import verification
    try:
        backup = backups_db.get(ctxt, ident)
        if backup.status != 'available':
            raise exception.InvalidBackup(
                reason=f'backup {ident} is in status {backup.status}; expected available')
        report = verification.verify(ctxt, store, backup, sample)
    except (exception.InvalidBackup, exception.BackupNotFound) as exc:
        print(f'{ident}: {exc}', file=sys.stderr)
        return 1
    print(f'{ident}: {len(report.problems)} faults, {report.objects} of {report.total} objects '
          f'were read')
    for problem in report.problems:
        print(f'{ident}: {problem}', file=sys.stderr)
    return len(report.problems)
