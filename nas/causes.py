"""What made a trial FAIL, as its user attribute ``cause`` says: itself, or what it ran on.

Where there is none (a study of an earlier nas), nothing is concluded from the failure.
"""

import errno
from collections.abc import Mapping
from typing import Any

from nas.errors import DataError, MachineError

OWN = "trial"
MACHINE = "machine"

# What files and disks have, whoever uses them; that a file is not there may be anybody's mistake
_OF_DISKS = {
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.EACCES, errno.EPERM,
}  # fmt: skip


def failed_by_itself(attributes: Mapping[str, Any]) -> bool:
    """Whether the user attributes of a trial say so. Such a failure is a result: the worst one."""
    return attributes.get("cause") == OWN


def is_of_machine(error: BaseException) -> bool:
    """Whether what a training raised says something of its machine, and nothing of the network.

    The data was there for the driver, so that where it is missing, a node lacks it.

    >>> is_of_machine(OSError(errno.ENOSPC, "No space left on device"))
    True
    >>> is_of_machine(FileNotFoundError(errno.ENOENT, "No such file")), is_of_machine(ValueError())
    (False, False)
    """
    if isinstance(error, OSError):
        return error.errno in _OF_DISKS
    return isinstance(error, MachineError | DataError)
