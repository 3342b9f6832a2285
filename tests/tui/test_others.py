"""Runs laid over the one that is shown: what is drawn of them, what they are called, how they are read."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from seqlab.runs import layout
from seqlab.runs.compare import differences
from seqlab.runs.fork import create_fork
from seqlab.runs.frames import read_frame
from seqlab.runs.launch import Worker
from seqlab.runs.layout import create_run
from seqlab.runs.reader import RunReader
from seqlab.runs.writer import RunWriter
from seqlab.tui.palette import Palette
from seqlab.tui.panels import overlay
from seqlab.tui.panels.gradient import GradientPanel, gradient_plot
from seqlab.tui.panels.gradient import legend_of as gradient_legend
from seqlab.tui.panels.loss import LossPanel, loss_plot
from seqlab.tui.panels.loss import legend_of as loss_legend
from seqlab.tui.panels.moment import Moment, gone_back, observe
from seqlab.tui.panels.others import LETTERS, MOST, Entry, legend_lines, names_of
from seqlab.tui.panels.overlay import Overlay
from seqlab.tui.panels.words import help_text, troubles
from seqlab.tui.widgets.lineplot import Series
from tests.conftest import small
from tests.tui.browsing import ended
from tests.tui.conftest import Finished
from tests.tui.labs import FOUR, ONE, lab, picture, text
from tests.tui.waiting import until

FORKED = 30


@pytest.fixture(autouse=True)
def _at_every_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are looked at as often as somebody asks."""
    monkeypatch.setattr(overlay, "EVERY", 0.0)


