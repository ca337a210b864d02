# SPDX-License-Identifier: Apache-2.0
"""Two pools of RBD on two clusters, whose images rbd-mirror copies when a test says so.

An image is the log of what happened to it. A copy takes over the log of the primary image, if its
own one is the beginning of that; otherwise both were changed on their own (split-brain).
"""
import contextlib
import itertools
import json
import types

from cinder.brick.ceph import errors
from tests.fakes import volumes

MODULE = types.SimpleNamespace(
    RBD_FEATURE_JOURNALING=64, RBD_FEATURE_EXCLUSIVE_LOCK=4, RBD_MIRROR_IMAGE_ENABLED=1,
    RBD_MIRROR_IMAGE_MODE_JOURNAL=0, RBD_MIRROR_IMAGE_MODE_SNAPSHOT=1, RBD_MIRROR_MODE_DISABLED=0,
    RBD_MIRROR_MODE_IMAGE=1, MIRROR_IMAGE_STATUS_STATE_UNKNOWN=0,
    MIRROR_IMAGE_STATUS_STATE_ERROR=1, MIRROR_IMAGE_STATUS_STATE_SYNCING=2,
    MIRROR_IMAGE_STATUS_STATE_REPLAYING=4)
# Extra specs of a type that asks for replication, and the second cluster as an option of it.
TRUE = {'replication_enabled': '<is> True'}
SECOND = {'backend_id': 'second', 'conf': '/second.conf', 'user': 'other', 'secret_uuid': 's2',
          'pool': 'mirrors'}
_ids = itertools.count()


def volume(specs=None, **fields):
    return volumes.volume(**{
        'volume_type': volumes.VolumeType('kind', extra_specs=specs), **fields})


def write(pool, of, what):
    pool.images[of.name].write(what)


class Killed(BaseException):
    """The process ends here."""


class Image:
    """The image of one cluster, with the methods of librbd's class Image."""

    def __init__(self, site, enabled=False, log=()):
        self.site, self.ident, self.log = site, f'id{next(_ids)}', list(log)
        self.bits, self.mode, self.enabled, self.primary = 4, 0, enabled, not enabled
        # Whether the last owner in its log is another cluster that has not given it up.
        self.follows, self.begins_anew, self.text, self.status = enabled, False, '', 0
        # Mirror snapshots, as librbd describes them.
        self.snapshots = []
        # Address of a daemon that waits for the other cluster.
        self.held_by = None

    def writable(self):
        if self.enabled and (not self.primary or self.held_by):
            raise errors.CephError('read-only', 30)

    def write(self, what):
        self.writable()
        self.log.append(('write', what))

    @property
    def written(self):
        return [what for kind, what in self.log if kind == 'write']

    def watchers_list(self):
        return [{'addr': self.held_by}] if self.held_by else []

    def list_snaps(self):
        return self.snapshots

    def id(self):
        return self.ident

    def size(self):
        return 0

    def features(self):
        return self.bits

    def update_features(self, bit, on):
        self.bits = self.bits | bit if on else self.bits & ~bit

    def get_parent_image_spec(self):
        raise errors.NotFound('no parent')

    def metadata_set(self, key, value):
        self.writable()
        self.log.append(('meta', (key, value)))

    def metadata_remove(self, key):
        self.metadata_get(key)
        self.metadata_set(key, None)

    def metadata_get(self, key):
        found = dict(pair for kind, pair in self.log if kind == 'meta').get(key)
        if found is None:
            raise KeyError(key)
        return found

    def mirror_image_get_info(self):
        if not self.enabled:
            return {'state': 2}
        return {'state': 1, 'primary': self.primary, 'global_id': 'g'}

    def mirror_image_get_mode(self):
        return self.mode

    def mirror_image_get_status(self):
        return {'state': self.status, 'description': self.text}

    def mirror_image_enable(self, mode):
        self.enabled, self.primary, self.mode = True, True, mode

    def mirror_image_disable(self, force):
        if not (force or self.primary):
            raise errors.Invalid('not primary')
        self.enabled = False

    def mirror_image_create_snapshot(self):
        self.writable()

    def mirror_image_demote(self):
        self.writable()
        self.log.append(('demote', self.site))
        self.primary = self.follows = False

    def mirror_image_promote(self, force):
        if self.follows and not force:
            raise errors.Busy('another cluster has it', 16)
        self.log.append(('promote', self.site))
        self.primary, self.follows = True, False

    def mirror_image_resync(self):
        assert not self.primary
        self.begins_anew = True


