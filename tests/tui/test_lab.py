"""The lab on real runs: what it shows at any size, what its keys do, and what it survives."""

from __future__ import annotations

import shutil
import threading
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from rich.style import Style
from textual.widget import Widget
from textual.widgets._footer import FooterKey

from seqlab.runs import control
from seqlab.runs.launch import Worker
from seqlab.runs.layout import RunError, create_run
from seqlab.runs.reader import RunReader
from seqlab.settings import Settings
from seqlab.tui import themes
from seqlab.tui.app import LabApp
from seqlab.tui.palette import Palette
from seqlab.tui.panels.base import Panel
from seqlab.tui.screens.lab import LabScreen
from seqlab.tui.screens.setup import SetupScreen
from seqlab.tui.screens.steer import SteerScreen
from tests.conftest import small
from tests.tui.conftest import Begin, Finished
from tests.tui.labs import FOUR, ONE, lab, picture, state, text, toasts
from tests.tui.waiting import until


def hex_of(style: Style) -> str:
    assert style.color is not None
    return style.color.get_truecolor().hex


def dimmed(screen: LabScreen) -> set[str]:
    """The actions that the footer shows as out of order."""
    return {key.action for key in screen.query(FooterKey) if key.has_class("-disabled")}


def shown(screen: LabScreen) -> list[Widget]:
    """The parts of the screen that are in sight."""
    parts = [
        screen.status,
        *screen.panels,
        *screen.strips.lines,
        screen.trouble,
        screen.voice,
        *screen.query("Footer"),
    ]
    return [
        part for part in parts if part.region and all(node.display for node in part.ancestors_with_self[:-1])
    ]


def panels_in_sight(screen: LabScreen) -> list[Widget]:
    return [part for part in shown(screen) if isinstance(part, Panel)]


class TestLayout:
    @pytest.mark.parametrize("name", ["adding", "reverse"])
    async def test_everything_has_its_place_at_any_size(self, finished: Finished, name: str) -> None:
        async with lab(finished(name), size=(200, 60)) as (pilot, screen):
            sizes = ((200, 60), (60, 15), (120, 36), (80, 24), (100, 30))
            for size in sizes if name == "adding" else sizes[1:4]:
                await pilot.resize_terminal(*size)
                four = size[0] >= 100 and size[1] >= 30
                await until(pilot, lambda size=size: screen.size == size)
                await until(pilot, lambda four=four: len(panels_in_sight(screen)) == (4 if four else 1))
                await until(pilot, lambda: all(text(part).strip() for part in shown(screen)))
                for one, other in combinations(shown(screen), 2):
                    assert not one.region.overlaps(other.region), (size, one, other)
                assert all(part.region in screen.region for part in shown(screen))
                assert screen.max_scroll_x == screen.query_one("Footer").max_scroll_x == 0
                assert "of another run" not in text(screen.trouble)
                strips = [part for part in shown(screen) if part in screen.strips.lines]
                assert [part.size.height for part in strips] == ([] if four else [1, 1, 1])

    async def test_below_60_by_15_a_line_says_so_and_it_comes_back(self, finished: Finished) -> None:
        async with lab(finished("adding"), size=(59, 14)) as (pilot, screen):
            assert "59×14 is too small: 60×15 at least" in picture(screen)
            assert "Loss" not in picture(screen)
            for size in ((60, 15), (200, 60), (80, 24), (120, 36)):
                await pilot.resize_terminal(*size)
                await until(pilot, lambda: "Loss" in picture(screen))
                assert "too small" not in picture(screen)

    async def test_digits_choose_the_large_panel(self, finished: Finished) -> None:
        async with lab(finished("copy"), size=ONE) as (pilot, screen):
            for digit, title in (("2", "Gradient"), ("3", "Input gate"), ("4", "Probe"), ("1", "Loss")):
                await pilot.press(digit)
                await until(pilot, lambda digit=digit: screen.panels[int(digit) - 1].has_focus_within)
                await until(pilot, lambda title=title: title in picture(screen))
                assert [panel.number for panel in screen.panels if panel in shown(screen)] == [int(digit)]
                beside = picture(screen).splitlines()
                assert all(
                    any(f" {panel.number} {panel.label} " in line for line in beside)
                    for panel in screen.panels
                    if panel.number != int(digit)
                )

    async def test_m_gives_one_panel_all_the_room_and_takes_it_back(self, finished: Finished) -> None:
        async with lab(finished("adding")) as (pilot, screen):
            await pilot.press("2", "m")
            await until(pilot, lambda: screen.gradient.size.width > 100)
            assert panels_in_sight(screen) == [screen.gradient]
            await pilot.press("m")
            await until(pilot, lambda: len(panels_in_sight(screen)) == 4)


