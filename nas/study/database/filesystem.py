"""Which file system a path is on: SQLite needs one whose locks and shared memory work."""

import re
from pathlib import Path

# of /proc/filesystems; what is mounted through FUSE has its own name behind "fuse."
NETWORK = {
    "afs", "beegfs", "ceph", "cifs", "glusterfs", "gpfs", "lustre", "nfs", "nfs4", "orangefs",
    "panfs", "pvfs2", "smb3", "smbfs", "wekafs",
    "fuse.ceph", "fuse.ceph-fuse", "fuse.gcsfuse", "fuse.glusterfs", "fuse.juicefs",
    "fuse.rclone", "fuse.s3fs", "fuse.sshfs",
}  # fmt: skip
_MOUNTS = Path("/proc/self/mountinfo")


def network_filesystem(path: Path) -> str | None:
    """The type of the network file system that ``path`` is on; None on a local one.

    Only Linux says so; elsewhere, every file system passes for a local one.
    """
    try:
        mounts = _MOUNTS.read_text()
    except OSError:
        return None
    kind = filesystem(path.resolve(), mounts)
    return kind if kind in NETWORK else None


def filesystem(path: Path, mounts: str) -> str | None:
    """The type of an absolute path's file system, by the text of /proc/self/mountinfo (proc(5)).

    >>> mounts = "1 0 8:1 / / rw - ext4 /dev/sda rw\\n2 1 0:5 / /home rw shared:1 - nfs4 srv:/h rw"
    >>> filesystem(Path("/home/me/nas.db"), mounts)
    'nfs4'
    """
    found, length = None, -1
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        point = _unescaped(before.split()[4])
        # the deepest one holds the path; of equal ones, the one that was mounted last
        if path.is_relative_to(point) and len(point) >= length:
            found, length = after.split()[0], len(point)
    return found


def _unescaped(point: str) -> str:
    r"""A mount point's spaces and tabs stand as \040 and \011."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), point)
