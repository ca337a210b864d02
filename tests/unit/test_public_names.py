# SPDX-License-Identifier: Apache-2.0
"""Names that operators write into configuration files: moves of code must not break them."""
import csv
import importlib
import pathlib

import pytest

from cinder.conf import options

# Class paths and factories of cinder.conf and api-paste.ini. test_layout.py has the programs.
CLASS_PATHS = (
    'cinder.api.middleware.auth.CinderKeystoneContext', 'cinder.api.middleware.fault.FaultWrapper',
    'cinder.api.middleware.sizelimit.RequestBodySizeLimiter', 'cinder.api.v3.router.APIRouter',
    'cinder.api.versions.Versions', 'cinder.brick.local_dev.lvm.LVM',
    'cinder.keymgr.conf_key_mgr.ConfKeyManager', 'cinder.opts.list_opts',
    'cinder.policies.list_rules',
    'cinder.scheduler.filter_scheduler.FilterScheduler',
    'cinder.scheduler.host_manager.HostManager', 'cinder.scheduler.manager.SchedulerManager',
    'cinder.scheduler.weights.OrderedHostWeightHandler',
    'cinder.scheduler.weights.stochastic.StochasticHostWeightHandler',
    'cinder.volume.drivers.lvm.LVMVolumeDriver', 'cinder.volume.manager.VolumeManager',
    'cinder.volume.targets.lio.LioAdm', 'cinder.volume.targets.tgt.TgtAdm',
)
# Section and name of each option of the original that is honoured.
NAMES = pathlib.Path(__file__).parent / 'conf' / 'option_names.csv'


@pytest.mark.parametrize('path', CLASS_PATHS)
def test_a_class_path_is_found(path):
    module, _, name = path.rpartition('.')
    assert callable(getattr(importlib.import_module(module), name))


def test_no_option_is_lost():
    registered = {(group, name.replace('-', '_')) for group, opts in options.BY_GROUP.items()
                  for opt in opts
                  for name in (opt.name, *(old.name for old in opt.deprecated_opts if old.name))}
    with open(NAMES, newline='') as file:
        wanted = {(group, name) for group, name in csv.reader(file)}
    assert len(wanted) > 100
    assert wanted - registered == set()
