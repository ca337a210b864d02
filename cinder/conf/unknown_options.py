# SPDX-License-Identifier: Apache-2.0
"""Finds settings that nothing reads, for instance in an inherited file, and suggests the correct
name of a misspelt one."""

from collections.abc import Iterable, Iterator

from oslo_config import cfg

from cinder.conf import backend, config_files, original_options
from cinder.conf.known_options import Known
from cinder.conf.library import DEFAULT
from cinder.conf.problem import Problem

_LIKE = 0.75
# Options that libraries no longer read, and their replacements, whose names are not similar.
_REPLACED = {
    '[database] idle_timeout': '[database] connection_recycle_time',
    '[DEFAULT] sql_connection': '[database] connection',
    '[DEFAULT] sql_idle_timeout': '[database] connection_recycle_time',
    '[DEFAULT] rpc_backend': '[DEFAULT] transport_url',
    **dict.fromkeys((f'[{section}] rabbit_{name}'
                     for section in (DEFAULT, 'oslo_messaging_rabbit')
                     for name in ('host', 'hosts', 'port', 'userid', 'password', 'virtual_host')),
                    '[DEFAULT] transport_url'),
    **dict.fromkeys((f'[keystone_authtoken] {name}' for name in (
        'auth_host', 'auth_port', 'auth_protocol', 'identity_uri')),
        '[keystone_authtoken] auth_url'),
    '[keystone_authtoken] admin_user': '[keystone_authtoken] username',
    '[keystone_authtoken] admin_password':
        '[keystone_authtoken] password',  # nosec B105 # a name
    '[keystone_authtoken] admin_tenant_name': '[keystone_authtoken] project_name',
}


def check(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """Report each unknown option, or the whole section if nothing reads it. Those of the original
    that have no meaning here are listed together.

    :raises cfg.Error: a file can no longer be read
    """
    settings = config_files.settings(conf)
    known = Known(conf, settings)
    reported: set[str] = set()
    of_original = [(setting, fate) for setting in settings
                   if not known.find(setting.section, setting.name)
                   and (fate := original_options.fate(setting))]
    yield from original_options.listed(of_original)
    listed = {setting for setting, _fate in of_original}
    for setting in settings:
        if setting in listed:
            continue
        text = _section(setting, known) or _option(setting, known)
        if text and text not in reported:
            reported.add(text)
            yield Problem(text, fatal=False)


def _section(setting: config_files.Setting, known: Known) -> str | None:
    if known.has_section(setting.section):
        return None
    like = _nearest(setting.section.strip(), known.sections())
    return (f'Section [{setting.section}] of {setting.path} is unknown and does not describe a '
            f'back end: it has no effect.{like and f" Did you mean [{like}]?"}')


def _option(setting: config_files.Setting, known: Known) -> str | None:
    if known.find(setting.section, setting.name):
        return None
    start = f'Option {setting.option} of {setting.path}'
    if setting.section == DEFAULT and known.find(backend.GROUP, setting.name):
        return (f'{start} belongs in the section of a back end or in [{backend.GROUP}]: it has no '
                f'effect here.')
    if setting.option in _REPLACED:
        return (f'{start} is no longer read: it has no effect. Set {_REPLACED[setting.option]}.')
    like = _nearest(setting.name.replace('-', '_'), known.names(setting.section))
    return f'{start} is unknown: it has no effect.{like and f" Did you mean {like}?"}'


def _nearest(name: str, names: Iterable[str]) -> str:
    """Return the most similar name, ignoring case, or an empty string."""
    import difflib  # only needed for unknown names
    written = {each.lower(): each for each in names}
    return next((written[each] for each in
                 difflib.get_close_matches(name.lower(), written, 1, _LIKE)), '')
