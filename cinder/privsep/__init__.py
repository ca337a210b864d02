# SPDX-License-Identifier: Apache-2.0
"""The privileged half of a storage service: its oslo.privsep contexts, what each may do, and the
list of everything that runs there. command.py starts processes and tgt.py talks to tgtd; what they
are asked to do is decided by brick, drivers, targets."""
import os
from typing import NamedTuple

from oslo_config import cfg
from oslo_privsep import capabilities as caps
from oslo_privsep import priv_context

# A command waits for the storage, so the number of CPUs, the default, says nothing about
# how many may run: with two threads one slow disk would hold up every other command.
THREADS = 16

# What the commands of LVM need, and for what.
LVM_CAPABILITIES = {
    caps.CAP_SYS_ADMIN: 'ioctls of the device mapper',
    caps.CAP_MKNOD: 'device nodes where udev is not running',
    caps.CAP_CHOWN: 'their group',
    caps.CAP_IPC_LOCK: 'LVM locks its memory while a device is suspended, else it could deadlock '
                       'on its own swap',
    caps.CAP_SYS_NICE: 'and raises its priority then',
    caps.CAP_DAC_READ_SEARCH: 'an lvm.conf in a folder of the service',
}


def _context(name: str, section: str, allowed: dict[int, str]) -> priv_context.PrivContext:
    made = priv_context.PrivContext('cinder', cfg_section=section, pypath=f'{__name__}.{name}',
                                    capabilities=list(allowed))
    cfg.CONF.set_default('thread_pool_size', THREADS, group=section)
    if os.geteuid() == 0:
        # Nothing to gain from a helper: entry points run in this process.
        made.set_client_mode(False)
    return made


sys_admin_pctxt = _context('sys_admin_pctxt', 'cinder_sys_admin', LVM_CAPABILITIES)
# Root in name only: enough for what belongs to root or asks who is calling.
as_root_pctxt = _context('as_root_pctxt', 'cinder_as_root', {})


class EntryPoint(NamedTuple):
    """A function that the helper calls for us: where it is, in which context, and what for."""

    function: str
    context: priv_context.PrivContext
    purpose: str


# All of them: a test compares this with the code, and the security page of doc/ shows it.
ENTRY_POINTS = (
    EntryPoint('cinder.privsep.command._run_sys_admin', sys_admin_pctxt,
               'run a command of LVM'),
    EntryPoint('cinder.privsep.dm_suspend._suspend', sys_admin_pctxt,
               'suspend volumes of a group, with a process that resumes them'),
    EntryPoint('cinder.privsep.dm_suspend._resume', sys_admin_pctxt,
               'let that process resume them'),
    EntryPoint('cinder.privsep.command._run_as_root', as_root_pctxt,
               'run tgtadm, or dd on a device'),
    EntryPoint('cinder.privsep.tgt._create_account', as_root_pctxt,
               'hand a CHAP secret to tgtd, which answers root only'),
    EntryPoint('cinder.privsep.device_users._processes', as_root_pctxt,
               'see who holds a device open that is to go'),
    EntryPoint('cinder.privsep.zero_check._look', as_root_pctxt,
               'read samples of a new logical volume'),
    EntryPoint('cinder.privsep.lio._export', as_root_pctxt,
               'export a device by the target of the kernel (LIO)'),
    EntryPoint('cinder.privsep.lio._allow', as_root_pctxt,
               'let an initiator in, with its CHAP secret'),
    EntryPoint('cinder.privsep.lio.forbid', as_root_pctxt, 'let an initiator in no more'),
    EntryPoint('cinder.privsep.lio.sessions', as_root_pctxt, 'see who is logged in'),
    EntryPoint('cinder.privsep.lio.remove', as_root_pctxt, 'end an export'),
    EntryPoint('cinder.privsep.nvmet.export', as_root_pctxt,
               'export a device by the NVMe target of the kernel'),
    EntryPoint('cinder.privsep.nvmet.allow', as_root_pctxt, 'let a host in'),
    EntryPoint('cinder.privsep.nvmet.forbid', as_root_pctxt, 'let a host in no more'),
    EntryPoint('cinder.privsep.nvmet.remove', as_root_pctxt, 'end an export'),
    EntryPoint('cinder.privsep.nvmet.resize', as_root_pctxt,
               'have the kernel see that a device has grown'),
)
