# SPDX-License-Identifier: Apache-2.0
"""What moves the bytes of volumes: copies, images, devices of other hosts, sources of volumes."""
