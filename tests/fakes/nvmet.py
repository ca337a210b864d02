# SPDX-License-Identifier: Apache-2.0
"""A folder that behaves as the kernel's configfs tree of nvmet: what is made in it comes with its
attributes and groups, and what is in use cannot be removed. After the documentation of Linux 6.1;
no kernel of the tests has the module."""
import errno
import os
import pathlib
import shutil

_NAMESPACE = {'device_path': '(null)', 'device_uuid': '', 'device_nguid': '', 'enable': '0'}
_PORT = {'addr_trtype': '', 'addr_adrfam': '', 'addr_traddr': '', 'addr_trsvcid': ''}
_SUBSYSTEM = {'attr_allow_any_host': '0', 'attr_serial': '0'}


class Tree:
    """:param root: an empty folder"""

    def __init__(self, root: pathlib.Path):
        self.root = root
        for name in ('subsystems', 'hosts', 'ports'):
            (root / name).mkdir()

    def mkdir(self, path):
        folder = pathlib.Path(path)
        folder.mkdir()
        kind = folder.parent.name
        attributes, groups = {
            'subsystems': (_SUBSYSTEM, ('namespaces', 'allowed_hosts')),
            'namespaces': (_NAMESPACE, ()), 'hosts': ({}, ()),
            'ports': (_PORT, ('subsystems',))}[kind]
        for name, value in attributes.items():
            (folder / name).write_text(value + '\n')
        if kind == 'namespaces':
            (folder / 'revalidate_size').touch(mode=0o200)
        for name in groups:
            (folder / name).mkdir()

    def rmdir(self, path):
        folder = pathlib.Path(path)
        if not folder.is_dir():
            raise FileNotFoundError(errno.ENOENT, 'No such file or directory', path)
        in_use = [link for link in self.root.glob('*/*/*/*')
                  if link.is_symlink() and os.path.samefile(link, folder)]
        children = [child for group in folder.iterdir() if group.is_dir()
                    for child in group.iterdir()]
        if in_use or children:
            raise OSError(errno.EBUSY, 'Device or resource busy', path)
        shutil.rmtree(folder)

    def symlink(self, source, path):
        group = pathlib.Path(path).parent
        if group.name == 'allowed_hosts' and self.value(group.parent, 'attr_allow_any_host') == '1':
            raise OSError(errno.EINVAL, 'Invalid argument', path)
        os.symlink(source, path)

    def value(self, *names):
        return self.root.joinpath(*names).read_text().strip()

    def names(self, *names):
        return sorted(os.listdir(self.root.joinpath(*names)))