class Pool:
    """The pool of one cluster, as brick.ceph.pool.Pool."""

    name, module = 'volumes', MODULE

    def __init__(self, site):
        self.site, self.images, self.down, self.interrupts = site, {}, False, 0
        self.schedules, self.told = {}, []
        self.mode, self.peers = 1, ['peer']
        self.ioctx = types.SimpleNamespace(stat=lambda _name: None, execute=self._ask_directory)
        self.connection = types.SimpleNamespace(rados=types.SimpleNamespace(
            mgr_command=self._mgr, get_fsid=lambda: f'fsid-{self.site}',
            blocklist_add=self._evict))

    def run(self, function, *args, **kwargs):
        """As Cluster.run(); interrupted before and after the call that `interrupts` counts."""
        if self.down:
            self.down = self.down is True or self.down - 1
            raise errors.CannotConnect('nobody is there')
        self.interrupts -= 1
        if self.interrupts == 0:
            raise Killed
        result = function(self, *args, **kwargs)
        self.interrupts -= 1
        if self.interrupts == 0:
            raise Killed
        return result

    @contextlib.contextmanager
    def image(self, name, **_arguments):
        if name not in self.images:
            raise errors.NotFound(name)
        yield self.images[name]

    def monitor(self, _prefix, **_arguments):
        return {'mons': []}

    def rbd(self, method, *args, **_kwargs):
        if method == 'create':
            return self.images.setdefault(args[0], Image(self.site))
        if method == 'remove':
            if self.images.pop(args[0], None) is None:
                raise errors.NotFound(args[0])
            return None
        if method == 'trash_move':
            # Nothing here is moved there, so no move is half done.
            assert args[0] not in self.images
            raise errors.NotFound(args[0])
        if method == 'rename':
            if args[0] not in self.images:
                raise errors.NotFound(args[0])
            self.images[args[1]] = self.images.pop(args[0])
            return None
        return {'mirror_mode_get': self.mode, 'mirror_peer_list': self.peers,
                'mirror_image_status_list': self.told}[method]

    def _ask_directory(self, _key, _kind, _method, data):
        """As librbd.Ioctx.execute(), of an image that is not there."""
        name = data[4:].decode()
        assert name not in self.images
        raise errors.NotFound(name)

    def _evict(self, address):
        for image in self.images.values():
            if image.held_by == address:
                image.held_by = None

    def _mgr(self, command, _data):
        words = json.loads(command)
        self.schedules[words['level_spec']] = words.get('interval')
        return 0, b'', ''


def _remove_copies(source, target):
    """Remove the copies of what is mirrored no more."""
    for name, copy in list(target.images.items()):
        image = source.images.get(name)
        if copy.enabled and not copy.primary and not (image and image.enabled):
            del target.images[name]


def carry(one, other):
    """Let the daemons of both clusters do their work."""
    for source, target in ((one, other), (other, one)):
        _remove_copies(source, target)
        for name, image in source.images.items():
            copy = target.images.get(name)
            if not image.enabled or copy and (copy.primary or not copy.enabled):
                continue
            if copy is None or copy.begins_anew:
                if image.primary:
                    copy = target.images[name] = Image(target.site, True, image.log)
                    copy.text, copy.status = 'replaying', 4
            elif image.log[:len(copy.log)] != copy.log:
                if image.primary:
                    copy.text, copy.status = 'split-brain', 1
            elif image.primary or copy.follows:
                copy.log, copy.follows = list(image.log), image.primary
                copy.text, copy.status = 'replaying', 4
