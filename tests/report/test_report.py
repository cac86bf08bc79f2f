"""A report is one file that opens offline, says what it does not show, and trusts no text."""

import base64
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from random_studies import study as made
from sqlalchemy import create_engine, text
from study_factory import write_study

from nas.analysis import plots
from nas.analysis.importance import importance
from nas.cli.app import main
from nas.metrics import ACCURACY, Measure
from nas.quantity import percent
from nas.report.caveats import caveats
from nas.report.drawing import draw
from nas.report.figures import figures, foremost
from nas.report.question import answer, question
from nas.report.report import (
    MANY,
    _failures,
    _provenance,
    _row,
    _set_up,
    _shown,
    _space,
    _winner,
    report,
)
from nas.study.evaluation import record_evaluation
from nas.study.exchange.transfer import import_study
from nas.study.reader import open_study
from nas.study.states import STATES
from nas.summary import summary

HOSTILE = (
    "$\\x{ <script>alert(1)</script> <img src=x onerror=alert(1)> '; DROP TABLE trials;-- {{ 7*7 }}"
)
SECTIONS = [
    "Question", "Results", "The best trials", "The winner, trial {}", "Failures",
    "What this does not show", "Set-up", "Provenance", "To run it again",
]  # fmt: skip


class Page(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.texts, self.headings = [], [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        if self.tags[-1:] == ["h2"] and data.strip():
            self.headings.append(data)
        self.texts.append(data)


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    url = f"sqlite:///{tmp_path_factory.mktemp('report')}/nas.db"
    write_study(url, "s", trials=120, epochs=6)
    write_study(url, "none", trials=0)
    write_study(url, HOSTILE, trials=60, epochs=3, pruned=0.2)
    run(url, "UPDATE nas_studies SET space = REPLACE(space, '\"resnext\"', :name)", name=quoted())
    run(
        url,
        "UPDATE trial_user_attributes SET value_json = :name WHERE key = 'reason'",
        name=quoted(),
    )
    return url


def quoted():
    return '"' + HOSTILE.replace("\\", "\\\\") + '"'


def run(url, statement, **values):
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(statement), values)
    engine.dispose()


@pytest.fixture(scope="module")
def page(url):
    return Page(report(open_study(url, "s")))


def test_a_report_has_its_parts_in_order(url, page):
    winner = open_study(url, "s").best(1)["number"].iloc[0]
    assert page.headings == [heading.format(winner) for heading in SECTIONS]


def test_nothing_is_fetched_from_anywhere(page):
    sources = [value for name, value in page.attributes if name in ("src", "href", "srcset")]
    assert sources
    assert all(source.startswith("data:image/") for source in sources)
    assert "link" not in page.tags and "script" not in page.tags


def test_every_figure_of_a_study_with_enough_trials_is_drawn(page):
    assert page.tags.count("figure") == page.tags.count("img") == 8
    assert "Not drawn" not in "".join(page.texts)


def test_the_numbers_are_those_of_the_study(url, page):
    best = open_study(url, "s").best(10)
    cells = [cell.strip() for cell in page.texts]
    for row in best.to_dict("records"):
        assert str(row["number"]) in cells
        assert percent(row["val_accuracy"]).strip() in cells
    assert "nas search --space space.yaml --config search.yaml --study s" in "".join(page.texts)


def test_a_study_without_a_result_says_so_in_place_of_figures(url):
    page = Page(report(open_study(url, "none")))
    said = "".join(page.texts)
    assert "No trial of 0 was trained in full yet." in said
    assert said.count("Not drawn: ") >= 3
    assert "svg" not in page.tags  # no winner to draw


def test_hostile_names_and_reasons_are_text(url):
    page = Page(report(open_study(url, HOSTILE)))
    assert {"script", "iframe", "link", "object"}.isdisjoint(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert "x" not in [value for name, value in page.attributes if name == "src"]
    said = "".join(page.texts)
    assert said.count(HOSTILE) >= 3  # study, space, reason
    assert page.tags.count("img") == 8  # dollars in a name are no formula


def test_caveats_name_what_holds_of_this_study(url):
    study = open_study(url, "s")
    trials, best = study.frame(), study.best(10)
    said = " ".join(caveats(study, trials, best))
    for state, phrase in (("PRUNED", "trials ended early"), ("FAIL", "trials failed")):
        assert f"{(trials['state'] == state).sum()} {phrase}" in said
    guided = (trials["policy"] == "guided").sum()
    assert (
        f"Proposed by a sampler that had seen earlier results: {guided} of {len(trials)} trials."
        in said
    )
    assert "The objective is synthetic" in said
    assert "images" not in said


def test_caveats_of_accuracies_that_were_trained_for_say_how_sure_they_are(url):
    study = open_study(url, "s")
    config = {**study.record.config, "objective": "fashion_mnist"}
    study.record = replace(study.record, config=config, dataset="d" * 64)
    trials, best = study.frame(), study.best(10)
    said = " ".join(caveats(study, trials, best))
    assert "standard error of 0.4" in said  # sqrt(0.75 · 0.25 / 10,000) and near it
    assert "synthetic" not in said
    assert "Trained anew" not in said
    values = {"val_accuracy": 0.8, "test_loss": 1.0, "test_accuracy": 0.789}
    record_evaluation(url, "s", int(best["number"].iloc[0]), {}, **values)
    assert "reached 78.90 % on the test images" in " ".join(caveats(study, trials, best))


def test_the_command_writes_the_file(url, tmp_path):
    file = tmp_path / "report.html"
    assert main(["report", "none", "-o", str(file), "--storage", url]) == 0
    assert file.read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-o", "report.txt"], "accepted ending: .html"),
        (["-o", "/proc/folder/report.html"], "cannot write in /proc"),
        (["-o", "report.html", "--pdf"], "needs one of chromium"),
    ],
)
def test_what_cannot_be_written_is_refused_in_one_line(
    url, arguments, said, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["report", "none", *arguments, "--storage", url]) == 2
    printed = capsys.readouterr()
    assert said in printed.err and printed.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs Chromium")
