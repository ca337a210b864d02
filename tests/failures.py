# SPDX-License-Identifier: Apache-2.0
"""With -v, why a test failed is told when it has failed, not only at the end of a long run."""
import pytest


class FailuresAtOnce:
    """:param terminal: pytest's own reporter"""

    def __init__(self, terminal) -> None:
        self._terminal = terminal

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._terminal.ensure_newline()
            self._terminal.write_line(f'{report.when} of {report.nodeid} failed:')
            self._terminal.write_line(report.longreprtext)


@pytest.hookimpl(trylast=True)  # after that of the terminal
def pytest_configure(config: pytest.Config) -> None:
    terminal = config.pluginmanager.get_plugin('terminalreporter')
    if terminal is not None and config.option.verbose > 0:
        config.pluginmanager.register(FailuresAtOnce(terminal))
