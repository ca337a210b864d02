# SPDX-License-Identifier: Apache-2.0
"""Every command of the shell of cinderclient, and what it does to the running service."""

import uuid

import pytest

from tests.functional.clients.programs import Cinder, refused
from tests.functional.processes import wait_until
from tools.initiator import CONNECTOR

FILES, SECOND = 'node1@files#files', 'node1@second#second'


def column(rows: list[dict[str, str]], name: str) -> set[str]:
    """Return what the rows of a list have in a column."""
    return {row[name] for row in rows}


@pytest.fixture
def ready(cinder, client):
    """Run a command that makes something and return it, as the service has it, when it is
    available."""
    def make(kind: str, line: str) -> dict:
        return client.wait_for_status(kind, cinder.properties(line)['id'], 'available')
    return make


def test_shell(cinder):
    assert 'snapshot-create' in cinder('help')
    assert '--metadata' in cinder('help create')
    for name in ('bash-completion', 'bash_completion'):
        assert 'snapshot-create' in cinder(name).split()
    assert cinder.rows('version-list')[0]['Version'] == '3.71'
    assert 'cinder' not in cinder('api-version')
    assert 'os-quota-sets' in column(cinder.rows('list-extensions'), 'Alias')
    assert column(cinder.rows('availability-zone-list'), 'Name') == {'nova'}


def test_volumes(cinder, client, ready):
    volume = ready('volume', 'create --name @one --metadata a=b --description text 1 --poll')
    cinder('extend @one 2')
    assert client.wait_for_status('volume', volume['id'], 'available')['size'] == 2
    cinder('rename --description more @one @first')
    cinder('metadata @first set c=d')
    cinder('metadata @first unset a')
    assert cinder.properties('metadata-show @first') == {'c': 'd'}
    cinder('metadata-update-all @first e=f')
    assert cinder.properties('metadata-show @first') == {'e': 'f'}
    cinder('image-metadata @first set os=plan9')
    assert cinder.properties('image-metadata-show @first') == {'os': 'plan9'}
    cinder('image-metadata @first unset os')
    cinder('set-bootable @first True')
    cinder('readonly-mode-update @first True')
    shown = cinder.properties('show @first')
    assert (shown['bootable'], shown['description'], shown['readonly']) == ('true', 'more', 'True')

    copy = ready('volume', f'create --name @two --source-volid {volume["id"]} 2')
    for query in ('--name @two', '--filters name~=@tw', '--bootable true --name @two',
                  '--all-tenants --name @two', '--status available --name @two',
                  '--fields name,size --name @two', '--limit 1 --sort name:desc --with-count'):
        assert column(cinder.rows(f'list {query}'), 'ID') == {copy['id']}, query
    assert cinder.properties('summary')['total_size'] == '4'

    cinder('reset-state --state error --attach-status detached --reset-migration-status @two')
    assert cinder.properties('show @two')['status'] == 'error'
    cinder('force-delete @two')
    client.wait_gone('volume', copy['id'])
    cinder('delete --cascade @first')
    client.wait_gone('volume', volume['id'])


def test_snapshots(cinder, client, ready):
    volume = ready('volume', 'create --name @one 1')
    snapshot = ready('snapshot', 'snapshot-create --name @moment --metadata a=b @one')
    cinder('snapshot-rename --description text @moment @then')
    cinder('snapshot-metadata @then set c=d')
    cinder('snapshot-metadata @then unset a')
    assert cinder.properties('snapshot-metadata-show @then') == {'c': 'd'}
    cinder('snapshot-metadata-update-all @then e=f')
    assert cinder.properties('snapshot-show @then')['description'] == 'text'
    assert client.show('snapshot', snapshot['id'])['metadata'] == {'e': 'f'}
    for query in ('', '--name @then', f'--volume-id {volume["id"]}', '--metadata e=f',
                  '--filters name~=@the', '--limit 1 --sort name:asc --with-count'):
        assert column(cinder.rows(f'snapshot-list {query}'), 'ID') == {snapshot['id']}
    cinder('revert-to-snapshot @then')
    client.wait_for_status('volume', volume['id'], 'available')
    client.wait_for_status('snapshot', snapshot['id'], 'available')
    cinder('snapshot-reset-state --state error @then')
    assert cinder.properties('snapshot-show @then')['status'] == 'error'
    cinder('snapshot-delete --force @then')
    client.wait_gone('snapshot', snapshot['id'])