def test_chromium_prints_it(url, tmp_path):
    file = tmp_path / "report.html"
    assert main(["report", "none", "-o", str(file), "--pdf", "--storage", url]) == 0
    assert file.with_suffix(".pdf").read_bytes().startswith(b"%PDF")


# --- what stands in each part, word by word ---


@pytest.fixture
def study(url):
    return open_study(url, "s")


def with_record(study, **changes):
    """The study with some of what it was made of in another way."""
    record = study.record
    config = {**record.config, **changes.pop("config", {})}
    study.record = replace(record, config=config, **changes)
    return study


def asked(study):
    return question(study, study.frame(), study.best()).asked


def test_the_question_names_size_images_and_limits(study):
    found = _space(study)
    assert found["space"] is study.space
    assert found["size"] == f"{study.space.size():,}"
    assert found["shape"] == "28×28 pixels in 1 channel"
    assert asked(study) == (
        f"Which network of the design space {study.space.name} reaches the highest synthetic "
        "accuracy, with 10.0k to 1.00M params and at most 30.0M MACs?"
    )
    limits = {"macs": {"min": 4_000_000, "max": 8_000_000}, "params": {"max": 500_000}}
    limits |= {"depth": {"min": 3}, "activations": {}}
    limited = with_record(study, space={**study.record.space, "limits": limits})
    within = ", with 4.00M to 8.00M MACs and at most 500k params and at least 3 blocks?"
    assert asked(limited).endswith(within)
    odd = with_record(study, space={**study.record.space, "limits": {"macs": None, "params": [1]}})
    assert asked(odd).endswith("the highest synthetic accuracy?")


