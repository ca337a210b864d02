# SPDX-License-Identifier: Apache-2.0
"""`cinder-manage db adopt`: takes over the database of the original Cinder. Parses its arguments
and prints; cinder.db.adoption does the work."""
from typing import Any

from cinder.cmd.tables import complain, print_table
from cinder.db.adoption import copy, hosts, source

# For the table COMMANDS of manage.py.
ARGUMENTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ('source_url', {'metavar': 'SOURCE_URL', 'help': 'database of the original, which is only '
                    'read'}),
    ('--map-host', {'action': 'append', 'default': [], 'metavar': 'OLD=NEW',
                    'help': 'rename a host, host@backend or host@backend#pool in all tables; can '
                            'be repeated'}),
    ('--deleted-days', {'type': int, 'default': 0, 'metavar': 'N',
                        'help': 'also copy rows that were deleted in the last N days'}),
)


def adopt(source_url: str, map_host: list[str], deleted_days: int) -> int:
    """Copy the database of the original Cinder into the configured one.

    :returns: exit status, 1 if rows were refused
    """
    if deleted_days < 0:
        return complain(f'--deleted-days {deleted_days} is negative; expected at least 0', 1)
    renamed = hosts.parse(map_host)
    opened = source.Source(source_url)
    try:
        return _report(copy.adopt(opened, renamed, deleted_days, _show))
    finally:
        opened.close()


def _show(text: str) -> None:
    print(text, flush=True)


def _report(result: copy.Result) -> int:
    print_table(('Table', 'Rows'), result.rows.items())
    for finding in result.findings.all():
        print(finding.line())
    total = sum(result.rows.values())
    print(f'{total} rows were copied in {result.seconds:.0f} s.')
    if result.findings.refused:
        return complain('Rows were refused, see above: the adoption is not complete. Correct them '
                        'in the source and run this again.', 1)
    return 0
