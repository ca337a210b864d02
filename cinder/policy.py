# SPDX-License-Identifier: Apache-2.0
"""Evaluates policy rules: the one policy engine of a process.

cinder.policies has the rules and their defaults; the policy file of oslo.policy has the changes of
the operator. Other code uses RequestContext.authorize() and can().
"""
import functools
import inspect
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from oslo_log import log as logging
from oslo_policy import opts, policy

from cinder import exception, policies
from cinder.conf import CONF
from cinder.policies import policy_files

if TYPE_CHECKING:
    from cinder.context import RequestContext

LOG = logging.getLogger(__name__)

# Seconds between two checks whether the policy files changed; a check of the file system for each
# request would cost more than the evaluation of the rule.
_REFRESH = 2.0
# The classes of the most common checks; oslo.policy does not export them.
_ROLE = type(policy.RuleDefault('-', 'role:-').check)
_ATTRIBUTE = type(policy.RuleDefault('-', 'user_id:-').check)

_ONE_VALUE = re.compile(r'%\((\w+)\)s')

Test = Callable[[Any, Mapping[str, Any]], bool]

# The engine, and the functions compiled from its rules; both are replaced together.
_engine: tuple[policy.Enforcer, dict[str, Test]] | None = None
_files: policy_files.Files = ()
_checked = 0.0
_loading = threading.RLock()


# ------------------------------------------------------------------------------- the engine
def enforcer() -> policy.Enforcer:
    """Return the engine, with the defaults registered and the policy files loaded.

    A file that becomes invalid later is logged, and the previous rules stay in effect.

    :raises InvalidPolicyFile: the file is invalid at the first load.
    """
    return _current()[0]


def _current() -> tuple[policy.Enforcer, dict[str, Test]]:
    global _engine, _files, _checked
    known = _engine
    if known is not None and time.monotonic() - _checked < _REFRESH:
        return known
    with _loading:
        now = time.monotonic()
        if _engine is not None and now - _checked < _REFRESH:
            return _engine
        opts.set_defaults(CONF)
        files = policy_files.find_files()
        if _engine is None or files != _files:
            try:
                _engine = _load(), {}
            except exception.InvalidPolicyFile as exc:
                if _engine is None:
                    raise
                LOG.error('%s The previous rules stay in effect.', exc)
        _files, _checked = files, now
        return _engine


def reset() -> None:
    """Discard the engine; the next check builds it from the current configuration."""
    global _engine
    _engine = None


def _load() -> policy.Enforcer:
    """Create a new engine, so that an invalid file does not change the current one."""
    engine = policy.Enforcer(CONF)
    # policy_files.load_files() logs one line for each deprecated name.
    engine.suppress_default_change_warnings = engine.suppress_deprecation_warnings = True
    engine.register_defaults(policies.list_rules())
    policy_files.load_files(engine)
    return engine


# -------------------------------------------------------------------------- rules as functions
def _test_of(check: Any, asked: str) -> Test:
    """Compile a check to a chain of closures.

    oslo.policy inspects the signature of each check and parses each attribute again for every
    evaluation, which takes half of the time of a request. It evaluates other types of checks
    itself.

    :param asked: name of the rule that authorize() was called with.
    """
    if isinstance(check, policy.RuleCheck):
        return _test_of(_rule(check.match), asked)
    if isinstance(check, policy.NotCheck):
        inner = _test_of(check.rule, asked)
        return lambda target, creds: not inner(target, creds)
    if isinstance(check, policy.AndCheck | policy.OrCheck):
        return functools.reduce(_both if isinstance(check, policy.AndCheck) else _either,
                                [_test_of(inner, asked) for inner in check.rules])
    if type(check) is _ROLE and '%' not in check.match:
        role = check.match.lower()
        return lambda _target, creds: role in creds['roles'] or role in [
            name.lower() for name in creds['roles']]
    if type(check) is _ATTRIBUTE and check.kind.isidentifier():
        return _attribute_test(check.kind, check.match, check)
    if type(check) in (_ROLE, _ATTRIBUTE, policy_files.NEVER):
        return lambda target, creds: check(target, creds, enforcer(), asked)
    return _foreign_test(check, asked)


def _both(left: Test, right: Test) -> Test:
    return lambda target, creds: left(target, creds) and right(target, creds)