def test_the_set_up_is_what_was_asked_for_in_words(study):
    config = {
        "objective": "fashion_mnist", "train_images": 20_000, "epochs": 4, "sampler": "tpe",
        "scheduler": "asha", "grace": 1, "reduction": 3, "time_budget": 420.0, "concurrency": 2,
        "cpus_per_trial": 1.5, "gpus_per_trial": 0.25, "seed": 0, "trials": 12,
    }  # fmt: skip
    found = _set_up(with_record(study, config=config, dataset="d" * 64))
    assert found["setup"] == [
        ("trained on", "Fashion-MNIST"),
        ("training images", "20,000"),
        ("validation images", "10,000"),
        ("epochs of a trial in full", "4"),
        ("sampler", "tpe"),
        ("early stopping", "asha"),
        ("epochs before it can stop a trial", "1"),
        ("one in so many goes on", "3"),
        ("time budget in seconds", "420"),
        ("trials at a time", "2"),
        ("CPUs per trial", "1.5"),
        ("GPUs per trial", "0.25"),
        ("seed", "0"),
        ("fingerprint of the images", "d" * 64),
    ]
    assert (found["planned"], found["created"]) == (12, "2026-01-01 00:00")
    assert (found["space_name"], found["config_name"]) == ("space.yaml", "search.yaml")
    assert found["space_file"].startswith("name: ")
    assert "sampler: tpe\n" in found["config_file"]
    assert found["command"].endswith("--study s --storage sqlite:///again.db")
    absent = {**config, "time_budget": None, "objective": "synthetic"}
    setup = _set_up(with_record(study, config=absent, dataset="synthetic"))["setup"]
    labels = [label for label, _ in setup]
    assert ("objective", "synthetic") in setup
    assert "time budget in seconds" not in labels
    assert "training images" not in labels  # no network was trained


@pytest.mark.parametrize(
    ("value", "shown"),
    [(420.0, "420"), (20_000, "20,000"), (0.25, "0.25"), ("tpe", "tpe"), (1.5e9, "1,500,000,000")],
)
def test_a_number_is_written_as_people_do(value, shown):
    assert _shown(value) == shown


def test_provenance_is_code_libraries_machine_and_what_trials_ran_on(study):
    known = {
        "code": {"commit": "abc", "dirty": True},
        "libraries": {"torch": "2.6", "ray": None, "optuna": "4.1"},
        "python": "3.11.2", "system": "Linux", "processor": "x86", "cores": 8,
        "gpus": ["H200", "H100"],
    }  # fmt: skip
    (device,) = study.devices()
    ran = ("ran on", f"cpu (float32, channels first): {device['attempts']} attempts")
    assert list(_provenance(with_record(study, provenance=known))) == [
        ("code", "commit abc, changed since"),
        ("libraries", "torch 2.6, optuna 4.1"),
        ("python", "3.11.2"),
        ("system", "Linux"),
        ("processor", "x86"),
        ("cores", "8"),
        ("GPUs of the driver", "H200, H100"),
        ran,
    ]
    clean = {"code": {"commit": "abc", "dirty": False}, "cores": None}
    assert list(_provenance(with_record(study, provenance=clean))) == [
        ("code", "commit abc"), ("libraries", ""), ("GPUs of the driver", "none"), ran
    ]  # fmt: skip
    (libraries, *_) = _provenance(with_record(study, provenance={}))
    assert libraries == ("libraries", "")


def test_a_device_without_numerics_is_said_without_them(url, study):
    (device,) = study.devices()
    run(url, "UPDATE nas_attempts SET numerics = NULL")
    *_, ran = _provenance(open_study(url, "s"))
    run(url, "UPDATE nas_attempts SET numerics = 'float32, channels first'")
    assert ran == ("ran on", f"cpu: {device['attempts']} attempts")


def test_figures_are_of_the_study_its_bounds_and_its_foremost_knobs(study):
    trials = study.frame()
    rules = {"policy": "any", "stopped": "drop"}
    first_ones = importance(trials, **rules)["knob"].tolist()[:4]
    assert foremost(study, trials) == first_ones
    assert foremost(study, trials.head(5)) == list(study.space.parameters)[:4]
    made_of = list(figures("search", study, trials))
    assert [caption for caption, _ in made_of] == [
        "Accuracy against cost, with the Pareto front.",
        "Learning curves of all trials.",
        "Distribution of the error, those stopped early as bounds.",
        "How much each knob matters for being among the best 10 %.",
        *(f"Accuracy by {path}." for path in first_ones),
    ]
    front, curves, edf, _, first, *_ = [make().axes[0] for _, make in made_of]
    assert front.get_xlabel() == "multiply-accumulates per image"
    assert curves.get_title("left") == "Learning curves: s"
    assert "as bounds" in edf.texts[0].get_text()
    assert first.get_xlabel() == first_ones[0]
    assert "left out" in first.texts[0].get_text()


