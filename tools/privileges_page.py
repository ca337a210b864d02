# SPDX-License-Identifier: Apache-2.0
"""The page of doc/ that lists everything a service does as root, from the tables in cinder.privsep.

doc/source/conf.py writes it at each build, so it cannot be out of date.
"""

from oslo_privsep import capabilities as caps

from cinder import privsep
from cinder.privsep import command
from tools.api_page import rows

PAGE = """\
What runs as root
=================

Only ``cinder-volume`` runs code as root, and ``cinder-backup`` where it opens devices, and only
through the functions below. They run in one helper process for each context, which is started at
the first use; a service that runs as root needs no helper.

Entry points
------------

{entry_points}

Programs
--------

No other program is started, and none through a shell. Only the variables {environment} are passed
to a program. A program that runs as root has only the capabilities of its row in its bounding
set, so neither the program nor its children have others. Reasons for those of LVM: {reasons}.

{programs}
"""


def page() -> str:
    """Return the page as reStructuredText."""
    return PAGE.format(
        entry_points=rows([('Function', 'Context', 'For')] + [
            (f'``{each.function}``', f'``{each.context.cfg_section}``', each.purpose)
            for each in privsep.ENTRY_POINTS], '45 20 35'),
        environment=', '.join(f'``{name}``' for name in sorted(command.ENVIRONMENT)),
        reasons='; '.join(f'``{_name(number)}``, {reason}'
                          for number, reason in privsep.LVM_CAPABILITIES.items()),
        programs=rows([('Program', 'For', 'Context', 'Capabilities')] + [
            (f'``{name}``', program.purpose, *_rights(program))
            for name, program in command.PROGRAMS.items()], '12 38 20 30'))


def _rights(program: command.Program) -> tuple[str, str]:
    if program.context is None:
        return 'never as root', ''
    return (f'``{program.context.cfg_section}``',
            ', '.join(map(_name, program.capabilities)) or 'none')


def _name(number: int) -> str:
    return caps.CAPS_BYVALUE[number]
