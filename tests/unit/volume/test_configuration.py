# SPDX-License-Identifier: Apache-2.0
"""Options of one back end: own section, then [backend_defaults], then the default."""
import pytest
from oslo_config import cfg

from cinder.conf import backend
from cinder.volume.configuration import Configuration


@pytest.fixture
def conf(tmp_path):
    path = tmp_path / 'cinder.conf'
    path.write_text('[backend_defaults]\nlvm_type = thin\nvolume_clear = none\n'
                    '[one]\nvolume_clear = zero\nvolume_group = group1\n')
    conf = cfg.ConfigOpts()
    conf.register_opts([cfg.StrOpt('state_path', default='/state'),
                        cfg.StrOpt('my_ip', default='192.0.2.1')])
    conf.register_opts(backend.OPTS, group=backend.GROUP)
    conf(['--config-file', str(path)], project='cinder')
    return conf


@pytest.mark.parametrize(('section', 'option', 'value'), [
    ('one', 'volume_clear', 'zero'),
    ('one', 'volume_group', 'group1'),
    ('one', 'lvm_type', 'thin'),
    ('one', 'target_port', 3260),
    ('one', 'target_ip_address', '192.0.2.1'),
    ('two', 'volume_clear', 'none'),
    ('two', 'volume_group', 'cinder-volumes'),
    (None, 'lvm_type', 'thin'),
])
def test_where_a_value_comes_from(conf, section, option, value):
    assert getattr(Configuration(config_group=section, conf=conf), option) == value


def test_options_of_a_driver_of_its_own(conf):
    options = Configuration([cfg.StrOpt('mine', default='x')], 'one', conf)
    assert options.get('mine') == 'x'
    assert options.safe_get('nobodys') is None
    with pytest.raises(cfg.NoSuchOptError):
        options.get('nobodys')
