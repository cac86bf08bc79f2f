"""How far an epoch is goes from worker to driver through a file, and costs nothing else."""

from nas.architecture import Architecture
from nas.search.pace import Pace, Paces, PaceWriter
from nas.training import TrainingConfig, fit


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_what_a_worker_writes_a_driver_reads_at_most_once_a_second(tmp_path):
    clock, paces = Clock(), Paces(tmp_path)
    path = paces.path(7, 2)
    told = PaceWriter(path, clock)
    clock.now += 5  # from its first call on, which begins the epoch
    told(1, 100, 1000)
    assert paces.read(7, 2) is None
    clock.now += 0.5
    told(1, 200, 1000)
    # a batch took half a second, so did the first one
    assert paces.read(7, 2) == Pace(1, 200, 1000, 1.0)
    assert paces.read(7, 2).images_per_second == 200
    assert paces.read(7, 2).share == 0.2
    clock.now += 0.5
    told(1, 300, 1000)
    assert paces.read(7, 2).images == 200
    clock.now += 0.5
    told(1, 400, 1000)
    assert paces.read(7, 2) == Pace(1, 400, 1000, 2.0)
    assert paces.read(7, 1) is None
    paces.drop(7, 2)
    paces.close()
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_read_is_no_pace_and_what_cannot_be_written_ends_nothing(tmp_path):
    paces = Paces(tmp_path)
    path = paces.path(0, 1)
    path.parent.mkdir()
    for text in ("", "{}", "[1]", '{"epoch": 1, "images": 5, "of": 0, "seconds": 1}', "nan"):
        path.write_text(text)
        assert paces.read(0, 1) is None
    (tmp_path / "file").write_text("")
    clock = Clock()
    told = PaceWriter(tmp_path / "file" / "below.json", clock)
    told(1, 1, 3)
    clock.now += 2
    told(1, 2, 3)


def test_a_training_tells_of_each_batch():
    network = Architecture.from_dict(
        {"stem": {"width": 8}, "stages": [{"block": "basic", "depth": 1, "width": 8}]}
    )
    told = []
    config = TrainingConfig(epochs=2, batch_size=128, train_images=256)
    results = list(fit(network, "digits", config, "cpu", on_batch=lambda *one: told.append(one)))
    assert told == [(1, 128, 256), (1, 256, 256), (2, 128, 256), (2, 256, 256)]
    assert len(results) == 2
