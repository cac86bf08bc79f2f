"""A trial's share of a GPU, as far as it can be told without one."""

import pytest
import torch

from nas.errors import MachineError
from nas.training import gpu
from nas.training.gpu import free_memory, start_device


@pytest.fixture
def card(monkeypatch):
    """What a process with one GPU asks of CUDA, in order; no GPU is needed for that."""
    asked = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch, "empty", lambda size, device: asked.append(f"start {device}"))
    share = "set_per_process_memory_fraction"
    monkeypatch.setattr(torch.cuda, share, lambda part, device: asked.append((part, str(device))))
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: asked.append("emptied"))
    return asked


@pytest.mark.parametrize(("gpus", "part"), [(0.25, 0.25), (1, 1.0), (3, 1.0)])
def test_a_trial_gets_no_more_memory_than_its_share_of_a_gpu(card, gpus, part):
    assert start_device("auto", gpus) == torch.device("cuda:0")
    assert card == ["start cuda:0", (part, "cuda:0")]


def test_a_gpu_that_was_not_given_is_not_touched(card):
    assert start_device("auto", 0) == torch.device("cpu")
    assert start_device("cpu", 1) == torch.device("cpu")
    assert card == []


@pytest.mark.parametrize(
    ("name", "gpus", "said"),
    [
        ("auto", 0.5, "it was given a GPU by Ray, but torch finds none here"),
        ("cuda", 1, "its device cannot be used: device 'cuda' is not here"),
    ],
)
def test_a_machine_without_the_gpu_that_it_said_to_have_is_named(monkeypatch, name, gpus, said):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(MachineError, match=said):
        start_device(name, gpus)


def test_cuda_that_does_not_start_is_the_machines_and_no_memory_the_trials(card, monkeypatch):
    def raises(error):
        def start(*_, **__):
            raise error

        return start

    broken = RuntimeError("CUDA error: no device\nCompile with TORCH_USE_CUDA_DSA")
    monkeypatch.setattr(torch, "empty", raises(broken))
    with pytest.raises(MachineError) as told:
        start_device("auto", 1)
    assert str(told.value) == "its device cannot be used: CUDA error: no device"
    monkeypatch.setattr(torch, "empty", raises(torch.OutOfMemoryError("CUDA out of memory")))
    with pytest.raises(torch.OutOfMemoryError):
        start_device("auto", 1)


@pytest.mark.parametrize(("started", "expected"), [(True, ["emptied"]), (False, [])])
def test_memory_is_given_back_where_cuda_was_started(card, monkeypatch, started, expected):
    monkeypatch.setattr(gpu.torch.cuda, "is_initialized", lambda: started)
    free_memory()
    assert card == expected
