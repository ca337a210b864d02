# SPDX-License-Identifier: Apache-2.0
"""The first part of doc/source/install.rst as root types it, in an empty Debian 12."""

import re

import pytest

from tests.functional import debian
from tests.functional.suite import ROOT
from tests.functional.test_walk import commands

PAGE = ROOT / 'doc/source/install.rst'
TITLE = 'Three daemons on one host'
# Some 200 on a busy machine of two processors, most of them for packages.
SECONDS = 600
DAEMONS = ('cinder-api', 'cinder-scheduler', 'cinder-volume')
# Between the last two blocks: what the page promises, for as long as a busy machine may take.
PROMISED = ('timeout 60 bash -c "until openstack volume show first -f value -c status | '
            'grep -x available; do sleep 1; done"\n')
# What a newcomer would see if he looked around.
LOOK = '''
for daemon in api scheduler volume; do
    stat -c "runs as %U" /proc/$(cat /run/units/cinder-$daemon)
done
! grep -E ' (ERROR|CRITICAL) |Traceback|no effect' /var/log/cinder/*.log
systemctl is-active cinder-api cinder-scheduler cinder-volume
'''


@pytest.mark.timeout(2 * SECONDS)
def test_an_empty_debian_has_a_volume_after_what_the_page_has_typed(tmp_path):
    reason = debian.lacking()
    if reason:
        pytest.skip(reason)
    *rest, last = commands(PAGE, TITLE)
    assert 'apt-get install' in rest[0] and 'openstack volume create' in rest[-1]
    with debian.Machine(tmp_path) as machine:
        done = machine.run('\n'.join([*rest, PROMISED, last, LOOK]), SECONDS)
        said = machine.log.read_text()
        assert done.exit_status == 0, done.tail(80)
        journals = ''.join(path.read_text() for path in
                           (machine.root / 'var/log/cinder').glob('*.log'))
    assert said.count('\nruns as cinder\n') == 3
    # The file of the volume, and that of its snapshot, for nobody else.
    assert len(re.findall(r'-rw------- 1 cinder cinder 1073741824 .*[0-9a-f-]{36}', said)) == 2
    for daemon in DAEMONS[1:]:
        assert re.search(rf'\| {daemon} +\|.*\| enabled \| up ', said), done.tail(80)
    assert '\navailable\n' in said and f'{DAEMONS[2]} on debian@files is up.' in journals