def test_move(cinder, client, ready):
    volume = ready('volume', 'create --name @one 1')
    here = volume['os-vol-host-attr:host']
    there = SECOND if here == FILES else FILES

    def moved_to(host: str) -> bool:
        shown = client.show('volume', volume['id'])
        return shown['os-vol-host-attr:host'] == host and shown['status'] == 'available' and (
            shown['migration_status'] in (None, 'success'))

    cinder(f'migrate --force-host-copy True --lock-volume True @one {there}')
    wait_until(lambda: moved_to(there), 30, 'the migration')
    cinder('type-create @kind')
    cinder(f'type-key @kind set volume_backend_name={here.partition("#")[2]}')
    cinder(f'retype --migration-policy on-demand {volume["id"]} @kind')
    wait_until(lambda: moved_to(here), 30, 'the retype')
    assert client.show('volume', volume['id'])['volume_type'].endswith('-kind')


def test_management(cinder, client, ready):
    volume = ready('volume', 'create --name @one 1')
    snapshot = ready('snapshot', 'snapshot-create --name @moment @one')
    host = volume['os-vol-host-attr:host']
    assert volume['id'] in column(cinder.rows(f'manageable-list {host}'), 'cinder_id')
    assert snapshot['id'] in column(cinder.rows(f'snapshot-manageable-list {host}'), 'cinder_id')
    # What is left behind on the storage can be taken back.
    cinder('snapshot-unmanage @moment')
    client.wait_gone('snapshot', snapshot['id'])
    again = ready('snapshot', f'snapshot-manage --name @again @one snapshot-{snapshot["id"]}')
    cinder('snapshot-delete @again')
    client.wait_gone('snapshot', again['id'])
    cinder('unmanage @one')
    client.wait_gone('volume', volume['id'])
    back = ready('volume', f'manage --name @back --metadata a=b {host} volume-{volume["id"]}')
    assert back['metadata'] == {'a': 'b'}


def test_attachments(cinder, client, ready):
    volume = ready('volume', 'create --name @one 1')
    made = cinder.properties(f'attachment-create --mode rw @one {uuid.uuid4()}')
    attachment = made['id']
    assert made['status'] == 'reserved'
    cinder(f'attachment-update {attachment} --host here --ip 127.0.0.1 --initiator '
           f'{CONNECTOR["initiator"]} --mountpoint /dev/vdb')
    cinder(f'attachment-complete {attachment}')
    client.wait_for_status('volume', volume['id'], 'in-use')
    assert cinder.properties(f'attachment-show {attachment}')['status'] == 'attached'
    for query in ('', f'--volume-id {volume["id"]}', '--status attached', '--limit 1'):
        assert column(cinder.rows(f'attachment-list {query}'), 'ID') == {attachment}
    cinder(f'attachment-delete {attachment}')
    client.wait_for_status('volume', volume['id'], 'available')


def test_types(cinder, client, other_project):
    made, = cinder.rows('type-create --is-public False --description text @gold')
    cinder('type-key @gold set a=b c=d')
    cinder('type-key @gold unset c')
    row, = (row for row in cinder.rows('extra-specs-list') if row['ID'] == made['ID'])
    assert row['extra_specs'] == "{'a': 'b'}"
    cinder(f'type-access-add --volume-type @gold --project-id {other_project}')
    rows = cinder.rows('type-access-list --volume-type @gold')
    assert column(rows, 'Project_ID') == {other_project}
    cinder(f'type-access-remove --volume-type @gold --project-id {other_project}')
    cinder(f'type-update --name @more --is-public True {made["ID"]}')
    assert cinder.properties('type-show @more')['is_public'] == 'True'
    assert made['ID'] in column(cinder.rows('type-list'), 'ID')
    assert made['ID'] in column(cinder.rows('type-list --filters extra_specs={a:b}'), 'ID')
    assert cinder.rows('type-default')

    cinder(f'default-type-set @more {client.project}')
    row, = (row for row in cinder.rows('default-type-list') if row['Project ID'] == client.project)
    assert row['Volume Type ID'] == made['ID']
    cinder(f'default-type-unset {client.project}')

    cinder('encryption-type-create --cipher aes-xts-plain64 --key-size 128 @more luks')
    cinder('encryption-type-update --key-size 256 @more')
    assert cinder.rows('encryption-type-show @more')[0]['Key Size'] == '256'
    assert made['ID'] in column(cinder.rows('encryption-type-list'), 'Volume Type ID')
    cinder('encryption-type-delete @more')
    cinder('type-delete @more')
    assert made['ID'] not in column(cinder.rows('type-list'), 'ID')


