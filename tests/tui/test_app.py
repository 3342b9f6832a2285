"""The lab as an app: what it imports, what it opens on, from Setup to a falling loss, in any theme."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from textual.color import Color

from seqlab.runs import control
from seqlab.runs.launch import Worker
from seqlab.runs.layout import create_run, list_runs
from seqlab.runs.liveness import read_status
from seqlab.runs.run import Run
from seqlab.spec import Spec, load_spec
from seqlab.tui.app import LabApp
from seqlab.tui.screens.help import keys_of
from seqlab.tui.screens.lab import LabScreen
from seqlab.tui.screens.runs import RunsScreen
from seqlab.tui.screens.setup import SetupScreen
from seqlab.tui.widgets.topline import TopLine
from tests.conftest import small
from tests.tui.conftest import Begin
from tests.tui.waiting import until


def test_opening_the_lab_does_not_import_numba() -> None:
    code = (
        "import sys\n"
        "import seqlab.tui.app\n"
        "assert not {'numpy', 'pydantic'} & set(sys.modules), 'before the first paint'\n"
        "import seqlab.tui.screens.setup, seqlab.tui.screens.help, seqlab.tui.standby\n"
        "import seqlab.tui.widgets.form, seqlab.tui.widgets.preset_list, seqlab.tui.widgets.summary\n"
        "assert not {'numba', 'llvmlite'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


async def test_from_setup_to_a_falling_loss(tmp_path: Path) -> None:
    small_net = ["task.length=8", "model.hidden=8", "training.optimizer.lr=0.02", "training.steps=100000"]
    app = LabApp(overrides=small_net, out=tmp_path, worker_factory=partial(Worker, 1))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: app.screen.query("Form") and app.screen.query_one("Form").checked.spec)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, LabScreen), 300)
        lab = app.screen
        assert isinstance(lab, LabScreen)

        def fallen() -> bool:
            losses = lab.moment.snapshot.metrics.get("train/loss") if lab.moment is not None else None
            if losses is None or len(losses) < 60:
                return False
            before, after = np.mean(losses.values[:5]), np.mean(losses.values[-20:])
            return bool(after < before / 2) and len(lab.loss.plot.data.series[0].y) > 20

        await until(pilot, fallen, 300)
        await pilot.press("r")  # to all runs, and back to this one
        await until(pilot, lambda: isinstance(app.screen, RunsScreen) and app.screen.current, 300)
        assert isinstance(app.screen, RunsScreen)
        assert app.screen.current is not None
        assert app.screen.current.state == "training"
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, LabScreen) and app.screen is not lab, 300)
        lab = app.screen
        assert isinstance(lab, LabScreen)
        assert lab.follower._worker is app.started.workers[0]
        await until(pilot, lambda: lab.moment is not None, 300)
        await pilot.press("s")
        run = Run(list_runs(tmp_path)[0])
        await until(pilot, lambda: run.state == "stopped", 300)
        await until(pilot, lambda: "stopped" in str(lab.status.render()), 300)
    app.started.let_go()


async def test_watching_opens_on_the_run_and_behind_it_is_setup(tmp_path: Path) -> None:
    folder = create_run(small(), tmp_path)
    app = LabApp(watch=folder)
    async with app.run_test(size=(120, 36)) as pilot:
        assert f"opening {folder.name}" in str(app.screen.query_one(TopLine).render())
        await until(pilot, lambda: isinstance(app.screen, LabScreen))
        assert app.started.folders == [folder]
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, SetupScreen))
        setup = app.screen
        app.open_run(folder)
        await until(pilot, lambda: isinstance(app.screen, LabScreen))
        await pilot.press("n")
        await until(pilot, lambda: app.screen is setup)  # as it was left


async def test_behind_the_list_of_runs_is_setup(tmp_path: Path) -> None:
    app = LabApp(out=tmp_path, runs=True)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, SetupScreen))


async def test_a_spec_that_cannot_be_read_ends_the_lab_with_the_reason() -> None:
    app = LabApp(("nothing", lambda note: load_spec("nothing")))
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.refused is not None)
    assert "nothing" in str(app.refused)


async def test_what_the_overrides_reset_is_told_and_a_run_that_cannot_begin_is_too(tmp_path: Path) -> None:
    (tmp_path / "runs").touch()  # no folder

    def read(note: Callable[[str], None]) -> Spec:
        note("sgd has no beta1")
        return small()

    app = LabApp(("small", read), out=tmp_path / "runs")
    app.NOTIFICATION_TIMEOUT = 600
    async with app.run_test(notifications=True) as pilot:
        await until(pilot, lambda: isinstance(app.screen, SetupScreen))
        await until(pilot, lambda: len(app._notifications) == 2)
        said = [each.message for each in app._notifications]
        assert said[0] == "sgd has no beta1"
        assert str(tmp_path / "runs") in said[1]


async def test_every_key_has_a_name_and_words() -> None:
    app = LabApp()
    async with app.run_test(size=(120, 36)) as pilot:
        screen = app.screen
        assert isinstance(screen, SetupScreen)
        await until(pilot, lambda: screen.ready)
        bindings = keys_of(screen, app)
        assert {"setup.start", "setup.find", "app.help", "app.quit", "field.open"} <= {b.id for b in bindings}
        assert all(binding.tooltip or binding.description for binding in bindings)
        offered = {
            command.help.rpartition(" · ")[2]: command.title for command in app.get_system_commands(screen)
        }
        enabled = {active.binding.id for active in screen.active_bindings.values() if active.enabled}
        assert set(offered) >= enabled - {None}
        assert offered["setup.find"] == "Find a preset by name"
        assert offered["app.redraw"] == "Send the screen again"


async def test_it_draws_in_the_colours_of_any_theme() -> None:
    app, seen = LabApp(), set()
    async with app.run_test(size=(120, 36)) as pilot:
        screen = app.screen
        assert isinstance(screen, SetupScreen)
        await until(pilot, lambda: screen.ready)
        for theme in ("seqlab-dark", "seqlab-light", "textual-light", "nord", "ansi-dark"):
            app.theme = theme
            variables = app.theme_variables
            colours = [Color.parse(variables[name]) for name in ("background", "foreground", "accent")]
            shown = [each.hex.lower() for each in colours if each.ansi is None]
            await until(pilot, lambda shown=shown: all(each in app.export_screenshot() for each in shown))
            picture = app.export_screenshot()
            assert "Truncation" in picture
            seen.add(re.sub(r"terminal-\d+", "", picture))
    assert len(seen) == 5


async def test_the_picture_is_saved_where_it_can_be_and_a_toast_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, gone = tmp_path / "home", tmp_path / "gone"
    home.mkdir()
    gone.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home)
    app = LabApp()
    async with app.run_test(size=(120, 36), notifications=True) as pilot:
        for leave in (tmp_path, gone):
            os.chdir(leave)
            if leave is gone:
                gone.rmdir()
            [picture] = [c for c in app.get_system_commands(app.screen) if c.title == "Picture"]
            picture.callback()
            await pilot.pause()
            file = Path(list(app._notifications)[-1].message)
            assert file.parent == (home if leave is gone else tmp_path)
            assert "<svg" in file.read_text()
        os.chdir(home)


def said_on_leaving(app: LabApp, folder: Path, worker: Worker) -> str:
    app.started.folders, app.started.workers = [folder], [worker]
    return "\n".join(app.started.farewell())


async def test_on_leaving_it_says_of_each_run_whether_it_trains_or_waits(begin: Begin) -> None:
    app = LabApp()
    folder, worker = begin()
    async with app.run_test() as pilot:
        await until(pilot, lambda: read_status(folder).state == "training", 300)
        assert "training goes on" in said_on_leaving(app, folder, worker)
        control.send(folder, "pause")
        await until(pilot, lambda: read_status(folder).state == "paused", 300)
        said = said_on_leaving(app, folder, worker)
        assert "it stays paused" in said
        assert "training goes on" not in said
        assert f"seqlab watch {folder}   comes back to it" in said


async def test_on_leaving_nothing_is_said_of_a_run_whose_worker_has_ended(begin: Begin) -> None:
    folder, worker = begin()
    os.kill(worker.pid, signal.SIGKILL)
    worker.reap(300)
    assert read_status(folder).state == "starting"
    assert said_on_leaving(LabApp(), folder, worker) == ""
