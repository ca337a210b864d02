# SPDX-License-Identifier: Apache-2.0
"""The privileged half of a storage service: its oslo.privsep context. command.py starts processes
there and tgt.py talks to tgtd; what they are asked to do is decided by brick, drivers, targets."""
import os

from oslo_config import cfg
from oslo_privsep import capabilities, priv_context

# A command waits for the storage, so the number of CPUs, the default, says nothing about
# how many may run: with two threads one slow disk would hold up every other command.
THREADS = 16

sys_admin_pctxt = priv_context.PrivContext(
    'cinder',
    cfg_section='cinder_sys_admin',
    pypath=__name__ + '.sys_admin_pctxt',
    # Device-mapper ioctls; device nodes where udev is not running; LVM locks its memory and
    # raises its priority while a device is suspended, else it could deadlock on its own swap.
    capabilities=[capabilities.CAP_SYS_ADMIN, capabilities.CAP_MKNOD,
                  capabilities.CAP_IPC_LOCK, capabilities.CAP_SYS_NICE],
)
cfg.CONF.set_default('thread_pool_size', THREADS, group='cinder_sys_admin')

if os.geteuid() == 0:
    # Nothing to gain from a helper: entry points run in this process.
    sys_admin_pctxt.set_client_mode(False)