def test_of_a_large_study_importance_is_of_a_thousand_drawn_at_random(study, monkeypatch):
    trials = study.frame()
    exactly = trials.iloc[[k % len(trials) for k in range(1000)]].reset_index(drop=True)
    captions = [caption for caption, _ in figures("search", study, exactly)]
    assert captions[3].endswith("among the best 10 %.")
    more = trials.iloc[[k % len(trials) for k in range(1001)]].reset_index(drop=True)
    drawn = []
    monkeypatch.setattr("nas.report.figures.foremost", lambda _, some: drawn.append(some) or [])
    captions = [caption for caption, _ in figures("search", study, more)]
    assert captions[3:] == [
        "How much each knob matters for being among the best 10 %, of 1,000 trials drawn at random."
    ]
    # the same ones each time, in their order
    expected = more.iloc[np.sort(np.random.RandomState(0).choice(1001, 1000, replace=False))]
    pd.testing.assert_frame_equal(drawn[0], expected)


def test_a_summary_is_of_the_best_trial_in_one_sentence(study):
    trials, best = study.frame(), study.best(2)
    best = best.assign(val_accuracy=0.91234, epochs=1, params=12_345, macs=6_700_000, number=7)
    assert answer(study, trials.head(1), best) == (
        "Best of 1 trial: trial 7 with 91.23 % synthetic accuracy after 1 epoch, 12.3k parameters "
        "and 6.70M multiply-accumulates per image."
    )
    assert answer(study, trials, best.head(0)) == "No trial of 120 was trained in full yet."


def test_a_row_of_the_best_has_its_numbers_and_its_network(study):
    (row,) = study.best(1).to_dict("records")
    numbers = {"val_accuracy": 0.9, "params": 12_345, "macs": 6_700_000, "seconds": 12.4}
    network = str(study.architecture(row["number"])).splitlines()
    network.append(f"trained with peak_lr {row['training.peak_lr']:.3g}")
    expected = {
        "number": row["number"], "accuracy": "90.00 %", "epochs": 6, "params": "12.3k",
        "macs": "6.70M", "latency": "–", "seconds": "12s", "network": network, "further": [],
    }  # fmt: skip
    full = study.best(1)
    assert _row(study, row | numbers, full) == expected
    measured = _row(study, row | numbers | {"latency_ms": 1.239}, full)
    assert measured == expected | {"latency": "1.24 ms"}


def test_the_winner_is_drawn_summed_up_and_can_be_trained_for_longer(study):
    number = int(study.best(1)["number"].iloc[0])
    architecture, shape = study.architecture(number), study.space.input_shape
    found = _winner(study, number)
    assert found["number"] == number
    assert found["drawing"] == draw(architecture, shape, study.space.num_classes)
    assert found["summary"] == str(summary(architecture, shape, study.space.num_classes))
    retrain = f"nas retrain s --trial {number} --output winner.pt --storage {study.url}"
    assert found["retrain"] == retrain  # whatever nas is called here: it is read elsewhere


def test_failures_are_counted_by_reason_the_most_frequent_first():
    reasons = ["out of memory"] * 2 + ["x" * 300] * 3 + [None] + [f"r{k:02d}" for k in range(10)]
    trials = made([0.1] * 17, state=["FAIL"] * 16 + ["COMPLETE"]).assign(
        reason=[*reasons, "was fine"]
    )
    found = list(_failures(trials))
    assert found[:3] == [("x" * 200, 3), ("out of memory", 2), ("no reason", 1)]
    assert len(found) == 10
    assert all(type(number) is int for _, number in found)


def test_a_page_says_when_by_what_and_of_how_many(url):
    page = report(open_study(url, "s"))
    said = " ".join("".join(Page(page).texts).split())
    assert "Architecture search. Report made 20" in said
    assert "Begun 2026-01-01 00:00 UTC." in said
    assert "120 of 120 planned" in said
    assert ">latency</th>" not in page  # none was measured
    counts = open_study(url, "s").frame()["state"].value_counts()
    for word, state in STATES.items():
        if state in counts:
            assert f">{word}</th>" in page and f">{counts[state]}</td>" in page


