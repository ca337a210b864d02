# SPDX-License-Identifier: Apache-2.0
"""The privileged part of a storage service: its oslo.privsep contexts, their capabilities, and the
list of all functions that run there. command.py starts processes and tgt.py uses the socket of
tgtd; brick, drivers and targets decide what they do."""
import os
from typing import NamedTuple

from oslo_config import cfg
from oslo_privsep import capabilities as caps
from oslo_privsep import priv_context

# A command waits for the storage, so the default, the number of CPUs, is no useful limit: with two
# threads one slow disk would delay every other command.
THREADS = 16

# The capabilities that commands of LVM need, and their purposes.
LVM_CAPABILITIES = {
    caps.CAP_SYS_ADMIN: 'ioctls of the device mapper',
    caps.CAP_MKNOD: 'device nodes where udev is not running',
    caps.CAP_CHOWN: 'the group of device nodes',
    caps.CAP_IPC_LOCK: 'LVM locks its memory while a device is suspended, else it could deadlock '
                       'on its own swap',
    caps.CAP_SYS_NICE: 'LVM raises its priority while a device is suspended',
    caps.CAP_DAC_READ_SEARCH: 'an lvm.conf in a directory of the service',
}


def _context(name: str, section: str, allowed: dict[int, str]) -> priv_context.PrivContext:
    made = priv_context.PrivContext('cinder', cfg_section=section, pypath=f'{__name__}.{name}',
                                    capabilities=list(allowed))
    cfg.CONF.set_default('thread_pool_size', THREADS, group=section)
    if os.geteuid() == 0:
        # A helper would gain nothing: the functions run in this process.
        made.set_client_mode(False)
    return made


sys_admin_pctxt = _context('sys_admin_pctxt', 'cinder_sys_admin', LVM_CAPABILITIES)
# Root without capabilities: enough for files of root, and for services that check the caller.
as_root_pctxt = _context('as_root_pctxt', 'cinder_as_root', {})


class EntryPoint(NamedTuple):
    """A function that the helper runs for this service: its name, its context, and its purpose."""

    function: str
    context: priv_context.PrivContext
    purpose: str


# All functions: a test compares this list with the code, and the security page of the documentation
# shows it.
ENTRY_POINTS = (
    EntryPoint('cinder.privsep.command._run_sys_admin', sys_admin_pctxt,
               'run a command of LVM'),
    EntryPoint('cinder.privsep.dm_suspend._suspend', sys_admin_pctxt,
               'suspend volumes of a group, with a process that resumes them'),
    EntryPoint('cinder.privsep.dm_suspend._resume', sys_admin_pctxt,
               'have that process resume them'),
    EntryPoint('cinder.privsep.thin_metadata._read', sys_admin_pctxt,
               'find the mapped or changed blocks of a thin volume'),
    EntryPoint('cinder.privsep.command._run_as_root', as_root_pctxt,
               'run tgtadm, or dd on a device'),
    EntryPoint('cinder.privsep.tgt._create_account', as_root_pctxt,
               'pass a CHAP secret to tgtd, which accepts root only'),
    EntryPoint('cinder.privsep.device_users._processes', as_root_pctxt,
               'find the users of a device that is to be removed'),
    EntryPoint('cinder.privsep.zero_check._look', as_root_pctxt,
               'read samples of a new logical volume'),
    EntryPoint('cinder.privsep.device_files._send', as_root_pctxt,
               'open a block device for a backup or a restore'),
    EntryPoint('cinder.privsep.lio._export', as_root_pctxt,
               'export a device by the target of the kernel (LIO)'),
    EntryPoint('cinder.privsep.lio._allow', as_root_pctxt,
               'allow an initiator, with its CHAP secret'),
    EntryPoint('cinder.privsep.lio.forbid', as_root_pctxt, 'end the access of an initiator'),
    EntryPoint('cinder.privsep.lio.sessions', as_root_pctxt,
               'list the initiators that are logged in'),
    EntryPoint('cinder.privsep.lio.remove', as_root_pctxt, 'remove an export'),
    EntryPoint('cinder.privsep.lio_saved.find', as_root_pctxt,
               'read the exports that are restored at a boot'),
    EntryPoint('cinder.privsep.lio_saved._remove', as_root_pctxt,
               'remove exports from those that are restored at a boot'),
    EntryPoint('cinder.privsep.nvmet.export', as_root_pctxt,
               'export a device by the NVMe target of the kernel'),
    EntryPoint('cinder.privsep.nvmet.allow', as_root_pctxt, 'allow a host'),
    EntryPoint('cinder.privsep.nvmet.forbid', as_root_pctxt, 'end the access of a host'),
    EntryPoint('cinder.privsep.nvmet.remove', as_root_pctxt, 'remove an export'),
    EntryPoint('cinder.privsep.nvmet.resize', as_root_pctxt,
               'have the kernel read the new size of a device'),
)
