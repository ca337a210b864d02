# SPDX-License-Identifier: Apache-2.0
"""Every command for block storage of openstackclient, and what it does to the running service."""

import pytest

from tests.functional import storage
from tests.functional.clients.programs import OpenStack, refused
from tests.functional.processes import wait_until
from tools.initiator import CONNECTOR

FILES, SECOND = 'node1@files#files', 'node1@second#second'


def columns(rows: list[dict], name: str) -> set:
    """Return what the rows of a list have in a column."""
    return {row[name] for row in rows}


@pytest.fixture
def ready(openstack, client):
    """Run a command that makes something and return it, as the service has it, when it is
    available."""
    def make(kind: str, line: str) -> dict:
        return client.wait_for_status(kind, openstack(line)['id'], 'available')
    return make


def test_volumes(openstack, client, ready):
    volume = ready('volume', 'volume create --size 1 --property a=b --description text one')
    assert openstack('volume show one')['properties'] == {'a': 'b'}
    # In one command with the size the access mode is refused while the volume is still extending.
    openstack('volume set --size 2 one')
    client.wait_for_status('volume', volume['id'], 'available')
    openstack('volume set --name first --description more --property c=d --bootable '
              '--image-property os=plan9 --read-only one')
    shown = client.show('volume', volume['id'])
    assert (shown['name'], shown['size'], shown['description']) == ('first', 2, 'more')
    assert shown['metadata'] == {'a': 'b', 'c': 'd', 'readonly': 'True'}
    assert shown['volume_image_metadata'] == {'os': 'plan9'}
    assert shown['bootable'] == 'true'
    openstack('volume unset --property a --image-property os first')
    shown = openstack('volume show first')
    assert 'a' not in shown['properties'] and not shown.get('volume_image_metadata')

    copy = ready('volume', 'volume create --source first two')
    for query in ('--name two', '--status available --name two', '--all-projects --name two',
                  '--long --name two', '--property purpose=x'):
        if 'purpose' in query:
            openstack('volume set --no-property --property purpose=x two')
        assert columns(openstack(f'volume list {query}'), 'ID') == {copy['id']}
    assert [row['Name'] for row in openstack(
        f'volume list --limit 1 --marker {copy["id"]}')] == ['first']
    summary = openstack('volume summary')
    assert (summary['Total Count'], summary['Total Size']) == (2, 4)

    openstack('volume set --state error --detached two')
    assert openstack('volume show two')['status'] == 'error'
    openstack('volume delete --force two')
    client.wait_gone('volume', copy['id'])
    openstack('volume delete --cascade first')
    client.wait_gone('volume', volume['id'])


def test_snapshots(openstack, client, ready):
    volume = ready('volume', 'volume create --size 1 one')
    snapshot = ready('snapshot', 'volume snapshot create --volume one --property a=b moment')
    openstack('volume snapshot set --name then --description text --property c=d moment')
    openstack('volume snapshot unset --property a then')
    shown = openstack('volume snapshot show then')
    assert (shown['properties'], shown['description']) == ({'c': 'd'}, 'text')
    for query in ('--name then', '--volume one', '--status available', '--long --all-projects '
                  '--name then'):
        assert columns(openstack(f'volume snapshot list {query}'), 'ID') == {snapshot['id']}

    openstack('volume revert then')
    client.wait_for_status('volume', volume['id'], 'available')
    client.wait_for_status('snapshot', snapshot['id'], 'available')
    openstack('volume snapshot set --state error then')
    assert openstack('volume snapshot show then')['status'] == 'error'
    openstack('volume snapshot delete --force then')
    client.wait_gone('snapshot', snapshot['id'])


def test_move(openstack, client, ready):
    volume = ready('volume', 'volume create --size 1 one')
    target = SECOND if volume['os-vol-host-attr:host'] == FILES else FILES
    openstack(f'volume migrate --host {target} one')
    moved = wait_until(lambda: client.show('volume', volume['id'])['migration_status'] in (
        'success', 'error') and client.show('volume', volume['id']), 30, 'the migration')
    assert (moved['migration_status'], moved['os-vol-host-attr:host']) == ('success', target)
    assert moved['status'] == 'available'


