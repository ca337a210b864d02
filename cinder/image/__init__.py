# SPDX-License-Identifier: Apache-2.0
"""Images: the client of the image service, the properties of images, and their data."""
