# SPDX-License-Identifier: Apache-2.0
"""Who may do what: the one policy engine of a process.

The rules and their defaults are in cinder.policies, the operator's changes in the policy file of
oslo.policy. Everybody asks through RequestContext.authorize() and can().
"""
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from oslo_policy import opts, policy

from cinder import exception, policies
from cinder.conf import CONF

if TYPE_CHECKING:
    from cinder.context import RequestContext

# Seconds after which a changed policy file is noticed: asking the file system for each check
# would cost more than the check.
_REFRESH = 2.0
# The classes of the two checks that nearly all rules end in; oslo.policy does not export them.
_ROLE = type(policy.RuleDefault('-', 'role:-').check)
_ATTRIBUTE = type(policy.RuleDefault('-', 'user_id:-').check)

Test = Callable[[Any, Mapping[str, Any]], bool]

_engine: policy.Enforcer | None = None
_tests: dict[str, Test] = {}
_checked = 0.0


def enforcer() -> policy.Enforcer:
    """The engine, with the defaults registered and the operator's file read."""
    global _engine, _checked
    now = time.monotonic()
    if _engine is None:
        opts.set_defaults(CONF)
        _engine = policy.Enforcer(CONF)
        _engine.suppress_default_change_warnings = True
        _engine.register_defaults(policies.list_rules())
    elif now - _checked < _REFRESH:
        return _engine
    _engine.load_rules()
    _tests.clear()
    _checked = now
    return _engine


def reset() -> None:
    """Forget the engine, so that the next check builds it from the present configuration."""
    global _engine
    _engine = None


def _test_of(check: Any) -> Test:
    """A rule as a chain of closures.

    oslo.policy inspects the signature of each node and parses each attribute anew whenever a rule
    is asked; that is half of the cost of a whole request. What we do not know, it does itself.
    """
    if isinstance(check, policy.RuleCheck):
        return lambda target, creds: _test_named(check.match)(target, creds)
    if isinstance(check, policy.NotCheck):
        inner = _test_of(check.rule)
        return lambda target, creds: not inner(target, creds)
    if isinstance(check, policy.AndCheck | policy.OrCheck):
        inners = [_test_of(inner) for inner in check.rules]
        joined = all if isinstance(check, policy.AndCheck) else any
        return lambda target, creds: joined(inner(target, creds) for inner in inners)
    if type(check) is _ROLE and '%' not in check.match:
        role = check.match.lower()
        return lambda _target, creds: role in [name.lower() for name in creds['roles']]
    if type(check) is _ATTRIBUTE and check.kind.isidentifier():
        return _attribute_test(check.kind, check.match, check)
    return lambda target, creds: check(target, creds, enforcer(), None)


def _attribute_test(name: str, match: str, check: Any) -> Test:
    def test(target: Any, creds: Mapping[str, Any]) -> bool:
        value = creds.get(name)
        if not isinstance(value, str | bool):
            return check(target, creds, enforcer(), None)
        try:
            return str(value) == match % target
        except KeyError:
            return False
    return test


def _test_named(rule: str) -> Test:
    """The test of a rule; a rule that the operator's file names but nobody defines refuses."""
    test = _tests.get(rule)
    if test is None:
        rules = enforcer().rules
        test = _test_of(rules[rule]) if rule in rules else lambda _target, _creds: False
        _tests[rule] = test
    return test


class _Attributes:
    """A versioned object in the form in which rules read their target."""

    __slots__ = ('_target',)

    def __init__(self, target: object) -> None:
        self._target = target

    def __getitem__(self, name: str) -> Any:
        try:
            return getattr(self._target, name)
        except AttributeError:
            raise KeyError(name) from None


def check(ctxt: 'RequestContext', rule: str, target: object = None) -> bool:
    """Whether the caller passes a rule.

    :param target: a mapping or object with what the rule compares (project_id, user_id); None
        stands for anything of the caller's own project.
    :raises KeyError: there is no such rule, which is a mistake in our code.
    """
    engine = enforcer()
    if rule not in engine.registered_rules:
        raise KeyError(rule)
    if target is None:
        target = {'project_id': ctxt.project_id, 'user_id': ctxt.user_id}
    elif not hasattr(target, 'keys'):
        target = _Attributes(target)
    if ctxt.system_scope:
        scopes = engine.registered_rules[rule].scope_types
        if scopes and 'system' not in scopes:
            return False
    return bool(_test_named(rule)(target, ctxt.to_policy_values()))


def authorize(ctxt: 'RequestContext', rule: str, target: object = None) -> None:
    """:raises PolicyNotAuthorized: the caller does not pass the rule; see check()."""
    if not check(ctxt, rule, target):
        raise exception.PolicyNotAuthorized(action=rule)


def check_is_admin(ctxt: 'RequestContext') -> bool:
    """Whether the roles of the caller make an administrator."""
    return check(ctxt, policies.base.CONTEXT_IS_ADMIN)
