# SPDX-License-Identifier: Apache-2.0
"""Services, hosts and clusters by command: what scripts read has the columns of the original."""
import pytest

from cinder.db import clusters, services, volumes
from tests.unit.cmd.test_manage import run, service  # noqa: F401 - a fixture

# Start of each column in the output of Cinder 29.0.0.
COLUMNS = {'Binary': 0, 'Host': 17, 'Zone': 54, 'Status': 71, 'State': 82, 'Updated At': 88,
           'RPC Version': 109, 'Object Version': 122, 'Cluster': 138}
CLUSTER_COLUMNS = {'Name': 0, 'Binary': 37, 'Status': 54, 'State': 65, 'Heartbeat': 71,
                   'Hosts': 92, 'Down Hosts': 100, 'Updated At': 113}


def cut(line, columns):
    """The cells of a line, as a script cuts them out."""
    ends = [*list(columns.values())[1:], None]
    return [line[start:end].strip() for start, end in zip(columns.values(), ends, strict=True)]


def listed(capsys, *words):
    run(*words)
    return capsys.readouterr().out.splitlines()


@pytest.fixture
def cluster(service, ctxt):  # noqa: F811
    services.update(ctxt, service.id, {'cluster_name': 'c1@lvm'})
    return clusters.create(ctxt, {'name': 'c1@lvm', 'binary': 'cinder-volume'})


def test_services_have_the_columns_and_marks_of_the_original(service, ctxt, capsys):  # noqa: F811
    services.create(ctxt, {'binary': 'cinder-backup', 'host': 'h2', 'topic': 'cinder-backup',
                           'disabled': True})
    titles, *rows = listed(capsys, 'service', 'list')
    assert cut(titles, COLUMNS) == list(COLUMNS) and len(titles) == 174
    up = cut(rows[0], COLUMNS)
    assert up[:5] == ['cinder-volume', 'h1@lvm', 'z1', 'enabled', ':-)'] and up[5][:2] == '20'
    assert cut(rows[1], COLUMNS) == ['cinder-backup', 'h2', 'None', 'disabled', 'XXX', 'None',
                                     'None', 'None', '']


def test_services_for_people(service, ctxt, capsys):  # noqa: F811
    services.set_down_reason(ctxt, service.id, 'down: no group')
    titles, row = listed(capsys, 'service', 'list', '--readable')
    assert titles.split()[:5] == ['Binary', 'Host', 'Zone', 'Status', 'State']
    assert row.split()[:5] == ['cinder-volume', 'h1@lvm', 'z1', 'enabled', 'up']
    assert row.endswith('  down: no group')


def test_service_remove(service, ctxt, capsys):  # noqa: F811
    assert run('service', 'remove', 'cinder-volume', 'h1@lvm') is None
    assert capsys.readouterr().out == 'Service cinder-volume on host h1@lvm removed.\n'
    assert services.list_all(ctxt) == []
    assert run('service', 'remove', 'cinder-volume', 'h1@lvm') == 2
    assert capsys.readouterr().err.startswith(
        'Host not found. Failed to remove cinder-volume on h1@lvm.\n')


def test_hosts_by_zone(service, ctxt, capsys):  # noqa: F811
    services.create(ctxt, {'binary': 'cinder-scheduler', 'host': 'h2', 'topic': 'cinder-scheduler',
                           'availability_zone': 'z2'})
    assert [line.split() for line in listed(capsys, 'host', 'list', 'z2')] == [
        ['host', 'zone'], ['h2', 'z2']]
    titles, *rows = listed(capsys, 'host', 'list')
    assert titles == 'host'.ljust(25) + '\t' + 'zone'.ljust(15)
    assert [row.split() for row in rows] == [['h1@lvm', 'z1'], ['h2', 'z2']]


def test_clusters_have_the_columns_and_marks_of_the_original(cluster, ctxt, capsys):
    clusters.create(ctxt, {'name': 'c2@lvm', 'binary': 'cinder-volume', 'disabled': True})
    titles, *rows = listed(capsys, 'cluster', 'list')
    assert cut(titles, CLUSTER_COLUMNS) == list(CLUSTER_COLUMNS) and len(titles) == 133
    # A time with microseconds moves the columns after it, in the original too.
    up, down = (cut(row, CLUSTER_COLUMNS)[:4] + row.split()[-3:] for row in rows)
    assert up == ['c1@lvm', 'cinder-volume', 'enabled', ':-)', '1', '0', 'None']
    assert down == ['c2@lvm', 'cinder-volume', 'disabled', 'XXX', '0', '0', 'None']
    assert 'up' in listed(capsys, 'cluster', 'list', '--readable')[1]


def test_a_cluster_is_removed_with_its_hosts_only_if_asked(cluster, ctxt, capsys):
    assert run('cluster', 'remove', 'cinder-volume', 'c1@lvm') == 2
    assert 'still has hosts' in capsys.readouterr().err
    assert run('cluster', 'remove', 'cinder-volume', 'c1@lvm', '--recursive') is None
    assert (clusters.list_all(ctxt), services.list_all(ctxt)) == ([], [])
    assert run('cluster', 'remove', 'cinder-volume', 'c1@lvm') == 2
    assert "doesn't exist" in capsys.readouterr().err


@pytest.mark.parametrize(('words', 'expected'), [
    (('c1', 'c9'), 'c9@lvm#p'), (('c1@lvm', 'c9@x'), 'c9@x#p'),
    (('c1', 'c9', '--full-rename'), 'c9')])
def test_a_cluster_is_renamed_in_volumes(words, expected, ctxt, database, capsys):
    made = volumes.create(ctxt, {'size': 1, 'host': 'h1@lvm#p', 'cluster_name': 'c1@lvm#p'})
    other = volumes.create(ctxt, {'size': 1, 'host': 'h1@lvm#p', 'cluster_name': 'c10@lvm#p'})
    assert run('cluster', 'rename', *words) is None
    assert 'renamed 1 volumes and 0 consistency groups' in capsys.readouterr().out
    assert volumes.get(ctxt, made.id).cluster_name == expected
    assert volumes.get(ctxt, other.id).cluster_name == 'c10@lvm#p'
    assert run('cluster', 'rename', *words) == 2
