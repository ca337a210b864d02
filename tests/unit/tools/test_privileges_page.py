# SPDX-License-Identifier: Apache-2.0
"""The page about what runs as root has every row of the tables."""
from cinder import privsep
from cinder.privsep import command
from tools import privileges_page


def test_everything_is_listed():
    page = privileges_page.page()
    for each in privsep.ENTRY_POINTS:
        assert f'``{each.function}``' in page and each.purpose in page
    for name, program in command.PROGRAMS.items():
        assert f'* - ``{name}``\n     - {program.purpose}\n' in page


def test_rights():
    assert privileges_page._rights(command.PROGRAMS['tgtadm']) == ('``cinder_as_root``', 'none')
    assert privileges_page._rights(command.PROGRAMS['qemu-img'])[0] == 'never as root'
    assert 'CAP_SYS_ADMIN' in privileges_page._rights(command.PROGRAMS['lvs'])[1]