def test_management(openstack, client, ready):
    volume = ready('volume', 'volume create --size 1 one')
    ready('snapshot', 'volume snapshot create --volume one moment')
    host = volume['os-vol-host-attr:host']
    rows = openstack(f'block storage volume manageable list --long {host}')
    assert volume['id'] in columns(rows, 'cinder_id')
    rows = openstack(f'block storage snapshot manageable list --long {host}')
    assert volume['id'] in str(rows)
    # What is left behind on the storage can be taken back.
    client.delete(f'snapshots/{client.find("snapshot", "moment")[0]["id"]}')
    wait_until(lambda: not client.find('snapshot', 'moment'), 30, 'the snapshot to go')
    openstack('volume delete --remote one')
    client.wait_gone('volume', volume['id'])
    openstack(f'volume create --host {host} --non-bootable --remote-source '
              f'source-name=volume-{volume["id"]} back')
    wait_until(lambda: client.find('volume', 'back')[0]['status'] == 'available', 30, 'back')


def test_attachments(openstack, client, ready):
    volume = ready('volume', 'volume create --size 1 one')
    # To make one, this program asks the compute service for the server, and there is none.
    assert '/servers/' in refused(openstack, 'volume attachment create --server x one', status=404)
    attachment = client.post('attachments', {'attachment': {
        'volume_uuid': volume['id'], 'mode': 'rw'}})['attachment']['id']
    made = openstack(f'volume attachment set --host here --ip 127.0.0.1 --initiator '
                     f'{CONNECTOR["initiator"]} --mountpoint /dev/vdb {attachment}')
    assert made['Properties']
    openstack(f'volume attachment complete {attachment}')
    client.wait_for_status('volume', volume['id'], 'in-use')
    assert openstack(f'volume attachment show {attachment}')['Status'] == 'attached'
    for query in ('', f'--volume-id {volume["id"]}', '--status attached', '--all-projects '
                  f'--volume-id {volume["id"]}'):
        assert columns(openstack(f'volume attachment list {query}'), 'ID') == {attachment}
    openstack(f'volume attachment delete {attachment}')
    client.wait_for_status('volume', volume['id'], 'available')


def test_types(openstack, client):
    name = f'gold-{client.project}'
    openstack(f'volume type create --private --property volume_backend_name=second --multiattach '
              f'--description text {name}')
    openstack(f'volume type set --property x=y --encryption-provider luks '
              f'--encryption-cipher aes-xts-plain64 --encryption-key-size 256 '
              f'--encryption-control-location front-end --description more {name}')
    shown = openstack(f'volume type show --encryption-type {name}')
    assert shown['properties'] == {'volume_backend_name': 'second', 'x': 'y',
                                   'multiattach': '<is> True'}
    assert shown['encryption']['provider'] == 'luks'
    assert shown['description'] == 'more' and not shown['is_public']
    openstack(f'volume type unset --property x --encryption-type {name}')
    shown = openstack(f'volume type show {name}')
    assert 'x' not in shown['properties']
    for query in ('--long', '--private', '--encryption-type', '--multiattach',
                  '--property volume_backend_name=second'):
        assert name in columns(openstack(f'volume type list {query}'), 'Name')
    assert name not in columns(openstack('volume type list --public'), 'Name')
    assert len(openstack('volume type list --default')) == 1
    openstack(f'volume type delete {name}')
    assert name not in columns(openstack('volume type list --private'), 'Name')


