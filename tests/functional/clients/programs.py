# SPDX-License-Identifier: Apache-2.0
"""The client programs inside the test process: run a command line, read what it prints as data,
keep the names of what was used. What they are asked to do is left to the tests.
"""

import contextlib
import inspect
import io
import json
import logging
import re
import shlex
from collections.abc import Callable
from importlib import metadata

import openstack
from cinderclient import api_versions
from cinderclient.shell import OpenStackCinderShell
from cinderclient.v3.shell import AppendFilters
from cliff.display import DisplayCommandBase
from openstack import exceptions
from openstack.block_storage.v3._proxy import Proxy
from openstackclient.shell import OpenStackShell
from osc_lib.clientmanager import ClientManager

from tests.functional.client import LATEST

_HTTP_STATUS = re.compile(r'HTTP (\d{3})|(\d{3}): (?:Client|Server) Error')


class Failed(AssertionError):
    """A command ended with an error; the text is all that the program says."""


def own(project: str, line: str) -> list[str]:
    """Return the words of a command line; '@one' is a name that no other project has.

    Some names are those of the whole cloud, and some programs look for an administrator's names in
    all projects.
    """
    return shlex.split(re.sub(r'(?<!\w)@', f'{project}-', line))


def refused(run: Callable, *args, status: int, **kwargs) -> str:
    """Do what the service has to refuse with this HTTP status.

    :returns: what the program says about it
    """
    try:
        result = run(*args, **kwargs)
    except exceptions.HttpException as exc:
        text, seen = str(exc), exc.status_code
    except Failed as exc:
        text = str(exc)
        found = _HTTP_STATUS.search(text)
        assert found, f'no HTTP status: {text}'
        seen = int(found[1] or found[2])
    else:
        raise AssertionError(f'{args} is not refused: {result}')
    assert seen == status, text
    return text


# -------------------------------------------------------------------------------- openstackclient
class _Shell(OpenStackShell):
    """Leaves logging to the test run, and keeps the error that a command ends with."""

    error: BaseException | None = None

    def configure_logging(self) -> None:
        level = logging.getLogger().level
        super().configure_logging()
        logging.getLogger().removeHandler(self.log_configurator.console_logger)
        logging.getLogger().setLevel(level)

    def clean_up(self, cmd, result, err) -> None:
        self.error = err
        super().clean_up(cmd, result, err)


class OpenStack:
    """openstackclient as its interactive mode runs it: one session, many commands.

    :param cloud: of clouds.yaml; without one, nobody's identity is asked for
    """

    def __init__(self, endpoint: str, project: str, used: set[str], cloud: str | None = None):
        self._project = project
        self._used = used
        self._shell = _Shell()
        who = ['--os-cloud', cloud] if cloud else [
            '--os-auth-type', 'none', '--os-endpoint', f'{endpoint}/v3/{project}']
        self._shell.options = self._shell.parser.parse_args(
            [*who, '--os-volume-api-version', LATEST])
        self._shell.configure_logging()
        self._shell.initialize_app([])

    @staticmethod
    def commands() -> set[str]:
        """Return the names of all commands for block storage that are installed."""
        return {entry.name.replace('_', ' ')
                for entry in metadata.entry_points(group='openstack.volume.v3')}

    def __call__(self, line: str):
        """Run a command, see own(), and return its JSON, or its text where it knows no JSON.

        :raises Failed: it ended with an error
        """
        factory, name, words = self._shell.command_manager.find_command(
            own(self._project, line))
        self._used.add(name)
        shows = issubclass(factory, DisplayCommandBase)
        output, errors = io.StringIO(), io.StringIO()
        self._shell.stdout = output
        # The class keeps one client for the process, and another instance may be its owner.
        vars(ClientManager)['volume']._handle = None
        with _logged(errors), contextlib.redirect_stdout(output), contextlib.redirect_stderr(
                errors):
            status = self._shell.run_subcommand(
                [*name.split(), *words, *(['-f', 'json'] if shows else [])])
        # What a command returns is its status; one of them returns what it has changed.
        if status in (1, 2) or self._shell.error:
            raise Failed(f'{line}: {self._shell.error!r} {errors.getvalue()}')
        return json.loads(output.getvalue()) if shows else output.getvalue()


@contextlib.contextmanager
def _logged(stream: io.StringIO):
    """Write the errors that are logged to a stream."""
    handler = logging.StreamHandler(stream)
    handler.setLevel(logging.ERROR)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)


# ----------------------------------------------------------------------------------- cinderclient
class Cinder:
    """The shell of cinderclient; after its first command it keeps parser and connection."""

    def __init__(self, endpoint: str, project: str, used: set[str]):
        self._project = project
        self._used = used
        self._shell = OpenStackCinderShell()
        self._options = ['--os-auth-type', 'noauth', '--os-endpoint', f'{endpoint}/v3',
                         '--os-project-id', project, '--os-user-id', 'tester',
                         '--os-volume-api-version', LATEST]
        with contextlib.redirect_stdout(io.StringIO()):
            self._shell.main([*self._options, 'api-version'])

    @staticmethod
    def commands() -> set[str]:
        """Return the names of all subcommands."""
        shell = OpenStackCinderShell()
        shell.get_subcommand_parser(api_versions.APIVersion(LATEST), input_args=[])
        return set(shell.subcommands)

    def __call__(self, line: str) -> str:
        """Run a command, see own(), and return what it prints.

        :raises Failed: it ended with an error
        """
        words = own(self._project, line)
        self._used.add(words[0])
        output = io.StringIO()
        try:
            with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
                self._run(words)
        except (Exception, SystemExit) as exc:
            raise Failed(f'{line}: {exc!r} {exc} {output.getvalue()}') from exc
        return output.getvalue()

    def _run(self, words: list[str]) -> None:
        AppendFilters.filters.clear()  # the class keeps them, for a process that runs one command
        args = self._shell.parser.parse_args(
            self._shell._delimit_metadata_args([*self._options, *words]))
        if inspect.ismethod(args.func):
            args.func(args)  # of the shell itself: help and completion
        else:
            args.func(self._shell.cs, args)

    def rows(self, line: str) -> list[dict[str, str]]:
        """Run a command and return the table that it prints."""
        lines = [row.strip('|') for row in self(line).splitlines() if row.startswith('|')]
        head, *rows = [[cell.strip() for cell in row.split('|')] for row in lines]
        return [dict(zip(head, row, strict=True)) for row in rows]

    def properties(self, line: str) -> dict[str, str]:
        """Run a command that prints names and values and return them."""
        return {name: value for name, value in (row.values() for row in self.rows(line))}


# ------------------------------------------------------------------------------------ openstacksdk
class Library:
    """The block storage part of openstacksdk; lists come as lists.

    :param images: URL of the image service, which the library asks by itself
    """

    def __init__(self, endpoint: str, project: str, used: set[str], images: str | None = None):
        self._used = used
        self._proxy = openstack.connect(
            auth_type='none', load_yaml_config=False, load_envvars=False,
            auth={'endpoint': f'{endpoint}/v3/{project}'}, image_endpoint_override=images,
            block_storage_default_microversion=LATEST).block_storage

    @staticmethod
    def methods() -> set[str]:
        """Return the names of all public methods that are not of every service."""
        return {name for name, value in vars(Proxy).items()
                if inspect.isfunction(value) and not name.startswith('_')}

    def __getattr__(self, name: str):
        method = getattr(self._proxy, name)
        self._used.add(name)

        def call(*args, **kwargs):
            result = method(*args, **kwargs)
            return list(result) if inspect.isgenerator(result) else result
        return call
