# SPDX-License-Identifier: Apache-2.0
"""The modules rados and rbd without a cluster: pools with images, snapshots, clones of format 2 and
a trash. What it does was seen on Ceph 16; the contract of RBDDriver runs on both."""
import datetime
import errno
import itertools
import json
import struct
import types

from cinder.brick.ceph import bindings

USER, TRASH = 0, 2
# As a ceph.conf without options.
CONF = {'client_mount_timeout': '300', 'objecter_timeout': '10', 'objecter_tick_interval': '5',
        'rbd_default_features': '61', 'rbd_default_data_pool': ''}
_EPOCH = datetime.datetime(2026, 1, 1)


class Error(Exception):
    """As the libraries raise them: with an error number."""

    def __init__(self, number, text=''):
        super().__init__(f'[errno {number}] {text or errno.errorcode[number]}')
        self.errno = number


# The module by which cinder.brick.ceph.errors knows them.
Error.__module__ = 'rbd'


class Cluster:
    """A cluster, and what went wrong in it.

    :ivar faults: method, such as 'RBD.create' -> (error number, whether it was done all the same),
        once each
    :ivar connections: how many were made
    :ivar conf: what the next one finds in ceph.conf
    """

    def __init__(self, *pools):
        self.pools = {name: Pool(name) for name in pools}
        self.faults, self.connections, self.conf = {}, 0, dict(CONF)
        self.flags, self.quota = {}, 0
        self.numbers = itertools.count(1)

    def bindings(self):
        """Return what cinder.brick.ceph.bindings.load() shall return."""
        return bindings.Bindings(
            rados=types.SimpleNamespace(Rados=lambda **_named: Rados(self), Error=Error),
            rbd=types.SimpleNamespace(
                RBD=lambda: _faulty(RBD(), self),
                Image=lambda *args: _faulty(Image(*args), self)))


def _faulty(target, cluster):
    """Return an object whose methods fail as the cluster says, of a class of that name: the calls
    have their names from it."""
    return type(type(target).__name__, (Faulty,), {})(target, cluster)


class Faulty:
    def __init__(self, target, cluster):
        self._target, self._cluster = target, cluster

    def __getattr__(self, name):
        method = getattr(self._target, name)

        def call(*args, **kwargs):
            number, done = self._cluster.faults.pop(
                f'{type(self._target).__name__}.{name}', (0, True))
            answer = None
            try:
                answer = method(*args, **kwargs) if done else None
            except Error:
                if not number:
                    raise
            if number:
                raise Error(number)
            return answer
        return call


class Pool:
    def __init__(self, name):
        self.name, self.images, self.trash = name, {}, {}

    def find(self, name):
        for image in self.images.values():
            if name in (image.name, image.other_name) and image.ident not in self.trash:
                return image
        raise Error(errno.ENOENT, f'no image {name}')

    def named(self, name):
        """Return an image that the directory has, also amid a move to the trash."""
        for image in self.images.values():
            if image.name == name and self.trash.get(image.ident, {}).get('is_named', True):
                return image
        return self.find(name)

    def moving(self, name):
        """Return the image of an interrupted move to the trash, which was not in the directory any
        more if `is_named` is False in its entry."""
        for ident, entry in self.trash.items():
            if entry['name'] == name and entry.pop('is_named', None) is not None:
                return self.images[ident]
        return self.find(name)


class Stored:
    """An image. `data` is what was written, from the first byte on; all else reads zeros.

    :ivar features: their number, if it was given
    :ivar order: binary logarithm of the size of its objects
    :ivar other_name: a name that the directory does not have, of an interrupted rename
    """

    def __init__(self, ident, name, size, data=b'', parent=None, features=None, order=22):
        self.ident, self.name, self.size, self.data = ident, name, size, bytearray(data)
        self.features, self.order = features, order
        self.parent, self.snapshots, self.open, self.other_name = parent, [], [], None


class Rados:
    def __init__(self, cluster):
        self.cluster, self.conf = cluster, dict(cluster.conf)

    def conf_get(self, name):
        return self.conf.get(name, '0')

    def conf_set(self, name, value):
        self.conf[name] = value

    def connect(self):
        self.cluster.connections += 1
        number, _done = self.cluster.faults.pop('Rados.connect', (0, True))
        if number:
            raise Error(number)

    def shutdown(self):
        """Nothing is kept open."""

    def open_ioctx(self, name):
        if name not in self.cluster.pools:
            raise Error(errno.ENOENT, f'no pool {name}')
        return Ioctx(self.cluster, self.cluster.pools[name])

    def get_fsid(self):
        return 'f5d'

    def get_addrs(self):
        return '127.0.0.1:0/1'

    def mon_command(self, text, _data):
        command = json.loads(text)
        if command['prefix'] == 'df':
            answer = {'stats': {'total_bytes': 2 ** 40}, 'pools': [
                {'name': name, 'stats': {'stored': 2 ** 30, 'max_avail': 2 ** 39,
                                         'quota_bytes': self.cluster.quota}}
                for name in self.cluster.pools]}
        elif command['prefix'] == 'mon dump':
            answer = {'mons': [{'public_addrs': {'addrvec': [
                {'type': 'v2', 'addr': '127.0.0.1:3300', 'nonce': 0}]}}]}
        else:
            answer = [{'pool_name': name, 'flags_names': self.cluster.flags.get(name, ''),
                       'quota_max_bytes': self.cluster.quota, 'quota_max_objects': 0}
                      for name in self.cluster.pools]
        return 0, json.dumps(answer).encode(), ''