def test_retype(openstack, client, ready):
    types = {backend: f'{backend}-{client.project}' for backend in ('files', 'second')}
    for backend, name in types.items():
        openstack(f'volume type create --property volume_backend_name={backend} {name}')
    volume = ready('volume', f'volume create --size 1 --type {types["files"]} one')
    assert volume['os-vol-host-attr:host'] == FILES
    openstack(f'volume set --type {types["second"]} --migration-policy on-demand one')
    moved = wait_until(lambda: client.show('volume', volume['id'])['status'] == 'available'
                       and client.show('volume', volume['id']), 30, 'the retype')
    assert (moved['volume_type'], moved['os-vol-host-attr:host']) == (types['second'], SECOND)


def test_qos(openstack, client):
    kind, name = f'type-{client.project}', f'fast-{client.project}'
    openstack(f'volume type create {kind}')
    made = openstack(f'volume qos create --consumer front-end --property read=1 {name}')
    assert made['consumer'] == 'front-end'
    openstack(f'volume qos set --property write=2 {name}')
    openstack(f'volume qos associate {name} {kind}')
    shown = openstack(f'volume qos show {name}')
    assert shown['properties'] == {'read': '1', 'write': '2'}
    assert shown['associations'] == [kind]
    openstack(f'volume qos disassociate --volume-type {kind} {name}')
    openstack(f'volume qos associate {name} {kind}')
    openstack(f'volume qos disassociate --all {name}')
    openstack(f'volume qos unset --property read {name}')
    row, = (row for row in openstack('volume qos list') if row['Name'] == name)
    assert (row['Properties'], row['Associations']) == ({'write': '2'}, [])
    openstack(f'volume qos delete --force {name}')
    assert name not in columns(openstack('volume qos list'), 'Name')


def test_transfers(openstack, suite, used, client, ready, other_project):
    volume = ready('volume', 'volume create --size 1 one')
    first = openstack('volume transfer request create --name gift one')
    assert openstack('volume transfer request show gift')['volume_id'] == volume['id']
    assert columns(openstack('volume transfer request list --all-projects'), 'ID') >= {first['id']}
    openstack(f'volume transfer request delete {first["id"]}')
    second = openstack('volume transfer request create --no-snapshots one')
    receiver = OpenStack(suite.endpoint, other_project, used['openstack'])
    receiver(f'volume transfer request accept --auth-key {second["auth_key"]} {second["id"]}')
    assert columns(receiver('volume list'), 'ID') == {volume['id']}
    assert not openstack('volume list')


def test_groups(openstack, client, ready):
    kind, group_kind = f'type-{client.project}', f'group-{client.project}'
    openstack(f'volume type create {kind}')
    openstack(f'volume group type create --description text {group_kind}')
    openstack(f'volume group type set --property a=b {group_kind}')
    assert openstack(f'volume group type show {group_kind}')['Properties'] == {'a': 'b'}
    openstack(f'volume group type set --no-property --description more {group_kind}')
    assert openstack(f'volume group type show {group_kind}')['Properties'] == {}
    assert group_kind in columns(openstack('volume group type list'), 'Name')

    made = openstack(f'volume group create --volume-group-type {group_kind} --volume-type {kind} '
                     f'--name both')
    group = client.wait_for_status('group', made['ID'], 'available')
    volume = ready('volume', f'volume create --size 1 --type {kind} one')
    openstack('volume group add volume both one')
    client.wait_for_status('group', group['id'], 'available')
    assert openstack('volume group show --volumes both')['Volumes'] == [volume['id']]
    made = openstack('volume group snapshot create --name moment both')
    snapshot = client.wait_for_status('group_snapshot', made['ID'], 'available')
    assert openstack('volume group snapshot show moment')['Group'] == group['id']
    assert columns(openstack('volume group snapshot list'), 'ID') == {snapshot['id']}
    for source, name in (('--group-snapshot moment', 'again'), ('--source-group both', 'copy')):
        made = openstack(f'volume group create {source} --name {name}')
        client.wait_for_status('group', made['ID'], 'available')
    assert columns(openstack('volume group list'), 'Name') == {'both', 'again', 'copy'}
    openstack('volume group set --description text --name pair both')
    refused(openstack, 'volume group set --enable-replication pair', status=400)
    refused(openstack, 'volume group failover --secondary-backend-id x pair', status=400)

    openstack('volume group snapshot delete moment')
    client.wait_gone('group_snapshot', snapshot['id'])
    openstack(f'volume group remove volume pair {volume["id"]}')
    client.wait_for_status('group', group['id'], 'available')
    for name in ('pair', 'again', 'copy'):
        openstack(f'volume group delete --force {name}')
    wait_until(lambda: not openstack('volume group list'), 30, 'the groups to go')
    assert columns(openstack('volume list'), 'ID') == {volume['id']}
    openstack(f'volume group type delete {group_kind}')


