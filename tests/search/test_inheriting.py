"""Trials that begin with the weights of others: which, with what, and what that counts for."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from optuna.trial import TrialState, create_trial
from searches import SPACE
from sqlalchemy import text

import nas
from nas.analysis.inheritance import agreement
from nas.analysis.population import populations
from nas.cli.app import main
from nas.data import open_dataset
from nas.errors import AnalysisError
from nas.nested.order import contains
from nas.search.checkpoints import Checkpoints, attempt_folder
from nas.search.inheriting import is_trained, proven
from nas.search.stores import CHECKPOINT, Folder, Saved
from nas.study.check import violations
from nas.study.lineage import Inherits
from nas.study.policies import FROM_SCRATCH
from nas.study.reader import open_study
from nas.study.retrained import RETRAINS
from nas.study.store import WEIGHTS
from nas.training import Training, TrainingConfig


class Inheriting:
    """A search without Ray whose trials leave files in place of weights."""

    def __init__(self, search, folder, **options):
        options = {"trials": 16, "sampler": "random", "inherit": True, **options}
        options = {name: value for name, value in options.items() if value is not None}
        self.one = search(objective="fashion_mnist", runs=str(folder), **options)
        self.folder, self.begun = folder, {}

    def next_job(self):
        job = self.one.searcher.next_job()
        if job is not None:
            self.begun[job.number, job.attempt] = job
        return job

    def leave(self, job):
        """The checkpoint of the attempt, as its driver notes it; of the last epoch, once it has
        ended."""
        place = self.folder / attempt_folder(job.number, job.attempt) / "checkpoint_000000"
        place.mkdir(parents=True, exist_ok=True)
        content = f"weights of {job.number} after {len(list(place.iterdir()))}".encode()
        (place / CHECKPOINT).write_bytes(content)
        saved = Saved(str(place), hashlib.sha256(content).hexdigest())
        self.one.searcher.checkpoint(job, str(saved))
        return saved

    def train(self, job):
        self.one.train(job)
        return self.leave(job)

    def run(self):
        while (job := self.next_job()) is not None:
            self.train(job)
        return self

    @property
    def trials(self):
        return self.one.store.trials()

    def study(self):
        return open_study(self.one.config.storage, self.one.config.study)

    def lineage(self):
        return {t.number: Inherits.of(t.user_attrs) for t in self.trials}


@pytest.fixture
def inheriting(search, tmp_path):
    """``inheriting(**options)``: a search that is to begin."""
    return lambda **options: Inheriting(search, tmp_path / "runs", **options)


@pytest.fixture
def done(inheriting):
    return inheriting().run()


def until_inherited(one):
    """The first job of a search that begins with the weights of another; all before it ended."""
    while (job := one.next_job()) is not None:
        if job.parent:
            return job
        one.train(job)
    raise AssertionError("no trial inherits")


def test_a_trial_begins_with_the_best_network_that_its_own_contains(done):
    lineage, trials = done.lineage(), done.trials
    assert sum(one is not None for one in lineage.values()) >= 4
    for (number, _), job in done.begun.items():
        if trials[number].user_attrs["policy"] == FROM_SCRATCH:
            assert job.parent is None
            continue
        before = [t for t in trials[:number] if is_trained(t)]  # one after the other
        held = [
            t
            for t in before
            if t.user_attrs["key"] != job.architecture.key
            and contains(job.architecture, done.one.space.architecture(t.params))
        ]
        best = max(held, key=lambda t: t.values[0], default=None)
        inherits = lineage[number]
        assert (inherits and inherits.trial) == (best and best.number)
        assert job.epochs == job.training["epochs"] == (2 if inherits else 4)
        assert job.training["peak_lr"] == (0.3 * 0.3 if inherits else 0.3)
        if inherits:
            assert Saved.read(job.parent.weights).digest == inherits.sha256
            assert inherits.sha256 == best.user_attrs.get(WEIGHTS) or best.number in done.begun


def test_what_was_inherited_is_a_fidelity_of_its_own_and_never_the_best(done):
    study = done.study()
    assert violations(study) == []
    frame = study.frame()
    inherited = frame[frame["state"] == "INHERITED"]
    assert len(inherited) >= 4
    assert (inherited["epochs"] == 2).all()
    assert inherited["inherits"].notna().all()
    whole = frame[frame["inherits"].isna()]
    assert set(whole["state"]) == {"COMPLETE"}
    states = {t.number: t.state for t in done.trials}
    assert {states[n] for n in inherited["number"]} == {TrialState.PRUNED}  # Optuna's tools, too
    assert set(study.best(99)["number"]) <= set(whole["number"])
    assert study.best_trial.number in set(whole["number"])
    assert set(study.front()["number"]) <= set(whole["number"])
    with pytest.raises(AnalysisError, match="began with the weights of others"):
        populations(frame, stopped="bound", policy="any")
    (dropped,) = populations(frame, stopped="drop", policy="any").values()
    assert set(dropped.trials["number"]) <= set(whole["number"])


def test_the_best_inherited_networks_are_trained_from_scratch_in_the_last_trials(done):
    frame = done.study().frame().set_index("number")
    last = frame[frame["policy"] == FROM_SCRATCH]
    assert list(last.index) == [13, 14, 15]
    assert set(last["state"]) == {"COMPLETE"}
    inherited = frame[frame["state"] == "INHERITED"].sort_values("val_accuracy", ascending=False)
    best = inherited["key"].drop_duplicates().head(3)
    assert list(last["key"]) == list(best)
    both = agreement(frame.reset_index())
    assert both.networks == 3
    assert -1 <= both.kendall <= 1


def test_what_is_trained_anew_is_the_network_from_scratch_not_the_inherited_one(done, search):
    """Both have one key; ``nas retrain --top`` says of the first what the search had."""
    again = search(study="again", sampler="random", trials=12)  # draws the same networks
    again.run()
    about = {RETRAINS: {"study": done.one.config.study, "recipe": "long"}}
    with again.store.engine.begin() as connection:
        query = text("UPDATE nas_studies SET provenance = :about WHERE study_id = :id")
        connection.execute(query, {"about": json.dumps(about), "id": again.store._study_id})
    study = done.study()
    frame = study.frame()
    proven = frame[frame["policy"] == FROM_SCRATCH].set_index("key")["number"]
    retrained = study.retrained().drop_duplicates("key").set_index("key")["number"]
    both = sorted(set(proven.index) & set(retrained.index))
    assert both
    assert list(retrained[both]) == list(proven[both])


def test_they_wait_until_no_other_trial_is_under_way(inheriting):
    one = inheriting(trials=8)
    jobs = []
    while (job := one.next_job()) is not None and job.number < 5:
        one.train(job)
    jobs = [job]
    assert one.next_job() is None  # trial 6 would be from scratch, but trial 5 may be better
    assert not one.one.searcher.finished
    one.train(jobs[0])
    assert one.next_job().number == 6
    assert [proven(n) for n in (1, 4, 8, 12, 1000)] == [1, 1, 2, 3, 3]


def test_a_space_that_is_exhausted_ends_with_them(inheriting):
    space = {**SPACE, "each_stage": {**SPACE["each_stage"], "depth": 1}}
    one = inheriting(space=space, sampler="largest", trials=100).run()
    frame = one.study().frame()
    assert (frame["policy"] == FROM_SCRATCH).sum() == min(3, frame["inherits"].notna().sum())
    assert len(frame) < 100
    assert one.one.searcher.finished
    assert violations(one.study()) == []


def test_equal_searches_inherit_equally(inheriting):
    first, second = inheriting(study="a", sampler="model"), inheriting(study="b", sampler="model")
    assert first.run().one.trials() == second.run().one.trials()
    found = first.lineage()
    assert {n: one and one.trial for n, one in found.items()} == {
        n: one and one.trial for n, one in second.lineage().items()
    }


def test_the_default_sampler_begins_small_and_goes_on_with_what_contains_a_result(inheriting):
    one = inheriting(sampler=None, trials=20).run()
    assert one.one.config.sampler == "growing"
    space, trials, lineage = one.one.space, one.trials, one.lineage()
    macs = sorted(space.cost(space.architecture(s)).macs for s in space.distinct_settings(4096))
    first = space.architecture(trials[0].params)
    assert space.cost(first).macs <= macs[len(macs) // 4]
    others = [space.architecture(t.params) for t in trials[1:]]
    assert sum(bool(contains(other, first)) for other in others) > len(others) / 2
    assert [lineage[n] is not None for n in range(1, 5)] == [True] * 4  # before there is a model
    assert sum(inherits is not None for inherits in lineage.values()) >= 12
    assert {t.user_attrs["policy"] for t in trials} == {"guided", FROM_SCRATCH}
    assert violations(one.study()) == []


def test_the_first_trials_at_once_are_small_networks_as_nothing_has_ended(inheriting):
    one = inheriting(sampler=None, trials=20)
    jobs = [one.next_job() for _ in range(6)]
    assert len({job.architecture.key for job in jobs}) == 6
    assert not any(job.parent for job in jobs)
    costs = [job.cost.macs for job in jobs]
    space = one.one.space
    macs = [space.cost(space.architecture(s)).macs for s in space.distinct_settings(4096)]
    assert max(costs) < sorted(macs)[len(macs) // 2]


def test_a_killed_trial_begins_with_its_parent_again(inheriting):
    one = inheriting()
    job = until_inherited(one)
    one.one.searcher.fail(job, "its process died", retry=True, lost=True)
    again = one.next_job()
    assert (again.number, again.attempt) == (job.number, 2)
    assert (again.parent, again.training, again.checkpoint) == (job.parent, job.training, None)
    one.one.train(again, epochs=1)
    saved = one.leave(again)  # it has an epoch of its own behind it
    one.one.searcher.fail(again, "its process died", retry=True, lost=True)
    shutil.rmtree(one.folder / attempt_folder(job.parent.inherits.trial, 1))
    third = one.next_job()
    assert third.checkpoint == str(saved)
    assert third.epochs == 2
    one.one.searcher.report(third, {**one.one.objective(third).epoch(), "epoch": 2})
    assert one.lineage()[job.number] == job.parent.inherits
    assert violations(one.study()) == []


def test_a_trial_whose_parent_is_gone_trains_from_scratch_and_says_so(inheriting):
    one = inheriting()
    job = until_inherited(one)
    parent = job.parent.inherits.trial
    one.one.searcher.fail(job, "its process died", retry=True, lost=True)
    shutil.rmtree(one.folder / attempt_folder(parent, 1))
    again = one.next_job()
    assert again.number == job.number
    assert (again.parent, again.checkpoint, again.epochs) == (None, None, 4)
    one.train(again)
    assert one.lineage()[job.number] is None
    attempts = one.study().attempts()
    (reason,) = attempts.loc[(attempts["number"] == job.number) & (attempts["attempt"] == 2)][
        "reason"
    ]
    assert reason.startswith(f"begins from scratch: the weights of trial {parent}")
    assert one.trials[job.number].state == TrialState.COMPLETE
    assert violations(one.study()) == []


@pytest.mark.parametrize(
    "harm",
    [Path.unlink, lambda file: file.write_bytes(file.read_bytes()[:-1])],
    ids=["deleted", "cut short"],
)
def test_a_trial_does_not_begin_with_damaged_weights(inheriting, harm):
    """Else each one whose network contains that one would fail, and so the search."""
    one = inheriting()
    job = until_inherited(one)
    damaged = job.parent.inherits.trial
    harm(Path(Saved.read(job.parent.weights).place) / CHECKPOINT)
    one.one.searcher.fail(job, "its process died", retry=True, lost=True)
    again = one.next_job()
    assert (again.number, again.parent) == (job.number, None)
    one.train(again)
    one.run()
    assert damaged not in {inherits.trial for inherits in one.lineage().values() if inherits}
    assert violations(one.study()) == []


def test_weights_that_are_not_what_the_study_has_are_no_parent(inheriting):
    one = inheriting()
    job = until_inherited(one)
    one.one.searcher.fail(job, "its process died", retry=True, lost=True)
    with one.one.store.engine.begin() as connection:
        digests = {WEIGHTS: "0" * 64}
        one.one.store._trials.set_attributes(connection, job.parent.inherits.trial, digests)
    assert one.next_job().parent is None


def test_a_driver_that_died_at_the_last_epoch_leaves_an_inherited_trial(inheriting, clock):
    one = inheriting()
    job = until_inherited(one)
    objective = one.one.objective(job)
    for _ in range(2):  # the second one ends it, which its driver did not come to
        one.one.store.record_epoch(job.number, job.attempt, objective.epoch())
    clock.pass_(60)
    one.one.searcher.running.clear()
    one.one.store.repair(4)
    assert one.trials[job.number].state == TrialState.PRUNED
    assert violations(one.study()) == []
    assert one.study().frame()["state"][job.number] == "INHERITED"


def test_check_finds_a_lineage_that_cannot_be(done):
    store, lineage = done.one.store, done.lineage()
    child = next(number for number, one in lineage.items() if one)
    told, scratch = lineage[child].to_dict(), done.trials[15].number
    for wrong, said in (
        ({"trial": 99}, "trial 99, which did not come to an end of its own"),
        ({"sha256": "0" * 64}, "whose weights have another digest"),
        ({"epochs": 1}, "for 1, and was trained for 2 epochs"),
        ({"key": "0" * 64}, "whose network is"),
        ({"epochs": "2"}, "what a trial inherits is"),
    ):
        with store.engine.begin() as connection:
            store._trials.set_attributes(connection, child, {"inherits": {**told, **wrong}})
        assert any(said in one for one in violations(done.study())), (
            said,
            violations(done.study()),
        )
    with store.engine.begin() as connection:
        store._trials.set_attributes(connection, child, {"inherits": told})
        store._trials.set_attributes(connection, scratch, {"inherits": told})
    assert any("counts as one from scratch" in one for one in violations(done.study()))


def test_the_weights_of_the_best_and_of_parents_stay(tmp_path):
    inherits = Inherits(1, "a" * 64, 2, "b" * 64).to_dict()
    pruned = {"state": TrialState.PRUNED, "user_attrs": {"inherits": inherits}}
    trials = [
        create_trial(value=0.5),
        create_trial(value=0.1),  # the parent of trial 4
        create_trial(value=0.9, **pruned),
        create_trial(value=0.99, state=TrialState.PRUNED),  # stopped early
        create_trial(state=TrialState.RUNNING, user_attrs={"inherits": inherits}),
    ]
    for number in range(4):
        (tmp_path / attempt_folder(number, 1)).mkdir()
    Checkpoints(Folder(tmp_path), keep=1).clear(trials)
    assert {one.name for one in tmp_path.iterdir()} == {"00001-1", "00002-1"}


SMALL = """
name: small
stem: {width: 8}
each_stage: {block: basic, depth: {int: [1, 2]}, stride: 2, width: {choice: [8, 16, 24]}}
stages: [{}, {}]
"""


def test_a_search_of_digits_inherits_real_weights(tmp_path, monkeypatch, capsys):
    """What is stored of one that inherits is what training on from its parent gives, to the bit."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAY_ADDRESS", "")
    monkeypatch.setenv("COLUMNS", "120")
    (tmp_path / "small.yaml").write_text(SMALL)
    storage = f"sqlite:///{tmp_path}/nas.db"
    training = {"precision": "float32", "channels_last": "off", "batch_size": 32}
    study = nas.run_search(
        "small.yaml", trials=8, seed=1, epochs=2, dataset="digits", sampler="random", inherit=True,
        concurrency=1, storage=storage, training=training,
    )  # fmt: skip
    assert violations(study) == []
    frame = study.frame().set_index("number")
    inherited = frame[frame["state"] == "INHERITED"]
    assert len(inherited) >= 1
    config = TrainingConfig(epochs=1, seed=1, split_seed=1, peak_lr=0.3 * 0.3, **training)
    (runs,) = (tmp_path / "nas-runs").iterdir()
    data = open_dataset("digits", input_shape=(1, 8, 8))
    for number, row in inherited.iterrows():
        again = Training(study.architecture(number), config, data, "cpu")
        (weights,) = runs.glob(f"{row['inherits']:05d}-*/*/{CHECKPOINT}")
        again.inherit(weights)
        assert again.epoch().val_accuracy == row["val_accuracy"]
    assert frame.loc[study.best_trial.number, "state"] == "COMPLETE"

    assert main(["show", "small", "--storage", storage]) == 0
    shown = capsys.readouterr().out
    assert f"{len(inherited)} inherited" in shown
    assert "Inherited, of small: no results from scratch" in shown
    child = int(inherited.index[0])
    parent = int(inherited["inherits"].iloc[0])
    assert main(["show", f"small#{child}", "--storage", storage]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(f"trial {parent} " in line for line in lines[: len(lines) - 1])
    assert any(f"trial {child} " in line and "inherited" in line for line in lines)
    assert main(["show", "small#99", "--storage", storage]) == 2
    assert "study 'small' has no trial 99" in capsys.readouterr().err