@pytest.mark.parametrize(("most", "kind"), [(119, "png"), (120, "svg+xml")])
def test_figures_of_a_large_study_are_pixels_and_of_a_small_one_vectors(
    url, most, kind, monkeypatch
):
    """Of 120 trials."""

    def one(kind, study, trials):
        yield "What it shows.", lambda: plots.front(trials)

    monkeypatch.setattr("nas.report.report.figures", one)
    assert MANY == 1000
    monkeypatch.setattr("nas.report.report.MANY", most)
    page = Page(report(open_study(url, "s")))
    (source,) = [value for name, value in page.attributes if name == "src"]
    assert source.startswith(f"data:image/{kind};base64,")
    assert ("alt", "What it shows.") in page.attributes
    content = base64.b64decode(source.partition(",")[2])
    assert content.startswith({"png": b"\x89PNG", "svg+xml": b"<?xml"}[kind])


def test_equal_networks_with_other_hyper_parameters_are_one_line(study):
    """Of five trainings of one network, the best one stands for all."""
    full = study.best(5)
    key, rates = full["key"].iloc[0], [0.5, 0.25, 0.1, 0.05, 0.025]
    accuracies = [0.9, 0.85, 0.8, 0.75, 0.7]
    full = full.assign(key=key, val_accuracy=accuracies, **{"training.peak_lr": rates})
    row = full.iloc[0].to_dict()
    assert _row(study, row, full)["network"][-2:] == [
        "trained with peak_lr 0.5",
        "trained 4 more times with other hyper-parameters: 70.00 % to 85.00 %",
    ]
    assert _row(study, row, full.head(2))["network"][-1].endswith("parameters: 85.00 %")
    assert _row(study, row, full.head(1))["network"][-1] == "trained with peak_lr 0.5"


# --- other questions ---

STUDIES = Path(__file__).parents[2] / "studies"
FLIP = "resnet_vs_plain-macs-4M-8M-flip-residual-2ep"
SPACES = [f"anynetx_{one}_28-macs-4M-8M-2ep" for one in "ac"]


def published(name):
    return open_study(f"sqlite:///{STUDIES / name}.sqlite", name)


def test_a_study_of_flips_answers_with_the_effect_its_interval_and_the_pairs():
    page = Page(report(published(FLIP)))
    said = " ".join("".join(page.texts).split())
    answered = (
        "Flipping residual: false → true changes validation accuracy: +5.17 points on average "
        "[+4.25, +6.20]"
    )
    assert said.index(answered) < said.index("What does residual do to the validation accuracy")
    pictures = [value for name, value in page.attributes if name == "alt"]
    assert pictures[0].startswith("What flipping residual did to each pair of networks")
    assert "retrain" not in said  # nobody searched for a winner


def test_a_population_answers_with_what_its_random_networks_reach():
    study = published(SPACES[0])
    found = question(study, study.frame(), study.best())
    assert found.asked.startswith("What do random networks of anynetx_a_28 reach")
    median = study.frame()["val_accuracy"].median()
    assert found.answer.startswith(
        f"Half of the random networks of anynetx_a_28 reach {100 * median:.2f} % validation "
    )


def test_two_populations_are_compared_in_one_report(tmp_path, capsys):
    both = f"sqlite:///{tmp_path}/nas.db"
    for name in SPACES:
        import_study(STUDIES / f"{name}.sqlite", both)
    output = tmp_path / "report.html"
    assert main(["report", *SPACES, "--storage", both, "-o", str(output)]) == 0
    assert capsys.readouterr().out == f"report of {' and '.join(SPACES)} written to {output}\n"
    page = Page(output.read_text())
    said = " ".join("".join(page.texts).split())
    assert "No difference between anynetx_a_28 and anynetx_c_28 was shown" in said
    assert page.headings.count("Set-up") == 2
    assert main(["report", SPACES[0], SPACES[0], "--storage", both, "-o", str(output)]) == 2
    assert "accepted: one, or two different ones" in capsys.readouterr().err


# --- caveats ---


def many(number, policy="random", state="COMPLETE", epochs=6, key="k"):
    return made([0.1] * number, policy=policy, state=state, epochs=epochs, key=[key] * number)


def joined(*frames):
    return pd.concat(frames, ignore_index=True)


