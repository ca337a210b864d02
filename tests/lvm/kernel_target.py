# SPDX-License-Identifier: Apache-2.0
"""The kernel's own target (LIO): whether this kernel has it, and what it exports."""
import os
import pathlib
import subprocess

from tests.lvm import group

CONFIG = pathlib.Path('/sys/kernel/config')
MODULES = ('configfs', 'target_core_mod', 'target_core_iblock', 'iscsi_target_mod')


def ready() -> bool:
    """Load it; False when there is none."""
    # The kernel's target keeps reservations there, and rtslib insists on it.
    os.makedirs('/etc/target', exist_ok=True)
    if subprocess.run(['modprobe', '-a', *MODULES], capture_output=True, check=False).returncode:
        return False
    if not (CONFIG / 'target').exists():
        group.run('mount', '-t', 'configfs', 'configfs', str(CONFIG))
    return True


def names() -> list[str]:
    """The names of its iSCSI targets."""
    return sorted(path.name for path in (CONFIG / 'target/iscsi').glob('iqn.*'))
