# SPDX-License-Identifier: Apache-2.0
"""cinder-manage: each command on a real database; tests/functional/test_manage.py runs the
program."""

import argparse
import json
import pathlib

import pytest

from cinder import config_check, exception, version
from cinder.cmd import db_commands, manage
from cinder.conf import CONF
from cinder.db import backups, migration, operations, services, volumes
from cinder.db import waiting as waiting_db
from cinder.objects import base as objects_base
from cinder.rpc import volume as volume_rpc


def run(*words):
    """Parse as main() does, and run."""
    parser = argparse.ArgumentParser()
    manage.add_parsers(parser.add_subparsers(dest='command', required=True))
    parsed = parser.parse_args(words)
    return parsed.run(**{name: getattr(parsed, name) for name in parsed.dests})


@pytest.fixture
def service(database, ctxt):
    made = services.create(ctxt, {
        'binary': 'cinder-volume', 'host': 'h1@lvm', 'topic': 'cinder-volume',
        'availability_zone': 'z1', 'rpc_current_version': '1.0', 'object_current_version': '1.0'})
    services.heartbeat(ctxt, made.id)
    return made


def test_config_list(monkeypatch, capsys):
    run('config', 'list', 'database.max_pool_size')
    assert capsys.readouterr().out == (
        f'database.max_pool_size = {CONF.database.max_pool_size}\n')
    for secret in ('coordination.backend_url', 'database.connection', 'key_manager.fixed_key'):
        run('config', 'list', secret)
        assert capsys.readouterr().out == f'{secret} = ****\n'
    run('config', 'list', 'DEFAULT.osapi_max_limit')
    assert capsys.readouterr().out == f'DEFAULT.osapi_max_limit = {CONF.osapi_max_limit}\n'
    assert run('config', 'list', 'coordination.colour') == 1
    assert run('config', 'list', 'nowhere.colour') == 1


SET = '''[DEFAULT]
enabled_backends = one
state_path = /srv
debug =
transport_url = rabbit://u:geheim@h/
[one]
file_volume_dir = $state_path/one
chap_password = geheim
acme_pool = http://u:geheim@h/
acme_password = geheim
[nova]
password = geheim
auth_url = https://u:geheim@keystone/
[cors]
allowed_origin = https://a,https://b
'''
SHOWN = '''[DEFAULT]
enabled_backends = one
state_path = /srv
transport_url = ****
[cors]
allowed_origin = https://a,https://b
[nova]
auth_url = https://u:***@keystone/
password = ****
[one]
acme_password = ****
acme_pool = http://u:***@h/
chap_password = ****
file_volume_dir = /srv/one
'''


@pytest.fixture
def configured(tmp_path):
    def configured(text):
        path = tmp_path / 'cinder.conf'
        path.write_text(text)
        path.chmod(0o640)
        CONF(['--config-file', str(path)], project='cinder')
    yield configured
    CONF([], project='cinder', default_config_files=[], default_config_dirs=[])


def test_config_list_shows_only_what_is_set(configured, capsys, monkeypatch):
    configured(SET)
    assert run('config', 'list') is None
    assert capsys.readouterr().out == SHOWN
    monkeypatch.setenv('OS_DEFAULT__QUOTA_VOLUMES', '7')
    configured('[DEFAULT]\n')
    run('config', 'list')
    assert capsys.readouterr().out == '[DEFAULT]\nquota_volumes = 7\n'
    configured(SET)
    run('config', 'list', 'one.file_volume_dir')
    assert capsys.readouterr().out == 'one.file_volume_dir = /srv/one\n'


def test_config_check_tells_everything_and_whom_it_concerns(configured, capsys, monkeypatch):
    monkeypatch.setattr(config_check, 'CHECKS', {
        check: programs for check, programs in config_check.CHECKS.items()
        if check.__module__ in ('cinder.conf.option_values', 'cinder.conf.unknown_options',
                                'cinder.volume.checks', 'cinder.conf.file_permissions')})
    text = '[DEFAULT]\nenabled_backends = gone\nosapi_max_limit = x\nquota_groups = y\ncolour = 1\n'
    configured(text)
    assert run('config', 'check') == 1
    errors = [line for line in capsys.readouterr().out.splitlines() if line.startswith('error: ')]
    assert len(errors) == 3 and errors[2].endswith('(cinder-volume)')
    assert run('config', 'check', '--program', 'cinder-scheduler') == 1
    out = capsys.readouterr().out
    assert 'gone' not in out and 'warning: Option [DEFAULT] colour' in out
    configured('[DEFAULT]\nenabled_backends = one\ncolour = 1\n[one]\n')
    assert run('config', 'check') == run('config', 'check', '--program', 'cinder-all') == 0


