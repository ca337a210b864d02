# SPDX-License-Identifier: Apache-2.0
"""URLs of other services: which forms are refused, in which options."""

import pytest

from cinder.conf import urls


@pytest.mark.parametrize(('url', 'reason'), [
    ('keystone', 'http://'), ('keystone:5000', 'http://'), ('192.0.2.1:5000/v3', 'http://'),
    ('ftp://keystone', 'http://'), ('http:/keystone', 'http://'), ('https://', 'no host'),
    ('http://:5000', 'no host'), ('http://h:port/', 'port'), ('http://h:65536', 'ort'),
    ('http://h:0', 'port'), ('http://h h', 'blank'), ('http://[::1', 'IPv6'),
    ('http://h/v3?x=1', '?'), ('http://h/#a', '#')])
@pytest.mark.parametrize(('section', 'name'), [
    ('keystone_authtoken', 'auth_url'), ('DEFAULT', 'glance_api_servers')])
def test_what_is_no_url_of_a_service(parse, section, name, url, reason):
    problem, = urls.check(parse(f'[{section}]\n{name} = {url}\n'))
    assert problem.fatal and problem.text.startswith(f'[{section}] {name} (')
    assert reason in problem.text.partition('service: ')[2]


@pytest.mark.parametrize(('section', 'name'), [
    ('DEFAULT', 'public_endpoint'), ('keystone_authtoken', 'www_authenticate_uri'),
    ('nova', 'auth_url'), ('glance', 'auth_url'), ('service_user', 'auth_url'),
    ('barbican', 'barbican_endpoint'), ('barbican', 'auth_endpoint'), ('vault', 'vault_url'),
    ('keystone_authtoken', 'discovery_endpoint')])
def test_where_urls_are_looked_at(parse, section, name):
    assert len(list(urls.check(parse(f'[{section}]\n{name} = nonsense\n')))) == 1
    assert list(urls.check(parse(f'[{section}]\n{name} =\n'))) == []


@pytest.mark.parametrize('url', ['http://h', 'https://h:1/v3/', 'http://[2001:db8::1]:9292',
                                 'http://u:p%40@h', 'http://$my_ip:9292', 'http://bücher.example'])
def test_what_is_one(parse, url):
    assert list(urls.check(parse(f'[keystone_authtoken]\nauth_url = {url}\n'))) == []


def test_each_of_a_list(parse):
    problem, = urls.check(parse('[DEFAULT]\nglance_api_servers = http://a:9292,, b:9292\n'))
    assert ' b:9292 is not a URL' in problem.text
