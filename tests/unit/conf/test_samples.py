# SPDX-License-Identifier: Apache-2.0
"""The files of etc/cinder: they can be read, and everything in them is read by something."""

import configparser
import importlib
import json
import pathlib

import pytest
from oslo_config import cfg

from cinder import conf as cinder_conf
from cinder.api import filters
from cinder.conf import file_syntax, option_values, unknown_options

ETC = pathlib.Path(__file__).parents[3] / 'etc/cinder'


@pytest.mark.parametrize('path', sorted(ETC.glob('cinder-*.conf')), ids=lambda path: path.name)
def test_configuration_holds_only_options_that_exist(path):
    conf = cfg.ConfigOpts()
    cinder_conf.register(conf)
    cinder_conf.configure(['cinder-test', '--config-file', str(path)], '1', conf)
    checks = (file_syntax.check, option_values.check, unknown_options.check)
    assert [problem for check in checks for problem in check(conf)] == []
    assert set(conf.enabled_backends) <= set(conf.list_all_sections())


def test_the_embedded_profile_listens_on_loopback_only():
    conf = cfg.ConfigOpts()
    cinder_conf.register(conf)
    cinder_conf.configure(
        ['cinder-test', '--config-file', str(ETC / 'cinder-embedded.conf')], '1', conf)
    assert conf.auth_strategy == 'noauth'
    assert conf.osapi_volume_listen == '127.0.0.1'
    assert not conf.noauth_allow_remote


def test_the_filter_file_is_what_is_built_in():
    listed = json.loads((ETC / 'resource_filters.json').read_text())
    assert {name: tuple(values) for name, values in listed.items()} == filters.BUILT_IN


def test_the_paste_file_names_what_exists():
    paste = configparser.ConfigParser(interpolation=None)
    paste.read(ETC / 'api-paste.ini')
    factories = [value for section in paste.values() for option, value in section.items()
                 if option.startswith('paste.')]
    assert len(factories) >= 8
    for factory in factories:
        module, _, path = factory.partition(':')
        thing = importlib.import_module(module)
        for name in path.split('.'):
            thing = getattr(thing, name)
        assert callable(thing), factory


@pytest.mark.parametrize('strategy', ['noauth', 'noauth_include_project_id', 'keystone'])
def test_every_auth_strategy_has_a_pipeline_of_known_parts(strategy):
    paste = configparser.ConfigParser(interpolation=None)
    paste.read(ETC / 'api-paste.ini')
    *parts, app = paste['composite:v3'][strategy].split()
    assert f'app:{app}' in paste
    assert {f'filter:{part}' for part in parts} <= set(paste)
