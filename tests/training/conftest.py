"""Trainings that take no time."""

import pytest
from trainings import QUICK, TINY
from trainings import one_thread as one_thread

from nas.training import Training


@pytest.fixture
def train(train_data):
    """``train(config, architecture)``: a training that is to begin."""

    def begin(config=QUICK, architecture=TINY):
        return Training(architecture, config, train_data, "cpu")

    return begin
