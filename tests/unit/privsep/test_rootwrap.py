# SPDX-License-Identifier: Apache-2.0
"""The rootwrap files: they can be read, let the helper of oslo.privsep run, and nothing else."""
import configparser
import pathlib

import pytest
from oslo_rootwrap import wrapper

from cinder import privsep
from cinder.privsep import command

ETC = pathlib.Path(__file__).parents[3] / 'etc' / 'cinder'


@pytest.fixture
def allowed(tmp_path):
    filters = wrapper.load_filters([str(ETC / 'rootwrap.d')])
    for program in ('privsep-helper', *command.PROGRAMS):
        (tmp_path / program).touch(0o755)

    def ask(*argv):
        try:
            return bool(wrapper.match_filter(filters, list(argv), exec_dirs=[str(tmp_path)]))
        except wrapper.NoFilterMatched:
            return False
    return ask


@pytest.mark.parametrize('context', [privsep.sys_admin_pctxt, privsep.as_root_pctxt],
                         ids=lambda context: context.cfg_section)
def test_the_helper_may_run(allowed, context):
    assert allowed(*context.helper_command('/tmp/x/privsep.sock')[1:])


@pytest.mark.parametrize('program', [*command.PROGRAMS, 'sh'])
def test_nothing_else_may(allowed, program):
    assert not allowed(program, '--version')


def test_the_main_file_names_the_folder_of_the_filters():
    config = configparser.RawConfigParser()
    config.read(ETC / 'rootwrap.conf')
    assert '/etc/cinder/rootwrap.d' in wrapper.RootwrapConfig(config).filters_path