def test_qos(cinder):
    kind = cinder.rows('type-create @kind')[0]['ID']
    qos = cinder.properties('qos-create @fast consumer=front-end read=1')['id']
    cinder(f'qos-key {qos} set write=2')
    cinder(f'qos-key {qos} unset read')
    assert cinder.properties(f'qos-show {qos}')['specs'] == 'write : 2'
    cinder(f'qos-associate {qos} {kind}')
    assert column(cinder.rows(f'qos-get-association {qos}'), 'ID') == {kind}
    cinder(f'qos-disassociate {qos} {kind}')
    cinder(f'qos-associate {qos} {kind}')
    cinder(f'qos-disassociate-all {qos}')
    assert qos in column(cinder.rows('qos-list'), 'ID')
    cinder(f'qos-delete --force True {qos}')
    assert qos not in column(cinder.rows('qos-list'), 'ID')


def test_quotas(cinder, client):
    project = client.project
    cinder(f'quota-update --volumes 7 --volume-type __DEFAULT__ {project}')
    assert cinder.properties(f'quota-show {project}')['volumes___DEFAULT__'] == '7'
    cinder(f'quota-update --volumes 3 --skip-validation True {project}')
    assert cinder.properties(f'quota-show {project}')['volumes'] == '3'
    row, = (row for row in cinder.rows(f'quota-usage {project}') if row['Type'] == 'volumes')
    assert (row['In_use'], row['Limit']) == ('0', '3')
    assert cinder.properties('absolute-limits')['maxTotalVolumes'] == '3'
    assert cinder.rows('rate-limits') == []
    cinder(f'quota-delete {project}')
    defaults = cinder.properties(f'quota-defaults {project}')
    assert cinder.properties(f'quota-show {project}') == defaults
    cinder(f'quota-class-update --volumes 5 class-{project}')
    assert cinder.properties(f'quota-class-show class-{project}')['volumes'] == '5'


def test_transfers(cinder, suite, used, client, ready, other_project):
    volume = ready('volume', 'create --name @one 1')
    first = cinder.properties('transfer-create --name @gift @one')
    assert cinder.properties('transfer-show @gift')['volume_id'] == volume['id']
    assert column(cinder.rows('transfer-list'), 'ID') == {first['id']}
    cinder('transfer-delete @gift')
    second = cinder.properties('transfer-create --no-snapshots @one')
    receiver = Cinder(suite.endpoint, other_project, used['cinder'])
    receiver(f'transfer-accept {second["id"]} {second["auth_key"]}')
    assert column(receiver.rows('list'), 'ID') == {volume['id']}
    assert cinder.rows('list') == []


