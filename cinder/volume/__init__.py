# SPDX-License-Identifier: Apache-2.0
"""Volumes: use cases (api), the service that carries them out (manager), drivers and targets."""
