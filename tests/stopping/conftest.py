"""Studies as a stopping rule sees them."""

from collections import defaultdict

import pytest


class Known:
    """Curves as lists, by trial."""

    def __init__(self, curves, costs=None) -> None:
        self.curves = dict(curves)
        self.costs = costs or {}

    def at(self, epoch):
        return {n: curve[epoch - 1] for n, curve in self.curves.items() if len(curve) >= epoch}

    def of(self, trial):
        return dict(enumerate(self.curves.get(trial, ()), 1))


@pytest.fixture
def known():
    return Known


@pytest.fixture
def play():
    """``play(stopper, curves)``: trains one trial after the other; what each of them trained."""

    def train(stopper, curves, costs=None):
        trained = defaultdict(list)
        for number, curve in enumerate(curves):
            for epoch, value in enumerate(curve, 1):
                trained[number].append(value)
                if epoch < len(curve) and stopper.looks_at(number, epoch):
                    evidence = Known(trained, costs)
                    if stopper.reason(number, epoch, value, evidence):
                        break
        return [len(trained[number]) for number in range(len(curves))]

    return train