@pytest.fixture(scope="module")
def fork(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that left `adding` at step 30, with another learning rate."""
    lr = ["training.optimizer.lr=0.01"]
    folder = create_fork(finished("adding"), FORKED, lr, tmp_path_factory.mktemp("fork"))
    worker = Worker()
    try:
        worker.run(folder)
        assert worker.reap(300) == 0
    finally:
        worker.close()
    return folder


def over(shown: Path, *others: Path, step: int | None = None) -> Moment:
    """What the lab sees of a run with others over it, gone back to a step."""
    moment = observe(RunReader(shown).poll())
    if step is not None:
        moment = gone_back(moment, read_frame(shown / layout.FRAMES / layout.numbered(step)))
    return Overlay(shown, others).over(moment)


def of(series: tuple[Series, ...], letter: str) -> Series:
    """The curve with a letter, not the letter at its end."""
    return next(each for each in series if each.mark == letter)


def names_in(entries: list[Entry]) -> list[str]:
    return [entry.text(99) for entry in entries]


def test_a_run_is_called_by_what_it_has_that_the_first_has_not(tmp_path: Path) -> None:
    specs = [
        small(),
        small(model={"cell": "gru"}, optimizer={"lr": 0.01}),
        small(seed=3, truncation=5, log_every=7),
        small(),
        small({"name": "copy"}),
        small(optimizer={"name": "sgd"}, clip={"kind": "none"}, batch_size=8, precision="float64", seed=4),
        small(model={"cell": "lstm", "hidden": 8, "bidirectional": True}, loss="mae"),
    ]
    found = differences([create_run(spec, tmp_path) for spec in specs])
    lstm, gru, seed, same, copy, sgd, wide = names_of(specs, found)
    assert (lstm, gru, seed, same) == ("lstm 4", "gru 4 lr 0.01", "seed 3 truncation 5", "lstm 4")
    assert (copy, wide) == ("copy", "bilstm 8 loss mae")
    assert sgd == "batch size 8 seed 4 precision float64 +2"


@given(
    names=st.lists(st.text("lstm 0123", max_size=80), min_size=1, max_size=MOST),
    more=st.sampled_from(["", ", not shown", " 0.1234"]),
    width=st.integers(30, 120),
    most=st.integers(1, 3),
)
@example(
    names=["lstm 32 batch size 64 clip limit 0.25 recurrent bias 2 +3"], more=" 0.01234", width=56, most=3
)
def test_the_legend_keeps_every_letter_in_lines_that_fit(
    names: list[str], more: str, width: int, most: int
) -> None:
    entries = [Entry(place, f" {name}", more) for place, name in enumerate(names)]
    lines = legend_lines(entries, width, most)
    assert len(lines) <= most
    assert all(len(" · ".join(words for _, words in line)) <= width for line in lines)
    assert "".join(words[0] for line in lines for _, words in line) == LETTERS[: len(names)]
    if len(names) == 1:  # there is room for what it has at any rate
        assert lines[0][0][1].endswith(more)


@pytest.mark.parametrize("dark", [True, False])
@pytest.mark.parametrize("depth", ["truecolor", "256", "16"])
def test_there_is_a_hue_for_every_letter(depth: str, dark: bool) -> None:
    palette = Palette(depth, dark)  # type: ignore[arg-type]
    assert len({palette.line(place).color for place in range(MOST)}) == MOST


def test_other_losses_lie_beside_this_one_if_they_are_measured_alike(
    finished: Finished, fork: Path, tmp_path: Path
) -> None:
    mae = ended(tmp_path, "mae", loss="mae")
    fresh = create_run(small(steps=500), tmp_path)
    moment = over(finished("adding"), fork, finished("copy"), mae, fresh)
    plot = loss_plot(moment, log=True)
    assert {each.mark for each in plot.series} == {"", "A", "B"}
    assert [each.role for each in plot.series if each.mark] == ["plain", "plain", "bold", "bold"]
    assert len({each.hue for each in plot.series if each.mark}) == 2
    for letter, folder in (("A", finished("adding")), ("B", fork)):
        found = RunReader(folder).poll().metrics["eval/loss"]
        np.testing.assert_array_equal(of(plot.series, letter).x, found.steps)
        np.testing.assert_array_equal(of(plot.series, letter).y, found.values)
    assert plot.x_limits == (0.0, 60.0)  # what is not drawn needs no room
    *names, last = names_in(loss_legend(moment))
    assert names == [
        "A lstm 4",
        "B fork at 30 lr 0.01",
        "C: cross-entropy, not shown",
        "D: mae, not shown",
    ]
    assert last.startswith("E length 10 ")
    assert last.endswith(": no loss yet")


def test_a_fork_begins_at_its_step_and_lies_over_its_origin_from_there(
    finished: Finished, fork: Path
) -> None:
    curve = of(loss_plot(over(finished("adding"), fork), log=False).series, "B")
    assert np.asarray(curve.x).tolist() == [FORKED, 40, 50, 60]
    moment = over(fork, finished("adding"))
    plot = loss_plot(moment, log=False)
    assert min(np.asarray(each.x).min() for each in plot.series if each.label) == FORKED
    assert np.asarray(of(plot.series, "B").x).tolist() == [10, 20, 30, 40, 50, 60]
    assert names_in(loss_legend(moment))[0] == "A lstm 4 fork at 30"


def test_gradients_lie_beside_this_one_each_along_its_own_timesteps(finished: Finished) -> None:
    adding, copy = finished("adding"), finished("copy")
    moment = over(adding, copy)
    series = gradient_plot(moment, 0, Palette()).series
    assert {(each.mark, each.hue, each.role) for each in series} == {("A", 0, "bold"), ("B", 1, "plain")}
    for letter, folder in (("A", adding), ("B", copy)):
        snapshot = RunReader(folder).poll()
        assert snapshot.frame is not None
        values = snapshot.frame.tensors["layer0/gradient"]
        drawn = [each for each in series if each.mark == letter]
        assert max(np.asarray(each.x).max() for each in drawn) <= snapshot.spec.task.timesteps
        for each in drawn:
            np.testing.assert_array_equal(each.y, values[np.asarray(each.x) - 1])
    other = gradient_plot(over(copy, adding), 0, Palette())
    assert other.x_limits == (1.0, 20.0)
    assert gradient_legend(moment, 0)[1].name.startswith(" copy")


def test_gone_back_others_show_the_kept_frame_that_is_nearest(finished: Finished, fork: Path) -> None:
    kept = RunReader(fork).poll().kept
    for step in (0, 20, 45):
        (other,) = over(finished("adding"), fork, step=step).others
        assert other.moment.chosen is not None
        assert other.moment.chosen.step == min(kept, key=lambda each: (abs(each - step), each))
    moment = over(finished("adding"), fork, step=45)
    loss = moment.others[0].moment.snapshot.metrics["eval/loss"].at(45)
    assert loss_legend(moment)[1].more == f" {loss:.4g}"
    assert loss_legend(over(finished("adding"), fork, step=20))[1].more == ""  # it was not there yet


def test_what_cannot_be_read_is_said_and_left_out_until_it_can(
    finished: Finished, fork: Path, tmp_path: Path
) -> None:
    shown = finished("adding")
    damaged, gone = ended(tmp_path, "damaged"), tmp_path / "gone\x1b[31m"
    status = (damaged / layout.STATUS).read_bytes()
    (damaged / layout.STATUS).write_bytes(b"{")
    runs, moment = Overlay(shown, [gone, damaged, fork]), observe(RunReader(shown).poll())
    seen = runs.over(moment)
    assert [other.place for other in seen.others] == [3]  # and keeps its letter
    assert [line[:2] for line in troubles(seen)] == ["B:", "C:"]
    assert all(line.isprintable() for line in troubles(seen))
    (damaged / layout.STATUS).write_bytes(status)
    seen = runs.over(moment)
    assert [other.place for other in seen.others] == [2, 3]
    shutil.rmtree(damaged)
    assert [other.place for other in runs.over(moment).others] == [3]


def test_what_is_over_is_read_once_and_again_when_it_has_changed(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[Path] = []
    poll: Callable[[RunReader], object] = RunReader.poll
    monkeypatch.setattr(RunReader, "poll", lambda self: (reads.append(self.folder), poll(self))[1])
    shown, other = finished("adding"), ended(tmp_path, "over")
    runs, moment = Overlay(shown, [other]), observe(RunReader(shown).poll())
    first, second = runs.over(moment), runs.over(moment)
    assert reads.count(other) == 1
    for panel in (LossPanel(), GradientPanel()):
        assert panel.depends_on(first) == panel.depends_on(second) != panel.depends_on(moment)
    with RunWriter(other) as writer:
        writer.rows({"step": 21, "train/loss": 0.5, "eval/loss": 0.25})
    third = runs.over(moment)
    assert reads.count(other) == 2
    assert LossPanel().depends_on(third) != LossPanel().depends_on(first)


async def test_eight_runs_lie_over_one_another_on_any_screen(
    finished: Finished, fork: Path, tmp_path: Path
) -> None:
    runs = [fork, *(shutil.copytree(finished("adding"), tmp_path / f"{copy}") for copy in range(6))]
    for place, folder in enumerate(runs[1:], 1):
        spec = folder / layout.SPEC
        spec.write_text(spec.read_text("utf-8").replace("\nseed = 0\n", f"\nseed = {place}\n"), "utf-8")
    async with lab(finished("adding"), others=tuple(runs)) as (pilot, screen):
        for size in (FOUR, ONE):
            await pilot.resize_terminal(*size)
            for key, panel in (("2", screen.gradient), ("1", screen.loss)):
                await pilot.press(key)
                await until(pilot, lambda panel=panel: "A lstm 4 · B fork" in text(panel))
                await until(pilot, lambda panel=panel: "· H seed 6" in text(panel))
        await pilot.resize_terminal(60, 15)
        await until(pilot, lambda: all(letter in text(screen.loss) for letter in LETTERS))
        await until(pilot, lambda: "exact 0" in picture(screen))


def test_one_run_alone_has_no_legend_below_it(finished: Finished) -> None:
    moment = over(finished("adding"))
    assert not loss_legend(moment)
    assert not gradient_legend(moment, 0)
    assert {each.mark for each in loss_plot(moment, log=True).series} == {""}
    assert "Overlay: runs laid over this one have letters" in help_text(moment)