def _either(left: Test, right: Test) -> Test:
    return lambda target, creds: left(target, creds) or right(target, creds)


def _rule(name: str) -> Any:
    """Return the check of a rule. An undefined rule refuses, unless the file has a default rule."""
    try:
        return enforcer().rules[name]
    except KeyError:
        return policy_files.NEVER()


def _foreign_test(check: Any, asked: str) -> Test:
    """Return the test for a check of another library, such as http:, with three or four
    arguments."""
    extra = (asked,) if len(inspect.getfullargspec(check.__call__).args) > 4 else ()

    def test(target: Any, creds: Mapping[str, Any]) -> bool:
        plain = target.plain() if isinstance(target, _Attributes) else target
        try:
            return bool(check(plain, creds, enforcer(), *extra))
        except Exception as exc:
            # An error is neither true nor false: inside a `not`, false would allow everything.
            raise exception.PolicyUndecided(action=asked) from exc
    return test


def _attribute_test(name: str, match: str, check: Any) -> Test:
    # Nearly always one attribute of the target, such as '%(project_id)s'.
    only = _ONE_VALUE.fullmatch(match)
    field = only[1] if only else None

    def test(target: Any, creds: Mapping[str, Any]) -> bool:
        value = creds.get(name)
        if type(value) is not str and type(value) is not bool:
            return bool(check(target, creds, enforcer(), None))
        try:
            wanted = match % target if field is None else target[field]
        except KeyError:
            return False
        return value == wanted if type(value) is type(wanted) else str(value) == str(wanted)
    return test


def _test_named(rule: str) -> Test:
    # Stored with its engine, so that a concurrent reload does not keep a test of the old rules.
    _engine, tests = _current()
    test = tests.get(rule)
    if test is None:
        test = tests[rule] = _test_of(_rule(rule), rule)
    return test


class _Attributes:
    """The attributes of a versioned object, in the form that rules read."""

    __slots__ = ('_target',)

    def __init__(self, target: object) -> None:
        self._target = target

    def __getitem__(self, name: str) -> Any:
        try:
            return getattr(self._target, name)
        except AttributeError:
            raise KeyError(name) from None

    def plain(self) -> dict[str, Any]:
        """Return the plain values of the object, for a request to a server."""
        names = getattr(self._target, 'fields', None) or vars(self._target)
        values = ((name, getattr(self._target, name, None)) for name in names)
        return {name: value for name, value in values
                if value is None or isinstance(value, str | int | float)}


# -------------------------------------------------------------------------------- evaluation
def check(ctxt: 'RequestContext', rule: str, target: object = None) -> bool:
    """Return whether the caller passes a rule.

    :param target: a mapping or object with the attributes that the rule compares (project_id,
        user_id); None: the project of the caller.
    :raises KeyError: the rule does not exist.
    :raises PolicyUndecided: the check needs another service, which does not respond.
    """
    engine = enforcer()
    if rule not in engine.registered_rules:
        raise KeyError(rule)
    if target is None:
        target = {'project_id': ctxt.project_id, 'user_id': ctxt.user_id}
    elif not hasattr(target, 'keys'):
        target = _Attributes(target)
    scopes = engine.registered_rules[rule].scope_types
    if scopes and _scope(ctxt) not in scopes and _enforces_scope():
        return False
    return bool(_test_named(rule)(target, ctxt.to_policy_values()))


def _scope(ctxt: 'RequestContext') -> str:
    """Return the scope of the token, one of the scope_types of rules."""
    return 'system' if ctxt.system_scope else 'domain' if ctxt.domain_id else 'project'


def _enforces_scope() -> bool:
    """Return whether scopes are enforced; newer releases of oslo.policy always do and have no
    option for it."""
    return getattr(CONF.oslo_policy, 'enforce_scope', True)


def authorize(ctxt: 'RequestContext', rule: str, target: object = None) -> None:
    """:raises PolicyNotAuthorized: the caller does not pass the rule; see check()."""
    if not check(ctxt, rule, target):
        raise exception.PolicyNotAuthorized(action=rule)


def check_is_admin(ctxt: 'RequestContext') -> bool:
    """Return whether the roles of the caller make it an administrator."""
    return check(ctxt, policies.base.CONTEXT_IS_ADMIN)
