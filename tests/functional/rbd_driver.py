# SPDX-License-Identifier: Apache-2.0
"""RBDDriver in this process, on a real cluster, for tests that need no service around it."""
import types

from cinder.conf import rbd as options
from cinder.volume.drivers.rbd import RBDDriver
from tests.fakes import volumes
from tests.functional import ceph
from tools.ceph_cluster import Cluster


def on(cluster: Cluster, pool: str = 'volumes', **changes) -> RBDDriver:
    """Return a driver that is set up.

    :param changes: options of the back end
    """
    defaults = {option.dest: option.default for option in options.OPTS}
    driver = RBDDriver(types.SimpleNamespace(
        **{**defaults, **volumes.OPTIONS, 'volume_backend_name': pool,
           **ceph.options(cluster, pool), **changes}), host=f'here@{pool}')
    driver.do_setup(None)
    driver.check_for_setup_error()
    return driver
