# SPDX-License-Identifier: Apache-2.0
"""Configuration files that releases of the original install, taken from their packages; nothing of
them is copied into this tree."""
import pathlib
import subprocess
import sys
import zipfile

from tests.functional.backup_peer import CACHE, INSTALL_SECONDS, Unavailable

# From the oldest package that has the API v3 alone or with v2, to the newest.
RELEASES = ('12.0.10', '18.2.1', '29.0.0')


def fetch(release: str, name: str) -> str:
    """Return the text of a file below etc/cinder of a release.

    :raises Unavailable: its package is not to be had here
    """
    folder = CACHE / 'files-of-the-original' / release
    if not folder.exists():
        _unpack(release, folder)
    return (folder / name).read_text()


def _unpack(release: str, folder: pathlib.Path) -> None:
    part = folder.with_suffix('.part')
    part.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run([sys.executable, '-m', 'pip', 'download', '-q', '--no-deps', '--no-binary',
                        ':none:', '-d', part, f'cinder=={release}'], check=True,
                       timeout=INSTALL_SECONDS, capture_output=True)
    except (subprocess.SubprocessError, OSError) as exc:
        raise Unavailable(f'cinder=={release} cannot be downloaded: {exc}') from exc
    package, = part.glob('*.whl')
    with zipfile.ZipFile(package) as archive:
        for entry in archive.namelist():
            if '/data/etc/cinder/' in entry and entry.rpartition('/')[2]:
                (part / entry.rpartition('/')[2]).write_bytes(archive.read(entry))
    package.unlink()
    part.rename(folder)
