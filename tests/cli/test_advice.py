"""What is said before and after a search: how much there is, and whether a space is used up."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from nas.cli.advice import print_ending, print_header, print_outage
from nas.cost import Cost
from nas.search.machine import Machine
from nas.search.plan import prepare
from nas.search.run import TIME_OVER, Outcome
from nas.study.shell import nas_command

FOUR = """
name: four
stem: {width: 8}
each_stage: {block: basic, width: 8, stride: 2, depth: {int: [1, 2]}}
stages: [{}, {}]
"""


@pytest.fixture
def plan(tmp_path):
    (tmp_path / "four.yaml").write_text(FOUR)

    def prepared(**options):
        storage = f"sqlite:///{tmp_path}/nas.db"
        given = {"space": str(tmp_path / "four.yaml"), "storage": storage, **options}
        return prepare({"objective": "synthetic", **given}, Machine(cpus=2, gpus=0))

    return prepared


def said(print_, *arguments, **options):
    text = io.StringIO()
    print_(Console(file=text, width=200), *arguments, **options)
    return text.getvalue()


def ending(plan, trials, exhausted=None):
    return said(print_ending, Outcome(plan, None, exhausted, 1.0), trials=trials, best=True)


def test_one_of_each_is_said_in_the_singular(plan):
    one = plan(trials=1, epochs=1)
    assert "1 trial of up to 1 epoch" in said(print_header, one)
    assert "1 trial ended (1s). For more:" in ending(one, 1)


def test_several_are_said_in_the_plural(plan):
    two = plan(trials=2, epochs=2)
    assert "2 trials of up to 2 epochs" in said(print_header, two)
    assert "All 2 trials ended (1s). For more:" in ending(two, 2)


@pytest.mark.parametrize(("trials", "warned"), [(4, False), (5, True), (12, True)])
def test_trials_beyond_the_number_of_networks_are_said_at_the_start(plan, trials, warned):
    line = "the space has 4 networks: no more than these are trained"
    assert (line in said(print_header, plan(trials=trials))) == warned


def test_a_number_of_networks_that_is_not_known_is_not_said(plan):
    assert "no more than" not in said(print_header, plan(space="resnext", trials=10_000))


def test_an_exhausted_space_is_the_reason_that_the_search_ended(plan):
    lines = ending(plan(trials=12), 4, exhausted="all 4 networks have been tried")
    assert "The space is exhausted (1s): all 4 networks have been tried." in lines
    assert "--trials" not in lines  # more would bring nothing
    assert "trials ended" not in lines


def test_more_trials_are_advised_than_the_study_has(plan):
    """Also where an earlier call asked for more than this one."""
    assert "--trials 88" in ending(plan(trials=10), 44)


def test_machines_that_were_avoided_are_named_at_the_end(plan):
    avoided = {"gpu7": "disk is full", "gpu8": "no data"}
    over = Outcome(plan(trials=2), None, None, 1.0, avoided)
    assert said(print_ending, over, trials=2, best=False).splitlines()[:2] == [
        "Node gpu7 got no more trials: disk is full",
        "Node gpu8 got no more trials: no data",
    ]
    assert "got no more" not in ending(plan(trials=2), 2)


def test_a_search_without_a_budget_is_told_the_winners_size_and_the_options_for_one(plan):
    free = Outcome(plan(trials=2), None, None, 1.0)
    winner = {"trials": 2, "best": True, "winner": Cost(412_000, 8_100_000, 1)}
    line = (
        "The winner has 412k parameters and 8.10M MACs. For the best one within a budget: "
        "--max-macs, --max-params, --max-latency, --max-memory or --band."
    )
    assert line in said(print_ending, free, **winner)
    assert "within a budget" not in said(print_ending, free, trials=2, best=False)
    for option, value in [("max_macs", "1G"), ("max_latency", "1s"), ("band", "macs=:1G")]:
        bound = Outcome(plan(trials=2, study=option, **{option: value}), None, None, 1.0)
        assert "within a budget" not in said(print_ending, bound, **winner)


def test_a_measured_budget_is_said_before_and_what_it_refused_after(plan):
    one = plan(trials=4, max_latency="2ms", max_memory="64MB")
    budget = "max-latency 2 ms, max-memory 64 MB"
    assert f"trains no network above {budget}, as measured by its worker" in said(print_header, one)
    after = said(print_ending, Outcome(one, None, None, 1.0), trials=4, best=True, over_budget=3)
    assert f"3 of 4 trials trained nothing: their networks were measured above {budget}." in after


# --- line by line ---


@pytest.fixture
def trained(plan, data_folder):
    """A plan that trains on images."""

    def prepared(**options):
        return plan(objective="fashion_mnist", data=str(data_folder), **options)

    return prepared


def test_a_header_says_what_is_trained_where_and_for_how_long(trained):
    one = trained(trials=3, epochs=4, train_images=20_000, time_budget="1h30m", seed=7)
    assert said(print_header, one).splitlines() == [
        "Searching four: four (4 architectures) on Fashion-MNIST",
        "3 trials of up to 4 epochs on 20,000 training images, 2 at a time, at most 1h30m",
        "sampler model, scheduler asha, seed 7",
        f"study database  {one.config.storage}",
        f"log             {one.log}",
    ]
    all_images = trained(trials=3, train_images=None, time_budget=None, concurrency=1)
    assert said(print_header, all_images).splitlines()[1] == (
        "3 trials of up to 4 epochs on 50,000 training images, 1 at a time"
    )


def test_a_header_of_made_up_accuracies_says_so_and_counts_no_images(plan):
    one = plan(trials=5, epochs=4, time_budget=None)
    first, trials, untrained, few, *_ = said(print_header, one).splitlines()
    assert first == "Searching four: four with the synthetic objective"
    assert untrained == one.record.untrained
    assert few == "the space has 4 networks: no more than these are trained"
    assert trials == "5 trials of up to 4 epochs, 2 at a time"


def test_a_study_that_goes_on_is_said_to_and_its_name_is_no_markup(plan):
    one = replace(plan(study="[red]x"), continued=True)
    first = said(print_header, one).splitlines()[0]
    assert first == "Continuing [red]x: four with the synthetic objective"


def test_the_first_word_alone_is_bold(plan):
    text = io.StringIO()
    print_header(
        Console(file=text, width=200, force_terminal=True, color_system="standard"), plan()
    )
    assert text.getvalue().startswith("\x1b[1mSearching\x1b[0m ")


def over(plan, reason=None, seconds=61.0, exhausted=None, trials=3, best=True, **more):
    outcome = Outcome(plan, reason, exhausted, seconds)
    return said(print_ending, outcome, trials=trials, best=best, **more).splitlines()


def test_an_ending_has_the_commands_that_go_on_show_and_ship(trained):
    one = trained(study="mine")
    storage = one.config.storage
    show = nas_command("show", "mine", storage=storage)
    retrain = nas_command("retrain", "mine", output="winner.pt", storage=storage)
    after = ["To see all of it:", f"  {show}"]
    ship = ["To train the winner for longer and ship it:", f"  {retrain}"]
    more = ["All 3 trials ended (1m01s). For more:", f"  {one.command(trials=6)}"]
    assert over(one) == [*more, *after, *ship]
    assert over(one, best=False) == [*more, *after]
    budget = "The time budget is over (1m01s). What ran is kept; to go on:"
    assert over(one, TIME_OVER) == [budget, f"  {one.command()}", *after, *ship]
    assert over(one, TIME_OVER, again="nas compare a b")[:2] == [budget, "  nas compare a b"]
    for reason, why in (
        ("SIGINT", "Stopped by SIGINT"),
        ("so many failed", "Stopped: so many failed"),
    ):
        line = f"{why}; everything is stored. To go on:"
        assert over(one, reason) == [line, f"  {one.command()}", *after, *ship]
        assert over(one, reason, again="nas compare a b")[1] == "  nas compare a b"
    assert over(one, exhausted="all 4 networks have been tried") == [
        "The space is exhausted (1m01s): all 4 networks have been tried.",
        "More trials would train nothing new; a larger space would.",
        *after,
        *ship,
    ]


def test_where_results_wait_is_said_with_the_command_that_writes_them(plan):
    one = plan()
    assert said(print_outage, one).splitlines() == [
        f"The study database {one.config.storage} cannot be reached or written.",
        f"What it does not have yet is in {one.outbox}. To write that and go on:",
        f"  {one.command()}",
    ]
    assert said(print_outage, one, "nas compare a b").splitlines()[-1] == "  nas compare a b"


def test_a_command_is_never_broken_and_a_password_never_shown(plan):
    one = plan(study="x" * 120)
    text = io.StringIO()
    print_outage(Console(file=text, width=40), one)
    assert text.getvalue().splitlines()[-1] == f"  {one.command()}"
    storage = "postgresql+psycopg://me:canary@host/db"
    secret = replace(one, config=one.config.model_copy(update={"storage": storage}))
    lines = over(secret)
    assert lines[-1] == "The password is not shown: set PGPASSWORD, or NAS_STORAGE to the URL."
    assert "canary" not in "".join(lines)
    assert "canary" not in said(print_header, secret)
    assert "canary" not in said(print_outage, secret)
