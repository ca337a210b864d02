# SPDX-License-Identifier: Apache-2.0
"""Encryption keys: the one place that talks to a key manager, through castellan."""
