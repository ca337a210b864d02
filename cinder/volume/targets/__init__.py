# SPDX-License-Identifier: Apache-2.0
"""Exports: how initiators reach a device or file of this host. Drivers choose and call them."""
