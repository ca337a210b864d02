# SPDX-License-Identifier: Apache-2.0
"""The chunked format of the original: names, metadata, digests and compression of the objects of a
backup, written and read through a cinder.backup.driver.BackupDriver.

The calls, each of which blocks for as long as it takes and starts native threads of its own; the
columns `container` and `service_metadata` (the prefix) of the backups are filled in before:

* writer.write(driver, backup, source, *, spool, parent=None, volume_meta=None,
  algorithm='zstd', progress=None) -> Written. It goes on after the last finished object if it was
  interrupted, on any host, and does nothing if the backup is complete.
* reader.restore(driver, chain, target, *, spool, done=0, checkpoint=None, progress=None) -> None.
  `chain` begins with the full backup. checkpoint(n) is called when n objects are in the target and
  flushed; `done` is the last such n of an interrupted call.
* verify.verify(driver, chain, *, spool, sample=100, progress=None) -> Report.
* deletion.delete(driver, backup) -> None.

`spool` is a directory for temporary files: 32 bytes for each block of the volume that is not zero.
They raise BackupStoreError (the store), BackupDataError (what the store returned) and
BackupVolumeError (the volume); each text names the object and the offset.
"""
