# SPDX-License-Identifier: Apache-2.0
"""Targets: export devices or files of this host to initiators. Drivers select and call them."""
