# SPDX-License-Identifier: Apache-2.0
"""The history of the API: every microversion of major version 3, its constant and its change.

A version is the number after the dot. Handlers (`@wsgi.versions`), schema lists and view fields
use the constants; code outside cinder.api does not.
"""

HISTORY: dict[int, str] = {}


def _version(number: int, change: str) -> int:
    HISTORY[number] = change
    return number


BASE = _version(0, 'First version of v3: v2 with its extensions, and microversions by header.')
UPLOAD_IMAGE_PARAMS = _version(1, 'os-volume_upload_image accepts visibility and protected.')
STRICT_BOOTABLE_FILTER = _version(2, 'Boolean filters of the volume list must be booleans.')
MESSAGES = _version(3, 'User messages can be listed, shown and deleted.')
GLANCE_METADATA_FILTER = _version(4, 'Volume lists can be filtered by image metadata.')
MESSAGES_PAGINATION = _version(5, 'The message list has paging, sorting and filters.')
CG_UPDATE_BLANKS = _version(6, 'Name and description of a consistency group may become empty.')
CLUSTERS = _version(7, 'Clusters; the service list includes the cluster.')
MANAGEABLE_LISTS = _version(8, 'manageable_volumes and manageable_snapshots.')
BACKUP_UPDATE = _version(9, 'Backups can be updated.')
GROUP_ID_FILTER = _version(10, 'Volume lists can be filtered by group.')
GROUP_TYPES = _version(11, 'Group types and their specs.')
VOLUME_SUMMARY = _version(12, 'Number and total size of volumes in one response.')
GROUPS = _version(13, 'Groups; volumes have a group id.')
GROUP_SNAPSHOTS = _version(14, 'Group snapshots, and groups created from them.')
METADATA_ETAG = _version(15, 'Volume metadata has an ETag, which an update may require.')
MIGRATE_TO_CLUSTER = _version(16, 'Migration and manage accept a cluster.')
MANAGEABLE_CLUSTER = _version(17, 'Lists of manageable resources accept a cluster.')
BACKUP_PROJECT = _version(18, 'Administrators see the project of a backup.')
GROUP_SNAPSHOT_RESET = _version(19, 'The status of a group snapshot can be reset.')
GROUP_RESET = _version(20, 'The status of a group can be reset.')
PROVIDER_ID = _version(21, 'Administrators see the provider id of a volume.')
SNAPSHOT_METADATA_FILTER = _version(22, 'Snapshot lists can be filtered by metadata.')
FORCE_DELETE = _version(23, 'The deletion of a volume accepts force.')
WORKERS_CLEANUP = _version(24, 'Operations of dead services can be cleaned up.')
GROUP_VOLUMES = _version(25, 'Groups can list their volumes.')
CLUSTER_REPLICATION = _version(26, 'Freeze, thaw and failover accept a cluster.')
ATTACHMENTS = _version(27, 'Attachments are resources.')
POOL_FILTERS = _version(28, 'The pool list can be filtered.')
GROUP_SNAPSHOT_PAGINATION = _version(29, 'The group snapshot list has paging, sorting and filters.')
SNAPSHOT_NAME_SORT = _version(30, 'Snapshots can be sorted by name.')
CONFIGURED_FILTERS = _version(31, 'The deployment configures the filters of users.')
LOG_LEVELS = _version(32, 'Log levels of services can be read and set.')
RESOURCE_FILTERS = _version(33, 'The configured filters can be listed.')
LIKE_FILTERS = _version(34, 'key~=part matches a part of a value.')
POOL_TYPE_FILTER = _version(35, 'The pool list can be filtered by volume type.')
SUMMARY_METADATA = _version(36, 'The summary includes the metadata of the volumes.')
BACKUP_NAME_SORT = _version(37, 'Backups can be sorted by name.')
GROUP_REPLICATION = _version(38, 'Replication of groups.')
LIMITS_PROJECT = _version(39, 'Administrators read the limits of any project.')
REVERT = _version(40, 'A volume can be reverted to its newest snapshot.')
SNAPSHOT_USER = _version(41, 'Snapshots include their user.')
EXTEND_IN_USE = _version(42, 'Volumes in use can be extended.')
BACKUP_METADATA = _version(43, 'Backups have metadata.')
ATTACHMENT_COMPLETE = _version(44, 'An attachment is completed by an action.')
WITH_COUNT = _version(45, 'Lists of volumes, snapshots and backups can count all matches.')
NOVA_IMAGE = _version(46, 'Volumes can be created from images that are snapshots of servers.')
VOLUME_FROM_BACKUP = _version(47, 'Volumes can be created from backups.')
SHARED_TARGETS = _version(48, 'Volumes include shared_targets and service_uuid.')
BACKEND_STATE = _version(49, 'The service list includes the state of the back end.')
MULTIATTACH = _version(50, 'Multiattach comes from the volume type.')
BACKUP_AZ = _version(51, 'Backups can be created in a given availability zone.')
TYPE_SPECS_FILTER = _version(52, 'Type lists can be filtered by extra specs.')
STRICT_BODIES = _version(53, 'Unknown keys are rejected; an update must change something.')
ATTACHMENT_MODE = _version(54, 'Attachments are created with a mode.')
TRANSFER_SNAPSHOTS = _version(55, 'Transfers with or without snapshots.')
BACKUP_USER = _version(56, 'Administrators see the user of a backup.')
TRANSFER_HISTORY = _version(57, 'Transfers include their source and destination.')
GROUP_PROJECT = _version(58, 'Administrators see the project of a group.')
TRANSFER_PAGINATION = _version(59, 'The transfer list has paging and sorting.')
TIME_FILTERS = _version(60, 'Volume lists can be filtered by time.')
CLUSTER_NAME = _version(61, 'Administrators see the cluster of a volume.')
DEFAULT_TYPES = _version(62, 'Projects have default volume types.')
VOLUME_TYPE_ID = _version(63, 'Volumes include the id of their type.')
ENCRYPTION_KEY_ID = _version(64, 'Encrypted volumes and backups include the id of their key.')
CONSUMES_QUOTA = _version(65, 'Volumes and snapshots include whether they consume quota.')
SNAPSHOT_IN_USE = _version(66, 'Snapshots of volumes in use need no force.')
OPTIONAL_PROJECT = _version(67, 'The project id may be left out of the URL.')
REIMAGE = _version(68, 'A volume can be overwritten with an image.')
SHARED_TARGETS_NULL = _version(69, 'shared_targets may be null.')
TRANSFER_ENCRYPTED = _version(70, 'Encrypted volumes can be transferred.')
EXTEND_COMPLETION = _version(71, 'The compute service completes the extension of a volume in use.')

MIN = min(HISTORY)
MAX = max(HISTORY)


def text(number: int) -> str:
    """Return '3.N', the form in headers and documents."""
    return f'3.{number}'
