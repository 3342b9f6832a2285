"""What panels draw, from real runs and plain values."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seqlab.cells.base import State
from seqlab.runs import control
from seqlab.runs.metrics import Series
from seqlab.runs.reader import RunReader
from seqlab.spec import Spec
from seqlab.tasks import Signs
from seqlab.tui.palette import Palette
from seqlab.tui.panels.forecast import forecast_plot, forecast_words
from seqlab.tui.panels.gates import GatesPanel, counted, scale_of, time_axis
from seqlab.tui.panels.gradient import GradientPanel, gradient_plot, reach_of
from seqlab.tui.panels.loss import LossPanel, loss_plot, sight_of
from seqlab.tui.panels.marked import Sum, sum_lines, sum_of, sum_plot, verdict
from seqlab.tui.panels.moment import Hearsay, Moment, look, observe
from seqlab.tui.panels.probe import ProbePanel, kind_of
from seqlab.tui.panels.status import ago, clock, state_words, status_line
from seqlab.tui.panels.steering import Steering, next_rate
from seqlab.tui.panels.symbols import Symbols, folded, plain, symbol_lines, symbols_of
from seqlab.tui.panels.words import fitted, help_text, troubles
from seqlab.tui.widgets.axes import number
from tests.conftest import small

LIMIT = "training.clip.limit"
Moments = Callable[[str], Moment]
PALETTE = Palette()
COPYING = Signs(("·", "1", "2", "?"), ("·", "1", "2"), fillers=1, blank=True)
FIXTURE = [HealthCheck.function_scoped_fixture]


def with_frame(moment: Moment, **arrays: Any) -> Moment:
    """The moment with other arrays of layer 0 in its frame."""
    frame = moment.snapshot.frame
    assert frame is not None
    tensors = {**frame.tensors, **{f"layer0/{k}": np.asarray(v, np.float32) for k, v in arrays.items()}}
    frame = replace(frame, tensors=MappingProxyType(tensors))
    return replace(moment, snapshot=replace(moment.snapshot, frame=frame))


def with_status(moment: Moment, **fields: Any) -> Moment:
    """The moment of a run that stands elsewhere."""
    status = replace(moment.snapshot.status, **fields)
    snapshot = replace(moment.snapshot, status=status, state=status.state)
    return replace(moment, snapshot=snapshot, state=status.state)


class TestLoss:
    def test_train_is_faint_eval_bold_and_the_rungs_lie_across_with_their_formula(
        self, moment: Moments
    ) -> None:
        plot = loss_plot(moment("adding"), log=True)
        assert [(each.label, each.role) for each in plot.series] == [("train", "faint"), ("eval", "bold")]
        assert [(level.label, level.value) for level in plot.levels] == [
            ("constant 1", 1 / 6),
            ("one marker", 1 / 12),
            ("exact", 0),
        ]

    def test_under_another_loss_rungs_lie_where_they_were_measured(self, moment: Moments) -> None:
        run = moment("early")
        measured = [rung.measured for rung in run.snapshot.rungs]
        assert [level.value for level in loss_plot(run, log=False).levels] == measured
        assert measured[0] > 0.25
        assert f"eval/loss, constant 1: measured {number(measured[0])}" in help_text(run)

    def test_the_log_axis_holds_every_finite_value_above_0(self, moment: Moments) -> None:
        plot = loss_plot(moment("exploding"), log=True)
        assert plot.y_limits is not None
        for series in plot.series:
            y = np.asarray(series.y)
            y = y[np.isfinite(y) & (y > 0)]
            assert ((y >= plot.y_limits[0]) & (y <= plot.y_limits[1])).all()

    @pytest.mark.parametrize("log", [False, True])
    def test_a_loss_on_its_way_to_infinity_has_its_place(self, moment: Moments, log: bool) -> None:
        run = moment("adding")
        metrics = dict(run.snapshot.metrics)
        losses = metrics["train/loss"]
        metrics["train/loss"] = Series(losses.steps, np.geomspace(1, 1.7e308, len(losses)))
        plot = loss_plot(replace(run, snapshot=replace(run.snapshot, metrics=metrics)), log=log)
        if log:
            assert plot.y_limits is not None
            assert np.isfinite(plot.y_limits).all()

    @given(st.integers(0, 10**7), st.integers(1, 10**7))
    def test_the_curve_fits_and_fills_half_of_the_axis_once_it_is_under_way(
        self, step: int, steps: int
    ) -> None:
        step = min(step, steps)
        sight = sight_of(step, steps)
        assert step <= sight <= max(steps, 1)
        assert step >= sight // 2 or sight <= 40

    def test_before_the_first_row_it_says_what_goes_on(self, moment: Moments) -> None:
        base = moment("adding")
        snapshot = replace(base.snapshot, metrics=MappingProxyType({}))
        waiting = Moment(snapshot, "compiling", "compiling lstm 2.1 s")
        assert loss_plot(waiting, log=True).empty == "compiling lstm 2.1 s · then the first loss"
        assert (
            loss_plot(Moment(snapshot, "failed"), log=True).empty
            == "the run failed before there was anything to show"
        )


class TestGradient:
    def test_it_ends_at_the_wall_and_the_rest_is_hatched(self, moment: Moments) -> None:
        plot = gradient_plot(moment("adding"), 0, PALETTE)
        by_name = {series.label: series for series in plot.series}
        assert np.asarray(by_name["gradient"].x).tolist() == [16, 17, 18, 19, 20]
        assert np.asarray(by_name["full BPTT"].x).tolist() == list(range(1, 21))
        assert [(span.x0, span.x1, span.label) for span in plot.spans if span.hatched] == [
            (1, 15, "no gradient")
        ]
        assert [(wall.x, wall.label) for wall in plot.walls] == [(5.5, ""), (10.5, ""), (15.5, "wall 15")]

    def test_a_zero_within_reach_is_below_float32_and_not_no_gradient(self, moment: Moments) -> None:
        gradient = np.r_[np.zeros(17), np.ones(3)]
        plot = gradient_plot(with_frame(moment("adding"), gradient=gradient), 0, PALETTE)
        unhatched = [(span.x0, span.x1, span.label) for span in plot.spans if not span.hatched]
        assert unhatched == [(16, 17, "below float32")]

    def test_what_equals_the_line_in_front_is_left_out(self, moment: Moments) -> None:
        # Adding has a single loss, so its credit is the full gradient.
        assert "credit" not in {series.label for series in gradient_plot(moment("adding"), 0, PALETTE).series}
        # The sine run is not truncated, so full BPTT is what it does.
        labels = [series.label for series in gradient_plot(moment("sine"), 1, PALETTE).series]
        assert labels == ["credit", "layer 1", "layer 2"]

    def test_behind_the_last_loss_there_is_nothing_to_cut(self, moment: Moments) -> None:
        run = moment("past")
        reach = reach_of(run)
        assert reach is not None
        assert (reach.without, reach.last, reach.end, reach.wall) == (0, 9, 9, None)
        plot = gradient_plot(run, 0, PALETTE)
        assert [(span.x0, span.x1, span.label) for span in plot.spans] == [(10, 12, "no loss follows")]
        assert all(np.asarray(series.x)[-1] == 9 for series in plot.series)
        cut = replace(reach, walls=np.array([4, 8, 11]))
        assert cut.cutting.tolist() == [4, 8]

    def test_in_both_directions_every_step_has_a_gradient(self, moment: Moments) -> None:
        run = moment("ahead")
        reach = reach_of(run)
        assert reach is not None
        assert reach.steps.all()
        assert (reach.last, reach.end) == (9, 12)
        plot = gradient_plot(run, 0, PALETTE)
        assert plot.spans == ()
        assert all(np.asarray(series.x)[-1] == 12 for series in plot.series)

    @pytest.mark.parametrize("kept", ["five", None, -1, [0, 5], [5], 1.5, {}])
    def test_a_truncation_that_makes_no_sense_is_not_believed(self, moment: Moments, kept: Any) -> None:
        base = moment("adding")
        assert base.frame is not None
        frame = replace(base.frame, metadata={**base.frame.metadata, "truncation": kept})
        run = replace(base, chosen=frame)
        found, expected = reach_of(run), reach_of(base)
        assert found is not None
        assert expected is not None
        assert found.walls.tolist() == expected.walls.tolist()

    def test_padding_behind_the_longest_sequence_has_no_gradient(self, moment: Moments) -> None:
        run = moment("order")
        assert run.snapshot.probe is not None
        longest = int(run.snapshot.probe["lengths"].max())
        reach = reach_of(run)
        assert reach is not None
        assert reach.end == reach.last == longest

    def test_every_step_has_a_gradient_where_every_window_has_a_loss(self, moment: Moments) -> None:
        reach = reach_of(moment("copy"))
        assert reach is not None
        assert (reach.without, reach.wall, reach.walls.tolist()) == (0, None, [4, 8])


class TestGates:
    @pytest.mark.parametrize(
        ("kind", "values", "low", "high", "ramp"),
        [
            ("gate", [0.3], 0, 1, "sequential"),
            ("signed", [0.3], -1, 1, "diverging"),
            ("free", [0.3, -1.7], -2, 2, "diverging"),
            ("free", [4.9], -5, 5, "diverging"),
            ("free", [5.0], -5, 5, "diverging"),
            ("free", [0.0], -1, 1, "diverging"),
            ("free", [np.nan, np.inf], -1, 1, "diverging"),
            ("free", [], -1, 1, "diverging"),
        ],
    )
    def test_the_scale_follows_the_kind_of_state(
        self, kind: Any, values: list[float], low: float, high: float, ramp: str
    ) -> None:
        scale = scale_of(State("s", "state", kind), np.array(values))
        assert (scale.low, scale.high, scale.kind) == (low, high, ramp)

    @given(st.integers(1, 100_000), st.integers(8, 200))
    def test_the_time_axis_begins_at_1_and_fits(self, timesteps: int, width: int) -> None:
        axis = time_axis(timesteps, width)
        assert axis.startswith("1")
        assert len(axis) <= width


class TestProbe:
    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("adding", "marked"),
            ("copy", "symbols"),
            ("sine", "curve"),
            ("order", "symbols"),
            ("ahead", "symbols"),
            ("timing", "curve"),
            ("generate", "curve"),
        ],
    )
    def test_the_task_decides_how_it_is_shown(self, moment: Moments, name: str, kind: str) -> None:
        assert kind_of(moment(name).snapshot.spec) == kind

    def test_the_marks_of_adding_are_those_of_the_probe(self, moment: Moments) -> None:
        run = moment("adding")
        found = sum_of(run)
        assert found is not None
        assert run.snapshot.probe is not None
        assert sum(found.values[list(found.marked)]) == pytest.approx(found.answer)
        words = "\n".join(line.plain for line in sum_lines(found, 60, PALETTE))
        for step in found.marked:
            assert f"{found.values[step]:.2f} at {step + 1}" in words
        assert f"answer   {found.answer:.3f}" in words

    @given(st.floats(-100, 100), st.floats(-100, 100))
    def test_answer_and_output_differ_by_what_is_written_beside_them(
        self, answer: float, output: float
    ) -> None:
        values = np.zeros(2, np.float32)
        words = verdict(Sum(values, (0, 1), answer, output, np.arange(2), values)).plain.split()
        said, by, off = float(words[1]), float(words[4]), float(words[-1])
        assert words[2:4] == ["network", "says"]
        assert off == pytest.approx(abs(said - by), abs=1e-9)
        assert abs(said - answer) <= 0.000_501

    @given(st.integers(2, 300), st.integers(20, 120), st.data())
    def test_an_arrow_stands_under_the_value_that_it_marks(self, length: int, width: int, data: Any) -> None:
        first, second = sorted(data.draw(st.sets(st.integers(0, length - 1), min_size=2, max_size=2)))
        values = np.linspace(0, 1, length, dtype=np.float32)
        found = Sum(values, (first, second), 1.0, 1.0, 1 + np.arange(length), values)
        bars, marks, _ = (line.plain for line in sum_lines(found, width, PALETTE))
        assert len(bars) == len(marks) == width
        room = width - 9
        for step in (first, second):
            lo, hi = step * room // length, max(-(-(step + 1) * room // length), step * room // length + 1)
            assert "↑" in marks[9 + lo : 9 + hi]

    def test_the_answer_lies_across_what_the_network_says_on_the_way(self, moment: Moments) -> None:
        found = sum_of(moment("adding"))
        assert found is not None
        plot = sum_plot(found)
        assert [level.value for level in plot.levels] == [found.answer]
        assert [wall.x for wall in plot.walls] == [step + 1 for step in found.marked]

    def test_symbols_stand_in_columns_and_wrong_ones_are_marked_underneath(self) -> None:
        found = Symbols(
            COPYING,
            steps=np.arange(1, 7),
            inputs=np.array([1, 2, 3, 0, 0, 0]),
            targets=np.array([0, 0, 0, 0, 1, 2]),
            asked=np.ones(6, np.bool_),
            answers=np.array([0, 0, 2, 0, 1, 1]),
            probability=np.eye(3)[[0, 0, 2, 0, 1, 1]],
        )
        rows = [line.plain for line in symbol_lines(found, 21, 6, PALETTE)]
        assert rows[1].split(maxsplit=1)[1] == "1 2 ? · · ·"
        assert rows[2].split(maxsplit=1)[1] == "· · · · 1 2"
        assert rows[3].split(maxsplit=1)[1] == "· · 2 · 1 1"
        assert [i for i, each in enumerate(rows[4]) if each == "×"] == [9 + 2 * 2, 9 + 2 * 5]
        assert rows[4].startswith("wrong ")
        assert found.score == "1 of 2 recalled · 1 wrong blanks"

    def test_long_stretches_of_nothing_are_folded(self) -> None:
        length = 400
        inputs, targets = np.zeros((2, length), np.int64)
        inputs[:3], inputs[-4], targets[-3:] = 1, 3, 1
        found = Symbols(
            COPYING,
            np.arange(1, length + 1),
            inputs,
            targets,
            np.ones(length, np.bool_),
            targets,
            np.eye(3)[targets],
        )
        columns = folded(found, 50)
        assert len(columns) <= 50
        shown = {column for column in columns if column is not None}
        assert set(np.flatnonzero(inputs + targets).tolist()) <= shown

    def test_what_a_decoder_says_alone_stands_beside_what_it_says_with_a_teacher(self) -> None:
        found = Symbols(
            Signs((">", "1", "2"), ("1", "2")),
            steps=np.arange(1, 5),
            inputs=np.array([1, 2, 0, 2]),
            targets=np.array([0, 0, 1, 0]),
            asked=np.array([False, False, True, True]),
            answers=np.array([0, 0, 1, 0]),
            probability=np.eye(2)[[0, 0, 1, 0]],
            free=np.array([0, 0, 0, 1]),
        )
        rows = [line.plain.rstrip() for line in symbol_lines(found, 40, 12, PALETTE)]
        assert found.score == "2 of 2 right · 0 alone"
        assert rows[3] == "network      2 1"
        assert rows[4] == "wrong"
        assert rows[5] == "alone        1 2"
        assert rows[6] == "wrong        × ×"

    def test_a_single_answer_is_a_word_that_ends_at_its_step(self) -> None:
        signs = Signs(("a", "X", "Y"), ("XX", "XY", "YX", "YY"), fillers=1)
        last = np.arange(5) == 4
        share = np.full((5, 4), 0.1)
        share[:, 2] = 0.7
        found = Symbols(
            signs, np.arange(1, 6), np.array([0, 1, 0, 2, 0]), last.astype(np.int64), last, 2 * last, share
        )
        rows = [line.plain for line in symbol_lines(found, 60, 16, PALETTE)]
        assert rows[1] == "in       a X a Y a"
        assert rows[2] == "target          XY"
        assert rows[3] == "network         YX"
        assert rows[4].rstrip() == "wrong            ×"
        assert [row[:5] for row in rows[7:11]] == ["p(XX)", "p(XY)", "p(YX)", "p(YY)"]
        assert found.score == "YX instead of XY"
        assert replace(found, targets=found.answers).score == "YX is right"
        assert replace(found, asked=np.zeros(5, np.bool_)).score == "this frame leaves out where it is asked"
        assert all(line.cell_length <= 17 for line in symbol_lines(found, 17, 4, PALETTE))

    def test_what_says_nothing_is_folded_in_any_task_of_symbols(self) -> None:
        signs = Signs(("a", "b", "X"), ("1", "2"), fillers=2)
        inputs = np.tile([0, 1], 50)
        inputs[[20, 70]] = 2
        asked = np.arange(100) == 99
        found = Symbols(
            signs, np.arange(1, 101), inputs, inputs // 2, asked, inputs // 2, np.full((100, 2), 0.5)
        )
        columns = folded(found, 40)
        assert len(columns) <= 40
        assert {20, 70, 99} <= set(columns)
        first = symbol_lines(found, 49, 6, PALETTE)[0].plain
        assert {"1", "21", "71", "100"} <= set(first.split())

    def test_in_ascii_blanks_are_dots(self) -> None:
        ascii_only = Palette(charset="ascii")
        inputs = np.array([1, 0, 0])
        found = Symbols(COPYING, np.arange(1, 4), inputs, inputs, inputs < 2, inputs, np.full((3, 3), 1 / 3))
        rows = [line.plain for line in symbol_lines(found, 60, 6, ascii_only)]
        assert rows[1] == "in       1 . ."
        assert plain(("·", "9", "Ā")) == (".", "9", "#")

    def test_the_padding_of_a_sequence_is_not_shown(self, moment: Moments) -> None:
        run = moment("order")
        found = symbols_of(run)
        assert found is not None
        assert run.snapshot.probe is not None
        length = run.snapshot.probe["lengths"][0]
        assert found.steps.tolist() == list(range(1, length + 1))
        assert np.flatnonzero(found.asked).tolist() == [length - 1]
        assert found.probability.shape == (length, 4)
        assert symbol_lines(found, 80, 6, PALETTE)[1].plain.endswith("B")

    def test_answers_that_are_asked_for_at_some_steps_are_shown_there(self, moment: Moments) -> None:
        found = symbols_of(moment("ahead"))
        assert found is not None
        right = int((found.answers == found.targets)[:9].sum())
        assert found.score == f"{right} of 9 right"
        rows = [line.plain for line in symbol_lines(found, 60, 6, PALETTE)]
        assert [len(row.split()) - 1 for row in rows[1:4]] == [12, 9, 9]

    @settings(suppress_health_check=FIXTURE, max_examples=60)
    @given(st.sampled_from(["copy", "order", "ahead"]), st.integers(20, 200), st.integers(1, 30))
    def test_symbols_fit_any_panel(self, moment: Moments, name: str, width: int, height: int) -> None:
        found = symbols_of(moment(name))
        assert found is not None
        lines = symbol_lines(found, width, height, PALETTE)
        assert len(lines) <= height
        assert all(line.cell_length <= width for line in lines)

    def test_a_prediction_stands_at_the_step_that_it_is_for(self, moment: Moments) -> None:
        run = moment("sine")
        probe, frame = run.snapshot.probe, run.snapshot.frame
        assert probe is not None
        assert frame is not None
        plot = forecast_plot(run)
        truth, network = plot.series
        x, y = np.asarray(truth.x), np.asarray(truth.y)
        assert x.tolist() == list(range(2, 42))
        # x_{t+1} is the next input.
        np.testing.assert_array_equal(y[:29], probe["inputs"][1:, 0, 0])
        np.testing.assert_array_equal(np.asarray(network.y)[30:], frame.tensors["forecast"][:, 0])
        assert [wall.x for wall in plot.walls] == [31.5]

    def test_what_is_no_forecast_stands_at_its_own_step(self, moment: Moments) -> None:
        run = moment("generate")
        assert run.snapshot.probe is not None
        plot = forecast_plot(run)
        for series in plot.series:
            assert np.asarray(series.x).tolist() == list(range(1, 21))
        np.testing.assert_array_equal(plot.series[0].y, run.snapshot.probe["targets"][:, 0, 0])
        assert plot.walls == ()
        assert plot.x_limits == (1, 20)
        assert forecast_words(run).plain.startswith("mse ")

    def test_where_little_is_asked_nothing_else_is_shown_but_what_came_in(self, moment: Moments) -> None:
        run = moment("timing")
        assert run.snapshot.probe is not None
        spikes = 1 + np.flatnonzero(run.snapshot.probe["inputs"][:, 0, 0])
        plot = forecast_plot(run)
        for series in plot.series:
            assert np.asarray(series.x).tolist() == spikes[1:].tolist()
        assert [wall.x for wall in plot.walls] == spikes[1:].tolist()


class TestStatus:
    @settings(suppress_health_check=FIXTURE, max_examples=80)
    @given(st.integers(1, 220), st.sampled_from(["training", "paused", "stopped", "finished", "diverged"]))
    def test_it_fits_any_width_and_keeps_the_state(self, moment: Moments, width: int, state: str) -> None:
        run = with_status(moment("adding"), state=state, rate=24_600.0)
        line = status_line(run, width, asked="pausing", rate_asked=0.02)
        assert line.cell_length <= width
        words = state_words(run)[0]
        if width >= len(words) + 15:
            assert words in line.plain

    def test_under_way_it_says_everything(self, moment: Moments) -> None:
        run = with_status(moment("adding"), state="training", step=60, steps=4060, rate=400.0)
        assert status_line(run, 160).plain.split("   ")[-6:] == [
            "● training",
            "step 60 of 4,060",
            "400 seq/s",
            "0:40 left",
            "lr 0.001",
            f"clipped {run.snapshot.metrics['train/clipped'].values.mean():.0%}".replace("%", " %"),
        ]

    def test_what_was_asked_for_is_said_until_it_is_done(self, moment: Moments) -> None:
        run = with_status(moment("adding"), state="training")
        line = status_line(run, 160, asked="pausing", rate_asked=0.00125).plain
        assert "● training · pausing …" in line
        assert "lr 0.001 → 0.00125" in line

    def test_a_claim_is_answered_when_the_run_is_over(self, moment: Moments) -> None:
        base = moment("adding")
        loss = base.snapshot.metrics["eval/loss"].last

        def claiming(**claim: Any) -> Moment:
            spec = base.snapshot.spec
            data = spec.model_dump(mode="json", exclude_none=True) | {"expect": [claim]}
            return replace(base, snapshot=replace(base.snapshot, spec=Spec.model_validate(data)))

        held = state_words(claiming(metric="eval/loss", below=100.0))[0]
        assert held == f"✓ finished: {loss:.4g}, below 100 as claimed"
        missed = state_words(claiming(metric="eval/loss", below=1e-9))[0]
        assert missed == f"✗ finished: {loss:.4g}, not below 1e-09 as claimed"
        assert state_words(claiming(state="diverged"))[0] == "✗ finished, claimed to end diverged"
        assert state_words(base)[0] == f"✓ finished: eval loss {loss:.4g}"

    def test_a_run_whose_learning_rate_was_turned_is_not_the_one_that_was_claimed(
        self, moment: Moments
    ) -> None:
        base = moment("adding")
        data = base.snapshot.spec.model_dump(mode="json", exclude_none=True)
        spec = Spec.model_validate(data | {"expect": [{"metric": "eval/loss", "below": 100.0}]})
        change = {"event": "changed", "step": 3, "time": 0.0, "field": "training.optimizer.lr", "value": 0.5}
        snapshot = replace(base.snapshot, spec=spec, events=(*base.snapshot.events, change))
        turned = replace(base, snapshot=snapshot)
        assert "claimed" not in state_words(turned)[0]
        assert turned.learning_rate == 0.5

    def test_a_run_stopped_early_says_where_and_why(self, moment: Moments) -> None:
        run = moment("early")
        assert "✓ finished" in status_line(run, 160).plain
        assert "15 of 60 steps" in status_line(run, 160).plain
        (words,) = troubles(run)
        assert words.startswith("stopped early at step 15: eval/loss has not improved for 2 evaluations")

    def test_under_a_schedule_it_gives_the_learning_rate_in_force_and_the_one_it_started_from(
        self, moment: Moments
    ) -> None:
        assert "lr 6.1e-35 of 1e-30" in status_line(moment("early"), 160).plain

    def test_figures_give_way_before_the_short_name(self, moment: Moments) -> None:
        run = with_status(moment("adding"), state="finished", steps=2000)
        state = state_words(run)[0]
        for width in range(len("adding · lstm 4") + 2 + len(state), 161):
            line = status_line(run, width).plain
            assert line.startswith("adding · lstm 4 ")
            assert state in line
        assert "2,000 steps" in status_line(run, 160).plain
        assert status_line(run, len(state) + 16).plain == state

    @pytest.mark.parametrize("state", ["paused", "stopped"])
    def test_where_it_stands_is_one_phrase(self, moment: Moments, state: str) -> None:
        run = with_status(moment("adding"), state=state, step=60, steps=300)
        assert f"{state} at 60 of 300" in status_line(run, 120).plain
        assert status_line(run, 120).plain.count("of 300") == 1

    def test_to_diverge_as_claimed_is_a_success(self, moment: Moments) -> None:
        base = moment("exploding")
        plain, style = state_words(base)
        assert style == "$error"
        data = base.snapshot.spec.model_dump(mode="json", exclude_none=True)
        spec = Spec.model_validate(data | {"expect": [{"state": "diverged"}]})
        words, style = state_words(replace(base, snapshot=replace(base.snapshot, spec=spec)))
        what, why = plain.removeprefix("✗ ").split(": ")
        assert (words, style) == (f"✓ {what}, as claimed: {why}", "$success")

    def test_a_diverged_run_says_where_and_what_is_left(self, moment: Moments) -> None:
        words = state_words(moment("exploding"))[0]
        assert words.startswith("✗ diverged at step ")
        assert "checkpoint" in words

    def test_a_worker_that_was_seen_to_die_is_lost_at_once(self, moment: Moments) -> None:
        snapshot = with_status(moment("adding"), state="training").snapshot
        assert state_words(observe(snapshot, Hearsay(exit_code=-9)))[0].startswith(
            "? lost: the worker was killed by signal 9"
        )
        assert observe(snapshot, Hearsay()).state == "training"
        assert observe(moment("adding").snapshot, Hearsay(exit_code=0)).state == "finished"

    @pytest.mark.parametrize(
        ("seconds", "words"), [(0, "0:00"), (4.4, "0:04"), (3725, "1:02:05"), (600_000, "7 days")]
    )
    def test_time_left_is_written_as_a_clock(self, seconds: float, words: str) -> None:
        assert clock(seconds) == words

    @pytest.mark.parametrize(
        ("seconds", "words"), [(8, "8 s"), (125, "2 min"), (9000, "2 h"), (400_000, "5 days")]
    )
    def test_time_gone_by_is_written_roughly(self, seconds: float, words: str) -> None:
        assert ago(seconds) == words


class TestMoment:
    @pytest.mark.parametrize(
        ("events", "state", "words"),
        [
            ([("importing", 10.0)], "importing", "importing numba 0.4 s"),
            ([("importing", 8.0), ("compiling", 9.0)], "compiling", "compiling lstm 1.4 s"),
            ([("compiling", 9.0), ("compiled", 10.2)], "compiling", "measuring the rungs 0.2 s"),
            ([], "training", ""),
        ],
    )
    def test_it_says_what_the_worker_does_and_for_how_long(
        self, moment: Moments, events: list[tuple[str, float]], state: str, words: str
    ) -> None:
        snapshot = with_status(moment("adding"), state=state).snapshot
        told = tuple({"event": event, "time": at, "step": 0} for event, at in events)
        assert observe(replace(snapshot, events=told), now=10.4).doing == words

    def test_before_the_run_it_says_what_the_worker_was_heard_to_do(self, moment: Moments) -> None:
        snapshot = with_status(moment("adding"), state="starting", heartbeat=10.0).snapshot
        assert (
            observe(snapshot, Hearsay(None, "importing", "", 0.4), now=11.0).doing == "importing numba 0.4 s"
        )
        assert (
            observe(snapshot, Hearsay(None, "compiling", "gru", 2.1), now=11.0).doing == "compiling gru 2.1 s"
        )
        assert observe(snapshot, now=11.0).doing == "starting a worker 1.0 s"

    def test_a_change_made_before_a_resume_acts_again_from_its_step_unless_another_was_made_since(
        self, moment: Moments
    ) -> None:
        base = moment("adding")
        change = {"event": "changed", "time": 0.0, "field": "training.optimizer.lr"}
        before, resumed = {**change, "step": 50, "value": 0.5}, {"event": "resumed", "time": 0.0, "step": 15}
        since = {**change, "step": 20, "value": 0.2}
        losses = base.snapshot.metrics["train/loss"]

        def rate(step: int, *events: Any) -> float:
            rows = MappingProxyType({"train/loss": Series(losses.steps[:step], losses.values[:step])})
            status = replace(base.snapshot.status, step=step, state="training")
            snapshot = replace(base.snapshot, events=events, metrics=rows, status=status)
            return replace(base, snapshot=snapshot).learning_rate

        at_first = small().training.optimizer.lr
        assert [rate(step, before, resumed) for step in (30, 55)] == [at_first, 0.5]
        assert [rate(step, before, resumed, since) for step in (18, 30, 55)] == [0.2, 0.2, 0.2]


@given(st.floats(1e-8, 100.0), st.sampled_from([-1, 1]))
def test_a_learning_rate_goes_by_about_a_quarter_to_a_round_one(rate: float, by: int) -> None:
    after = next_rate(rate, by)
    assert 1.005 < (after / rate) ** by < 1.6
    assert next_rate(next_rate(after, by), -by) == pytest.approx(after)
    assert float(f"{after:.3g}") == after


@given(
    st.lists(st.text("ab ", min_size=1, max_size=80).map(str.strip).filter(bool), max_size=3),
    st.integers(1, 60),
)
def test_only_whole_sentences_are_said(sentences: list[str], width: int) -> None:
    words = fitted(sentences, width, 2)
    assert words in {" ".join(sentences[:count]) for count in range(len(sentences) + 1)}
    assert bool(words) == bool(sentences)


class TestLastWords:
    def lost(self, moment: Moments, tmp_path: Path, log: str) -> Moment:
        """A run whose worker died with this in its log."""
        folder = tmp_path / "run"
        shutil.copytree(moment("adding").snapshot.folder, folder)
        status = json.loads((folder / "status.json").read_text())
        (folder / "status.json").write_text(json.dumps({**status, "state": "failed", "message": "it broke"}))
        (folder / "worker.log").write_text(log)
        return look(RunReader(folder), None, None)

    def test_they_are_read_with_the_run_and_not_by_what_is_drawn(
        self, moment: Moments, tmp_path: Path
    ) -> None:
        run = self.lost(moment, tmp_path, "one\n\ntwo\n")
        assert run.log == ("one", "two")
        shutil.rmtree(run.snapshot.folder)
        assert troubles(run)[-3:] == ["the end of worker.log:", "one", "two"]
        assert "(worker.log: two)" in state_words(replace(run, state="lost"))[0]

    def test_a_run_that_goes_well_has_none(self, moment: Moments) -> None:
        run = look(RunReader(moment("adding").snapshot.folder), None, None)
        assert (run.log, run.stderr) == ((), ())

    @pytest.mark.parametrize(
        ("stderr", "log", "told"),
        [
            ((), (), ["worker.log is empty"]),
            (("gone",), (), ["gone"]),
            ((), ("gone",), []),
            (("gone",), ("gone",), []),
            (("first", "gone"), ("gone",), ["first"]),
            ((), ("gone", "for good"), ["the end of worker.log:", "gone", "for good"]),
        ],
    )
    def test_each_line_is_said_once(
        self, moment: Moments, stderr: tuple[str, ...], log: tuple[str, ...], told: list[str]
    ) -> None:
        run = replace(with_status(moment("adding"), state="lost", message=""), stderr=stderr, log=log)
        assert troubles(run) == told


class TestStrips:
    def test_before_the_first_evaluation_it_gives_the_train_loss(self, moment: Moments) -> None:
        base = moment("adding")
        metrics = {name: found for name, found in base.snapshot.metrics.items() if name != "eval/loss"}
        run = replace(base, snapshot=replace(base.snapshot, metrics=MappingProxyType(metrics)))
        panel = LossPanel()
        panel.plot.palette = PALETTE
        line = panel.strip(run, 60).plain
        assert line.endswith(f"  train {number(metrics['train/loss'].last)}")
        assert "eval" not in line
        assert len(line) == 60
        assert "  eval " in panel.strip(base, 60).plain

    def test_before_the_first_score_it_gives_the_error_and_when_there_is_one(self, moment: Moments) -> None:
        base = moment("sine")
        snapshot = replace(base.snapshot, metrics=MappingProxyType({}))
        run = with_status(replace(base, snapshot=snapshot), state="training")
        probe, outputs = snapshot.probe, run.tensor("outputs")
        assert probe is not None
        assert outputs is not None
        off = np.mean((outputs.astype(np.float64) - probe["targets"][:, 0]) ** 2)
        every = snapshot.spec.training.eval_every
        one_ahead = f"one step ahead, mse {number(float(off))} on this sequence"
        assert ProbePanel().strip(run, 90).plain == f"{one_ahead} · first forecast score at step {every}"
        over = with_status(run, state="stopped")
        assert ProbePanel().strip(over, 90).plain == one_ahead
        assert "free forecast, mse " in ProbePanel().strip(base, 90).plain

    def test_states_that_overflow_have_a_mean_all_the_same(self, moment: Moments) -> None:
        run = with_frame(
            moment("adding"), **{"state/h": np.full((20, 4), 3e38), "state/c": np.full((20, 4), -np.inf)}
        )
        panel = GatesPanel()
        panel.map.palette = PALETTE
        words = panel.strip(run, 120).plain
        assert "c -∞" in words
        assert f"h {number(3e38)}" in words

    def test_one_unit_is_not_several(self) -> None:
        assert counted(1) == "1 unit"
        assert counted(4096) == "4,096 units"

    def test_without_its_file_the_probe_is_said_to_be_missing(self, moment: Moments) -> None:
        base = moment("adding")
        run = replace(base, snapshot=replace(base.snapshot, probe=None))
        words = "probe.safetensors is missing or damaged"
        assert gradient_plot(run, 0, PALETTE).empty == words
        assert GradientPanel().strip(run, 60).plain == words
        assert ProbePanel().strip(run, 60).plain == words
        early = with_status(replace(run, snapshot=replace(run.snapshot, frame=None)), state="compiling")
        assert words not in ProbePanel().strip(early, 60).plain


def test_commands_are_sent_in_order_and_what_cannot_be_sent_is_said(moment: Moments, tmp_path: Path) -> None:
    said: list[str] = []
    run = with_status(moment("adding"), state="training")
    (tmp_path / "control").mkdir()
    steering = Steering(tmp_path, lambda words, _: said.append(words))
    assert steering.step(run)
    assert steering.rate(run, 1)
    steering.close()
    steering._writer.shutdown()
    sent = [command.command for command in control.Inbox(tmp_path, 0).poll()]
    assert sent == ["pause", "step", "set"]

    gone = Steering(tmp_path / "gone", lambda words, _: said.append(words))
    assert gone.pause(run)
    assert gone.asked == "pausing"
    gone._writer.shutdown()
    gone.follow(run)
    assert gone.asked == ""
    assert "there is no such folder" in said[-1]


def test_wishes_are_settled_though_others_wish_otherwise_meanwhile(moment: Moments, tmp_path: Path) -> None:
    (tmp_path / "control").mkdir()
    run = with_status(moment("adding"), state="training")
    steering = Steering(tmp_path, lambda words, _: None)
    steering.follow(run)

    def happens(run: Moment, event: str, **fields: Any) -> Moment:
        events = (*run.snapshot.events, {"event": event, "time": 0.0, "step": 60, **fields})
        return replace(run, snapshot=replace(run.snapshot, events=events))

    assert steering.change(run, {LIMIT: 0.5})
    run = happens(run, "refused", command="set", field="training.eval_sequences", why="another lab's")
    steering.follow(run)
    assert steering.values_asked == {LIMIT: 0.5}
    run = happens(happens(run, "changed", field=LIMIT, value=0.5), "changed", field=LIMIT, value=0.25)
    steering.follow(run)
    assert not steering.waits

    assert steering.pause(run)
    assert steering.pause(run)
    assert steering.asked == "going on"
    run = with_status(happens(run, "paused"), state="paused")
    steering.follow(run)
    assert steering.asked == "going on"  # the pause alone was obeyed
    steering.follow(happens(run, "continued"))
    assert not steering.waits
    steering.close()


def test_pausing_and_going_on_at_once_is_not_asked_for_for_ever(
    moment: Moments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "control").mkdir()
    run = with_status(moment("adding"), state="training")
    steering = Steering(tmp_path, lambda words, _: None)
    assert steering.pause(run)
    assert steering.pause(run)
    steering.follow(run)
    assert steering.asked == "going on"
    monkeypatch.setattr("seqlab.tui.panels.steering.PATIENCE", -1.0)
    steering.follow(run)
    assert not steering.waits
    steering.close()


def test_help_begins_with_what_the_run_is_about_and_claims(moment: Moments) -> None:
    base = moment("adding")
    data = base.snapshot.spec.model_dump(mode="json", exclude_none=True) | {
        "title": "two numbers",
        "about": "\nWatch the\nloss.\n\nThen the gates.\n",
        "expect": [{"metric": "eval/loss", "below": 0.01, "why": "it learns"}],
    }
    run = replace(base, snapshot=replace(base.snapshot, spec=Spec.model_validate(data)))
    claim = run.snapshot.spec.expect[0].in_words()
    assert help_text(run).startswith(
        f"Two numbers\nWatch the loss.\nThen the gates.\nClaimed:\n  {claim}: it learns\nLoss: "
    )
    assert help_text(base).startswith("Loss: ")


def test_help_says_that_credit_has_a_scale_of_its_own() -> None:
    assert "not divided by the number of losses" in help_text(None)


def test_help_gives_the_rungs_by_formula_and_as_measured(moment: Moments) -> None:
    run = moment("adding")
    words = help_text(run)
    for rung in run.snapshot.rungs:
        assert f"{rung.label}: " in words
    assert "0.1667, measured " in words
    assert "measured " not in help_text(None).replace("as measured", "")


def test_a_run_on_another_machine_may_lag(moment: Callable[[str], Moment]) -> None:
    run = moment("adding")
    away = replace(run.snapshot.status, host="far\x1b[2Jaway", state="training")
    elsewhere = replace(run, state="training", snapshot=replace(run.snapshot, status=away))
    line = status_line(elsewhere, 200).plain
    assert r"on far\x1b[2Jaway, may lag" in line
    assert "may lag" not in status_line(replace(run, state="training"), 200).plain
