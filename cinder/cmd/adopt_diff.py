# SPDX-License-Identifier: Apache-2.0
"""`cinder-manage db adopt --diff`: prints what was made, changed and deleted since an adoption, as
commands of cinderclient for the original, or as CSV."""
import csv
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping

from cinder.conf import CONF
from cinder.db.adoption import conversions, since
from cinder.db.adoption.since import CHANGED, DELETED, MADE, Change
from cinder.db.adoption.source import Source

CSV_COLUMNS = ('what', 'resource', 'id', 'project_id', 'name', 'size', 'volume_type_id', 'host',
               'storage_name', 'differences')


def show(source: Source, renamed: Mapping[str, str], form: str) -> int:
    """Print the changes since the adoption.

    :param form: 'commands' or 'csv'
    """
    found = list(since.changes(source, renamed))
    if form == 'csv':
        writer = csv.DictWriter(sys.stdout, CSV_COLUMNS)
        writer.writeheader()
        writer.writerows(map(_csv_row, found))
        return 0
    back = {new: old for old, new in renamed.items()}
    print('# Run this with the original, as an administrator, after its services have started and')
    print('# "cinder-manage db adopt SOURCE_URL --unfence" has enabled them.')
    print('# What is managed gets a new id there.')
    for each in found:
        make = _COMMANDS.get((each.table, each.what), _comment)
        for line in make(each, back):
            print(line)
    print(f'# {len(found)} changes')
    return 0


def _csv_row(change: Change) -> dict[str, object]:
    row = change.row or {}
    return {'what': change.what, 'resource': change.table, 'id': change.row_id,
            'project_id': row.get('project_id'), 'name': _name(change),
            'size': row.get('size', row.get('volume_size')),
            'volume_type_id': row.get('volume_type_id'), 'host': row.get('host'),
            'storage_name': _storage_name(change),
            'differences': '; '.join(f'{name}: {old} -> {new}' for name, (old, new) in
                                     change.differences.items())}


def _name(change: Change) -> str:
    row = change.row or {}
    return str(row.get('display_name', row.get('name')) or '')


def _storage_name(change: Change) -> str:
    if change.table == 'volumes':
        name_id = (change.row or {}).get('name_id')
        return str(CONF.volume_name_template % (name_id or change.row_id))
    if change.table == 'snapshots':
        return str(CONF.snapshot_name_template % change.row_id)
    return ''


# ------------------------------------------------------------------------------------ commands
Commands = Callable[[Change, Mapping[str, str]], Iterator[str]]


def _variable(row_id: str) -> str:
    """Return the variable of the shell with the id that the original gives to a volume."""
    return 'v_' + row_id.replace('-', '_')


def _manage(change: Change, back: Mapping[str, str]) -> Iterator[str]:
    """Let the original manage a volume that was made here."""
    row = change.row or {}
    if not row.get('host'):
        yield from _comment(change, back)
        return
    words = ['cinder', '--os-project-id', row['project_id'], 'manage']
    for option, value in (('--name', row['display_name']), ('--description', row[
            'display_description']), ('--volume-type', row['volume_type_id']),
            ('--availability-zone', row['availability_zone'])):
        words += [option, value] if value else []
    words += ['--bootable'] if row['bootable'] else []
    words += [conversions.rename(row['host'], back), _storage_name(change)]
    yield f'# volume {change.row_id}, {row["size"]} GiB, {row["status"]}'
    yield (f'{_variable(change.row_id)}=$({shlex.join(words)} '
           "| awk '$2 == \"id\" {print $4}')")


def _manage_snapshot(change: Change, _back: Mapping[str, str]) -> Iterator[str]:
    row = change.row or {}
    words = ['cinder', '--os-project-id', row['project_id'], 'snapshot-manage']
    words += ['--name', row['display_name']] if row['display_name'] else []
    volume = f'"${{{_variable(row["volume_id"])}:-{row["volume_id"]}}}"'
    yield f'{shlex.join(words)} {volume} {shlex.quote(_storage_name(change))}'


def _unmanage(command: str) -> Commands:
    def commands(change: Change, _back: Mapping[str, str]) -> Iterator[str]:
        yield f'cinder {command} {change.row_id}'
    return commands


def _make_type(change: Change, _back: Mapping[str, str]) -> Iterator[str]:
    row = change.row or {}
    yield (shlex.join(['cinder', 'type-create', row['name'], '--is-public',
                       str(bool(row['is_public']))])
           + f'  # {change.row_id}; set its extra specs, too')


def _export(change: Change, _back: Mapping[str, str]) -> Iterator[str]:
    yield (f'# backup {change.row_id} was made: "cinder backup-export {change.row_id}" here, '
           '"cinder backup-import" there')


def _change_volume(change: Change, _back: Mapping[str, str]) -> Iterator[str]:
    names = {'display_name': '--name', 'display_description': '--description'}
    words = [word for column, option in names.items() if column in change.differences
             for word in (option, str(change.differences[column][1] or ''))]
    if words:
        yield shlex.join(['openstack', 'volume', 'set', *words, change.row_id])
    others = {name: pair for name, pair in change.differences.items() if name not in names}
    if others:
        yield from _comment(change._replace(differences=others), _back)


def _comment(change: Change, _back: Mapping[str, str]) -> Iterator[str]:
    """For what no client can make again as it is."""
    row = _csv_row(change)
    text = f'# {change.table} {change.row_id} {change.what}: {row["name"]} {row["differences"]}'
    yield ' '.join(text.split())


_COMMANDS: dict[tuple[str, str], Commands] = {
    ('volumes', MADE): _manage, ('volumes', DELETED): _unmanage('unmanage'),
    ('volumes', CHANGED): _change_volume, ('snapshots', MADE): _manage_snapshot,
    ('snapshots', DELETED): _unmanage('snapshot-unmanage'),
    ('volume_types', MADE): _make_type, ('backups', MADE): _export,
}
