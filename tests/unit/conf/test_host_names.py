# SPDX-License-Identifier: Apache-2.0
"""Names of hosts, clusters and zones: which are refused, and why."""

import pytest

from cinder.conf import host_names


@pytest.mark.parametrize(('line', 'words'), [
    ('host = a@b', ('[DEFAULT] host = a@b', '"@"')), ('host = a#b', ('"#"',)),
    ('host = a/b', ('"/"',)), ('host = a\n  b', ('line break',)),
    ('host = " a"', ('begins or ends with a blank',)), ('cluster = a@b', ('cluster', '"@"')),
    ('storage_availability_zone = a,b', ('storage_availability_zone', '","')),
    ('default_availability_zone = a,b', ('default_availability_zone',)),
    (f'host = {"a" * 256}', ('256 characters', '255')),
])
def test_a_name_that_cannot_work_is_refused(parse, line, words):
    problem, = host_names.check(parse(f'[DEFAULT]\n{line}\n'))
    assert problem.fatal and '\n' not in problem.text
    assert all(word in problem.text for word in words), problem.text


@pytest.mark.parametrize('name', ['node-1.example.com', 'nöde 1', 'a:b', '<a> & "b"%', '10.0.0.1'])
def test_odd_names_are_taken(parse, name):
    conf = parse(f'[DEFAULT]\nhost = {name}\ncluster = {name}\n'
                 f'storage_availability_zone = {name}\n')
    assert conf.host == name and list(host_names.check(conf)) == []


def test_a_name_of_blanks_is_not_set(parse):
    assert parse('[DEFAULT]\nhost = "  "\n').host == parse().host
