# SPDX-License-Identifier: Apache-2.0
"""`cinder-manage db adopt`: takes over the database of the original Cinder. Parses its arguments
and prints; cinder.db.adoption does the work."""
from typing import Any

from cinder.cmd import adopt_checks, adopt_diff, adopt_proof
from cinder.cmd.tables import complain, print_table
from cinder.db.adoption import copy, hosts, preflight, source
from cinder.db.adoption import fence as fences

SOURCE: tuple[str, dict[str, Any]] = ('source_url', {
    'metavar': 'SOURCE_URL', 'help': 'database of the original, which is only read'})
# What the check needs; cinder-status has it too.
CHECK_ARGUMENTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ('--map-host', {'action': 'append', 'default': [], 'metavar': 'OLD=NEW',
                    'help': 'rename a host, host@backend or host@backend#pool in all tables; can '
                            'be repeated'}),
    ('--ignore', {'action': 'append', 'default': [], 'metavar': 'CODE',
                  'help': f'a refusal to ignore: {", ".join(sorted(preflight.HARMLESS))}; can be '
                          'repeated'}),
    ('--json', {'dest': 'as_json', 'action': 'store_true', 'help': 'print the check as JSON'}),
)
# For the table COMMANDS of manage.py.
ARGUMENTS: tuple[tuple[str, dict[str, Any]], ...] = (
    SOURCE, *CHECK_ARGUMENTS,
    ('--deleted-days', {'type': int, 'default': 0, 'metavar': 'N',
                        'help': 'also copy rows that were deleted in the last N days'}),
    ('--leave-out', {'action': 'store_true', 'help': 'let the services start although rows were '
                     'refused, which are left out'}),
    ('--check', {'dest': 'what', 'action': 'store_const', 'const': 'check',
                 'help': 'only list what is in the way'}),
    ('--fence', {'action': 'store_true', 'help': 'disable the services of the original first'}),
    ('--unfence', {'dest': 'what', 'action': 'store_const', 'const': 'unfence',
                   'help': 'only enable the services that --fence disabled'}),
    ('--diff', {'dest': 'what', 'nargs': '?', 'const': 'commands', 'choices': ('commands', 'csv'),
                'help': 'only print what was made, changed and deleted here since'}),
    ('--report', {'metavar': 'FILE',
                  'help': 'where the proof is kept; default: adoption.json in state_path'}),
)


def adopt(source_url: str, map_host: list[str], deleted_days: int, what: str | None, fence: bool,
          ignore: list[str], as_json: bool, report: str | None, leave_out: bool = False) -> int:
    """Copy the database of the original Cinder into the configured one, and prove the copy.

    :returns: exit status, 1 if rows were refused or the proof fails, 2 if the check refuses
    """
    wrong = _contradiction(deleted_days, what, fence or leave_out or bool(report), as_json)
    if wrong:
        return complain(wrong, 1)
    if what == 'check':
        return adopt_checks.check(source_url, map_host, ignore, as_json)
    if what == 'unfence':
        return _fence(source_url, undo=True)
    renamed = hosts.parse(map_host)
    opened = source.Source(source_url)
    try:
        if what:
            return adopt_diff.show(opened, renamed, what)
        found = adopt_checks.examine(opened, renamed, ignore, values=False)
        adopt_checks.report(opened, found)
        if found.refused:
            return complain('Nothing was copied.', adopt_checks.REFUSED)
        if fence:
            _fence(source_url, undo=False)
        status = _report(copy.adopt(opened, renamed, deleted_days, _show, leave_out), leave_out)
        return max(status, adopt_proof.prove(opened, renamed, report))
    finally:
        opened.close()


def _contradiction(deleted_days: int, what: str | None, of_copy: bool,
                   as_json: bool) -> str | None:
    """Return why the options cannot be honoured together."""
    if deleted_days < 0:
        return f'--deleted-days {deleted_days} is negative; expected at least 0'
    if as_json and what != 'check':
        return '--json is only for --check'
    if what and of_copy:
        return '--fence, --leave-out and --report are for the copy: expected no --check, --diff ' \
               'or --unfence'
    return None


def _fence(source_url: str, undo: bool) -> int:
    """Disable the services of the source, or enable them again; print them."""
    opened = source.Source(source_url, writable=True)
    try:
        done = fences.unfence(opened) if undo else fences.fence(opened)
    finally:
        opened.close()
    for name in done:
        print(f'{"enabled" if undo else "disabled"}: {name}')
    return 0


def _show(text: str) -> None:
    print(text, flush=True)


def _report(result: copy.Result, leave_out: bool) -> int:
    print_table(('Table', 'Rows'), result.rows.items())
    for finding in result.findings.all():
        print(finding.line())
    total = sum(result.rows.values())
    print(f'{total} rows were copied in {result.seconds:.0f} s.')
    if result.findings.refused and not leave_out:
        return complain('Rows were refused, see above: the services do not start. Correct the rows '
                        'in the source, or leave them out with --leave-out, and run this again.',
                        1)
    return 0
