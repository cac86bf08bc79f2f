"""Trainings that take no time."""

import pytest
import torch
from trainings import QUICK, TINY

from nas.training import Training


@pytest.fixture(autouse=True)
def one_thread():
    """Networks as small as these are slower on several."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def train(train_data):
    """``train(config, architecture)``: a training that is to begin."""

    def begin(config=QUICK, architecture=TINY):
        return Training(architecture, config, train_data, "cpu")

    return begin
