# SPDX-License-Identifier: Apache-2.0
"""Hands over to pbr, which reads setup.cfg. pbr takes the version from git; a source archive has
no history, and a machine may have no git, so there the version of setup.cfg is given to it."""

import configparser
import os
import pathlib
import subprocess

import setuptools

ROOT = pathlib.Path(__file__).resolve().parent


def has_history() -> bool:
    if not (ROOT / '.git').exists():
        return False
    try:
        return not subprocess.run(['git', 'log', '-1'], cwd=ROOT, capture_output=True).returncode
    except FileNotFoundError:
        return False


if not (ROOT / 'PKG-INFO').exists() and not has_history():
    metadata = configparser.ConfigParser(interpolation=None)
    metadata.read(ROOT / 'setup.cfg')
    os.environ.setdefault('PBR_VERSION', metadata['metadata']['version'])

setuptools.setup(setup_requires=['pbr>=6.1.1'], pbr=True)
