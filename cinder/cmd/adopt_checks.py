# SPDX-License-Identifier: Apache-2.0
"""`cinder-manage db adopt --check` and `cinder-status adopt check`: list what is in the way of an
adoption. Compares the source with the configuration here; reads only."""
import dataclasses
import json
from collections.abc import Mapping, Sequence

from oslo_config import cfg

from cinder import class_paths, exception
from cinder.conf import CONF
from cinder.db import errors
from cinder.db.adoption import hosts, preflight
from cinder.db.adoption.findings import REFUSAL, Findings
from cinder.db.adoption.questions import Target
from cinder.db.adoption.source import Source
from cinder.volume.configuration import Configuration
from cinder.volume.driver import VolumeDriver

# Exit statuses, those of "cinder-status upgrade check".
CLEAN, WARNED, REFUSED = 0, 1, 2


def check(source_url: str, map_host: Sequence[str], ignore: Sequence[str] = (),
          as_json: bool = False) -> int:
    """Check whether the database of the original can be adopted; status 0: it can, 1: with
    warnings, 2: it cannot."""
    renamed, source, findings = hosts.parse(map_host), None, Findings()
    try:
        source = Source(source_url)
        findings = examine(source, renamed, ignore)
    except Exception as exc:
        reason = _why_unreadable(exc)
        if reason is None:
            raise
        findings.add(REFUSAL, 'source', '', reason)
    finally:
        if source is not None:
            source.close()
    return report(source, findings, as_json)


def _why_unreadable(exc: Exception) -> str | None:
    """Return why a source cannot be read at all; None if the error is another one."""
    if isinstance(exc, exception.InvalidInput):
        return str(exc.kwargs['reason'])
    if errors.is_unavailable(exc):
        return f'the source does not answer: {errors.driver_message(exc)}'
    return None


def examine(source: Source, renamed: Mapping[str, str], ignore: Sequence[str],
            values: bool = True) -> Findings:
    """Run all checks.

    :param ignore: codes of refusals that are to be warnings
    :param values: also check the values of all rows
    :raises InvalidParameterValue: one of them must not be ignored
    """
    wrong = sorted(set(ignore) - preflight.HARMLESS)
    if wrong:
        raise exception.InvalidParameterValue(
            err=f'--ignore {wrong[0]}: expected one of {", ".join(sorted(preflight.HARMLESS))}; '
                   'other refusals would lose data')
    hosts.check(source, dict(renamed))
    return preflight.examine(source, target(CONF, renamed), ignore, values)


def report(source: Source | None, findings: Findings, as_json: bool = False) -> int:
    """Print findings; return the exit status.

    :param source: None: it cannot be used at all
    """
    found = findings.all()
    status = REFUSED if findings.refused else WARNED if found else CLEAN
    name, revision = (source.name, source.revision) if source else (None, None)
    if as_json:
        print(json.dumps({'source': name, 'revision': revision, 'status': status,
                          'findings': [dataclasses.asdict(each) for each in found]}, indent=2))
        return status
    for each in found:
        print(each.line())
    refusals = sum(each.severity == REFUSAL for each in found)
    print(f'{name}, revision {revision}: ' if source else '', end='')
    print(f'{refusals} refusals, {len(found) - refusals} warnings.')
    return status


# -------------------------------------------------------------------------- the configuration here
def target(conf: cfg.ConfigOpts, renamed: Mapping[str, str]) -> Target:
    """Return what the configuration has that rows of the source need."""
    backends = {name: _why_unusable(conf, name) for name in conf.enabled_backends or ()}
    return Target(renamed, backends, _keys(conf), conf.service_down_time, _is_backup_driver)


def _why_unusable(conf: cfg.ConfigOpts, name: str) -> str:
    """Return why a back end cannot be used; empty if its driver is there."""
    if name not in conf.list_all_sections():
        return f'no file has a section [{name}]'
    path = Configuration(config_group=name, conf=conf).volume_driver
    try:
        if issubclass(class_paths.load('volume_driver', path), VolumeDriver):
            return ''
    except exception.InvalidConfigurationValue as exc:
        return str(exc)
    return f'volume_driver = {path} is no driver'


def _keys(conf: cfg.ConfigOpts) -> str:
    # Imported here: castellan takes a while to import, and few deployments use keys.
    from cinder.keymgr import keys
    if not keys.is_fixed():
        return 'all'
    return 'fixed' if conf.key_manager.fixed_key else 'none'


def _is_backup_driver(path: str) -> bool:
    """Return whether the driver that made a backup exists here."""
    try:
        class_paths.load('service', path)
    except exception.InvalidConfigurationValue:
        return False
    return True
