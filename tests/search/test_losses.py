"""What is made of Ray's exceptions; Ray itself makes them in ``test_cluster`` and the faults."""

import pytest
from ray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    OutOfMemoryError,
    RayTaskError,
)

from nas.search.losses import loss_of, place_of
from nas.search.trial import NodeError, WorkerError


def raised(cause: Exception) -> RayTaskError:
    """What a method of an actor raised, as Ray brings it."""
    return RayTaskError(
        "save", f"\x1b[36mray::save()\x1b[39m\n{cause!r}", cause, "ray", 7, "10.0.0.7"
    )


def begun_badly() -> ActorDiedError:
    text = (
        "\x1b[36mray::Worker.__init__()\x1b[39m (pid=7)\nModuleNotFoundError: No module named 'x'\n"
    )
    return ActorDiedError(
        RayTaskError("__init__", text, ModuleNotFoundError("x"), "ray", 7, "10.0.0.7")
    )


@pytest.mark.parametrize(
    ("error", "of", "reason"),
    [
        (raised(WorkerError("ValueError: no\nline 3")), "trial", "ValueError: no\nline 3"),
        (raised(NodeError("OSError: full\nline 3")), "node", "OSError: full\nline 3"),
        (raised(RuntimeError("\x1b[31mno\x1b[0m\n way")), "trial", "RuntimeError: no way"),
        (OutOfMemoryError("too\nmuch"), "trial", "too much"),
        (ActorUnavailableError("timeout", None), "process", "ActorUnavailableError: The actor "),
        (begun_badly(), "node", "its process cannot begin: ModuleNotFoundError: No module named"),
        (ActorDiedError(), "process", "ActorDiedError: The actor died unexpectedly"),
        (None, "process", "its process died"),
        (ValueError(), "process", "its process died"),
    ],
)
def test_what_was_lost_is_told_from_rays_exception_in_plain_words(error, of, reason):
    loss = loss_of(error)
    assert loss.of == of
    assert loss.reason.startswith(reason)
    assert "\x1b" not in loss.reason


def test_a_process_that_ray_does_not_know_has_no_place():
    assert place_of(None) == place_of(ActorDiedError()) == ("", "no host yet")
