# SPDX-License-Identifier: Apache-2.0
"""The ten minutes of doc/source/keystone.rst, as a person types them, with folder and ports of the
test in the variables that the page sets, and without its installation."""

import os
import pathlib
import re
import sys

import pytest

from tests.functional.processes import Process, free_port, listens, wait_until
from tests.functional.suite import ROOT

PAGE = ROOT / 'doc/source/keystone.rst'
TITLE = 'With Keystone, in ten minutes'
SECONDS = 150
# Before the end of the page: what it promises, for as long as a busy machine may take.
PROMISED = ('timeout 60 bash -c "until openstack volume show first -f value -c status | '
            'grep -x available; do sleep 1; done"\n')


def commands(page: pathlib.Path, title: str) -> list[str]:
    """The commands of a section of a page, a text for each block."""
    section = page.read_text().split(f'{title}\n{"-" * len(title)}\n')[1]
    section = re.split(r'\n\S.*\n-{4,}\n', section)[0]
    found = re.findall(r'::\n\n((?:    .*\n|\n)+)', section)
    return [re.sub('^    ', '', block, flags=re.MULTILINE) for block in found]


@pytest.mark.timeout(900)
def test_what_the_page_has_typed(tmp_path):
    variables, install, *rest, end = commands(PAGE, TITLE)
    assert 'pip install . keystone' in install and end.startswith('kill ')
    here, ports = tmp_path / 'here', (free_port(), free_port())
    (here / 'venv').mkdir(parents=True)
    (here / 'venv/bin').symlink_to(pathlib.Path(sys.executable).parent)
    for name, old, new in (('HERE', '$HOME/cinder-with-keystone', here),
                           ('KEYSTONE_PORT', 5000, ports[0]), ('CINDER_PORT', 8776, ports[1])):
        assert f'{name}={old}' in variables
        variables = variables.replace(f'{name}={old}', f'{name}={new}')
    script = tmp_path / 'walk.sh'
    script.write_text('\n'.join(['set -eux', f'cd {ROOT}', variables, *rest, PROMISED, end]))
    shell = Process('the walk', ['bash', script], tmp_path / 'walk.log', {
        name: value for name, value in os.environ.items() if not name.startswith('OS_')})
    shell.start()
    try:
        wait_until(lambda: not shell.running, SECONDS, lambda: f'the walk: {shell.tail()}', 0.2)
        left = [port for port in ports if listens(port)]
    finally:
        # With what a command that failed has left in the background.
        shell.kill9()
    said = shell.log.read_text()
    assert shell.exit_status == 0, shell.tail(80)
    assert '\navailable\n' in said and '| cinder-scheduler ' in said, shell.tail(80)
    assert not left