class Ioctx:
    def __init__(self, cluster, pool):
        self.cluster, self.pool = cluster, pool

    def stat(self, _name):
        number, _done = self.cluster.faults.pop('Ioctx.stat', (0, True))
        if number:
            raise Error(number)

    def execute(self, key, kind, method, data):
        """Only what returns the name of an image in the directory, or its id."""
        assert (key, kind) == ('rbd_directory', 'rbd')
        asked = data[4:].decode()
        found = {'dir_get_name': lambda: self.pool.images[asked].name,
                 'dir_get_id': lambda: self.pool.named(asked).ident}[method]()
        return 0, struct.pack('<I', len(found)) + found.encode()

    def remove_object(self, name):
        """Only of the object of a name."""
        image = self.pool.find(name.removeprefix('rbd_id.'))
        assert name == f'rbd_id.{image.other_name}'
        image.other_name = None


class RBD:
    """As rbd.RBD."""

    def create(self, ioctx, name, size, order=22, features=None, **_layout):
        self._require_free(ioctx.pool, name)
        self._add(ioctx, name, size, features=features, order=order)

    def _add(self, ioctx, name, size, data=b'', parent=None, features=None, order=22):
        ident = f'{next(ioctx.cluster.numbers):x}'
        ioctx.pool.images[ident] = Stored(ident, name, size, data, parent, features, order)

    @staticmethod
    def _require_free(pool, name):
        if any(name in (image.name, image.other_name) and image.ident not in pool.trash
               for image in pool.images.values()):
            raise Error(errno.EEXIST)

    def clone(self, ioctx, name, snapshot, child_ioctx, child, features=None, order=22, **_layout):
        parent = ioctx.pool.find(name)
        if order < parent.order:
            raise Error(errno.EINVAL)
        made_of = _opened(parent, snapshot)
        self._require_free(child_ioctx.pool, child)
        self._add(child_ioctx, child, made_of['size'], made_of['data'],
                  (ioctx.pool, parent, made_of), features, order)

    def remove(self, ioctx, name):
        self._remove(ioctx.cluster, ioctx.pool, ioctx.pool.find(name))

    def _remove(self, cluster, pool, image):
        if image.snapshots:
            raise Error(errno.ENOTEMPTY)
        if image.open:
            raise Error(errno.EBUSY)
        del pool.images[image.ident]
        pool.trash.pop(image.ident, None)
        if image.parent:
            _detach(cluster, image)

    def rename(self, ioctx, source, target):
        image = ioctx.pool.find(source)
        self._require_free(ioctx.pool, target)
        image.name = target

    def list2(self, ioctx):
        return [{'id': image.ident, 'name': image.name} for image in ioctx.pool.images.values()
                if image.ident not in ioctx.pool.trash]

    def trash_move(self, ioctx, name, delay=0):
        image = ioctx.pool.moving(name)
        ioctx.pool.trash[image.ident] = {
            'id': image.ident, 'name': name, 'source': 'USER', 'deletion_time': _EPOCH,
            'deferment_end_time': _EPOCH + datetime.timedelta(days=36500 if delay else 0)}

    def trash_list(self, ioctx):
        return list(ioctx.pool.trash.values())

    def trash_get(self, ioctx, ident):
        if ident not in ioctx.pool.trash:
            raise Error(errno.ENOENT)
        return ioctx.pool.trash[ident]

    def trash_remove(self, ioctx, ident):
        entry = self.trash_get(ioctx, ident)
        if 'is_named' in entry:
            raise Error(errno.EBUSY)
        if entry['deferment_end_time'] > _EPOCH:
            raise Error(errno.EPERM)
        self._remove(ioctx.cluster, ioctx.pool, ioctx.pool.images[ident])

    def trash_restore(self, ioctx, ident, name):
        self.trash_get(ioctx, ident)
        self._require_free(ioctx.pool, name)
        del ioctx.pool.trash[ident]
        ioctx.pool.images[ident].name = name

    def pool_stats_get(self, ioctx):
        live = [image for image in ioctx.pool.images.values()
                if image.ident not in ioctx.pool.trash]
        return {'image_count': len(live),
                'image_provisioned_bytes': sum(image.size for image in live)}