def test_groups(cinder, client, ready):
    cinder('type-create @kind')
    made, = cinder.rows('group-type-create --description text @kinds')
    cinder('group-type-key @kinds set a=b c=d')
    cinder('group-type-key @kinds unset c')
    row, = (row for row in cinder.rows('group-specs-list') if row['ID'] == made['ID'])
    assert row['group_specs'] == "{'a': 'b'}"
    cinder('group-type-key @kinds unset a')  # no back end offers that
    cinder(f'group-type-update --description more {made["ID"]}')
    assert cinder.properties('group-type-show @kinds')['description'] == 'more'
    assert made['ID'] in column(cinder.rows('group-type-list'), 'ID')
    cinder('group-type-create usual')
    assert column(cinder.rows('group-type-default'), 'Name') == {'usual'}

    group = ready('group', 'group-create --name @both @kinds @kind')
    volume = ready('volume', 'create --volume-type @kind --name @one 1')
    cinder(f'group-update --name @pair --add-volumes {volume["id"]} @both')
    client.wait_for_status('group', group['id'], 'available')
    assert volume['id'] in cinder('group-show --list-volume True @pair')
    snapshot = ready('group_snapshot', 'group-snapshot-create --name @moment @pair')
    assert cinder.properties('group-snapshot-show @moment')['group_id'] == group['id']
    assert column(cinder.rows(f'group-snapshot-list --group-id {group["id"]}'), 'ID') == {
        snapshot['id']}
    copies = [ready('group', f'group-create-from-src --name @copy {source}')['id']
              for source in ('--group-snapshot @moment', '--source-group @pair')]
    assert column(cinder.rows('group-list'), 'ID') == {group['id'], *copies}
    for name in ('enable', 'disable', 'failover'):
        refused(cinder, f'group-{name}-replication @pair', status=400)
    refused(cinder, 'group-list-replication-targets @pair', status=400)

    cinder('group-snapshot-delete @moment')
    client.wait_gone('group_snapshot', snapshot['id'])
    cinder(f'group-update --remove-volumes {volume["id"]} @pair')
    client.wait_for_status('group', group['id'], 'available')
    cinder(f'group-delete --delete-volumes @pair {" ".join(copies)}')
    wait_until(lambda: not cinder.rows('group-list'), 30, 'the groups to go')
    assert column(cinder.rows('list'), 'ID') == {volume['id']}
    cinder('group-type-delete @kinds')


def test_consistency_groups(cinder, client, ready):
    cinder('type-create @kind')
    group = ready('consistencygroup', 'consisgroup-create --name @both @kind')
    volume = ready('volume', 'create --volume-type @kind --name @one 1')
    cinder(f'consisgroup-update --name @pair --add-volumes {volume["id"]} @both')
    client.wait_for_status('consistencygroup', group['id'], 'available')
    assert cinder.properties('consisgroup-show @pair')['id'] == group['id']
    snapshot = ready('cgsnapshot', 'cgsnapshot-create --name @moment @pair')
    assert cinder.properties('cgsnapshot-show @moment')['consistencygroup_id'] == group['id']
    assert column(cinder.rows('cgsnapshot-list'), 'ID') == {snapshot['id']}
    copies = [ready('consistencygroup', f'consisgroup-create-from-src --name @copy {source}')['id']
              for source in ('--cgsnapshot @moment', '--source-cg @pair')]
    assert column(cinder.rows('consisgroup-list'), 'ID') == {group['id'], *copies}
    cinder('cgsnapshot-delete @moment')
    client.wait_gone('cgsnapshot', snapshot['id'])
    cinder(f'consisgroup-update --remove-volumes {volume["id"]} @pair')
    client.wait_for_status('consistencygroup', group['id'], 'available')
    cinder(f'consisgroup-delete --force @pair {" ".join(copies)}')
    wait_until(lambda: not cinder.rows('consisgroup-list'), 30, 'the groups to go')
    assert column(cinder.rows('list'), 'ID') == {volume['id']}


def test_messages(cinder, client):
    cinder('type-create @kind')
    cinder('type-key @kind set volume_backend_name=nowhere')
    volume = cinder.properties('create --volume-type @kind 1')['id']
    wait_until(lambda: client.show('volume', volume)['status'] == 'error', 30, 'the error')
    message, = cinder.rows(f'message-list --resource_uuid {volume}')
    assert cinder.properties(f'message-show {message["ID"]}')['resource_uuid'] == volume
    cinder(f'message-delete {message["ID"]}')
    assert cinder.rows('message-list') == []


def test_services(cinder):
    rows = cinder.rows('service-list --binary cinder-volume --withreplication')
    assert column(rows, 'Host') == {'node1@files', 'node1@second'}
    cinder('service-disable --reason rest node1@second cinder-volume')
    row, = cinder.rows('service-list --host node1@second')
    assert (row['Status'], row['Disabled Reason']) == ('disabled', 'rest')
    cinder('service-enable node1@second cinder-volume')
    cinder('freeze-host node1@second')
    refused(cinder, 'freeze-host node1@second', status=400)
    cinder('thaw-host node1@second')
    row, = cinder.rows('service-list --host node1@second')
    assert row['Status'] == 'enabled'
    refused(cinder, 'failover-host node1@second', status=400)
    logs = '--binary cinder-scheduler --prefix cinder.scheduler'
    cinder(f'service-set-log {logs} warning')
    wait_until(lambda: column(cinder.rows(f'service-get-log {logs}'), 'Level') == {'WARNING'},
               10, 'the level')
    assert 'node1' not in cinder('work-cleanup --host nobody')


