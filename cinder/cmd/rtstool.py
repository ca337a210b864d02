# SPDX-License-Identifier: Apache-2.0
"""cinder-rtstool: iSCSI targets of the kernel (LIO) by command, for scripts of operators; needs
root. cinder.privsep.lio configures the kernel, for cinder-volume too."""
import os
import sys
import uuid
from collections.abc import Callable, Sequence

from cinder.cmd.tables import complain
from cinder.privsep import lio

USAGE = """Usage:
{0} create DEVICE NAME USERID PASSWORD [ISER_ENABLED] [INITIATOR,...] [-aIP,...] [-pPORT]
{0} add-initiator TARGET USERID PASSWORD INITIATOR
{0} delete-initiator TARGET INITIATOR
{0} get-targets
{0} delete TARGET
{0} verify
{0} save [FILE]"""
PORT = 3260
# That of targets of the original.
LUN = 0


class _WrongUsage(Exception):
    """The arguments are not those of a command; the text says why."""


def create(device: str, name: str, userid: str, password: str, *more: str) -> None:
    """Create a target with a device as its unit."""
    plain = [each for each in more if not each.startswith(('-a', '-p'))]
    addresses = next((each[2:] for each in more if each.startswith('-a')), '')
    port = next((each[2:] for each in more if each.startswith('-p')), str(PORT))
    if not port.isdecimal():
        raise _WrongUsage(f'-p{port} is no port')
    if plain and plain[0].lower() in ('true', 'false') and plain.pop(0).lower() == 'true':
        raise _WrongUsage('iSER is not supported')
    if len(plain) > 1:
        raise _WrongUsage(f'unexpected argument {plain[1]}')
    portals = [(address, int(port)) for address in addresses.split(',') if address]
    everywhere = [('0.0.0.0', int(port))]  # nosec B104 # as in the original
    lio.export(name, LUN, str(uuid.uuid4()), device, portals or everywhere, True, False, False)
    for initiator in filter(None, ','.join(plain).split(',')):
        add_initiator(name, userid, password, initiator)


def add_initiator(target: str, userid: str, password: str, initiator: str) -> None:
    """Allow an initiator, with a name and a secret."""
    lio.allow(target, LUN, {initiator: False}, None, (userid, password))


def delete_initiator(target: str, initiator: str) -> None:
    """End the access of an initiator."""
    lio.forbid(target, initiator)


def get_targets() -> None:
    """Print the names of all targets."""
    for name in sorted(lio.targets()):
        print(name)


def delete(target: str) -> None:
    """Remove a target with its unit."""
    lio.remove(target)


def verify() -> None:
    """Check that the kernel and the library support targets."""
    lio.sessions('iqn.1993-08.org.debian:none')


def save(file: str | None = None) -> None:
    """Refuse: there is no file."""
    raise _WrongUsage('cinder-volume restores its targets when it starts; no file has them')


COMMANDS: dict[str, tuple[Callable[..., None], int, int]] = {
    'create': (create, 4, 8), 'add-initiator': (add_initiator, 4, 4),
    'delete-initiator': (delete_initiator, 2, 2), 'get-targets': (get_targets, 0, 0),
    'delete': (delete, 1, 1), 'verify': (verify, 0, 0), 'save': (save, 0, 1)}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    program, *words = argv or sys.argv
    if not words or words[0] not in COMMANDS:
        print(USAGE.format(os.path.basename(program)))
        return 1
    run, least, most = COMMANDS[words[0]]
    if not least <= len(words) - 1 <= most:
        print(USAGE.format(os.path.basename(program)))
        return 1
    try:
        run(*words[1:])
    except (OSError, _WrongUsage) as exc:
        return complain(f'cinder-rtstool: {words[0]}: {exc}', 1)
    return 0


if __name__ == '__main__':
    sys.exit(main())
