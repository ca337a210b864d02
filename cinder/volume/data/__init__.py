# SPDX-License-Identifier: Apache-2.0
"""Data of volumes: copies, images, devices of other hosts, and the sources of new volumes."""
