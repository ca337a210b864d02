# SPDX-License-Identifier: Apache-2.0
"""Passwords in URLs reach the libraries as they were meant, whatever characters they hold."""

import string
import urllib.parse

import oslo_messaging as messaging
import pytest
import sqlalchemy as sa
from oslo_config import cfg

from cinder.conf import option_values

# RFC 3986, section 2: what may stand in a URL as it is. A comma is a separator of oslo.messaging.
PLAIN = string.ascii_letters + string.digits + "-._~!$&'()*+;="
ANY = string.printable.strip() + ' äß€'


def _database(conf):
    conf.register_opt(cfg.StrOpt('connection'), group='database')
    return sa.make_url(conf.database.connection).password


def _bus(conf):
    return messaging.TransportURL.parse(conf).hosts[0].password


@pytest.mark.parametrize(('option', 'url', 'read'), [
    ('[database]\nconnection', 'mysql+pymysql://u:%s@h:3306/cinder', _database),
    ('[database]\nconnection', 'postgresql+psycopg2://u:%s@h/cinder', _database),
    ('[DEFAULT]\ntransport_url', 'rabbit://u:%s@h:5672/', _bus)])
@pytest.mark.parametrize(('secret', 'written'), [
    (PLAIN, PLAIN.replace('$', '$$')), (ANY, urllib.parse.quote(ANY, safe='')),
    ('a$b', r'a\$b'), ('100%', '100%25')])
def test_a_password_is_what_was_meant(parse, option, url, read, secret, written):
    conf = parse(f'{option} = {url.replace("%s", written)}\n')
    assert list(option_values.check(conf)) == []
    assert read(conf) == secret
