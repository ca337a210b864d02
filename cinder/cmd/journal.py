# SPDX-License-Identifier: Apache-2.0
"""`cinder-manage operations list`: shows the accepted operations that are not finished. Reads the
journal in the database, changes nothing."""
import json
from collections.abc import Iterable

from cinder import context
from cinder.cmd.tables import print_table
from cinder.db import journal, operations
from cinder.objects.verbs import SHORT, VERBS

COLUMNS = ('id', 'verb', 'class', 'state', 'resource', 'project', 'service', 'attempt', 'age',
           'progress', 'waits_for')


def rows(**wanted: str | None) -> list[dict]:
    """Return the unfinished operations, oldest first.

    :param wanted: host, project_id, verb, state, resource_id: required values
    :returns: dictionaries with the keys COLUMNS; `age` in seconds, `progress` in percent or None;
        the state of an operation that waits is 'waiting', and `waits_for` says for what
    """
    found = []
    for row in journal.unfinished(context.get_admin_context(), **wanted):
        total = row['progress_total']
        waiting = json.loads(row['arguments'] or '{}').get(operations.WAITING) or {}
        verb = VERBS.get(row['verb'])
        found.append({
            'id': row['id'], 'verb': row['verb'], 'class': verb.kind if verb else None,
            'state': 'waiting' if row['set_aside'] else row['state'],
            'resource': f'{row["resource_type"]} {row["resource_id"]}',
            'project': row['project_id'], 'attempt': row['attempt'],
            'service': (row['cluster'] or row['host']) if row['stage'] == 'execute'
            else 'scheduler', 'age': round(row['age'], 1),
            'progress': row['progress_done'] * 100 // total if total else None,
            'waits_for': waiting.get('for') if row['set_aside'] else None})
    return found


def totals(found: Iterable[dict]) -> list[dict]:
    """Return the number of queued, running and waiting operations, and the age of the oldest in
    seconds, by service and class of work."""
    sums: dict[tuple[str, str], dict] = {}
    for row in found:
        key = row['service'] or '', row['class'] or SHORT
        each = sums.setdefault(key, {'service': key[0], 'class': key[1], 'queued': 0,
                                     'running': 0, 'waiting': 0, 'oldest': 0.0})
        each[row['state']] += 1
        each['oldest'] = max(each['oldest'], row['age'])
    return [sums[key] for key in sorted(sums)]


def to_json(found: list[dict]) -> str:
    """Return {'operations': [...], 'totals': [...]} as JSON, see rows() and totals()."""
    return json.dumps({'operations': found, 'totals': totals(found)}, indent=2)


def show(as_json: bool = False, service: str | None = None, **wanted: str | None) -> None:
    """Print the accepted operations that are not finished, oldest first, and their totals."""
    found = rows(host=service, **wanted)
    if as_json:
        print(to_json(found))
        return
    print_table([name.replace('_', ' ').capitalize() for name in COLUMNS],
           ([row[name] for name in COLUMNS] for row in found))
    for total in totals(found):
        print('{service}, {class}: {queued} queued, {running} running, {waiting} waiting, the '
              'oldest for {oldest:.0f} s'.format(**total))
