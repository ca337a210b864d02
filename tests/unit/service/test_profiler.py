# SPDX-License-Identifier: Apache-2.0
"""osprofiler is set up when it is switched on, and otherwise not even imported."""
import sys

import pytest
import webob

from cinder import service
from cinder.conf import CONF
from cinder.service import profiler


def test_off_it_is_not_imported(monkeypatch):
    for name in ('osprofiler', 'osprofiler.opts', 'osprofiler.initializer',
                 'osprofiler.web'):
        # None makes every import of that name fail.
        monkeypatch.setitem(sys.modules, name, None)
    service.setup_profiler('cinder-api', 'here')
    assert profiler.traced(len) is len


@pytest.fixture
def switched_on(tmp_path):
    path = tmp_path / 'c.conf'
    path.write_text('[profiler]\nenabled = true\nhmac_keys = SECRET\n'
                    'connection_string = messaging://\n')
    CONF(['--config-file', str(path)], project='cinder')
    yield
    CONF([], project='cinder', default_config_files=[], default_config_dirs=[])


def test_on_it_is_initialised_with_a_warning(switched_on, monkeypatch, caplog):
    asked = {}
    monkeypatch.setattr('osprofiler.initializer.init_from_conf',
                        lambda **kwargs: asked.update(kwargs))
    service.setup_profiler('cinder-volume', 'here@lvm')
    assert (asked['service'], asked['host'], asked['project']) == (
        'cinder-volume', 'here@lvm', 'cinder')
    assert 'HMAC key' in caplog.text and 'SECRET' not in caplog.text


@pytest.mark.parametrize(('key', 'points'), [('SECRET', 2), ('guessed', 0)])
def test_requests_signed_with_the_key_are_traced(switched_on, key, points):
    from osprofiler import notifier, web
    from osprofiler import profiler as library
    noted = []
    before = notifier.get()
    notifier.set(lambda payload, **_rest: noted.append(payload))
    web.enable('SECRET')

    def application(_environ, start_response):
        start_response('200 OK', [])
        return [b'']
    library.init(key)
    headers = web.get_trace_id_headers()
    library.clean()
    try:
        request = webob.Request.blank('/v3/', headers=headers)
        assert request.get_response(profiler.traced(application)).status_int == 200
    finally:
        notifier.set(before)
        web.disable()
    assert len(noted) == points
