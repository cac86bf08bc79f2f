"""What made a trial FAIL, as its user attribute ``cause`` says: itself, or what it ran on.

Where there is none (a study of an earlier nas), nothing is concluded from the failure.
"""

from collections.abc import Mapping
from typing import Any

OWN = "trial"
MACHINE = "machine"


def failed_by_itself(attributes: Mapping[str, Any]) -> bool:
    """Whether the user attributes of a trial say so. Such a failure is a result: the worst one."""
    return attributes.get("cause") == OWN
