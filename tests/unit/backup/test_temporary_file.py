# SPDX-License-Identifier: Apache-2.0
"""Temporary files: all is written, or an error names the directory."""
import errno
import os

import pytest

from cinder import exception, operations
from cinder.backup.chunked.digests import Digests
from cinder.backup.object_store.upload import PIECE, Upload
from cinder.backup.temporary_file import TemporaryFile

write = os.pwrite


def test_short_writes_are_continued(tmp_path, monkeypatch):
    monkeypatch.setattr(os, 'pwrite', lambda file, data, offset: write(file, data[:3], offset))
    file = TemporaryFile(str(tmp_path))
    file.write(b'0123456789', 5)
    assert (file.size(), file.read(100, 5), file.read(2, 6)) == (15, b'0123456789', b'12')
    file.close()


@pytest.mark.parametrize('use', [
    lambda folder: Digests(folder, 512).put(0, b'x' * 32),
    lambda folder: Upload(folder, 0).write(b'x' * PIECE)], ids=['digests', 'upload'])
def test_a_full_directory_is_named(tmp_path, monkeypatch, use):
    def fail(*_args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, 'pwrite', fail)
    with pytest.raises(exception.BackupSpoolError, match=f'{tmp_path}: No space left') as raised:
        use(str(tmp_path))
    assert str(tmp_path) not in operations.tenant_reason(raised.value)
    with pytest.raises(exception.BackupSpoolError, match=f'{tmp_path}/none: No such file'):
        use(str(tmp_path / 'none'))
