# SPDX-License-Identifier: Apache-2.0
"""cinder.conf: parsing, interpolation, and where files are looked for."""

import re
import subprocess
import sys

import pytest

from cinder import opts
from cinder.conf import backend, option_values, options, unknown_options


def test_values_refer_to_other_options(parse):
    conf = parse('[DEFAULT]\nstate_path = /srv\nmy_ip = 192.0.2.7\n')
    assert conf.coordination.backend_url == 'file:///srv'
    assert conf.backend_defaults.file_volume_dir == '/srv/file-volumes'
    assert conf.backend_defaults.target_ip_address == '192.0.2.7'


def test_old_names_are_read(parse):
    conf = parse('[backend_defaults]\niscsi_secondary_ip_addresses = 192.0.2.1,192.0.2.2\n')
    assert conf.backend_defaults.target_secondary_ip_addresses == ['192.0.2.1', '192.0.2.2']
    assert list(unknown_options.check(conf)) == []


@pytest.mark.parametrize('line', [
    'osapi_volume_listen_port = 65536', 'auth_strategy = trust', 'quota_volumes = -2',
    'backend_stats_polling_interval = 1', 'my_ip = not an address', 'state_path = $nowhere/x',
])
def test_bad_values_stop_the_start_by_name(parse, line):
    problem, = option_values.check(parse(f'[DEFAULT]\n{line}\n'))
    assert problem.fatal and problem.text.startswith(f'[DEFAULT] {line.split()[0]} ')


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
    assert [problem.text.split()[2] for problem in unknown_options.check(conf)] == ['new_thing']


def test_templates_may_make_any_name_that_lvm_takes(parse):
    conf = parse('[DEFAULT]\nvolume_name_template = my.v+_%s-x\nsnapshot_name_template = %s\n')
    assert (conf.volume_name_template % 1, conf.snapshot_name_template % 1) == ('my.v+_1-x', '1')


@pytest.mark.parametrize('option', ['volume_name_template', 'snapshot_name_template'])
@pytest.mark.parametrize('template', ['volume', '-%s', 'a b %s', 'a/%s', '%s-%d', '%s%s', '.%s',
                                      '%s.part'])
def test_templates_that_make_no_names_are_refused(parse, option, template):
    problem, = option_values.check(parse(f'[DEFAULT]\n{option} = {template}\n'))
    assert option in problem.text


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
