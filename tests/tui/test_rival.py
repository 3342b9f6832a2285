"""The instant rival in the lab: asked for once, drawn in its own way, spoken of from what is on screen."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from seqlab.runs import layout
from seqlab.runs.metrics import Series
from seqlab.runs.reader import RunReader
from seqlab.runs.rival import Rival
from seqlab.runs.writer import RunWriter
from seqlab.spec.rival import has_rival, rival_of
from seqlab.tui.palette import MARKS, Palette
from seqlab.tui.panels.forecast import forecast_plot, forecast_words
from seqlab.tui.panels.loss import LossPanel, loss_plot
from seqlab.tui.panels.marked import sum_lines, sum_of, sum_plot, verdict
from seqlab.tui.panels.moment import Moment, observe
from seqlab.tui.panels.rival import HUE
from seqlab.tui.panels.voice import voice
from seqlab.tui.panels.words import help_text
from seqlab.tui.widgets.axes import number
from seqlab.tui.widgets.lineplot import Level, LinePlot, PlotData
from seqlab.tui.widgets.lineplot import Series as Curve
from seqlab.worker.rival import fitted
from tests.conftest import small
from tests.tui.conftest import Begin, Finished
from tests.tui.harness import lines, shown, style_at
from tests.tui.labs import FOUR, ONE, lab, picture, state, text
from tests.tui.waiting import until

Challenged = Callable[[str], Path]


@pytest.fixture(scope="module")
def challenged(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Challenged:
    """The folder of a run that is over and has a rival, fitted here as the worker's process does."""
    made: dict[str, Path] = {}

    def run(name: str) -> Path:
        if name not in made:
            folder = tmp_path_factory.mktemp("challenged") / name
            shutil.copytree(finished(name), folder)
            spec = RunReader(folder).poll().spec
            with RunWriter(folder) as writer:
                writer.event("rival", **fitted(rival_of(spec)))
            made[name] = folder
        return made[name]

    return run


@pytest.fixture
def met(challenged: Challenged) -> Callable[[str], tuple[Moment, Rival]]:
    """What the lab sees of such a run, and the rival."""

    def look(name: str) -> tuple[Moment, Rival]:
        moment = observe(RunReader(challenged(name)).poll())
        assert moment.snapshot.rival is not None
        return moment, moment.snapshot.rival

    return look


Met = Callable[[str], tuple[Moment, Rival]]


def with_losses(moment: Moment, *losses: float) -> Moment:
    """The moment with these eval losses at steps 100, 200, …, and no frame."""
    series = Series(100 * (1 + np.arange(len(losses), dtype=np.int64)), np.array(losses))
    metrics = MappingProxyType({**moment.snapshot.metrics, "eval/loss": series})
    return replace(moment, snapshot=replace(moment.snapshot, metrics=metrics, frame=None))


class TestLoss:
    @pytest.mark.parametrize("log", [True, False])
    def test_it_lies_across_the_plot_by_its_name_time_and_loss(self, met: Met, log: bool) -> None:
        moment, rival = met("sine")
        plot = loss_plot(moment, log)
        (level,) = [level for level in plot.levels if level.hue is not None]
        assert (level.value, level.hue) == (rival.loss, HUE)
        assert level.label == f"ESN 200, fitted in {rival.seconds:.1f} s"
        if plot.y_limits is not None:
            assert plot.y_limits[0] <= rival.loss <= plot.y_limits[1]

    def test_what_took_next_to_no_time_took_under_a_tenth_of_a_second(self, met: Met) -> None:
        moment, rival = met("sine")
        quick = replace(moment.snapshot, rival=replace(rival, seconds=0.04))
        levels = loss_plot(replace(moment, snapshot=quick), log=True).levels
        assert levels[-1].label == "ESN 200, fitted in under 0.1 s"

    def test_it_is_drawn_as_soon_as_it_is_known(self, met: Met) -> None:
        moment, _ = met("sine")
        before = replace(moment, snapshot=replace(moment.snapshot, rival=None))
        panel = LossPanel()
        assert panel.depends_on(before) != panel.depends_on(moment)

    @pytest.mark.parametrize("depth", ["truecolor", "256", "16", "mono"])
    @pytest.mark.parametrize(("charset", "dash"), [("braille", "╍"), ("ascii", "=")])
    async def test_its_line_is_told_from_rungs_by_colour_and_by_dashes(
        self, depth: str, charset: str, dash: str
    ) -> None:
        palette = Palette(depth=depth, charset=charset)  # type: ignore[arg-type]
        levels = (Level(1.0, "rung"), Level(0.5, "ESN 200", HUE))
        plot = LinePlot(PlotData((Curve([0, 1], [0, 0]),), levels), palette=palette)
        async with shown(plot):
            rows = lines(plot)
            (row,) = [n for n, line in enumerate(rows) if dash * 5 in line]
            assert "ESN 200 0.5" in rows[row]
            for text in (dash, "E"):
                color = style_at(plot, rows[row].index(text), row).color
                assert depth == "mono" or color == palette.line(HUE).color
            rung = next(n for n, line in enumerate(rows) if "rung 1" in line)
            assert dash not in rows[rung]


