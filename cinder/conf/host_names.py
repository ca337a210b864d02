# SPDX-License-Identifier: Apache-2.0
"""Checks the names of hosts, clusters and zones. They become parts of longer names, of queues and
of files, so they must not contain the separators of such names and must not be too long."""

import re
from collections.abc import Iterator

from oslo_config import cfg

from cinder.conf.problem import Problem

# Separators of a host or cluster, back end and pool: host@backend#pool, in URLs and file names.
PLACE = '@#/'
POOL = '#/'
# Extra specs list zones separated by commas.
ZONE = ','
# Names of queues and files are limited to 255 bytes, for host@backend and a prefix; columns are
# limited to 255 characters, for host@backend#pool and for a zone.
LONGEST_PLACE, LONGEST = 200, 255
_UNSEEN = re.compile(r'[\x00-\x1f\x7f]')


def check(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """Check the names that every program reads."""
    for option, separators in (('host', PLACE), ('cluster', PLACE),
                               ('storage_availability_zone', ZONE),
                               ('default_availability_zone', ZONE)):
        yield from check_name(f'[DEFAULT] {option}', conf[option], separators)


def check_name(option: str, name: str | None, separators: str) -> Iterator[Problem]:
    """Return the faults of one name.

    :param option: the option that has the name, as shown in messages
    :param separators: characters that the name must not contain
    """
    if name is None:
        return
    found = _UNSEEN.search(name) or re.search(f'[{re.escape(separators)}]', name)
    shown = ' '.join(name.split())[:LONGEST]
    if not name.strip():
        yield Problem(f'{option} is blank; expected a name.')
    elif found:
        what = 'a line break or another control character' if found[0] < ' ' else f'"{found[0]}"'
        yield Problem(f'{option} = {shown} contains {what}, which is not allowed: a name must not '
                      f'contain any of {" ".join(separators)}.')
    elif name != name.strip():
        yield Problem(f'{option} = "{name}" begins or ends with a blank.')
    elif len(name) > LONGEST:
        yield Problem(f'{option} = {shown}... has {len(name)} characters; expected at most '
                      f'{LONGEST}.')