def test_consistency_groups(openstack, client, ready):
    kind = f'type-{client.project}'
    openstack(f'volume type create {kind}')
    group = ready('consistencygroup', f'consistency group create --volume-type {kind} both')
    volume = ready('volume', f'volume create --size 1 --type {kind} one')
    openstack('consistency group add volume both one')
    client.wait_for_status('consistencygroup', group['id'], 'available')
    snapshot = ready('cgsnapshot',
                     'consistency group snapshot create --consistency-group both moment')
    shown = openstack('consistency group snapshot show moment')
    assert shown['consistencygroup_id'] == group['id']
    # The library behind this command takes all_tenants for a field of the rows and drops them all.
    openstack('consistency group snapshot list --long')
    copy = ready('consistencygroup', 'consistency group create --snapshot moment copy')
    openstack('consistency group set --name pair --description text both')
    assert openstack('consistency group show pair')['description'] == 'text'
    assert columns(openstack('consistency group list --long'), 'Name') == {'pair', 'copy'}
    openstack('consistency group snapshot delete moment')
    client.wait_gone('cgsnapshot', snapshot['id'])
    openstack('consistency group remove volume pair one')
    client.wait_for_status('consistencygroup', group['id'], 'available')
    # The library behind this command calls the group by a name that the API does not know.
    assert 'consistencygroup' in refused(openstack, 'consistency group delete copy', status=400)
    client.post(f'consistencygroups/{copy["id"]}/delete', {'consistencygroup': {'force': True}})
    client.wait_gone('consistencygroup', copy['id'])
    assert columns(openstack('volume list'), 'ID') == {volume['id']}


def test_messages(openstack, client):
    kind = f'nowhere-{client.project}'
    openstack(f'volume type create --property volume_backend_name=nowhere {kind}')
    volume = openstack(f'volume create --size 1 --type {kind} one')
    wait_until(lambda: client.show('volume', volume['id'])['status'] == 'error', 30, 'the error')
    message, = openstack('volume message list')
    assert message['Resource UUID'] == volume['id']
    # The library behind this command looks for the other fields under a wrong key.
    assert openstack(f'volume message show {message["ID"]}')['ID'] == message['ID']
    openstack(f'volume message delete {message["ID"]}')
    assert not openstack('volume message list')


def test_services(openstack):
    rows = openstack('volume service list --long --service cinder-volume')
    assert columns(rows, 'Host') == {'node1@files', 'node1@second'}
    openstack('volume service set --disable --disable-reason rest node1@second cinder-volume')
    row, = openstack('volume service list --long --host node1@second')
    assert (row['Status'], row['Disabled Reason']) == ('disabled', 'rest')
    openstack('volume service set --enable node1@second cinder-volume')
    openstack('volume host set --disable node1@second')
    assert {row['Backend State'] for row in openstack('volume service list')} >= {'up'}
    openstack('volume host set --enable node1@second')
    row, = openstack('volume service list --host node1@second')
    assert row['Status'] == 'enabled'
    refused(openstack, 'volume host failover --volume-backend x node1@second', status=400)


