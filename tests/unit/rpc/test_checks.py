# SPDX-License-Identifier: Apache-2.0
"""What is wrong with the options of the message bus is found without a broker, in one line."""
import oslo_messaging as messaging
import pytest

from cinder.conf import CONF
from cinder.rpc import checks

RABBIT = 'oslo_messaging_rabbit'


@pytest.fixture
def told():
    """Set transport_url and options of RabbitMQ; returns the texts of the problems."""
    changed = []
    messaging.get_rpc_transport(CONF, 'rabbit://').cleanup()  # registers the options

    def ask(url, **options):
        for name, value, group in (('transport_url', url, None), *(
                (name, value, RABBIT) for name, value in options.items())):
            CONF.set_override(name, value, group)
            changed.append((name, group))
        return [problem.text for problem in checks.check(CONF)]
    yield ask
    for name, group in changed:
        CONF.clear_override(name, group)


@pytest.mark.parametrize(('url', 'options'), [
    ('rabbit://', {}), ('fake:/', {}), ('rabbit://u:p@h/v', {}),
    ('rabbit://u:p%40w@[::1]:5672/', {}),
    ('rabbit://u:p@a:1,u:p@b:2/v', {}), ('rabbit://u:p@h/v?rabbit_quorum_queue=true', {}),
    ('rabbit://u:p@h/', {'ssl': True, 'ssl_version': 'TLSv1_2'}),
    ('rabbit://u:p@h/', {'kombu_compression': 'gzip'})])
def test_usable_buses(told, url, options):
    assert told(url, **options) == []


@pytest.mark.parametrize(('url', 'options', 'words'), [
    ('', {}, 'No scheme'), ('nonsense', {}, 'No scheme'), ('pigeon://h', {}, 'pigeon'),
    ('amqp://u:s3cret@h', {}, 'driver "amqp"'), ('kafka://u:s3cret@h', {}, 'confluent_kafka'),
    ('rabbit:/u:s3cret@h/', {}, 'no host'), ('rabbit://u:s3cret@h:99999/', {}, 'port 99999'),
    ('rabbit://u:s3cret@h:0/', {}, 'port 0'), ('rabbit://u:s3cret@h:soon/', {}, 'expected'),
    ('rabbit://u:s3cret/more@h/', {}, 'write @ as %40'),
    ('rabbit://u:s3cret@[::1/', {}, 'expected'),
    ('rabbit://u:s3cret@h/v?pigeon=1', {}, 'pigeon'),
    ('rabbit://h', {'heartbeat_rate': 0}, 'heartbeat_rate = 0'),
    ('rabbit://h', {'rabbit_stream_fanout': True}, 'rabbit_qos_prefetch_count'),
    ('rabbit://h', {'kombu_compression': 'pigeon'}, 'kombu_compression = pigeon'),
    ('rabbit://h', {'ssl': True, 'ssl_version': 'pigeon'}, 'pigeon'),
    ('rabbit://h', {'ssl': True, 'ssl_ca_file': '/no/such/file'}, 'ssl_ca_file does not exist'),
    ('rabbit://h', {'ssl': True, 'ssl_ca_file': '/etc/passwd'}, 'ssl_ca_file = /etc/passwd'),
    ('rabbit://h', {'ssl': True, 'ssl_cert_file': '/etc/passwd'}, 'ssl_cert_file = /etc/passwd'),
])
def test_unusable_buses_are_one_line_without_the_password(told, url, options, words):
    (text,) = told(url, **options)
    assert words in text and '\n' not in text and 's3cret' not in text and text.endswith('.')