def test_storage(cinder):
    assert column(cinder.rows('get-pools --detail'), 'Property') >= {'name'}
    assert FILES in cinder('get-pools')
    assert cinder('get-capabilities node1@files')
    assert column(cinder.rows('cluster-list --detailed'), 'Name') == {
        'cluster@files', 'cluster@second'}
    cinder('cluster-disable --reason rest cluster@second')
    shown = cinder.properties('cluster-show cluster@second')
    assert (shown['status'], shown['disabled_reason']) == ('disabled', 'rest')
    cinder('cluster-enable cluster@second')
    assert cinder.properties('cluster-show cluster@second')['status'] == 'enabled'
    assert 'volume' in column(cinder.rows('list-filters'), 'Resource')


def test_images(cinder, client, ready, image_service):
    image = image_service.add(b'picture')['id']
    volume = ready('volume', f'create --name @one --image-id {image} 1')
    assert volume['volume_image_metadata']['image_id'] == image
    made = cinder.properties('upload-to-image --disk-format qcow2 --protected True @one picture')
    assert (made['status'], made['id']) == ('uploading', volume['id'])
    client.wait_for_status('volume', volume['id'], 'available')
    kept = image_service.show(made['image_id'])
    assert (kept['name'], kept['status'], kept['protected']) == ('picture', 'active', True)
    cinder(f'reimage @one {kept["id"]}')
    overwritten = client.wait_for_status('volume', volume['id'], 'available')
    assert overwritten['volume_image_metadata']['image_id'] == kept['id']
    refused(cinder, f'reimage @one {uuid.uuid4()}', status=404)


def test_backups(cinder, client, ready):
    ready('volume', 'create --name @original 1')
    snapshot = ready('snapshot', 'snapshot-create --name @moment @original')
    full = ready('backup', 'backup-create --name @copy --container box @original')
    cinder('backup-update --name @kept --description text --metadata a=b @copy')
    shown = cinder.properties('backup-show @kept')
    assert (shown['description'], shown['container']) == ('text', 'box')
    for state in ('error', 'available'):
        cinder(f'backup-reset-state --state {state} @kept')
        assert cinder.properties('backup-show @kept')['status'] == state
    for query in ('', '--name @kept', '--status available', '--filters name~=@kep', '--with-count'):
        assert column(cinder.rows(f'backup-list {query}'), 'ID') == {full['id']}
    other = ready('backup', f'backup-create --snapshot-id {snapshot["id"]} --name @other '
                            '@original')
    assert other['snapshot_id'] == snapshot['id']

    ready('volume', 'create --name @place 1')
    cinder('backup-restore --volume @place @kept')
    place = client.find('volume', f'{client.project}-place')[0]['id']
    client.wait_for_status('volume', place, 'available')
    client.wait_for_status('backup', full['id'], 'available')
    record = cinder.properties(f'backup-export {full["id"]}')
    cinder(f'backup-delete --force {other["id"]}')
    client.wait_gone('backup', other['id'])
    assert 'exists' in refused(cinder, f'backup-import {record["backup_service"]} '
                                       f'{record["backup_url"]}', status=400)
    cinder('backup-delete @kept')
    client.wait_gone('backup', full['id'])
    imported = cinder.properties(f'backup-import {record["backup_service"]} '
                                 f'{record["backup_url"]}')
    client.wait_for_status('backup', imported['id'], 'error')  # its data is gone
    assert '_metadata' in cinder.properties(f'backup-show {full["id"]}')['fail_reason']
    cinder(f'backup-delete {full["id"]}')
    client.wait_gone('backup', full['id'])


def test_nothing_is_left_out(used, whole_file):
    """Comes last: what the tests above have used is all that there is."""
    missing = Cinder.commands() - used['cinder']
    assert not missing, ', '.join(sorted(missing))
