# SPDX-License-Identifier: Apache-2.0
"""`cinder-manage volume doctor`: compares the rows of the back ends on this host with their
storage, and suggests what to do about each difference. Changes nothing unless an option requests
it."""
import dataclasses
import json
import sys
from collections.abc import Iterator

from cinder import class_paths, context, exception
from cinder.cmd import common, key_commands
from cinder.conf import CONF
from cinder.volume import configuration, driver_types
from cinder.volume import driver as driver_api
from cinder.volume.host import audit

_SHOWN = ('kind', 'name', 'what', 'advice')


def examine(backend: str | None = None, as_json: bool = False,
            remove_saved_exports: bool = False) -> int:
    """Compare volumes, snapshots and exports with their rows; status 1 if differences are found.
    Without a back end, keys that no user has deleted are findings too."""
    found = findings(backend, remove_saved_exports)
    if backend is None:
        found += key_commands.findings()
    if as_json:
        print(json.dumps(found, indent=2))
        return int(bool(found))
    for finding in found:
        print('{backend}: {kind}: {what}. {advice}.'.format(**finding))
    print(f'{len(found)} findings')
    return int(bool(found))


def findings(backend: str | None = None,
             remove_saved_exports: bool = False) -> list[dict[str, str]]:
    """Return the findings of one back end on this host, or of all, with the keys of the output.

    :param remove_saved_exports: remove what would be a finding of kind 'saved', and print it
    :raises InvalidConfigurationValue: the back end is not enabled
    """
    enabled = CONF.enabled_backends or []
    if backend not in (None, *enabled):
        raise exception.InvalidConfigurationValue(option='--backend', value=backend)
    common.prepare_privileges()
    return [finding for name in enabled if backend in (None, name)
            for finding in _findings(name, remove_saved_exports)]


def _findings(name: str, remove_saved_exports: bool) -> Iterator[dict[str, str]]:
    options = configuration.Configuration(config_group=name)
    host = f'{options.backend_host or CONF.host}@{name}'
    cluster = f'{CONF.cluster}@{name}' if CONF.cluster else None
    ctxt = context.get_admin_context()
    try:
        made = class_paths.load('volume_driver', options.volume_driver)(
            configuration=options, host=host, cluster_name=cluster)
        made.do_setup(ctxt)
        sharing = None if made.only_one_host(options) else cluster
        if remove_saved_exports and isinstance(made, driver_api.SavesExports):
            _show(name, made.forget_saved_exports(audit.rows(ctxt, host, sharing)))
        found = audit.findings(ctxt, made, host, sharing)
    except Exception as exc:  # the findings of the other back ends are shown nevertheless
        found = [driver_types.Finding('unreadable', name, f'the storage cannot be read: {exc}',
                                      'see the log of cinder-volume')]
    for finding in found:
        values = dataclasses.asdict(finding)
        yield {'backend': name, **{key: values[key] for key in _SHOWN}}


def _show(backend: str, removed: dict[str, str]) -> None:
    """Print what was removed, apart from the findings."""
    for export, path in sorted(removed.items()):
        print(f'{backend}: removed {export} from {path}', file=sys.stderr)
