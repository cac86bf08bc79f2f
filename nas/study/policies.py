"""Why a trial was proposed: the values of ``policy`` in every table, frame and rule."""

from collections.abc import Mapping
from types import MappingProxyType

# That of a trial taken over from another study, and its user attribute: {"study": …, "trial": …}
IMPORTED = "imported"
ADDED = "added"  # that of a trial whose value Optuna's ``add_trial`` put into the study

# That of a trial which shows what one of the best inherited networks is worth
FROM_SCRATCH = "from_scratch"

POLICIES: Mapping[str, str] = MappingProxyType(
    {
        "random": "one of the space's own draws",
        "quasi_random": "the next point of a sequence that fills the space evenly",
        "flipped": "the trial before it with another value of one knob",
        "guided": "chosen by what earlier trials had",
        "largest": "one of the largest that were left, whatever earlier trials had",
        "enqueued": "put into the study by a person",
        FROM_SCRATCH: "one of the best inherited networks, trained from scratch",
        IMPORTED: "taken over from another study with its result: nothing was trained",
        ADDED: "added with its value by another program, at no fidelity that is known",
        "reused": "told what an equal network had: nothing was trained",
    }
)
# no independent draws of the space
CHOSEN = frozenset({"guided", "largest", "quasi_random", "enqueued", FROM_SCRATCH, IMPORTED, ADDED})
