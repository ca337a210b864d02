# SPDX-License-Identifier: Apache-2.0
"""Storage mechanics of this host: logical volumes, block devices, sparse files. What a volume or
a snapshot is, the drivers know."""
