# SPDX-License-Identifier: Apache-2.0
"""Ceph: one connection of this process per cluster (cluster), and images of RBD on it. Only this
package imports librados and librbd; it knows neither volumes nor backups."""
