# SPDX-License-Identifier: Apache-2.0
"""Exports a device by the targets of the original; a program for an environment with Cinder 29.0.0.

Arguments: tgtadm or lioadm, name of the volume, its device, port, folder for the files of tgt,
initiator. Prints provider_location and provider_auth.
"""
import pathlib
import sys
import types

from oslo_concurrency import lockutils, processutils
from oslo_privsep import priv_context

import cinder.privsep
from cinder.volume.targets import lio, tgt


class Row(dict):
    """A volume: its fields are keys and attributes."""

    __getattr__ = dict.__getitem__


def main(helper, name, path, port, folder, initiator):
    sys.tracebacklimit = 0
    for context in vars(cinder.privsep).values():
        if isinstance(context, priv_context.PrivContext):
            context.set_client_mode(False)
    lockutils.set_defaults('/run/lock')
    values = {'target_ip_address': '127.0.0.1', 'target_port': int(port),
              'target_protocol': 'iscsi', 'target_prefix': 'iqn.2010-10.org.openstack:',
              'volumes_dir': folder, 'iscsi_write_cache': 'on', 'target_helper': helper,
              'use_chap_auth': True, 'chap_username': '', 'chap_password': '',
              'target_secondary_ip_addresses': [], 'iscsi_target_flags': ''}
    options = types.SimpleNamespace(**values, get=values.get, safe_get=values.get)
    identity = name.removeprefix('volume-')
    row = Row(id=identity, name=name, name_id=identity, provider_location=None,
              provider_auth=None, admin_metadata={}, volume_admin_metadata=[])
    context = types.SimpleNamespace(elevated=lambda: context)
    kind = {'tgtadm': tgt.TgtAdm, 'lioadm': lio.LioAdm}[helper]
    target = kind(root_helper='', configuration=options, executor=processutils.execute, host='lab')
    target.db = types.SimpleNamespace(volume_get=lambda *_: row)
    if helper == 'tgtadm':
        # What an operator writes for the original.
        pathlib.Path('/etc/tgt/conf.d/cinder.conf').write_text(f'include {folder}/*\n')
    made = target.create_export(context, row, path)
    row.update(provider_location=made['location'], provider_auth=made['auth'])
    target.initialize_connection(row, {'initiator': initiator, 'host': 'lab', 'ip': '127.0.0.1'})
    print(made['location'], made['auth'], sep='\n')


if __name__ == '__main__':
    main(*sys.argv[1:])
