# SPDX-License-Identifier: Apache-2.0
"""A share of the tests and the lab that they run in. Each test gets an outcome, also when the lab
ends before it: then the rest runs in a second lab, and there is no third."""
import json
import os
import queue
import sys
import threading

import pytest

from tools import lab

# Names the file, in the lab's folder, that the reports travel through.
REPORTS = 'LVM_LAB_REPORTS'
# More than a test waits for anything; with LVM_LAB_FULL a single test may take half an hour.
SILENCE_SECONDS = 3600 if 'LVM_LAB_FULL' in os.environ else 600
LABS = 2
# The part of a test that an end of the lab hits, by the last part that was reported.
_HIT = {None: 'setup', 'setup': 'call', 'call': 'teardown'}


class Share:
    """Tests that share a lab; a context manager, whose end ends the lab.

    :ivar logs: what each lab said that has ended
    """

    def __init__(self, session: pytest.Session, items: list[pytest.Item], number: int = 0,
                 labs: int = 1) -> None:
        """
        :param number: of this share
        :param labs: how many shares there are
        """
        self.logs: list[str] = []
        self._session, self._number, self._labs = session, number, labs
        self._items = {item.nodeid: item for item in items}
        self._left = list(self._items)  # without an outcome
        self._begun: dict[str, str | None] = {}  # in this lab: the last part that was reported
        self._opened = 0
        self._culprit = ''
        self._place: lab.Lab | None = None

    def __enter__(self) -> 'Share':
        return self

    def __exit__(self, *exc: object) -> None:
        place, self._place = self._place, None
        if place:
            self.logs.append(place.log())
            place.__exit__(*exc)

    def begin(self, events: queue.SimpleQueue) -> None:
        """Run what is left in a new lab. Puts (self, event) for each event, an error at the end."""
        self._opened += 1
        self._begun, self._culprit = {}, ''
        try:
            place = self._place = lab.open_lab(self._number, self._labs).__enter__()
            place.start([sys.executable, '-B', '-m', 'pytest', '-q', '-p', 'no:cacheprovider',
                         f'--tb={self._session.config.option.tbstyle}', *self._left],
                        # What plugins there are does its work outside; loading them takes long.
                        {REPORTS: str(place.folder / 'reports'),
                         'PYTEST_DISABLE_PLUGIN_AUTOLOAD': '1'})
        except (lab.Broken, OSError) as exc:
            events.put((self, exc))
            return
        threading.Thread(target=self._listen, args=(place, events), daemon=True).start()

    def _listen(self, place, events):
        try:
            place.wait_begun()
            for line in place.lines(place.folder / 'reports', SILENCE_SECONDS):
                if line.endswith('}'):  # else its writer died
                    events.put((self, json.loads(line)))
            status = place.status()
            if status is None:
                raise place.broken('ended before its tests did')
            raise lab.Broken(f'pytest in the lab ended with status {status}', place.said())
        except Exception as exc:  # whoever waits for events has to hear of it
            events.put((self, exc))

    def take(self, event: dict) -> None:
        """Bring what happened in the lab to the pytest outside."""
        (kind, value), = event.items()
        hook = self._session.config.hook
        if self._culprit:
            return  # of a test that the end of the lab has overtaken
        if kind == 'start':
            self._begun[value] = None
            hook.pytest_runtest_logstart(nodeid=value, location=self._items[value].location)
        elif kind == 'report':
            self._begun[value['nodeid']] = value['when']
            if isinstance(value['longrepr'], list):
                # The place and reason of a skip; JSON has no tuples.
                value['longrepr'] = tuple(value['longrepr'])
            hook.pytest_runtest_logreport(report=hook.pytest_report_from_serializable(
                config=self._session.config, data=value))
        elif kind == 'finish':
            self._finish(value)
        elif kind == 'soiled':
            self._culprit = value
            for nodeid in self._begun.keys() & set(self._left):
                self._finish(nodeid)
            self.__exit__()

    def goes_on(self, exc: Exception, told: dict[str, str]) -> bool:
        """Give outcomes after the end of the lab, to all unless a new lab may run the rest.

        :param told: what kept labs from starting -> how others tell it; added to
        :returns: whether there is a rest for a new lab
        """
        self.__exit__()
        for nodeid in [each for each in self._left if self._begun.get(each) == 'teardown']:
            self._finish(nodeid)
        if not self._left:
            return False
        reason = str(exc).partition('\n')[0]
        if self._culprit:
            why = f'{self._culprit} failed and left the lab unfit for others'
        elif not self._begun and reason in told:
            why = told[reason]
        else:
            hit = next(filter(self._begun.__contains__, self._left), self._left[0])
            self._report(hit, 'failed', str(exc) or repr(exc))
            why = f'{reason} ({hit})'
            if not self._begun:
                told[reason] = why
        if self._begun and self._left and self._opened < LABS:
            self._session.config.pluginmanager.get_plugin('terminalreporter').write_line(
                f'\n{why}. A new lab runs the other {len(self._left)} tests ...')
            return True
        for nodeid in list(self._left):
            self._report(nodeid, 'skipped', (__file__, None, f'Skipped: not run: {why}'))
        return False

    def _report(self, nodeid, outcome, why):
        location = self._items[nodeid].location
        hook = self._session.config.hook
        if nodeid not in self._begun:
            hook.pytest_runtest_logstart(nodeid=nodeid, location=location)
        hook.pytest_runtest_logreport(report=pytest.TestReport(
            nodeid, location, {}, outcome, why, _HIT[self._begun.get(nodeid)]))
        self._finish(nodeid)

    def _finish(self, nodeid):
        self._left.remove(nodeid)
        self._session.config.hook.pytest_runtest_logfinish(
            nodeid=nodeid, location=self._items[nodeid].location)
