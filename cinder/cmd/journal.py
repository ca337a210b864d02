# SPDX-License-Identifier: Apache-2.0
"""`cinder-manage operations`: lists the accepted operations that are not finished, shows one, and
cancels one."""
import json
from collections.abc import Iterable

from cinder import context
from cinder.cmd.tables import print_table
from cinder.db import journal, operation_rows, operations
from cinder.objects.verbs import SHORT, VERBS
from cinder.volume.api import operations as use_cases

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


# Lines of `show`: title, column.
_SHOWN = (('Id', 'id'), ('Verb', 'verb'), ('State', 'state'), ('Resource', 'resource'),
          ('Project', 'project_id'), ('User', 'user_id'), ('Request', 'request_id'),
          ('Service', 'service'), ('Attempt', 'attempt'), ('Queue position', 'queue_position'),
          ('Bytes done', 'progress_done'), ('Bytes in all', 'progress_total'),
          ('Reason', 'reason'), ('Created', 'created_at'), ('Updated', 'updated_at'),
          ('Finished', 'finished_at'))


def show_one(operation_id: str, as_json: bool = False) -> None:
    """Print an operation, also a finished one.

    :raises OperationNotFound: it does not exist.
    """
    row = operation_rows.get_row(context.get_admin_context(), operation_id)
    row |= {'resource': f'{row["resource_type"]} {row["resource_id"]}',
            'service': (row['cluster'] or row['host']) if row['stage'] == 'execute'
            else 'scheduler', 'reason': row['error'] or row['waits_for']}
    if as_json:
        print(json.dumps({name: row[name] for _title, name in _SHOWN}, indent=2, default=str))
    else:
        print_table(('Field', 'Value'), ((title, row[name]) for title, name in _SHOWN))


def cancel(operation_id: str) -> None:
    """Cancel an operation that has not begun, or whose work can stop.

    :raises OperationNotFound: it does not exist.
    :raises NotCancellable: it has ended, or cannot be cancelled.
    """
    use_cases.cancel(context.get_admin_context(), operation_id)
    print(f'Operation {operation_id} is cancelled; work that has begun stops within seconds.')
