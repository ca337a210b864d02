# SPDX-License-Identifier: Apache-2.0
"""Files as text: what cannot be read is one line with its place; empty values; joined lines."""

import os
import re

import pytest
from oslo_config import cfg

from cinder.conf import CONF, config_files, file_syntax


@pytest.mark.parametrize(('content', 'words'), [
    (b'[DEFAULT]\nhost = a\nstate_path = /srv/\xe4\n', ('line 3', '0xe4', 'UTF-8')),
    (b'[DEFAULT]\nhost = a\x00b\n', ('line 2', '0x00')),
    (b'host = a\n', (':1', 'Section must be started')),
    (b'[DEFAULT\n', (':1', 'must end with ]')),
    (b'[]\n', (':1', 'Empty section name')),
    (b'[DEFAULT]\n= x\n', (':2', 'Key cannot be empty')),
    (b'[DEFAULT]\n\n  host = a\n', (':3', 'Unexpected continuation')),
    (b'[DEFAULT]\nhost\n', (':2', 'assignment')),
])
def test_what_cannot_be_read_is_one_line_with_its_place(parse, tmp_path, content, words):
    with pytest.raises(SystemExit) as caught:
        parse(content)
    text = str(caught.value)
    assert text.startswith('cinder-test: ') and '\n' not in text
    assert str(tmp_path / '0.conf') in text and all(word in text for word in words), text


def test_an_option_of_the_command_line_is_called_an_option_in_a_file(parse):
    with pytest.raises(SystemExit) as caught:
        parse('[DEFAULT]\nverbosity = perhaps\n', options=[cfg.BoolOpt('verbosity')])
    assert str(caught.value) == (
        'cinder-test: [DEFAULT] verbosity = perhaps is not a valid Boolean value.')


def test_a_mark_of_utf8_and_line_ends_of_windows_are_taken(parse):
    assert parse(b'\xef\xbb\xbf[DEFAULT]\r\nhost = n\xc3\xb6de\r\n').host == 'nöde'


@pytest.mark.parametrize('argument', ['--config-file', '--config-dir'])
@pytest.mark.parametrize('kind', ['missing', 'folder', 'file', 'unreadable'])
def test_arguments_that_name_nothing_readable(parse, tmp_path, argument, kind):
    path = tmp_path / 'thing.conf'
    if kind in ('folder', 'unreadable'):
        path.mkdir()
    elif kind == 'file':
        path.write_text('[DEFAULT]\n')
    if kind == 'unreadable':
        path = path / 'inner'
        path.write_text('[DEFAULT]\n')
        path.chmod(0)
        if os.access(path, os.R_OK):
            pytest.skip('root reads everything')
    fine = {('--config-file', 'file'), ('--config-dir', 'folder')}
    if (argument, kind) in fine:
        parse(argv=[argument, str(path)])
        return
    with pytest.raises(SystemExit, match=re.escape(str(path))) as caught:
        parse(argv=[argument, str(path)])
    assert str(caught.value).startswith('cinder-test: ')


TYPES = '''[DEFAULT]
host =
osapi_max_limit =
enabled_backends =
api_rate_limit =
capacity_weight_multiplier =
osapi_volume_listen_port = ""
log_dir =
[coordination]
backend_url =
[database]
connection =
'''


def test_an_option_without_a_value_is_not_set_and_named_once(parse):
    conf = parse('[DEFAULT]\nhost = before\n', TYPES)
    assert (conf.host, conf.osapi_max_limit, conf.enabled_backends, conf.api_rate_limit,
            conf.capacity_weight_multiplier, conf.osapi_volume_listen_port) == (
        'before', 1000, None, True, 1.0, 8776)
    problem, = file_syntax.check(conf)
    assert not problem.fatal and problem.text == (
        'Options without a value are treated as not set: [DEFAULT] host, osapi_max_limit, '
        'enabled_backends, api_rate_limit, capacity_weight_multiplier, osapi_volume_listen_port, '
        'log_dir; [coordination] backend_url; [database] connection.')


def test_an_empty_value_stays_unset_when_files_are_read_again(parse, tmp_path):
    conf = parse('[DEFAULT]\nosapi_max_limit = 5\n')
    (tmp_path / '0.conf').write_text('[DEFAULT]\nosapi_max_limit =\n')
    conf.mutate_config_files()
    assert conf.osapi_max_limit == 1000


def test_every_option_of_ours_may_be_empty(parse):
    from cinder.conf import options
    text = ''.join(f'[{group}]\n' + ''.join(f'{opt.dest} =\n' for opt in opts)
                   for group, opts in options.BY_GROUP.items())
    conf, plain = parse(text), parse()
    for group, opts in options.BY_GROUP.items():
        for opt in opts:
            ours, theirs = (each if group == 'DEFAULT' else each[group] for each in (conf, plain))
            assert ours[opt.dest] == theirs[opt.dest], opt.dest


def test_settings_have_their_lines(parse, tmp_path):
    found = config_files.settings(parse('# a\n[DEFAULT]\n\nhost = a\n'
                                        'default_log_levels = x=1,\n  y=2\n'
                                        '[one]\nvolume_group = v'))
    path = str(tmp_path / '0.conf')
    assert found == [config_files.Setting('DEFAULT', 'host', 'a', path, 4),
                     config_files.Setting('DEFAULT', 'default_log_levels', 'x=1,\ny=2', path, 5),
                     config_files.Setting('one', 'volume_group', 'v', path, 8)]


@pytest.mark.parametrize(('text', 'fatal', 'words'), [
    ('[DEFAULT]\nenabled_backends = a\n  host = b\n', True,
     ('0.conf:3', 'host', 'enabled_backends')),
    ('[one]\nvolume_group = a\n  volume_driver = b\n', True, ('0.conf:3', 'volume_driver')),
    ('[database]\nmax_retries = 1\n connection = b\n', True, ('0.conf:3', 'connection')),
    ('[DEFAULT]\nhost = a\nhost = b\n', False, ('line 2', 'line 3')),
    ('[DEFAULT]\nhost = a\n[database]\nmax_retries = 1\n[DEFAULT]\nhost = b\n', False,
     ('line 2', 'line 6')),
])
def test_lines_that_cannot_have_been_meant(parse, text, fatal, words):
    problem, = file_syntax.check(parse(text))
    assert problem.fatal == fatal and all(word in problem.text for word in words), problem


@pytest.mark.parametrize('text', [
    '[DEFAULT]\nenabled_backends = a,\n  b\n',
    '[DEFAULT]\ndefault_log_levels = amqp=WARN,\n  x=INFO\n',
    '[DEFAULT]\nhost = a\nhost = a\n',
    '[oslo_messaging_notifications]\ndriver = log\ndriver = noop\n'])
def test_lines_that_are_all_right(parse, text):
    assert list(file_syntax.check(parse(text))) == []


def test_the_configuration_of_the_process_reads_files_so_too(tmp_path):
    path = tmp_path / 'cinder.conf'
    path.write_text('[DEFAULT]\nosapi_max_limit =\n')
    try:
        CONF(['--config-file', str(path)], project='cinder')
        assert CONF.osapi_max_limit == 1000
    finally:
        CONF([], project='cinder', default_config_files=[], default_config_dirs=[])