def test_backups_are_checked_where_they_are_made(configured, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(config_check, 'CHECKS', {
        check: programs for check, programs in config_check.CHECKS.items()
        if check.__module__ == 'cinder.backup.checks'})
    here = f'[DEFAULT]\nstate_path = {tmp_path}\n'
    configured(here)
    assert run('config', 'check') == 0  # the default driver needs a server that nobody named
    assert run('config', 'check', '--program', 'cinder-all') == 0
    configured(f'{here}backup_driver = no.such.Driver\n')
    assert run('config', 'check') == run('config', 'check', '--program', 'cinder-all') == 1
    assert 'backup_driver = no.such.Driver cannot be loaded' in capsys.readouterr().out


def test_quota_check_prints_nothing_but_titles(database, ctxt, capsys):
    volumes.create(ctxt, {'project_id': 'p1', 'user_id': 'u1', 'size': 2, 'status': 'available'})
    assert run('quota', 'check') == 0
    assert capsys.readouterr().out.splitlines()[1:] == ['0 differences']
    assert run('quota', 'sync', '--project-id', 'p1') == 0


def test_online_migrations_stop_at_the_limit(monkeypatch, capsys):
    left = {'rows': 120}

    def widen(_ctxt, most):
        changed = min(most, left['rows'])
        left['rows'] -= changed
        return changed
    monkeypatch.setattr(db_commands, 'ONLINE_MIGRATIONS', (widen,))
    assert run('db', 'online_data_migrations', '--max-count', '70') == 1
    assert left['rows'] == 50
    assert run('db', 'online_data_migrations') == 0
    assert left['rows'] == 0
    assert run('db', 'online_data_migrations', '--max-count', '0') == 127


def test_purge_tells_how_many(service, ctxt, capsys):
    run('service', 'remove', 'cinder-volume', 'h1@lvm')
    assert run('db', 'purge', '0') is None
    assert capsys.readouterr().out.endswith('1 rows removed\n')
    with pytest.raises(SystemExit):
        run('db', 'purge', 'soon')
    assert db_commands.purge_deleted(-1) == 1


def test_all_services_are_said_to_be_of_this_release(service, ctxt, monkeypatch):
    monkeypatch.setattr(migration, 'db_sync', lambda revision: None)
    run('db', 'sync')
    assert services.list_all(ctxt)[0].rpc_current_version == '1.0'
    run('db', 'sync', '--bump-versions')
    found, = services.list_all(ctxt)
    assert (found.rpc_current_version, found.object_current_version) == (
        volume_rpc.VolumeAPI.RPC_API_VERSION, objects_base.CURRENT_VERSION)
    assert found.is_up


@pytest.mark.parametrize(('words', 'status', 'active'), [
    ((), 'disabled', None), (('--enable-replication',), 'enabled', None),
    (('--active-backend-id', 'other'), 'disabled', 'other')])
def test_the_active_copy_is_reset(words, status, active, service, ctxt, capsys):
    failed = {'replication_status': 'failed-over', 'active_backend_id': 'second',
              'disabled': True, 'disabled_reason': 'failed-over'}
    services.update(ctxt, service.id, failed)
    reset = ('db', 'reset_active_backend', '--backend-host', 'h1@lvm', *words)
    assert run(*reset) == 1 and 'frozen first' in capsys.readouterr().err
    services.update(ctxt, service.id, {'frozen': True})
    assert run(*reset) is None
    found, = services.list_all(ctxt)
    assert (found.replication_status, found.active_backend_id, found.disabled,
            found.disabled_reason) == (status, active, False, None)
    with pytest.raises(exception.ServiceNotFound):
        run('db', 'reset_active_backend', '--backend-host', 'nowhere')


@pytest.mark.parametrize('line', [
    'backup list', 'backup update_backup_host --currenthost a --newhost b',
    'cg update_cg_host --currenthost a --newhost b', 'cluster list',
    'cluster remove --recursive cinder-volume c', 'cluster rename --full-rename a b',
    'config list', 'config list DEFAULT.host', 'db online_data_migrations --max_count 3',
    'db purge 3', 'db reset_active_backend --enable-replication --active-backend-id i '
    '--backend-host h@b', 'db sync --bump-versions', 'db sync 0001', 'db version', 'host list',
    'host list zone', 'quota check --project-id p', 'quota sync', 'service list',
    'service remove cinder-volume h@b', 'util clean_locks --services-offline',
    'version list', 'volume delete id', 'volume update_host --currenthost a --newhost b',
    'volume update_service'])
def test_command_lines_of_the_original_are_read(line):
    parser = argparse.ArgumentParser()
    manage.add_parsers(parser.add_subparsers(dest='command', required=True))
    assert callable(parser.parse_args(line.split()).run)


def test_backups_are_listed_between_tabs(ctxt, database, capsys):
    backups.create(ctxt, {'volume_id': 'v', 'host': 'h', 'display_name': 'n', 'size': 3,
                          'status': 'available', 'project_id': 'p', 'user_id': 'u'})
    run('backup', 'list')
    titles, row = capsys.readouterr().out.splitlines()
    assert [cell.strip() for cell in titles.split('\t')] == [
        'ID', 'User ID', 'Project ID', 'Host', 'Name', 'Container', 'Status', 'Size',
        'Object Count']
    assert [cell.strip() for cell in row.split('\t')][1:8] == [
        'u', 'p', 'h', 'n', '', 'available', '3']


@pytest.mark.parametrize('words', [('version',), ('version', 'list')])
def test_the_version(words, capsys):
    run(*words)
    assert capsys.readouterr().out == f'{version.version_string()}\n'


def test_a_revision_that_is_not_there_is_one_line(capsys):
    assert run('db', 'sync', 'tomorrow') == 1
    known = ', '.join(sorted(path.name[:4] for path in (
        pathlib.Path(migration.__file__).parent / 'migrations/versions').glob('0*.py')))
    assert known.startswith('0001, 0002, 0003') and capsys.readouterr().err == (
        f'Unknown revision tomorrow; expected one of {known}\n')


def test_no_argument_has_the_name_of_an_option():
    """oslo.config gives what a command was called with only where nothing else has the name."""
    parser = argparse.ArgumentParser()
    manage.add_parsers(parser.add_subparsers(dest='command', required=True))
    for row in manage.COMMANDS:
        words = [row.category, row.action] if row.action else [row.category]
        needed = ['1' for argument, keywords in row.arguments
                  if not argument.startswith('-') and keywords.get('nargs') != '?']
        needed += [word for argument, keywords in row.arguments if keywords.get('required')
                   for word in (argument, '1')]
        dests = parser.parse_args([*words, *needed]).dests
        assert [dest for dest in dests if dest in CONF] == [], words


def test_every_command_has_a_sentence_of_help():
    for row in manage.COMMANDS:
        assert row.run.__doc__.splitlines()[0].endswith('.'), row.run


@pytest.fixture
def journal(database, ctxt):
    """A queued copy, a running extension and one that waits, of two services."""
    made = volumes.create(ctxt, {'project_id': 'p1', 'size': 1, 'host': 'h1@lvm#p'})
    copy = operations.create(ctxt, 'volume.retype', made, host='h1@lvm')
    running = operations.create(ctxt, 'volume.extend', made, host='h1@lvm')
    operations.claim(ctxt, running, 'h1@lvm|x', 60)
    operations.progress(ctxt, running, 1, 4)
    waiting = operations.create(ctxt, 'volume.delete', made, host='h2@lvm')
    operations.claim(ctxt, waiting, 'h2@lvm|x', 60)
    waiting_db.set_aside(ctxt, waiting, 60, 'a lock')
    return copy, running, waiting


def test_operations_are_listed_with_their_totals(journal, capsys):
    run('operations', 'list')
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith('  Progress  Waits for')
    assert [line.split()[1:4] for line in lines[1:4]] == [
        ['volume.retype', 'bulk', 'queued'], ['volume.extend', 'short', 'running'],
        ['volume.delete', 'short', 'waiting']]
    assert lines[2].split()[-1] == '25' and lines[3].endswith(' a lock')
    assert [line.partition(',')[0] for line in lines[4:]] == ['h1@lvm', 'h1@lvm', 'h2@lvm']
    assert '0 queued, 1 running, 0 waiting' in lines[5]


def test_an_operation_is_shown(journal, capsys):
    run('operations', 'show', journal[1].id)
    shown = capsys.readouterr().out
    assert 'volume.extend' in shown and 'h1@lvm' in shown and 'running' in shown
    run('operations', 'show', '--json', journal[1].id)
    told = json.loads(capsys.readouterr().out)
    assert (told['progress_done'], told['progress_total'], told['attempt']) == (1, 4, 1)
    with pytest.raises(exception.OperationNotFound):
        run('operations', 'show', 'nothing')


def test_an_operation_is_cancelled(journal, capsys):
    run('operations', 'cancel', journal[0].id)
    assert f'{journal[0].id} is cancelled' in capsys.readouterr().out
    with pytest.raises(exception.NotCancellable, match='it has begun'):
        run('operations', 'cancel', journal[1].id)


@pytest.mark.parametrize(('words', 'found'), [
    (('--host', 'h2@lvm'), [2]), (('--state', 'running'), [1]), (('--verb', 'volume.retype'), [0]),
    (('--project', 'other'), []), (('--project', 'p1'), [0, 1, 2])])
def test_operations_that_are_asked_for(journal, capsys, words, found):
    run('operations', 'list', '--json', *words)
    told = json.loads(capsys.readouterr().out)
    assert [row['id'] for row in told['operations']] == [journal[number].id for number in found]
    assert sum(total['queued'] + total['running'] + total['waiting']
               for total in told['totals']) == len(found)