class TestProbe:
    def test_its_forecast_runs_free_beside_the_networks_and_the_truth(self, met: Met) -> None:
        moment, rival = met("sine")
        truth, esn, network = forecast_plot(moment).series
        assert [truth.label, esn.label, network.label] == ["truth", "ESN 200", "network"]
        assert np.asarray(esn.x).tolist() == list(range(31, 42))
        assert np.asarray(esn.x)[-1] == np.asarray(network.x)[-1] == np.asarray(truth.x)[-1]
        np.testing.assert_array_equal(esn.y, rival.said)
        assert (esn.hue, esn.mark) == (HUE, MARKS[HUE])
        assert esn.hue != network.hue

    def test_where_nothing_runs_free_its_answers_stand_beside_the_networks(self, met: Met) -> None:
        for name in ("generate", "timing"):
            moment, _ = met(name)
            _, esn, network = forecast_plot(moment).series
            np.testing.assert_array_equal(esn.x, network.x)

    def test_its_score_stands_beside_the_networks_and_rungs_give_way_to_it(self, met: Met) -> None:
        moment, rival = met("sine")
        assert rival.forecast is not None
        whole = forecast_words(moment).plain
        assert whole.endswith(f" · ESN 200 {number(rival.forecast)}")
        rungs = [rung.label for rung in moment.snapshot.rungs if rung.metric == "eval/forecast"]
        assert all(label in whole for label in rungs)
        for width in range(1, len(whole) + 1):
            words = forecast_words(moment, width).plain
            assert len(words) <= max(width, len(whole.split(" · ")[0]))
            assert "ESN 200" in words or not any(label in words for label in rungs)

    def test_a_single_answer_has_its_beside_it_where_there_is_room(self, met: Met) -> None:
        moment, rival = met("adding")
        found = sum_of(moment)
        assert found is not None
        (level,) = [level for level in sum_plot(found).levels if level.hue is not None]
        assert (level.label, level.value) == ("ESN 200", rival.said[-1])
        assert f"ESN 200 says {rival.said[-1]:.3f}" in sum_lines(found, 90, Palette())[-1].plain
        for width in range(100):
            shorter = verdict(found, width).plain
            assert shorter == verdict(found).plain or len(shorter) <= width


class TestWords:
    @pytest.mark.parametrize(
        ("losses", "words"),
        [
            ([0.30, 0.14, 0.12], "; above ESN 200 since step 100."),
            ([0.30, 0.01, 0.14, 0.12], "; above ESN 200 since step 300."),
            ([0.30, 0.14, 0.09, 0.09], "; below ESN 200 since step 300."),
            ([0.30, float("nan"), 0.09], "; below ESN 200 since step 300."),
            ([0.10], "; at ESN 200."),
        ],
    )
    def test_the_voice_says_on_which_side_of_it_the_loss_is_and_since_when(
        self, met: Met, losses: list[float], words: str
    ) -> None:
        moment, rival = met("adding")
        at = replace(moment, snapshot=replace(moment.snapshot, rival=replace(rival, loss=0.10)))
        (said,) = voice(with_losses(at, *losses))
        assert said.endswith(words)
        assert said.startswith("Below the rung “")

    def test_without_rungs_it_speaks_of_the_rival_alone(self, met: Met) -> None:
        moment, rival = met("adding")
        bare = replace(moment, snapshot=replace(moment.snapshot, rungs=(), rival=replace(rival, loss=0.1)))
        assert voice(with_losses(bare, 0.2)) == ("Above ESN 200 since step 100.",)

    def test_help_says_what_it_is_and_what_it_reached(self, met: Met) -> None:
        moment, rival = met("sine")
        words = help_text(moment)
        assert "no rung but a rival: an echo state network" in words
        assert (
            f"Rival: an echo state network of 200 random units, its readout fitted to the {rival.rows:,} "
            f"answers of the run's first {rival.batches} batches in "
        ) in words
        assert f"eval/loss {number(rival.loss)}, eval/forecast {number(rival.forecast or 0)}" in words


class TestLab:
    @pytest.mark.parametrize("size", [FOUR, ONE])
    @pytest.mark.parametrize("name", ["sine", "adding", "generate"])
    async def test_a_run_that_is_over_shows_it(
        self, challenged: Challenged, name: str, size: tuple[int, int]
    ) -> None:
        async with lab(challenged(name), size=size) as (pilot, screen):
            await until(pilot, lambda: "ESN 200, fitted in " in text(screen.loss))
            assert "╍" in text(screen.loss)
            assert "ESN 200 since step" in text(screen.voice)
            await pilot.press("4")
            await until(pilot, lambda: "ESN 200" in text(screen.probe))

    async def test_it_is_asked_for_once_and_comes_while_the_run_trains(self, begin: Begin) -> None:
        sine = {"name": "sine", "length": 40, "horizon": 10}
        folder, worker = begin(small(sine, steps=100_000_000, batch_size=32, log_every=10, eval_every=50))
        async with lab(folder, worker) as (pilot, screen):
            await until(pilot, lambda: "eval" in text(screen.loss))
            await pilot.press("space")  # leaves it the processor
            await until(pilot, lambda: "ESN 200, fitted in " in picture(screen), 300)
            await until(pilot, lambda: "ESN 200" in text(screen.probe))
        async with lab(folder, worker) as (pilot, screen):
            await until(pilot, lambda: "ESN 200, fitted in " in picture(screen))
        events = [event["event"] for event in RunReader(folder).poll().events]
        assert events.count("rival") == 1
        assert "refused" not in events

    async def test_a_run_that_has_none_is_not_asked_for_it(self, begin: Begin) -> None:
        folder, worker = begin(small({"name": "copy", "delay": 3}, steps=100_000_000))
        async with lab(folder, worker) as (pilot, screen):
            await until(pilot, lambda: state(screen) == "training")
            await pilot.press("space")
            await until(pilot, lambda: state(screen) == "paused")
            assert not list((folder / layout.CONTROL).glob("*.json"))
        snapshot = RunReader(folder).poll()
        assert not has_rival(snapshot.spec)
        assert "refused" not in [event["event"] for event in snapshot.events]
