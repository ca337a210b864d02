# SPDX-License-Identifier: Apache-2.0
"""The page of doc/ that lists every policy rule, from the tables that the service runs by.

doc/source/conf.py writes it at each build, so it cannot be out of date.
"""

import types

from oslo_policy import policy

from cinder import policies
from cinder.policies.base import ADMIN, MEMBER, READER

HEAD = """\
Policies
========

Each operation of the API checks one or more rules. A rule has a name and a default, which a line
in ``/etc/cinder/policy.yaml`` replaces::

    "volume:create_snapshot": "rule:admin_api or (role:keeper and project_id:%(project_id)s)"

``tox -e genpolicy`` writes ``etc/cinder/policy.yaml.sample`` with every rule, commented out. The
options ``policy_file`` and ``policy_dirs`` of ``[oslo_policy]`` name the files. A change takes
effect two seconds later, without a restart. A file with an error (no YAML table, a check that
cannot be parsed, a rule that refers to itself) ends cinder-api at its start with one line. If a
file gets an error later, the error is logged and the former rules stay in effect.

A resource of another project is answered with 404, like one that does not exist. A caller that
can see a resource, but may not do what was requested, gets 403. A caller that may not use the
operation at all gets 403 too.

Roles
-----

.. list-table::
   :header-rows: 1
   :widths: 20 80

   * - Default
     - Allowed
   * - reader
     - the role ``reader`` in the project of the resource: to read the resources of the project
   * - member
     - the role ``member`` in the project (it implies ``reader``): to create, change and delete them
   * - admin
     - the role ``admin`` in any project: all operations, in all projects

The role ``manager`` of Keystone implies ``member`` and allows nothing more here. No default rule
requires the role ``service``, so a token with only that role gets 403 from every rule, also for
lists. A service is identified by the second token of a request (``X-Service-Token``), with which
it forwards the request of a user. Only with that token can an attachment be deleted that a server
uses; it needs one of the roles in ``[keystone_authtoken] service_token_roles``. A service that
needs more rights of its own needs the role ``admin``, as before the role ``service`` existed.

A token must have the scope of a project. Tokens for the system or a domain pass no rule of the
table, with any role: operators use the role ``admin`` in a project. Such tokens can only be used
for operations without a rule: limits, zones, group types, resource filters, extensions.
``tests/functional/test_tenants.py`` sends every operation with them.

Before Xena the rules had other defaults: any role in a project made its user an owner. If
``[oslo_policy] enforce_new_defaults`` is off, the old defaults apply in addition to those of the
table. Rules that have been divided since are still found by their old names, and the log has the
new names.

Rules on another server
-----------------------

A check ``http:URL`` or ``https:URL`` asks a server, which allows the operation with the answer
``True`` and refuses it with any other answer. If the server does not answer, or if a check of
another library fails, the request is answered 503 with ``Retry-After``, because a refusal would
allow the operation behind a ``not``. The API waits up to ``[oslo_policy] remote_timeout`` seconds
(60) for the server, with each request that checks the rule; 5 is enough for a server in the same
network.
"""
WORDS = {ADMIN: 'admin', MEMBER: 'member', READER: 'reader'}


def page() -> str:
    """Return the page as reStructuredText."""
    parts = [HEAD]
    for module in policies.MODULES:
        title = module.__name__.rpartition('.')[2].replace('_', ' ').capitalize()
        title = 'Basic rules' if module is policies.base else title
        parts += [f'{title}\n{"-" * len(title)}\n', _table(module)]
    return '\n'.join(parts)


def _table(module: types.ModuleType) -> str:
    lines = ['.. list-table::', '   :header-rows: 1', '   :widths: 35 15 50', '',
             '   * - Rule', '     - Default', '     - Purpose']
    for rule in module.list_rules():
        lines += [f'   * - ``{rule.name}``{_old(rule)}',
                  f'     - {WORDS.get(rule.check_str, f"``{rule.check_str}``")}',
                  f'     - {rule.description}', *_operations(rule)]
    return '\n'.join(lines) + '\n'


def _old(rule: policy.RuleDefault) -> str:
    old = rule.deprecated_rule
    return f' (``{old.name}``)' if old and old.name != rule.name else ''


def _operations(rule: policy.RuleDefault) -> list[str]:
    rows = [f'       | ``{row["method"]} {row["path"]}``'
            for row in getattr(rule, 'operations', ())]
    return ['', *rows] if rows else []