def test_a_caveat_is_said_of_what_there_is_alone(study):
    study.record = replace(study.record, config={**study.record.config, "objective": "synthetic"})
    size = study.space.size()
    alone = "Tried: 1 different network of a space of " + f"{size:,}, which may hold better ones."
    first, *others = caveats(study, many(1), study.best(1))
    assert first == study.record.untrained
    assert others == [alone]
    guided, even = many(2, "guided"), many(1, "quasi_random", key="l")
    pruned = joined(many(1, state="PRUNED", epochs=3), many(1, state="PRUNED", epochs=2))
    _, *others = caveats(study, joined(guided, even, pruned, many(1, state="FAIL")), study.best(1))
    assert others == [
        "Proposed by a sampler that had seen earlier results: 2 of 6 trials. That is no random "
        "sample of the space: distributions say what the search saw, not what the space is like.",
        "Points of a sequence that fills the space evenly: 1 of 6 trials. They are no independent "
        "draws: intervals that take them for such are too wide or too narrow.",
        "2 trials ended early, the first after 2 epochs. The accuracies are of then; some networks "
        "might have come out ahead.",
        "1 trial failed, without an accuracy.",
        f"Tried: 2 different networks of a space of {size:,}, which may hold better ones.",
    ]
    _, early, _ = caveats(study, many(1, state="PRUNED", epochs=1), study.best(1))
    assert early.startswith("1 trial ended early, the first after 1 epoch. ")
    _, guided, _ = caveats(study, many(1, "guided"), study.best(1))
    assert guided.startswith("Proposed by a sampler that had seen earlier results: 1 of 1 trial. ")
    _, even, _ = caveats(study, many(1, "quasi_random"), study.best(1))
    assert even.startswith("Points of a sequence that fills the space evenly: 1 of 1 trial. ")


@pytest.mark.parametrize(
    ("measure", "values", "failed"),
    [
        (ACCURACY, "accuracies", "2 trials failed, without an accuracy."),
        (Measure("score", "minimize"), "scores", "2 trials failed, without a score."),
    ],
)
def test_caveats_of_an_objective_of_a_user_s_are_of_what_it_reported(
    study, measure, values, failed
):
    study = with_record(study, config={"objective": "mine:train"}, measure=measure)
    early = many(1, state="PRUNED", epochs=2)
    first, stopped, *others = caveats(study, joined(early, many(2, state="FAIL")), study.best(1))
    assert first == (
        f"The {values} are what the objective mine:train reported, by which trials were stopped "
        "and the best one chosen: that of the best is optimistic."
    )
    assert stopped.startswith(
        f"1 trial ended early, the first after 2 epochs. The {values} are of then; "
    )
    assert others[0] == failed


def test_a_space_that_was_tried_whole_holds_no_better_ones(study, monkeypatch):
    monkeypatch.setattr(type(study.space), "size", lambda _: 1)
    assert list(caveats(study, many(1), study.best(1))) == [study.record.untrained]


def test_caveats_of_training_are_of_its_images_seed_and_epochs(study):
    config = {"objective": "fashion_mnist", "seed": 7, "epochs": 1, "train_images": 20_000}
    study = with_record(study, config=config, dataset="d" * 64)
    best = made([0.2]).assign(number=3)
    found = list(caveats(study, many(1), best))
    assert found[:3] == [
        "The accuracies are those of 10,000 validation images, by which trials were stopped and "
        "the best one chosen: that of the best is optimistic. The test images had no part in it.",
        # sqrt(0.8 · 0.2 / 10,000)
        "Each network was trained once, with seed 7; the best accuracy has a standard error of "
        "0.40 percentage points from its images alone, and another seed would change it, too. "
        "Trials closer together than that are not ranked.",
        "Trials were trained for at most 1 epoch on 20,000 images: networks that learn slowly may "
        "come out ahead in longer training.",
    ]
    study = with_record(study, config={"train_images": None, "epochs": 8})
    _, last, _ = caveats(study, many(1), best.head(0))
    assert last == (
        "Trials were trained for at most 8 epochs: networks that learn slowly may come out ahead "
        "in longer training."
    )
    # no data set of ours: nothing is known of its images
    unknown = with_record(study, dataset="unknown")
    assert list(caveats(unknown, many(1), best))[:-1] == [last]
