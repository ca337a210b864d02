# SPDX-License-Identifier: Apache-2.0
"""Do the packages of this environment, and the lower bounds we ask for, lie above the releases with
known holes? Asks nobody: the table is kept by hand, see doc/source/security.rst for why."""

import importlib.metadata
import pathlib
import subprocess
import sys
from collections.abc import Iterable, Iterator

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = pathlib.Path(__file__).resolve().parents[1]
REQUIREMENTS = ('requirements.txt', 'test-requirements.txt')
REVIEWED = '2026-11'

# Package -> (first release without the hole, the advisory). One row for each package: its newest.
FIXED_IN = {
    'cryptography': ('50.0.0', 'CVE-2026-69247'),
    'dnspython': ('2.6.1', 'CVE-2023-29483'),
    'eventlet': ('0.40.3', 'CVE-2025-58068: requests smuggled in trailers'),
    'gunicorn': ('22.0.0', 'CVE-2024-1135'),
    'idna': ('3.7', 'CVE-2024-3651'),
    'jinja2': ('3.1.6', 'CVE-2025-27516'),
    'keystonemiddleware': ('10.12.1', 'CVE-2026-22797: identity headers of the caller believed'),
    'mako': ('1.2.2', 'CVE-2022-40023'),
    'orjson': ('3.11.6', 'CVE-2025-67221: recursion without a limit'),
    'oslo-middleware': ('3.23.1', 'CVE-2017-2592'),
    'oslo-utils': ('4.12.1', 'CVE-2022-0718: passwords not masked'),
    'pymysql': ('1.1.1', 'CVE-2024-36039'),
    'pyyaml': ('5.4', 'CVE-2020-14343'),
    'requests': ('2.32.4', 'CVE-2024-47081'),
    'urllib3': ('2.7.0', 'CVE-2026-44431'),
    'webob': ('1.8.8', 'CVE-2024-42353'),
}


def complaints(versions: Iterable[tuple[str, str]], what: str) -> Iterator[str]:
    """One line for each (package, version) that is older than the fix of its row."""
    for name, version in versions:
        fixed, advisory = FIXED_IN.get(canonicalize_name(name), ('0', ''))
        if Version(version) < Version(fixed):
            yield f'{what} {name} {version} has a known hole, {fixed} has not: {advisory}'


def installed() -> Iterator[tuple[str, str]]:
    """What is in this environment."""
    for found in importlib.metadata.distributions():
        yield found.metadata['Name'], found.version


def lower_bounds(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The oldest releases that the lines of a requirements file admit."""
    for line in lines:
        if line.strip() and not line.startswith(('#', '-')):
            wanted = Requirement(line)
            bounds = [each.version for each in wanted.specifier if each.operator in ('>=', '==')]
            yield wanted.name, bounds[0] if bounds else '0'


def main() -> int:
    """Print what is wrong; returns how much."""
    found = list(complaints(installed(), 'the installed'))
    for name in REQUIREMENTS:
        found += complaints(lower_bounds((ROOT / name).read_text().splitlines()), f'{name} admits')
    for line in found:
        print(line)
    broken = subprocess.run([sys.executable, '-m', 'pip', 'check'], check=False).returncode
    print(f'{len(FIXED_IN)} packages compared with advisories known in {REVIEWED}: '
          f'{len(found)} complaints')
    return len(found) + broken


if __name__ == '__main__':
    sys.exit(bool(main()))