def _children(cluster, image, snapshot):
    return [(pool, child) for pool in cluster.pools.values() for child in pool.images.values()
            if child.parent and child.parent[1] is image and child.parent[2] is snapshot]


def _detach(cluster, image):
    """Forget the parent of an image; the last one takes a removed snapshot with it."""
    _pool, parent, snapshot = image.parent
    image.parent = None
    if snapshot['namespace'] == TRASH and not _children(cluster, parent, snapshot):
        parent.snapshots.remove(snapshot)


def _snapshot(image, name):
    for each in image.snapshots:
        if each['name'] == name:
            return each
    raise Error(errno.ENOENT, f'no snapshot {name}')


def _opened(image, name):
    """Return a snapshot, unless its creation was interrupted before it had an object map."""
    found = _snapshot(image, name)
    if not found['has_map']:
        raise Error(errno.ENOENT, f'no object map of snapshot {name}')
    return found


class Image:
    """As rbd.Image."""

    def __init__(self, ioctx, name=None, snapshot=None, read_only=False, ident=None):
        self._ioctx = ioctx
        self._image = ioctx.pool.images[ident] if ident in ioctx.pool.images else (
            ioctx.pool.find(name))
        self._view = _opened(self._image, snapshot) if snapshot else None
        self._watch = None if read_only else {'addr': '127.0.0.1:0/1', 'id': 1, 'cookie': 1}
        if self._watch:
            self._image.open.append(self._watch)

    def close(self):
        if self._watch:
            self._image.open.remove(self._watch)

    def stat(self):
        return {'size': self.size(), 'order': self._image.order}

    def size(self):
        return self._view['size'] if self._view else self._image.size

    def resize(self, size):
        self._image.size = size

    def read(self, offset, length):
        data = self._view['data'] if self._view else self._image.data
        return bytes(data[offset:offset + length]).ljust(length, b'\0')

    def write(self, data, offset):
        if len(self._image.data) < offset:
            self._image.data.extend(bytes(offset - len(self._image.data)))
        self._image.data[offset:offset + len(data)] = data

    def create_snap(self, name):
        if any(each['name'] == name for each in self._image.snapshots):
            raise Error(errno.EEXIST)
        self._image.snapshots.append({
            'id': next(self._ioctx.cluster.numbers), 'name': name, 'size': self._image.size,
            'namespace': USER, 'data': bytes(self._image.data), 'protected': False,
            'has_map': True})

    def remove_snap(self, name):
        found = _snapshot(self._image, name)
        if found['protected']:
            raise Error(errno.EBUSY)
        if _children(self._ioctx.cluster, self._image, found):
            found |= {'namespace': TRASH, 'trash': {'original_name': name},
                      'name': f'trashed-{found["id"]}'}
        else:
            self._image.snapshots.remove(found)

    def remove_snap_by_id(self, ident):
        found = next(each for each in self._image.snapshots if each['id'] == ident)
        if _children(self._ioctx.cluster, self._image, found):
            raise Error(errno.EBUSY)
        self._image.snapshots.remove(found)

    def protect_snap(self, name):
        _snapshot(self._image, name)['protected'] = True

    def unprotect_snap(self, name):
        _snapshot(self._image, name)['protected'] = False

    def is_protected_snap(self, name):
        return _snapshot(self._image, name)['protected']

    def rename_snap(self, source, target):
        found = _snapshot(self._image, source)
        if any(each['name'] == target for each in self._image.snapshots):
            raise Error(errno.EEXIST)
        found['name'] = target

    def id(self):
        return self._image.ident

    def get_name(self):
        return self._image.name

    def list_lockers(self):
        return []

    def list_snaps(self):
        return [{key: each[key] for key in ('id', 'name', 'size', 'namespace', 'trash')
                 if key in each} for each in self._image.snapshots]

    def list_children2(self):
        return [{'pool': pool.name, 'pool_namespace': '', 'image': child.name, 'id': child.ident,
                 'trash': child.ident in pool.trash}
                for pool, child in _children(self._ioctx.cluster, self._image, self._view)]

    def rollback_to_snap(self, name):
        found = _snapshot(self._image, name)
        self._image.data, self._image.size = bytearray(found['data']), found['size']

    def parent_id(self):
        return self._parent()[1].ident

    def get_parent_image_spec(self):
        pool, image, snapshot = self._parent()
        return {'pool_name': pool.name, 'pool_namespace': '', 'image_name': image.name,
                'snap_name': snapshot['name']}

    def _parent(self):
        if self._image.parent is None:
            raise Error(errno.ENOENT)
        return self._image.parent

    def flatten(self):
        _detach(self._ioctx.cluster, self._image)

    def watchers_list(self):
        # As there: an iterator, which is true whatever it yields.
        return iter(list(self._image.open))
