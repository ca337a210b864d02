# SPDX-License-Identifier: Apache-2.0
"""Hands over to pbr, which reads setup.cfg. pbr takes the version from git; in a source archive
there is no git, so the version of setup.cfg is given to it."""

import configparser
import os
import pathlib

import setuptools

ROOT = pathlib.Path(__file__).resolve().parent

if not (ROOT / '.git').exists() and not (ROOT / 'PKG-INFO').exists():
    metadata = configparser.ConfigParser(interpolation=None)
    metadata.read(ROOT / 'setup.cfg')
    os.environ.setdefault('PBR_VERSION', metadata['metadata']['version'])

setuptools.setup(setup_requires=['pbr>=6.1.1'], pbr=True)
