# SPDX-License-Identifier: Apache-2.0
"""Finds, loads and checks the policy files of the operator.

oslo.policy reads them; with a rule that it cannot parse, it would refuse or allow everything.
"""
import contextlib
import logging as plain_logging
import os
from collections.abc import Iterator
from typing import Any

from oslo_config import cfg
from oslo_log import log as logging
from oslo_policy import policy

from cinder import exception
from cinder.conf import CONF

LOG = logging.getLogger(__name__)

# The check "!", which oslo.policy also uses for a check that it cannot parse, and does not export.
NEVER = type(policy.RuleDefault('-', '!').check)

# (path, modification time in nanoseconds, size in bytes) of each file.
Files = tuple[tuple[str, int, int], ...]


def find_files() -> Files:
    """Return the policy files that exist now."""
    paths = [CONF.find_file(CONF.oslo_policy.policy_file)]
    for name in CONF.oslo_policy.policy_dirs:
        folder = CONF.find_file(name)
        if folder and os.path.isdir(folder):
            paths += sorted(entry.path for entry in os.scandir(folder))
    found = []
    for path in filter(None, paths):
        with contextlib.suppress(FileNotFoundError):
            stat = os.stat(path)
            found.append((path, stat.st_mtime_ns, stat.st_size))
    return tuple(found)


def load_files(engine: policy.Enforcer) -> None:
    """Load the files into a new engine.

    :raises InvalidPolicyFile: the files cannot be read, or a rule in them is not valid.
    """
    # The parser logs a traceback for each rule that it cannot parse; _faults() reports them.
    plain_logging.getLogger('oslo_policy._parser').disabled = True
    try:
        engine.load_rules()
        fault = next(_faults(engine), None)
    except (ValueError, OSError, cfg.Error) as exc:
        fault = str(exc)
    except (TypeError, AttributeError):
        # The library does not check that the YAML is a mapping.
        fault = 'expected a mapping of rules to checks'
    if fault is not None:
        raise exception.InvalidPolicyFile(
            path=engine.policy_path or ', '.join(CONF.oslo_policy.policy_dirs),
            reason=' '.join(fault.split()))
    for old, new in _renamed(engine).items():
        LOG.warning('The policy file sets the deprecated rule %s; the current rules are: %s.', old,
                    ', '.join(sorted(new)))


def _renamed(engine: policy.Enforcer) -> dict[str, list[str]]:
    """Return deprecated name in the files -> current names of the rule."""
    found: dict[str, list[str]] = {}
    for name, rule in engine.registered_rules.items():
        old = rule.deprecated_rule.name if rule.deprecated_rule else name
        if old != name and old in engine.file_rules:
            found.setdefault(old, []).append(name)
    return found


def _faults(engine: policy.Enforcer) -> Iterator[str]:
    """Yield the faults of the rules of the operator."""
    for name, rule in engine.file_rules.items():
        leaves = list(_leaves(rule.check))
        if not isinstance(rule.check_str, str | list):
            yield f'rule {name} has no check; expected an expression, "@" (all) or "!" (none)'
        elif '!' not in str(rule.check_str) and any(type(leaf) is NEVER for leaf in leaves):
            yield f'the check of rule {name} cannot be parsed: {rule.check_str}'
        elif not all(_can_be_filled(leaf) for leaf in leaves):
            yield f'rule {name} has a malformed %(...)s: {rule.check_str}'
    for name in engine.file_rules:
        if name in _reached(engine, name, set()):
            yield f'rule {name} refers to itself'


def _leaves(check: Any) -> Iterator[Any]:
    inner = [check.rule] if isinstance(check, policy.NotCheck) else getattr(check, 'rules', None)
    if inner is None:
        yield check
    else:
        for each in inner:
            yield from _leaves(each)


def _can_be_filled(leaf: Any) -> bool:
    try:
        str.__mod__(getattr(leaf, 'match', ''), _Anything())
    except (ValueError, TypeError):
        return False
    return True


def _reached(engine: policy.Enforcer, name: str, found: set[str]) -> set[str]:
    """Return the rules that a rule refers to; the default rule replaces undefined ones."""
    for leaf in _leaves(engine.rules[name]) if name in engine.rules else ():
        if isinstance(leaf, policy.RuleCheck):
            other = leaf.match if leaf.match in engine.rules else engine.rules.default_rule
            if other not in found:
                found.add(other)
                _reached(engine, other, found)
    return found


class _Anything(dict[str, str]):
    """A target that has every attribute."""

    def __missing__(self, name: str) -> str:
        return ''