def test_storage(openstack, client):
    assert columns(openstack('volume backend pool list --long'), 'Name') == {FILES, SECOND}
    openstack('volume backend capability show node1@files')
    assert columns(openstack('block storage cluster list --long'), 'Name') == {
        'cluster@files', 'cluster@second'}
    openstack('block storage cluster set --disable --disable-reason rest cluster@second')
    assert openstack('block storage cluster show cluster@second')['Disabled Reason'] == 'rest'
    openstack('block storage cluster set --enable cluster@second')
    assert openstack('block storage cluster show cluster@second')['Status'] == 'enabled'
    # The library behind this command asks with PUT, where the API knows POST.
    refused(openstack, 'block storage cleanup --host node1@files --binary cinder-volume '
                       '--cluster cluster@files', status=404)
    logs = '--service cinder-scheduler --log-prefix cinder.scheduler'
    openstack(f'block storage log level set {logs} WARNING')
    wait_until(lambda: columns(openstack(f'block storage log level list {logs}'),
                               'Level') == {'WARNING'}, 10, 'the level')
    assert 'volume' in columns(openstack('block storage resource filter list'), 'Resource')
    assert 'status' in openstack('block storage resource filter show volume')['Filters']


def test_commands_of_several_services(openstack, client):
    assert columns(openstack('availability zone list --volume'), 'Zone Name') == {'nova'}
    assert 'os-quota-sets' in columns(openstack('extension list --volume'), 'Alias')
    assert openstack('extension show os-quota-sets')['name'] == 'Quotas'
    assert {'Name': 'total_volumes_used', 'Value': 0} in openstack('limits show --absolute')
    assert openstack('limits show --rate') == []
    # Those of quotas ask the identity service for the project, and there is none.
    for line in ('show --volume', 'show --volume --default', 'set --volumes 5', 'delete --volume'):
        assert '/projects' in refused(openstack, f'quota {line} {client.project}', status=404)


def test_backups(openstack, client, ready):
    volume = ready('volume', 'volume create --size 1 @original')
    content = storage.sample()
    storage.write(client, volume['id'], content)
    full = ready('backup', 'volume backup create --name @copy --description text @original')
    openstack('volume backup set --name @kept --property a=b @copy')
    shown = openstack('volume backup show @kept')
    assert (shown['description'], shown['is_incremental']) == ('text', False)
    for state in ('error', 'available'):
        openstack(f'volume backup set --state {state} @kept')
        assert openstack('volume backup show @kept')['status'] == state
    openstack('volume backup unset --property a @kept')
    child = ready('backup', 'volume backup create --incremental --force --name @child @original')
    for query in ('--name @kept', '--status available', '--volume @original', '--long'):
        found = columns(openstack(f'volume backup list {query}'), 'ID')
        assert found == ({full['id']} if 'kept' in query else {full['id'], child['id']})
    assert child['id'] in refused(openstack, 'volume backup delete @kept', status=400)
    record = openstack('volume backup record export @kept')
    assert record['backup_service'].endswith('.PosixBackupDriver')
    # The library behind this command sends what it imports to the address of exports.
    refused(openstack, f'volume backup record import {record["backup_service"]} '
                       f'{record["backup_url"]}', status=404)

    restored = openstack('volume backup restore @child @restored')['volume_id']
    client.wait_for_status('volume', restored, 'available')
    assert storage.read(client, restored) == content
    storage.write(client, volume['id'], bytes(len(content)))
    client.wait_for_status('backup', child['id'], 'available')
    openstack('volume backup restore --force @child @original')
    client.wait_for_status('volume', volume['id'], 'available')
    assert storage.read(client, volume['id']) == content
    client.wait_for_status('backup', child['id'], 'available')
    openstack('volume backup delete @child')
    client.wait_gone('backup', child['id'])
    openstack('volume backup delete --force @kept')
    client.wait_gone('backup', full['id'])


def test_nothing_is_left_out(used, whole_file):
    """Comes last: what the tests above have used is all that there is."""
    missing = OpenStack.commands() - used['openstack']
    assert not missing, ', '.join(sorted(missing))
