"""The figures by name, of studies in a database, as ``nas plot`` draws them."""

from pathlib import Path

import pytest
from study_factory import write_study

from nas.analysis.plots.kinds import KINDS, draw
from nas.cli.app import main
from nas.errors import AnalysisError
from nas.study.reader import open_study

OPTIONS = {
    "front": "--cost params",
    "knob": "--knob stages.2.width",
    "marginal": "--knob bottleneck",
    "effects": "--knob stages.0.residual --cost activations",
}


@pytest.fixture(scope="module")
def storage(tmp_path_factory):
    """Two studies with guided trials, of 3 epochs; none was stopped in ``a``."""
    url = f"sqlite:///{tmp_path_factory.mktemp('kinds') / 'nas.db'}"
    write_study(url, "a", trials=50, epochs=3, pruned=0.0)
    write_study(url, "b", trials=20, epochs=3, pruned=0.5, seed=1)
    return url


STUDIES = Path(__file__).parents[2] / "studies"


def test_pairs_are_drawn_of_a_study_that_has_some(storage, tmp_path, capsys):
    assert plot(storage, tmp_path, "a --kind pairs --knob bottleneck --policy any") == 2
    assert "no two networks are equal in all but bottleneck" in capsys.readouterr().err
    published = "resnet_vs_plain-macs-4M-8M-flip-residual-2ep"
    url = f"sqlite:///{STUDIES / published}.sqlite"
    assert plot(url, tmp_path, f"{published} --kind pairs --knob residual") == 0
    assert (tmp_path / "figure.svg").read_text().startswith("<?xml")


def test_a_name_that_the_font_cannot_draw_is_no_reason_to_warn(tmp_path, capfd):
    url = f"sqlite:///{tmp_path}/nas.db"
    write_study(url, "研究🙂", trials=2, epochs=1, pruned=0)
    assert plot(url, tmp_path, "研究🙂") == 0
    assert capfd.readouterr().err == ""


def plot(storage, tmp_path, words):
    return main(["plot", *words.split(), "--storage", storage, "-o", str(tmp_path / "figure.svg")])


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"pairs"}))
def test_every_kind_is_drawn_from_the_command_line(kind, storage, tmp_path):
    words = f"a --kind {kind} {OPTIONS.get(kind, '')}"
    if "policy" in KINDS[kind].takes:
        words += " --policy any"
    if kind == "fidelity":  # those that failed, and the one that waits
        words += " --stopped drop"
    assert plot(storage, tmp_path, words) == 0
    assert (tmp_path / "figure.svg").stat().st_size > 5000


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.several])
def test_several_studies_in_one_figure(kind, storage, tmp_path):
    assert plot(storage, tmp_path, f"a b --kind {kind} --policy any --stopped drop") == 0
    text = (tmp_path / "figure.svg").read_text()
    assert "a (n = " in text
    assert "b (n = " in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("a --kind fronts", "did you mean front? accepted: front, edf"),
        ("a --kind edf", "use a study with --sampler random, or --policy any"),
        ("b --kind edf --policy any", "or --stopped drop (edf also takes --stopped bound)"),
        ("a --kind knob", "kind knob is of one knob; accepted: bottleneck, stages.0.depth"),
        ("a --kind knob --knob width --policy any", "has no knob 'width'; accepted: bottleneck"),
        ("a --kind curves --cost macs", "kind curves takes no option cost; accepted: none"),
        ("a b --kind importance", "shows one study; several: edf, efficiency"),
        ("a a --kind edf", "a study is named twice"),
        ("a --cost mac", "did you mean macs?"),
        ("a --kind edf --policy any --epochs 7", "was trained for 7 epochs; accepted: 3"),
        ("c", "there is no study 'c'"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(words, said, storage, tmp_path, capsys):
    assert plot(storage, tmp_path, words) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert printed.count("\n") == 1
    assert not (tmp_path / "figure.svg").exists()


def test_each_kind_takes_the_options_of_its_statistic():
    rules = {"policy", "stopped", "epochs"}
    assert {name: set(kind.takes) for name, kind in KINDS.items()} == {
        "front": {"cost"}, "edf": rules | {"cost"}, "efficiency": rules, "knob": rules | {"knob"},
        "marginal": rules | {"knob"}, "effects": rules | {"knob", "cost"},
        "pairs": rules | {"knob"}, "importance": rules, "curves": set(), "fidelity": {"stopped"},
    }  # fmt: skip
    assert [name for name, kind in KINDS.items() if kind.several] == ["edf", "efficiency"]
    assert [name for name, kind in KINDS.items() if kind.needs_knob] == [
        "knob",
        "marginal",
        "pairs",
    ]
    assert all(kind.draw.__name__ == name for name, kind in KINDS.items())


def test_a_figure_is_of_its_studies_with_the_options_that_were_asked_for(storage):
    a, b = open_study(storage, "a"), open_study(storage, "b")
    options = {"knob": None, "cost": None, "epochs": None}  # as where nothing was asked for
    both = draw("efficiency", [b, a], policy="any", stopped="drop", **options)
    labels = [text.get_text() for text in both.axes[0].get_legend().get_texts()]
    assert [label.partition(" ")[0] for label in labels] == ["b", "a"]
    assert draw("front", [a], cost="params").axes[0].get_xlabel() == "parameters"
    assert draw("curves", [a]).axes[0].get_title("left") == "Learning curves: a"
    ranked = draw("fidelity", [a], stopped="drop").axes[0]
    assert ranked.get_title("left") == "Rank correlation between fidelities: a"
    refused = {
        ("fronts", (a,), ("knob", None)):
            f"kind is 'fronts'; did you mean front? accepted: {', '.join(KINDS)}",
        ("edf", (a,), ("knob", "bottleneck")):
            "kind edf takes no option knob; accepted: cost, epochs, policy, stopped",
        ("curves", (a,), ("knob", "depth")): "kind curves takes no option knob; accepted: none",
        ("curves", (a, b), ("knob", None)):
            "kind curves shows one study; several: edf, efficiency",
        ("edf", (a, a), ("knob", None)): "a study is named twice; each is drawn once",
        ("marginal", (a,), ("knob", None)):
            f"kind marginal is of one knob; accepted: {', '.join(a.space.parameters)}",
    }  # fmt: skip
    for (kind, studies, (name, value)), said in refused.items():
        with pytest.raises(AnalysisError) as refusal:
            draw(kind, list(studies), **{name: value})
        assert str(refusal.value) == said
