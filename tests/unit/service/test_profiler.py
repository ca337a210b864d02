# SPDX-License-Identifier: Apache-2.0
"""osprofiler is set up when it is switched on, and otherwise not even imported."""
import sys

from cinder import service
from cinder.conf import CONF


def test_off_it_is_not_imported(monkeypatch):
    for name in ('osprofiler', 'osprofiler.opts', 'osprofiler.initializer'):
        # None makes every import of that name fail.
        monkeypatch.setitem(sys.modules, name, None)
    service.setup_profiler('cinder-api', 'here')


def test_on_it_is_initialised_with_a_warning(tmp_path, monkeypatch, caplog):
    path = tmp_path / 'c.conf'
    path.write_text('[profiler]\nenabled = true\nhmac_keys = SECRET\n'
                    'connection_string = messaging://\n')
    asked = {}
    monkeypatch.setattr('osprofiler.initializer.init_from_conf',
                        lambda **kwargs: asked.update(kwargs))
    CONF(['--config-file', str(path)], project='cinder')
    service.setup_profiler('cinder-volume', 'here@lvm')
    CONF([], project='cinder', default_config_files=[], default_config_dirs=[])
    assert (asked['service'], asked['host'], asked['project']) == (
        'cinder-volume', 'here@lvm', 'cinder')
    assert 'HMAC key' in caplog.text and 'SECRET' not in caplog.text
