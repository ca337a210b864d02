# SPDX-License-Identifier: Apache-2.0
"""cinder.conf: parsing, interpolation, where files are looked for, and the search for options
that nothing reads."""

import importlib.metadata
import re
import subprocess
import sys

import pytest
from oslo_config import cfg

from cinder import conf as cinder_conf
from cinder import opts
from cinder.conf import backend, options, unknown


@pytest.fixture
def parse(tmp_path):
    """Parse texts as configuration files with a configuration object of its own."""
    def parse(*texts, **extra):
        conf = cfg.ConfigOpts()
        cinder_conf.register(conf)
        arguments = ['cinder-test']
        for number, text in enumerate(texts):
            path = tmp_path / f'{number}.conf'
            path.write_text(text)
            arguments += ['--config-file', str(path)]
        cinder_conf.configure([*arguments, *extra.get('argv', ())], '1.2.3', conf)
        return conf
    return parse


def test_values_refer_to_other_options(parse):
    conf = parse('[DEFAULT]\nstate_path = /srv\nmy_ip = 192.0.2.7\n')
    assert conf.coordination.backend_url == 'file:///srv'
    assert conf.backend_defaults.file_volume_dir == '/srv/file-volumes'
    assert conf.backend_defaults.target_ip_address == '192.0.2.7'


def test_old_names_are_read(parse):
    conf = parse('[backend_defaults]\niscsi_secondary_ip_addresses = 192.0.2.1,192.0.2.2\n')
    assert conf.backend_defaults.target_secondary_ip_addresses == ['192.0.2.1', '192.0.2.2']
    assert cinder_conf.unknown_options(conf) == []


@pytest.mark.parametrize('line', [
    'osapi_volume_listen_port = 65536', 'auth_strategy = trust', 'quota_volumes = -2',
    'backend_stats_polling_interval = 1', 'my_ip = not an address', 'state_path = $nowhere/x',
])
def test_bad_values_stop_the_start_by_name(parse, line):
    with pytest.raises(SystemExit, match=line.split()[0]):
        parse(f'[DEFAULT]\n{line}\n')


def test_files_are_found_only_in_the_two_folders(parse, tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    (tmp_path / 'cinder.conf').write_text('[DEFAULT]\nhost = stray\n')
    assert parse().host != 'stray'
    (tmp_path / '.cinder').mkdir()
    (tmp_path / '.cinder' / 'cinder.conf').write_text('[DEFAULT]\nhost = mine\n')
    (tmp_path / '.cinder' / 'cinder.conf.d').mkdir()
    (tmp_path / '.cinder' / 'cinder.conf.d' / 'a.conf').write_text(
        '[DEFAULT]\nosapi_max_limit = 7\nnew_thing = 1\n')
    conf = parse()
    assert (conf.host, conf.osapi_max_limit) == ('mine', 7)
    assert cinder_conf.unknown_options(conf) == ['DEFAULT/new_thing']


def test_unknown_options_are_named_once_each(parse):
    text = '[DEFAULT]\nbackup_driver = x\nhost = h\n[nobody]\ninterface = public\n'
    conf = parse(text, text)
    assert cinder_conf.unknown_options(conf) == ['DEFAULT/backup_driver', 'nobody/interface']


def test_backend_sections_count_against_the_backend_options(parse):
    conf = parse('[DEFAULT]\nenabled_backends = one\nvolume_group = not_here\n'
                 '[one]\nvolume_group = vg\nrbd_pool = p\n'
                 '[two]\nvolume_group = d\nrbd_user = u\n'
                 '[backend_defaults]\nlvm_type = thin\nnfs_mount_options = o\n')
    assert cinder_conf.unknown_options(conf) == [
        'DEFAULT/volume_group', 'backend_defaults/nfs_mount_options',
        'one/rbd_pool', 'two/rbd_user']
    assert '[backend_defaults]' in cinder_conf.reason('DEFAULT/volume_group')
    assert cinder_conf.reason('one/rbd_pool') == 'is not known'


def test_templates_may_make_any_name_that_lvm_takes(parse):
    conf = parse('[DEFAULT]\nvolume_name_template = my.v+_%s-x\nsnapshot_name_template = %s\n')
    assert (conf.volume_name_template % 1, conf.snapshot_name_template % 1) == ('my.v+_1-x', '1')


@pytest.mark.parametrize('option', ['volume_name_template', 'snapshot_name_template'])
@pytest.mark.parametrize('template', ['volume', '-%s', 'a b %s', 'a/%s', '%s-%d', '%s%s'])
def test_templates_that_make_no_names_are_refused(parse, option, template):
    with pytest.raises(SystemExit, match=option):
        parse(f'[DEFAULT]\n{option} = {template}\n')


def test_options_of_notifications_are_known(parse):
    conf = parse('[oslo_messaging_notifications]\ndriver = messagingv2\n')
    assert cinder_conf.unknown_options(conf) == []


def test_options_of_a_foreign_driver_are_known_once_registered(parse):
    conf = parse('[DEFAULT]\nenabled_backends = one\n[one]\nacme_pool = p\n')
    assert cinder_conf.unknown_options(conf) == ['one/acme_pool']
    conf.register_opts([cfg.StrOpt('acme_pool')], group='one')
    assert cinder_conf.unknown_options(conf) == []


def test_library_sections_and_options_are_known(parse):
    conf = parse('[DEFAULT]\ndebug = true\ntransport_url = fake:/\nclient_socket_timeout = 5\n'
                 '[database]\nconnection = sqlite://\n[oslo_messaging_rabbit]\nssl = true\n'
                 '[privsep_osbrick]\nuser = root\n[keystone_authtoken]\nauth_url = x\n')
    assert cinder_conf.unknown_options(conf) == []


def test_the_list_of_library_options_is_complete():
    namespaces = {'oslo.log', 'oslo.messaging', 'oslo.service.periodic_task',
                  'oslo.service.service', 'oslo.service.wsgi'}
    found = set()
    for entry in importlib.metadata.entry_points(group='oslo.config.opts'):
        if entry.name in namespaces:
            for group, opts_of_group in entry.load()():
                if group is None or str(group) == 'DEFAULT':
                    for opt in opts_of_group:
                        found |= {opt.dest, *(old.name for old in opt.deprecated_opts
                                              if old.name and old.group in (None, 'DEFAULT'))}
    assert {name.replace('-', '_') for name in found} - unknown.LIBRARY_OPTIONS == set()


def test_every_option_has_a_help_text_and_is_listed():
    listed = dict(opts.list_opts())
    assert listed['backend_defaults'] is backend.OPTS
    for group, group_opts in options.BY_GROUP.items():
        for opt in group_opts:
            assert opt.help and opt.help.rstrip().endswith('.'), f'{group}/{opt.name}'


def test_import_brings_no_heavy_library():
    loaded = subprocess.run(
        [sys.executable, '-c', 'import sys, cinder.conf; print(*sys.modules)'],
        capture_output=True, text=True, check=True).stdout.split()
    heavy = re.compile(r'(eventlet|sqlalchemy|oslo_(db|messaging|service)|webob)$')
    assert not [name for name in loaded if heavy.match(name)]
