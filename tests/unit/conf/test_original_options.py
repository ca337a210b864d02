# SPDX-License-Identifier: Apache-2.0
"""Every option of the original is read here, or its fate is known; files in the styles of
deployment tools start the daemons, and nothing in them is ignored without a word."""
import csv
import pathlib

import pytest

from cinder import config_check
from cinder.conf import (
    backend,
    config_files,
    library,
    option_values,
    options,
    original_options,
    unknown_options,
)
from cinder.volume import checks as volume_checks

FACTS = pathlib.Path(__file__).parents[4] / 'shared/api/options.csv'
FILES = sorted((pathlib.Path(__file__).parents[2] / 'samples/deployments').glob('*.conf'))
OURS = {(group, name) for group, opts in options.BY_GROUP.items() for opt in opts
        for name in (opt.dest, *(old.name for old in opt.deprecated_opts))}
OF_BACKENDS = {name for group, name in OURS if group == backend.GROUP}
# Checks that look at other things than the files and their values.
ELSEWHERE = ('directories', 'coordination', 'keymgr', 'paste', 'policy', 'file_permissions', 'tls',
             'log_config', 'backup', 'filters_file', 'check_exports', 'cinder.db', 'cinder.rpc',
             'check_functions', '_backdoor')


def setting(section, name, value=''):
    return config_files.Setting(section, name, value, 'x.conf', 1)


@pytest.mark.skipif(not FACTS.exists(), reason=f'the facts are not here: {FACTS}')
def test_the_fate_of_every_option_of_the_original_is_known():
    with FACTS.open() as stream:
        rows = [(row['group'], row['name'], row['default']) for row in csv.DictReader(stream)]
    lost = [(group, name) for group, name, default in rows
            if (group, name) not in OURS and name not in OF_BACKENDS
            and not library.find(group, name)
            and not original_options.fate(setting(group, name, default))]
    assert len(rows) > 350 and lost == []


def names():
    return sorted({*original_options._REFUSED, *original_options._RENAMED,
                   *original_options._NOTHING, *original_options._CLASSES})


@pytest.mark.parametrize('name', names())
def test_no_option_is_both_read_and_said_to_be_ignored(name):
    assert name not in {name for group, name in OURS if group in ('DEFAULT', backend.GROUP)} - {
        'host'}
    assert sum(name in table for table in (
        original_options._REFUSED, original_options._RENAMED, original_options._NOTHING,
        original_options._CLASSES)) == 1


@pytest.mark.parametrize(('name', 'value', 'kind'), [
    ('lvm_share_target', 'True', original_options.REFUSED),
    ('lvm_share_target', 'False', original_options.NOTHING),
    ('quota_driver', 'cinder.quota.DbQuotaDriver', original_options.NOTHING),
    ('quota_driver', 'cinder.quota.NestedDbQuotaDriver', original_options.REFUSED),
    ('use_forwarded_for', 'True', original_options.RENAMED),
    ('backup_gcs_bucket', 'b', original_options.REFUSED),
    ('glance_api_version', '2', original_options.NOTHING)])
def test_kinds(name, value, kind):
    assert original_options.fate(setting('DEFAULT', name, value))[0] == kind


def test_each_kind_is_listed_once(parse):
    conf = parse('[DEFAULT]\nuse_forwarded_for = true\nos_region_name = r\nverbose = true\n'
                 'lvm_share_target = true\n')
    found = [problem.text for problem in unknown_options.check(conf)]
    assert [text.partition(':')[0] for text in found] == list(original_options.KINDS)
    assert 'use_forwarded_for' in found[0] and 'os_region_name' in found[0]


TWO = ('[DEFAULT]\nenabled_backends = one,two\n[one]\nvolume_group = a\n{}'
       '[two]\nvolume_group = b\n')


@pytest.mark.parametrize(('name', 'value'), [
    (name, value) for name, values in original_options.VALUES.items() for value in values])
def test_a_value_of_the_original_stops_only_its_back_end(name, value, parse):
    conf = parse(TWO.format(f'{name} = {value}\n'))
    problem, = option_values.check(conf)
    assert problem.grave and not problem.fatal
    assert f'{name} = {value}' in problem.text and '[one] does not start' in problem.text
    assert original_options.VALUES[name][value] in problem.text
    assert list(volume_checks._backends(conf)) == ['two']
    assert next(option_values.check(parse(TWO.format(f'{name} = nonsense\n')))).fatal


@pytest.mark.parametrize('path', FILES, ids=[path.stem for path in FILES])
def test_files_of_deployment_tools(path, parse):
    conf = parse(path.read_text())
    found = [problem for check in config_check.CHECKS
             if not any(each in f'{check.__module__} {check.__name__}' for each in ELSEWHERE)
             for problem in check(conf)]
    assert [problem.text for problem in found if problem.fatal] == []
    unknown = [problem.text for problem in found if 'is unknown' in problem.text]
    assert [text for text in unknown if 'api_paste_confg' not in text] == []


def test_there_is_a_file_of_each_tool():
    assert [path.stem for path in FILES] == ['charm', 'devstack', 'helm', 'kolla', 'packstack']
