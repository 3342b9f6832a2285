"""Going back and forth in time: what keys wish for, and what the lab then shows."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seqlab.runs.frames import read_frame
from seqlab.runs.layout import FRAMES, create_run, numbered
from seqlab.runs.reader import RunReader
from seqlab.runs.tensors import Tensors
from seqlab.tui.palette import Palette
from seqlab.tui.panels.base import Line
from seqlab.tui.panels.loss import LossPanel, loss_plot
from seqlab.tui.panels.moment import Moment, Wanted, look
from seqlab.tui.panels.status import status_line
from seqlab.tui.panels.travel import Travel
from seqlab.tui.panels.voice import voice
from seqlab.tui.screens.lab import LabScreen
from seqlab.tui.widgets.axes import number
from tests.conftest import small
from tests.tui.conftest import Begin, Finished
from tests.tui.labs import lab, state, text
from tests.tui.waiting import until

Moments = Callable[[str], Moment]
FIXTURE = [HealthCheck.function_scoped_fixture]


def keeping(moment: Moment, *steps: int) -> Moment:
    """The moment of a run that keeps frames of these steps, and shows step 60."""
    return replace(moment, snapshot=replace(moment.snapshot, kept=steps))


def at(moment: Moment, step: int) -> Moment:
    """The moment with the kept frame of a step chosen."""
    path = moment.snapshot.folder / FRAMES / numbered(step)
    return replace(moment, chosen=read_frame(path))


class TestWishes:
    def test_keys_go_back_and_on_by_kept_frames_and_stop_at_both_ends(self, moment: Moments) -> None:
        run, travel = keeping(moment("adding"), 0, 10, 20, 40, 60), Travel()
        assert not travel.scrub(run, 1)
        for step in (40, 20, 10, 0):
            assert travel.scrub(run, -1)
            assert travel.wanted == Wanted(step, -1)
        assert not travel.scrub(run, -1)
        for step in (10, 20, 40):
            assert travel.scrub(run, 1)
            assert travel.wanted == Wanted(step, 1)
        assert travel.scrub(run, 1)
        assert travel.wanted is None  # the newest frame is the present

    def test_ten_at_a_time_home_and_end(self, moment: Moments) -> None:
        run, travel = keeping(moment("adding"), *range(0, 61, 4)), Travel()
        travel.scrub(run, -10)
        assert travel.wanted == Wanted(20, -1)
        travel.scrub(run, -10)
        assert travel.wanted == Wanted(0, -1)
        travel.scrub(run, 10)
        assert travel.wanted == Wanted(40, 1)
        assert travel.first(run)
        assert travel.wanted == Wanted(0, 1)
        assert travel.live()
        assert travel.wanted is None
        assert not travel.live()

    def test_from_a_frame_that_was_thinned_out_it_goes_to_those_that_are_kept(self, moment: Moments) -> None:
        travel = Travel()
        travel.scrub(keeping(moment("adding"), 0, 10, 20, 30, 60), -1)
        thinned = keeping(moment("adding"), 0, 20, 40, 60)
        for by, step in ((-1, 20), (1, 40)):
            travel.wanted = Wanted(30, -1)
            travel.scrub(thinned, by)
            assert travel.wanted == Wanted(step, by)

    def test_without_kept_frames_there_is_nowhere_to_go(self, moment: Moments) -> None:
        travel = Travel()
        for run in (keeping(moment("adding")), keeping(moment("adding"), 60)):
            assert not travel.scrub(run, -1)
            assert not travel.first(run)

    @settings(max_examples=60, suppress_health_check=FIXTURE)
    @given(st.sets(st.integers(0, 70)), st.lists(st.sampled_from([-10, -1, 1, 10, "first"]), max_size=20))
    def test_a_wish_is_always_for_a_kept_frame_before_the_newest(
        self, moment: Moments, steps: set[int], keys: list[int | str]
    ) -> None:
        run, travel = keeping(moment("adding"), *sorted(steps)), Travel()
        for key in keys:
            before = travel.wanted
            moved = travel.scrub(run, key) if isinstance(key, int) else travel.first(run)
            assert moved == (travel.wanted != before)
            if travel.wanted is not None:
                assert travel.wanted.step in steps
                assert travel.wanted.step < 60

    def test_where_a_wish_led_is_where_the_next_one_counts_from(self, moment: Moments) -> None:
        run, travel = keeping(moment("adding"), 0, 10, 20, 60), Travel()
        travel.scrub(run, -1)
        travel.landed(travel.wanted, at(run, 10))  # 20 could not be read
        assert travel.wanted == Wanted(10, -1)
        overtaken = Wanted(10, -1)
        travel.landed(overtaken, at(run, 0))
        assert travel.wanted == Wanted(10, -1)
        travel.landed(travel.wanted, run)
        assert travel.wanted is None

    def test_a_look_reads_the_frame_and_the_run_goes_on(self, finished: Finished) -> None:
        reader = RunReader(finished("adding"))
        seen = look(reader, None, None, Wanted(20, -1))
        assert seen.chosen is not None
        assert (seen.at, seen.frame_step, seen.step, seen.state) == (20, 20, 60, "finished")
        assert seen.live.frame_step == seen.live.at == 60


class TestWhatIsShown:
    def test_metrics_end_at_the_step_and_the_loss_curve_does_not(self, moment: Moments) -> None:
        run = at(moment("adding"), 25)
        eval_loss = run.metric("eval/loss")
        assert eval_loss is not None
        assert eval_loss.steps.tolist() == [10, 20]
        assert at(moment("adding"), 5).metric("eval/loss") is None
        plot = loss_plot(run, log=False)
        assert [np.asarray(series.x)[-1] for series in plot.series] == [60, 60]
        assert plot.cursor == 25
        assert loss_plot(run.live, log=False).cursor is None

    def test_the_strip_and_the_voice_tell_of_the_losses_until_then(self, moment: Moments) -> None:
        run = at(moment("adding"), 20)
        whole, panel = run.snapshot.metrics["eval/loss"], LossPanel()
        panel.plot.palette = Palette()
        assert f"  eval {number(whole.at(20))}" in panel.strip(run, 60).plain
        assert f"  eval {number(whole.last)}" in panel.strip(run.live, 60).plain
        cut = {**run.snapshot.metrics, "eval/loss": run.metric("eval/loss")}
        then = replace(run.live, snapshot=replace(run.snapshot, metrics=cut, frame=run.chosen))
        assert voice(run) == voice(then)

    @pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
    def test_the_status_says_the_step_first_and_what_the_run_does_where_there_is_room(
        self, moment: Moments, width: int
    ) -> None:
        line = status_line(at(moment("adding"), 20), width).plain
        assert "◀ step 20 of 60" in line
        assert len(line) <= width
        assert ("end is live" in line) == (width >= 60)
        assert width < 120 or "   ✓ finished   lr 0.001" in line

    def test_while_it_trains_the_status_says_how_far_the_run_is(self, moment: Moments) -> None:
        run = at(replace(moment("adding"), state="training"), 20)
        elsewhere = replace(run.snapshot, status=replace(run.snapshot.status, host="far"))
        assert "on far, may lag" in status_line(replace(run, snapshot=elsewhere), 160).plain
        assert "may lag" not in status_line(run, 160).plain
        assert "b is live" in status_line(run, 160, live="b").plain
        assert "● training at 60" in status_line(run, 160).plain
        assert ", lr → 0.002" in status_line(run, 160, "", 0.002).plain

    def test_what_was_changed_since_is_not_in_force_then(self, moment: Moments) -> None:
        base = moment("adding")
        fields = {"training.optimizer.lr": 0.5, "training.truncation": 10}
        events = [
            {"time": 0.0, "step": 31, "event": "changed", "field": field, "value": value}
            for field, value in fields.items()
        ]
        changed = replace(base, snapshot=replace(base.snapshot, events=(*base.snapshot.events, *events)))
        for step, rate, truncation in ((30, 0.001, 5), (31, 0.5, 10)):
            run = at(changed, step)
            assert (run.learning_rate, run.truncation) == (rate, truncation)
            assert f"lr {rate}" in status_line(run, 120).plain
            assert f"truncation {truncation} of 20" in status_line(run, 120).plain


class TestInTheLab:
    async def test_every_panel_and_strip_shows_the_step_and_end_is_live_again(
        self, finished: Finished
    ) -> None:
        folder = finished("adding")
        async with lab(folder) as (pilot, screen):
            newest = pictures(screen)
            for key, step in (
                ("left", 59),
                ("shift+left", 49),
                ("home", 0),
                ("right", 1),
                ("shift+right", 11),
            ):
                await pilot.press(key)
                await until(pilot, lambda step=step: shows(screen, step))
                frame = read_frame(folder / FRAMES / numbered(step))
                await until(pilot, lambda frame=frame: drawn(screen, frame.tensors))
                await until(pilot, lambda step=step: f"◀ step {step} of 60" in text(screen.status))
            loss = RunReader(folder).poll().metrics["train/loss"].at(11)
            await until(pilot, lambda: f"train {number(loss)} " in text(screen.loss).splitlines()[0])
            await until(pilot, lambda: "│" in "".join(row[6:-1] for row in text(screen.loss).splitlines()))
            await until(pilot, lambda: text(screen.probe) != newest[3])
            await pilot.press("end")
            # Where the words of the loss stand has to do with what stood there before.
            await until(pilot, lambda: pictures(screen)[1:] == newest[1:])
            assert screen.loss.plot.data.cursor is None
            await until(pilot, lambda: "◀" not in text(screen.status))
            await pilot.resize_terminal(80, 24)
            await until(pilot, lambda: all(text(line).strip() for line in strips(screen)))
            newest = [text(line) for line in strips(screen)]
            await pilot.press("home")
            await until(pilot, lambda: "◀ step 0 of 60" in text(screen.status))
            await until(
                pilot,
                lambda: all(text(line) != was for line, was in zip(strips(screen), newest, strict=True)),
            )

    async def test_a_held_key_gets_where_it_says_and_on_the_map_arrows_move_its_cursor(
        self, finished: Finished, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read: list[int] = []
        near = RunReader.frame_near

        def counted(self: RunReader, step: int, towards: int) -> object:
            read.append(step)
            return near(self, step, towards)

        monkeypatch.setattr(RunReader, "frame_near", counted)
        async with lab(finished("adding")) as (pilot, screen):
            for _ in range(30):  # before the lab comes to look
                screen.action_scrub(-1)
            await until(pilot, lambda: shows(screen, 30))
            assert set(read) == {30}  # and none on the way
            await pilot.press("3")
            await until(pilot, lambda: screen.gates.map.has_focus)
            await pilot.press("right", "right", "left", "end", "home", "right")
            await until(pilot, lambda: "unit 1, step 2: " in text(screen.gates))
            assert shows(screen, 30)

    async def test_in_a_copy_whose_frames_are_damaged_they_are_passed_over_and_named(
        self, finished: Finished, tmp_path: Path
    ) -> None:
        folder = tmp_path / "copy"
        shutil.copytree(finished("adding"), folder)
        for step in (57, 58):
            (folder / FRAMES / numbered(step)).write_bytes(b"torn")
        async with lab(folder) as (pilot, screen):
            await pilot.press("left")
            await until(pilot, lambda: shows(screen, 59))
            await pilot.press("left")
            await until(pilot, lambda: shows(screen, 56))
            await until(pilot, lambda: numbered(58) in text(screen.trouble))
            await pilot.press("right")
            await until(pilot, lambda: shows(screen, 59))

    async def test_while_it_trains_what_is_shown_stays_though_its_frame_is_thinned_out(
        self, begin: Begin
    ) -> None:
        spec = small(steps=100_000_000, frame_every=5, eval_every=10**4, checkpoint_every=10**6)
        folder, worker = begin(spec)
        async with lab(folder, worker) as (pilot, screen):
            await until(pilot, lambda: len(kept(screen)) > 3)
            await pilot.press("space")
            await until(pilot, lambda: state(screen) == "paused")
            _, second, *_ = kept(screen)
            await pilot.press("home", "right")
            await until(pilot, lambda: shows(screen, second))
            await pilot.press("space")
            await until(pilot, lambda: second not in kept(screen))
            assert not (folder / FRAMES / numbered(second)).exists()
            assert shows(screen, second)
            assert f"◀ step {second:,} of" in text(screen.status)
            await pilot.press("space")
            await until(pilot, lambda: state(screen) == "paused")
            _, following, *_ = kept(screen)
            await pilot.press("right")
            await until(pilot, lambda: shows(screen, following))

    async def test_before_a_frame_is_kept_it_says_so(self, tmp_path: Path) -> None:
        async with lab(create_run(small(), tmp_path)) as (pilot, screen):
            await pilot.press("left")
            await until(pilot, lambda: [each.message for each in screen.app._notifications])
            assert "no frame is kept yet" in next(iter(screen.app._notifications)).message


def shows(screen: LabScreen, step: int) -> bool:
    """Whether the step has come to the screen."""
    return screen.moment is not None and screen.moment.chosen is not None and screen.moment.at == step


def drawn(screen: LabScreen, tensors: Tensors) -> bool:
    """Whether gradient and gates are those of a frame."""
    gradient, values = np.asarray(screen.gradient.plot.data.series[-1].y), screen.gates.map.values
    same = np.array_equal(gradient, tensors["layer0/gradient"][-len(gradient) :])
    return same and np.array_equal(values, tensors["layer0/state/i"].T)


def kept(screen: LabScreen) -> tuple[int, ...]:
    return () if screen.moment is None else screen.moment.snapshot.kept


def strips(screen: LabScreen) -> tuple[Line, ...]:
    """The lines of the panels that are not in sight."""
    return screen.strips.lines[1:]


def pictures(screen: LabScreen) -> list[str]:
    return [text(panel) for panel in screen.panels]