class TestPanels:
    async def test_the_loss_is_named_and_its_axis_switched(self, finished: Finished) -> None:
        async with lab(finished("adding")) as (pilot, screen):
            assert "Loss (mse" in text(screen.loss)
            assert "constant 1 0.1667" in text(screen.loss)
            assert "log" in text(screen.loss).splitlines()[0]
            await pilot.press("y")
            await until(pilot, lambda: "linear" in text(screen.loss).splitlines()[0])
            assert not screen.loss.plot.data.log

    async def test_the_gradient_ends_at_its_wall(self, finished: Finished) -> None:
        async with lab(finished("adding")) as (_, screen):
            seen = text(screen.gradient)
            assert "no gradient" in seen
            assert "wall 15" in seen
            assert "The gradient ends at the wall at 15: 15 of 20 steps get none" in text(screen.voice)

    async def test_g_goes_through_the_gates_and_back(self, finished: Finished) -> None:
        async with lab(finished("adding")) as (pilot, screen):
            assert "Input gate i" in text(screen.gates)
            assert (screen.gates.map.scale.low, screen.gates.map.scale.high) == (0, 1)
            await pilot.press("g")
            await until(pilot, lambda: "Forget gate f" in text(screen.gates))
            await pilot.press("G", "G")
            await until(pilot, lambda: "Output state h" in text(screen.gates))
            assert (screen.gates.map.scale.low, screen.gates.map.scale.high) == (-1, 1)

    async def test_l_goes_through_the_layers(self, finished: Finished) -> None:
        async with lab(finished("sine")) as (pilot, screen):
            frame = RunReader(finished("sine")).poll().frame
            assert frame is not None
            assert "layer 1 of 2" in text(screen.gates)
            await pilot.press("l")
            await until(pilot, lambda: "layer 2 of 2" in text(screen.gates))
            assert (screen.gates.map.values == frame.tensors["layer1/state/r"].T).all()

    async def test_the_cursor_says_unit_step_and_value(self, finished: Finished) -> None:
        async with lab(finished("adding")) as (pilot, screen):
            await pilot.press("3", "right", "right", "down")
            await until(pilot, lambda: "unit 2, step 3: " in text(screen.gates))
            value = screen.gates.map.values[1, 2]
            assert f"unit 2, step 3: {value:.4g}"[:22] in text(screen.gates)

    async def test_a_decoder_shows_what_it_looks_at_and_what_it_says_alone(self, finished: Finished) -> None:
        async with lab(finished("reverse"), size=(200, 60)) as (pilot, screen):
            assert "decoder" in text(screen.gradient)
            seen = text(screen.probe)
            assert "of 5 right · " in seen
            assert "alone   " in seen
            await pilot.press("l", "G")
            await until(pilot, lambda: "Attention ‹g›" in text(screen.gates))
            assert "5 encoder steps" in text(screen.gates)
            frame = RunReader(finished("reverse")).poll().frame
            assert frame is not None
            assert (screen.gates.map.values == frame.tensors["layer1/state/attention"].T).all()
            await pilot.press("l")
            await until(pilot, lambda: "layer 1 of 2" in text(screen.gates))
            assert "Attention" not in text(screen.gates)

    async def test_bits_are_read_from_their_logit_and_without_memory_none_is_late(
        self, finished: Finished
    ) -> None:
        async with lab(finished("parity"), size=(120, 40)) as (_, screen):
            seen = text(screen.probe)
            assert "of 9 right" in seen
            assert "p(1)" in seen
            assert "no gradient" not in text(screen.gradient)

    async def test_copy_shows_symbols_row_by_row(self, finished: Finished) -> None:
        async with lab(finished("copy")) as (_, screen):
            seen = text(screen.probe)
            assert all(row in seen for row in ("in ", "target ", "network ", "wrong ", "p(right)"))
            assert "of 3 recalled" in seen

    async def test_sine_runs_free_behind_a_wall(self, finished: Finished) -> None:
        async with lab(finished("sine")) as (_, screen):
            seen = text(screen.probe)
            assert "runs free" in seen
            assert "free forecast, mse " in seen

    async def test_a_diverged_run_says_so_and_shows_what_it_has(self, finished: Finished) -> None:
        async with lab(finished("exploding")) as (_, screen):
            assert "✗ diverged at step" in text(screen.status)
            assert "×" in text(screen.loss)

    async def test_no_panel_is_empty_while_the_worker_is_on_its_way(self, tmp_path: Path) -> None:
        async with lab(create_run(small(), tmp_path)) as (pilot, screen):
            assert "starting a worker" in text(screen.status)
            await until(pilot, lambda: all("starting a worker" in text(panel) for panel in screen.panels))
            await pilot.press("space")
            await until(pilot, lambda: "cannot pause yet: starting a worker" in toasts(screen))

    @pytest.mark.parametrize("size", [FOUR, ONE])
    async def test_another_theme_colours_a_finished_run_anew(
        self, finished: Finished, size: tuple[int, int]
    ) -> None:
        async with lab(finished("adding"), size=size) as (pilot, _):
            old = hex_of(Palette.detect(pilot.app).line(0, "bold"))
            assert old in pilot.app.export_screenshot()
            pilot.app.theme = themes.LIGHT.name
            new = hex_of(Palette.detect(pilot.app).line(0, "faint"))
            await until(pilot, lambda: new in pilot.app.export_screenshot(), 300)
            await until(pilot, lambda: old not in pilot.app.export_screenshot(), 300)

    async def test_a_run_that_is_copied_without_its_probe_says_so(
        self, finished: Finished, tmp_path: Path
    ) -> None:
        folder = tmp_path / "run"
        shutil.copytree(finished("adding"), folder)
        (folder / "probe.safetensors").unlink()
        async with lab(folder) as (_, screen):
            for panel in (screen.gradient, screen.probe):
                assert "probe.safetensors is missing" in text(panel)

    async def test_help_explains_this_screen(self, finished: Finished) -> None:
        async with lab(finished("adding"), size=(60, 15)) as (pilot, screen):
            app = pilot.app
            await pilot.press("question_mark")
            await until(pilot, lambda: "Pause the training, or let it go on" in picture(app.screen))
            assert "esc closes" in picture(app.screen)
            await pilot.press("end")
            await until(pilot, lambda: "one marker: 0.08333, measured" in picture(app.screen))
            await pilot.press("question_mark")
            await until(pilot, lambda: app.screen is screen)


