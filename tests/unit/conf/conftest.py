# SPDX-License-Identifier: Apache-2.0
"""Configurations made of texts."""

import pytest
from oslo_config import cfg

from cinder import conf as cinder_conf


@pytest.fixture
def parse(tmp_path):
    """Parse texts as configuration files with a configuration object of its own."""
    def parse(*texts, **extra):
        conf = cfg.ConfigOpts()
        cinder_conf.register(conf)
        conf.register_cli_opts(extra.get('options', ()))
        arguments = ['cinder-test']
        for number, text in enumerate(texts):
            path = tmp_path / f'{number}.conf'
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
            arguments += ['--config-file', str(path)]
        cinder_conf.configure([*arguments, *extra.get('argv', ())], '1.2.3', conf)
        return conf
    return parse
