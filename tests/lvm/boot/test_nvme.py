# SPDX-License-Identifier: Apache-2.0
"""nvmet of a real kernel, in a machine that QEMU emulates: user-mode Linux lacks the modules. Only
on request (NVME_LAB_KERNEL), because the kernel must be fetched; it takes a minute."""
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from tools import lab

# Folder with the content of a Debian package linux-image-*.
KERNEL = os.environ.get('NVME_LAB_KERNEL', '')
_PROGRAMS = ('qemu-system-x86_64', 'busybox', 'cpio', 'nvme', 'depmod')
# Modules that the first root file system needs, and those of the test.
_FIRST = ('virtio_pci', '9pnet_virtio', '9p', 'overlay')
_LATER = 'nvmet nvmet-tcp nvme-tcp loop'
_INIT = r'''#!/bin/sh
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
while read module; do insmod /modules/$module; done </order
mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=512000,cache=loose host /host
mount -t tmpfs tmpfs /memory; mkdir /memory/written /memory/work
mount -t overlay -o lowerdir=/host,upperdir=/memory/written,workdir=/memory/work root /new
for each in proc sys dev; do mount --move /$each /new/$each; done
exec switch_root /new {folder}/second
'''
_SECOND = '''#!/bin/bash
export PATH=/usr/sbin:/sbin:/usr/bin:/bin HOME=/root LC_ALL=C.UTF-8
mount -t tmpfs tmpfs /run
mkdir -p /dev/shm; mount -t tmpfs tmpfs /dev/shm
ip link set lo up
mkdir -p /lib/modules; ln -sfn {modules} /lib/modules/{version}
/lib/systemd/systemd-udevd --daemon
modprobe -a {later}
mount -t configfs configfs /sys/kernel/config
cd {root}
{python} -B -m tests.lvm.boot.nvme_guest 2>&1
echo "status $?"
dmesg | grep -i nvm | tail -30
echo o >/proc/sysrq-trigger; sleep 9
'''


@pytest.fixture
def machine(tmp_path):
    """The command that starts the machine."""
    if not KERNEL:
        pytest.skip('NVME_LAB_KERNEL names no folder with an unpacked package linux-image-*')
    if missing := [name for name in _PROGRAMS if not shutil.which(name)]:
        pytest.skip(f'needs {", ".join(missing)}')
    modules = next(pathlib.Path(KERNEL).resolve().glob('lib/modules/*'))
    initial(tmp_path, modules)
    second = tmp_path / 'second'
    second.write_text(_SECOND.format(modules=modules, version=modules.name, later=_LATER,
                                     root=lab.ROOT, python=sys.executable))
    second.chmod(0o755)
    return ['qemu-system-x86_64', '-M', 'q35', '-accel', 'tcg,thread=multi', '-cpu', 'max',
            '-m', '2G', '-nodefaults', '-display', 'none', '-serial', 'stdio', '-no-reboot',
            '-net', 'none', '-fsdev',
            'local,id=root,path=/,security_model=none,readonly=on,multidevs=remap',
            '-device', 'virtio-9p-pci,fsdev=root,mount_tag=host',
            '-kernel', str(next(pathlib.Path(KERNEL).glob('boot/vmlinuz-*'))),
            '-initrd', str(tmp_path / 'initrd'),
            '-append', 'console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable']


def initial(folder, modules):
    """Write the first root file system, which mounts that of this machine."""
    root = folder / 'initial'
    for name in ('bin', 'modules', 'proc', 'sys', 'dev', 'host', 'memory', 'new'):
        (root / name).mkdir(parents=True)
    shutil.copy('/bin/busybox', root / 'bin')
    for name in ('sh', 'mount', 'insmod', 'mkdir', 'switch_root'):
        (root / 'bin' / name).symlink_to('busybox')
    base = modules.parent.parent.parent
    subprocess.run(['depmod', '-b', base, modules.name], check=True, capture_output=True)
    order = {}
    for each in _FIRST:
        shown = subprocess.run(['modprobe', '-d', base, '-S', modules.name, '-D', each],
                               capture_output=True, text=True, check=True).stdout
        order |= dict.fromkeys(line.split()[1] for line in shown.splitlines()
                               if line.startswith('insmod'))
    for path in order:
        shutil.copy(path, root / 'modules')
    (root / 'order').write_text(''.join(f'{os.path.basename(path)}\n' for path in order))
    (root / 'init').write_text(_INIT.format(folder=folder))
    (root / 'init').chmod(0o755)
    subprocess.run('find . | cpio -o -H newc --quiet | gzip -1 >../initrd', cwd=root, shell=True,
                   check=True)


def test_a_connection_of_the_original_outlives_switch_and_boot_and_ends_with_the_attachment(
        machine):
    done = subprocess.run(machine, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=600, check=False)
    assert 'status 0' in done.stdout, done.stdout[-6000:] + done.stderr[-2000:]
