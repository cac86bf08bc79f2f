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
