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

Who may do what. Each operation of the API asks one or more rules; a rule is known by its name, and
has a default that a line in ``/etc/cinder/policy.yaml`` replaces::

    "volume:create_snapshot": "rule:admin_api or (role:keeper and project_id:%(project_id)s)"

``tox -e genpolicy`` writes ``etc/cinder/policy.yaml.sample``: every rule, each commented out.
[oslo_policy] ``policy_file`` and ``policy_dirs`` say where the files are. A change is in force two
seconds later, without a restart. A file that cannot be meant so (no YAML table, a check that cannot
be read, a rule that refers to itself) stops the start of cinder-api with one line; one that becomes
so later is told in the log, and the rules before it stay.

What does not belong to the caller's project is answered like what does not exist, 404. Whoever sees
a thing but may not do to it what he asks gets 403, as does whoever may not ask at all.

Roles
-----

.. list-table::
   :header-rows: 1
   :widths: 20 80

   * - By default
     - passes
   * - reader
     - with the role ``reader`` in the project of the thing: sees what the project has
   * - member
     - with the role ``member`` there (it implies ``reader``): makes, changes and deletes it
   * - admin
     - with the role ``admin`` in any project: everything, in all projects

Keystone's ``manager`` implies ``member`` and is no more than that here. No rule asks for the role
``service`` by default, so whoever has that alone gets 403 where a rule is asked, for lists too:
what counts is the second token of a request, by which a service says that a user's request comes
through it (X-Service-Token). Only with it may an attachment be removed that a server uses; the
roles that it takes are [keystone_authtoken] ``service_token_roles``. A service that shall see or do
more by itself needs ``admin``, as it did before there was a role ``service``.

A token has to be for a project. Tokens for the system or a domain pass no rule of the table,
whatever their roles: operators use the role ``admin`` in a project. They open only what asks no
rule: limits, zones, group types, resource filters, extensions, and a list of attachments that is
empty. ``tests/functional/test_tenants.py`` asks every operation with them.

Rules had other defaults before Xena: whoever had any role in a project was its owner. With
[oslo_policy] ``enforce_new_defaults`` off they hold besides those of the table. Rules that were
divided since are still found by their old names, and the log tells the new ones.

Servers that decide
-------------------

A check ``http:URL`` or ``https:URL`` has a server decide, which allows by answering ``True`` and
refuses by anything else. When it cannot be asked, or a check of another library fails, the answer
is 503 with ``Retry-After`` and nothing is done: a refusal would let everybody pass behind a
``not``. The API waits for it [oslo_policy] ``remote_timeout`` seconds (60), with each request that
asks the rule; 5 is enough for a server nearby.
"""
WORDS = {ADMIN: 'admin', MEMBER: 'member', READER: 'reader'}


def page() -> str:
    """Return the page as reStructuredText."""
    parts = [HEAD]
    for module in policies.MODULES:
        title = module.__name__.rpartition('.')[2].replace('_', ' ').capitalize()
        title = 'What rules are made of' if module is policies.base else title
        parts += [f'{title}\n{"-" * len(title)}\n', _table(module)]
    return '\n'.join(parts)


def _table(module: types.ModuleType) -> str:
    lines = ['.. list-table::', '   :header-rows: 1', '   :widths: 35 15 50', '',
             '   * - Rule', '     - Default', '     - What for']
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