class TestKeys:
    async def test_tab_and_shift_tab_go_round_the_panels(self, finished: Finished) -> None:
        async with lab(finished("adding")) as (pilot, screen):
            for key, number in (("tab", 2), ("tab", 3), ("shift+tab", 2), ("shift+tab", 1)):
                await pilot.press(key)
                await until(pilot, lambda number=number: screen.chosen.number == number)
                assert screen.panels[number - 1].has_focus_within

    async def test_ctrl_l_sends_the_screen_again(
        self, finished: Finished, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sent: list[bool] = []
        monkeypatch.setattr(LabApp, "action_redraw", lambda self: sent.append(True))
        async with lab(finished("adding")) as (pilot, _):
            await pilot.pause()
            before = len(sent)
            await pilot.press("ctrl+l")
            await until(pilot, lambda: len(sent) == before + 1)

    async def test_a_finished_run_has_room_for_the_keys_that_do_something(self, finished: Finished) -> None:
        async with lab(finished("adding"), size=ONE) as (_, screen):
            foot = picture(screen).splitlines()[-1]
            for words in ("f fork", "g gate", "y log", "m maximise", "n new", "? help", "r runs", "q quit"):
                assert words in foot
            assert "pause" not in foot

    async def test_keys_that_were_moved_keep_their_place_and_are_named_wherever_words_name_them(
        self, finished: Finished
    ) -> None:
        moved = {"lab.fork": "F", "app.help": "f1", "lab.live": "b", "help.close": "x", "lab.log": "L"}
        async with lab(finished("adding"), settings=Settings(keys=moved)) as (pilot, screen):
            app, foot = pilot.app, picture(screen).splitlines()[-1]
            places = [
                foot.index(words) for words in ("F fork", "g gate", "L log", "m max", "f1 help", "q quit")
            ]
            assert places == sorted(places)
            assert "log ‹L›" in text(screen.loss)
            await pilot.press("left")
            await until(pilot, lambda: "b is live" in text(screen.status))
            await pilot.press("f1")
            await until(pilot, lambda: "x closes" in picture(app.screen))
            await pilot.press("f1")
            await until(pilot, lambda: app.screen is screen)
            await pilot.press("b")
            await until(pilot, lambda: "is live" not in text(screen.status))


class TestSteering:
    async def test_t_opens_what_can_be_changed(self, begin: Begin) -> None:
        async with lab(*begin()) as (pilot, screen):
            await until(pilot, lambda: state(screen) == "training")
            await pilot.press("t")
            await until(pilot, lambda: isinstance(pilot.app.screen, SteerScreen))
            await until(pilot, lambda: "enter change · esc leave it" in picture(pilot.app.screen))
            await pilot.press("escape")
            await until(pilot, lambda: pilot.app.screen is screen)

    async def test_space_pauses_and_goes_on_and_a_dot_makes_one_step(self, begin: Begin) -> None:
        async with lab(*begin()) as (pilot, screen):
            await until(pilot, lambda: state(screen) == "training")
            await pilot.press("full_stop")
            await until(pilot, lambda: state(screen) == "paused")
            assert screen.moment is not None
            before = screen.moment.step
            await pilot.press("full_stop")
            await until(pilot, lambda: screen.moment is not None and screen.moment.step == before + 1)
            assert state(screen) == "paused"
            assert f"‖ paused at {before + 1:,}" in text(screen.status)
            await pilot.press("space")
            await until(pilot, lambda: state(screen) == "training")
            assert "● training" in text(screen.status)
            await pilot.press("space")
            await until(pilot, lambda: state(screen) == "paused")

    async def test_frames_come_while_somebody_looks(self, begin: Begin) -> None:
        folder, worker = begin()
        async with lab(folder, worker) as (pilot, screen):
            await until(pilot, lambda: (folder / "live.safetensors").exists())
            await until(pilot, lambda: "network says" in text(screen.probe), 300)
            assert list((folder / "control").glob("viewer-lab-*"))
        assert not list((folder / "control").glob("viewer-*"))

    async def test_brackets_turn_the_learning_rate(self, begin: Begin) -> None:
        folder, worker = begin()
        async with lab(folder, worker) as (pilot, screen):
            await until(pilot, lambda: state(screen) == "training")
            await pilot.press("right_square_bracket")
            await until(pilot, lambda: "lr 0.00125" in text(screen.status) and "→" not in text(screen.status))
            await pilot.press("left_square_bracket", "left_square_bracket")
            await until(pilot, lambda: "lr 0.0008" in text(screen.status) and "→" not in text(screen.status))
            assert screen.moment is not None
            assert screen.moment.learning_rate == 0.0008
        changed = [e for e in RunReader(folder).poll().events if e["event"] == "changed"]
        assert [e["value"] for e in changed] == [0.00125, 0.001, 0.0008]

    async def test_s_stops_with_a_checkpoint_and_then_keys_say_why_not(self, begin: Begin) -> None:
        folder, worker = begin()
        async with lab(folder, worker) as (pilot, screen):
            await until(pilot, lambda: state(screen) == "training")
            assert not dimmed(screen)
            await pilot.press("s")
            await until(pilot, lambda: state(screen) == "stopped")
            assert "■ stopped at" in text(screen.status)
            assert (folder / "checkpoints" / "latest.json").exists()
            steering = {"pause", "step", "rate(-1)", "rate(1)", "steer", "stop"}
            await until(pilot, lambda: dimmed(screen) == steering)
            await pilot.press("space", "full_stop", "right_square_bracket", "s")
            for what in ("pause", "make a step", "change the learning rate", "stop"):
                words = f"cannot {what}: the run is stopped"
                await until(pilot, lambda words=words: words in toasts(screen))

    async def test_a_refused_command_is_shown(self, begin: Begin) -> None:
        folder, worker = begin()
        async with lab(folder, worker) as (pilot, screen):
            await until(pilot, lambda: state(screen) == "training")
            control.send(folder, "set", "training.seed", 3)
            await until(pilot, lambda: "refused to set: training.seed" in toasts(screen))

    async def test_n_goes_back_to_setup_and_the_run_goes_on(self, begin: Begin) -> None:
        folder, worker = begin()
        async with lab(folder, worker, setup=True) as (pilot, screen):
            await until(pilot, lambda: state(screen) == "training")
            await pilot.press("n")
            app = pilot.app
            await until(pilot, lambda: isinstance(app.screen, SetupScreen))
            await until(pilot, lambda: any(each.title == "The run goes on" for each in app._notifications))
            assert f"seqlab watch {folder} comes back to it" in {each.message for each in app._notifications}
            await until(pilot, lambda: not list((folder / "control").glob("viewer-*")))
        assert worker.alive

    async def test_n_leaves_a_paused_run_paused(self, begin: Begin) -> None:
        folder, worker = begin()
        async with lab(folder, worker, setup=True) as (pilot, screen):
            await until(pilot, lambda: state(screen) == "training")
            await pilot.press("space")
            await until(pilot, lambda: state(screen) == "paused")
            await pilot.press("n")
            app = pilot.app
            await until(pilot, lambda: isinstance(app.screen, SetupScreen))
            await until(
                pilot, lambda: [each.title for each in app._notifications] == ["The run stays paused"]
            )

    async def test_n_says_nothing_of_a_run_that_is_over(self, finished: Finished) -> None:
        async with lab(finished("adding"), setup=True) as (pilot, _):
            await pilot.press("n")
            await until(pilot, lambda: isinstance(pilot.app.screen, SetupScreen))
            assert not list(pilot.app._notifications)

    async def test_q_leaves_it_running(self, begin: Begin) -> None:
        folder, worker = begin()
        async with lab(folder, worker) as (pilot, screen):
            await until(pilot, lambda: state(screen) == "training")
            await pilot.press("q")
        assert worker.alive
        assert RunReader(folder).poll().state == "training"


class TestFaults:
    async def test_a_worker_that_dies_at_once_leaves_its_last_words_on_screen(self, tmp_path: Path) -> None:
        worker = Worker(module="no_such_module_at_all")
        try:
            async with lab(create_run(small(), tmp_path), worker) as (pilot, screen):
                await until(pilot, lambda: state(screen) == "lost")
                assert "? lost: the worker ended with exit code 1" in text(screen.status)
                assert text(screen.trouble).count("No module named") == 1
                assert "No module named" not in text(screen.status)
                assert "worker.log is empty" not in picture(screen)
                await pilot.press("y")
                await until(pilot, lambda: "linear" in text(screen.loss))
        finally:
            worker.close()

    async def test_a_worker_that_is_killed_is_lost_at_once(self, begin: Begin) -> None:
        folder, worker = begin()
        async with lab(folder, worker) as (pilot, screen):
            await until(pilot, lambda: state(screen) == "training")
            worker._process.kill()
            await until(pilot, lambda: state(screen) == "lost")
            await until(pilot, lambda: "killed by signal 9" in text(screen.status))
            await pilot.press("space")
            await until(pilot, lambda: "the run has no worker any more" in toasts(screen))

    async def test_a_folder_that_goes_away_is_a_line_on_the_screen(
        self, finished: Finished, tmp_path: Path
    ) -> None:
        folder = tmp_path / "run"
        shutil.copytree(finished("adding"), folder)
        async with lab(folder) as (pilot, screen):
            shutil.rmtree(folder)
            await until(pilot, lambda: "there is no such folder" in text(screen.trouble))
            assert "? the run cannot be read" in text(screen.status)
            assert "no gradient" in text(screen.gradient)

    @pytest.mark.parametrize("broken", ["status.json", "spec.toml", "probe.safetensors"])
    async def test_what_cannot_be_read_is_said(self, finished: Finished, tmp_path: Path, broken: str) -> None:
        folder = tmp_path / "run"
        shutil.copytree(finished("adding"), folder)
        (folder / broken).write_bytes(b"\x00 not what it was\n")
        async with lab(folder) as (pilot, screen):
            await until(pilot, lambda: broken in picture(screen))
            assert screen.is_running

    async def test_leaving_while_it_reads_ends_quietly(
        self, finished: Finished, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for error in (False, True):
            async with lab(finished("adding")) as (pilot, screen):
                reading, left = threading.Event(), threading.Event()

                def slow(*_: Any, error: bool = error, reading: Any = reading, left: Any = left) -> Any:
                    reading.set()
                    left.wait(180)
                    if error:
                        raise RunError("gone")
                    return screen.moment

                shown: list[Any] = []
                monkeypatch.setattr(screen.follower, "_look", slow)
                monkeypatch.setattr(screen, "_redraw", lambda shown=shown: shown.append(1))
                monkeypatch.setattr(screen.trouble, "tell", shown.append)
                [loop] = [each for each in pilot.app.workers if each.group == "follow"]
                await until(pilot, reading.is_set)
                shown.clear()  # what was read before
                monkeypatch.setattr(loop, "cancel", lambda: None)  # as if it came too late
                pilot.app.pop_screen()
                await until(pilot, lambda screen=screen: not screen.is_attached)
                left.set()
                await until(pilot, lambda loop=loop: loop.is_finished)
                assert loop.error is None
                assert not shown

    async def test_it_skips_a_tick_while_nobody_could_see_it(
        self, finished: Finished, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        polls: list[Any] = []
        poll = RunReader.poll
        monkeypatch.setattr(RunReader, "poll", lambda self: polls.append(1) or poll(self))
        async with lab(finished("adding")) as (pilot, screen):
            unseen: list[bool] = []
            monkeypatch.setattr(screen.follower, "_unseen", lambda: unseen.append(True) or True)
            seen = len(polls)
            await until(pilot, lambda: len(unseen) >= 2)
            assert len(polls) <= seen + 1
