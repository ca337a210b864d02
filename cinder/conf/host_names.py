# SPDX-License-Identifier: Apache-2.0
"""Checks the names of hosts, clusters and zones: they become parts of longer names, of queues and
of files, so that they must not hold what separates such parts, and not be too long."""

import re
from collections.abc import Iterator

from oslo_config import cfg

from cinder.conf.problem import Problem

# Of a host or cluster, a back end and a pool: host@backend#pool, part of URLs and of file names.
PLACE = '@#/'
POOL = '#/'
# Extra specs list zones with commas between.
ZONE = ','
# A name of a queue and a name of a file have 255 bytes, which has to do for host@backend and for
# what is put before it; a column has 255 characters, for host@backend#pool and for a zone.
LONGEST_PLACE, LONGEST = 200, 255
_UNSEEN = re.compile(r'[\x00-\x1f\x7f]')


def check(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """The names that every program reads."""
    for option, separators in (('host', PLACE), ('cluster', PLACE),
                               ('storage_availability_zone', ZONE),
                               ('default_availability_zone', ZONE)):
        yield from faults(f'[DEFAULT] {option}', conf[option], separators)


def faults(option: str, name: str | None, separators: str) -> Iterator[Problem]:
    """What is wrong with one name.

    :param option: what holds it, as messages name it
    :param separators: characters that it must not hold
    """
    if name is None:
        return
    found = _UNSEEN.search(name) or re.search(f'[{re.escape(separators)}]', name)
    shown = ' '.join(name.split())[:LONGEST]
    if not name.strip():
        yield Problem(f'{option} has nothing but blanks; expected a name.')
    elif found:
        what = 'a line break or another control character' if found[0] < ' ' else f'"{found[0]}"'
        yield Problem(f'{option} = {shown} holds {what}, which a name cannot have here: it must '
                      f'not hold any of {" ".join(separators)}.')
    elif name != name.strip():
        yield Problem(f'{option} = "{name}" begins or ends with a blank.')
    elif len(name) > LONGEST:
        yield Problem(f'{option} = {shown}... has {len(name)} characters; at most {LONGEST} are '
                      f'possible.')
