"""SQLite is kept off file systems that lose its data; the rest of the machine is open to it."""

from pathlib import Path

import pytest

from nas.errors import StorageError
from nas.study.database.engines import check_url, engine_for
from nas.study.database.filesystem import NETWORK, filesystem, network_filesystem
from nas.study.exchange.transfer import export_study, import_study

MOUNTS = r"""22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
40 27 0:40 / /home rw,relatime shared:12 master:3 - autofs systemd-1 rw
41 40 0:41 / /home rw,relatime shared:13 - nfs4 server:/export/home rw,vers=4.2
42 41 0:42 / /home/me/local\040disk rw - xfs /dev/vdb rw
43 27 0:43 / /data rw unbindable - fuse.sshfs me@host: rw
44 27 0:44 / /scratch rw - lustre 10.0.0.1@tcp:/scratch rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/nas.db", "ext4"),
        ("/homes/nas.db", "ext4"),  # not below /home
        ("/home/me/nas.db", "nfs4"),  # the automounter's own mount lies under it
        ("/home/me/local disk/nas.db", "xfs"),
        ("/data", "fuse.sshfs"),
        ("/scratch/me/nas.db", "lustre"),
    ],
)
def test_the_deepest_and_last_mount_holds_a_path(path, kind):
    assert filesystem(Path(path), MOUNTS) == kind


def test_this_folder_is_where_the_kernel_says(tmp_path):
    assert network_filesystem(tmp_path) is None
    assert filesystem(Path("/proc/self"), Path("/proc/self/mountinfo").read_text()) == "proc"


@pytest.fixture
def share(tmp_path, monkeypatch):
    """A folder that the list of mounts has as one of another machine."""
    folder = tmp_path / "share"
    folder.mkdir()
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS + f"50 27 0:50 / {folder} rw - nfs4 server:/share rw\n")
    monkeypatch.setattr("nas.study.database.filesystem._MOUNTS", mounts)
    return folder


def test_a_database_on_a_share_is_refused_with_what_to_use(share, tmp_path):
    with pytest.raises(StorageError, match=r"\(nfs4\).*local disk, or PostgreSQL: postgresql\+psy"):
        check_url(f"sqlite:///{share}/nas.db")
    (tmp_path / "link").symlink_to(share)
    with pytest.raises(StorageError, match="network file system"):
        check_url(f"sqlite:///{tmp_path}/link/nas.db")
    assert list(share.iterdir()) == []
    check_url(f"sqlite:///{tmp_path}/nas.db")


def test_an_exported_study_may_lie_on_a_share(share, searched, tmp_path):
    url = searched(f"sqlite:///{tmp_path}/nas.db")
    export_study(url, "s", share / "s.sqlite")
    assert [file.name for file in share.iterdir()] == ["s.sqlite"]
    engine_for(f"sqlite:///{share}/s.sqlite", read_only=True).dispose()
    import_study(share / "s.sqlite", url, "t")


def test_every_network_file_system_is_known_by_the_kernels_name():
    assert {"nfs", "nfs4", "cifs", "smb3", "lustre", "gpfs", "beegfs", "ceph"} <= NETWORK
    assert not {"ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "apfs"} & NETWORK


@pytest.mark.parametrize(
    "kind",
    [
        "afs", "beegfs", "ceph", "cifs", "glusterfs", "gpfs", "lustre", "nfs", "nfs4", "orangefs",
        "panfs", "pvfs2", "smb3", "smbfs", "wekafs", "fuse.ceph", "fuse.ceph-fuse", "fuse.gcsfuse",
        "fuse.glusterfs", "fuse.juicefs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs",
    ],
)  # fmt: skip
def test_each_network_file_system_is_refused_by_its_name(kind, tmp_path, monkeypatch):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"1 0 8:1 / / rw - {kind} srv:/ rw\n")
    monkeypatch.setattr("nas.study.database.filesystem._MOUNTS", mounts)
    assert network_filesystem(tmp_path) == kind
    with pytest.raises(StorageError) as refused:
        check_url(f"sqlite:///{tmp_path}/nas.db")
    assert str(refused.value) == (
        f"storage: {tmp_path}/nas.db is on a network file system ({kind}), where SQLite loses "
        "data; use a local disk, or PostgreSQL: postgresql+psycopg://user:password@host/database"
    )
    assert network_filesystem(Path("nas.db")) == kind  # a relative path, too


def test_where_no_mounts_are_listed_every_file_system_is_local(tmp_path, monkeypatch):
    monkeypatch.setattr("nas.study.database.filesystem._MOUNTS", tmp_path / "none")
    assert network_filesystem(tmp_path) is None


def test_a_path_that_no_mount_holds_has_no_file_system():
    assert filesystem(Path("/nas.db"), "") is None
    assert filesystem(Path("/nas.db"), "1 0 8:1 / /home rw - ext4 /dev/sda rw\n") is None


def test_of_two_mounts_of_one_point_the_last_holds_and_signs_are_octal():
    twice = r"""1 0 8:1 / /a\011b\134c rw - ext4 /dev/sda rw
2 0 8:2 / /a\011b\134c rw - nfs srv:/ - rw
3 0 8:3 / / rw - xfs /dev/sdb rw"""
    assert filesystem(Path("/a\tb\\c/d"), twice) == "nfs"
    assert filesystem(Path("/a"), twice) == "xfs"
