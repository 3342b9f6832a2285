"""What the lab gives away and keeps: the clipboard, files, its layout, its settings, notices."""

from __future__ import annotations

import csv
import io
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqlab.runs import control
from seqlab.runs.run import open_run
from seqlab.settings import Settings
from seqlab.spec import load_spec
from seqlab.tui.app import LabApp
from seqlab.tui.screens import lab as lab_module
from seqlab.tui.screens.lab import LabScreen
from seqlab.tui.state import Layout, last_layout, remember
from tests.tui.conftest import Begin, Finished
from tests.tui.test_lab import lab
from tests.tui.waiting import until


def table(text: str) -> dict[str, list[str]]:
    """The columns of comma-separated values."""
    head, *rows = csv.reader(io.StringIO(text))
    return {name: [row[at] for row in rows] for at, name in enumerate(head)}


def floats(column: list[str]) -> list[float]:
    return [float(cell) if cell else np.nan for cell in column]


async def test_the_numbers_of_each_panel_are_those_of_the_frame(finished: Finished) -> None:
    run = open_run(finished("sine"))
    frame, probe = run.frame(), run.probe
    assert probe is not None
    async with lab(run.path) as (pilot, screen):
        await pilot.press("l", "g")  # the second layer, the second gate
        assert screen.moment is not None
        loss, gradient, gates, shown = (table(panel.numbers(screen.moment)) for panel in screen.panels)
        state = run.spec.model.shown(1)[1].name
    losses = run.metrics["train/loss"]
    np.testing.assert_array_equal(floats(loss["step"]), losses.steps)
    np.testing.assert_array_equal(floats(loss["train/loss"]), losses.values)
    for name in ("layer0/gradient", "layer1/credit"):
        np.testing.assert_array_equal(
            np.float32(floats(gradient[name])),
            np.where(np.isfinite(frame.tensors[name]), frame.tensors[name], np.nan),
        )
    np.testing.assert_array_equal(
        np.float32(floats(gates[f"{state} of unit 3"])), frame.tensors[f"layer1/state/{state}"][:, 2]
    )
    assert gates["timestep"] == [str(t) for t in range(1, run.spec.task.timesteps + 1)]
    np.testing.assert_array_equal(np.float32(floats(shown["input 1"])), probe["inputs"][:, 0, 0])
    np.testing.assert_array_equal(np.float32(floats(shown["output 1"])), frame.tensors["outputs"][:, 0])


async def test_c_copies_the_command_and_the_numbers(
    finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with lab(finished("adding")) as (pilot, screen):
        await pilot.press("2", "c")
        await until(pilot, lambda: pilot.app.clipboard)
        command, _, numbers = pilot.app.clipboard.partition("\n")
        assert shlex.split(command) == ["seqlab", "replay", str(screen.folder)]
        assert table(numbers)["timestep"][-1] == "20"
        monkeypatch.setattr(lab_module, "MOST_COPIED", 10)
        await pilot.press("c")
        await until(pilot, lambda: pilot.app.clipboard == f"{command}\n")


async def test_e_saves_the_screen_and_the_numbers(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with lab(finished("adding")) as (pilot, _):
        await pilot.press("e")
        await until(pilot, lambda: len(list(tmp_path.glob("seqlab-*"))) == 2)
    (picture,) = tmp_path.glob("seqlab-*.svg")
    (numbers,) = tmp_path.glob("seqlab-*-loss.csv")
    assert "Loss" in picture.read_text().replace("&#160;", " ")
    assert "eval/loss" in table(numbers.read_text())


async def test_the_lab_opens_as_it_was_left(finished: Finished) -> None:
    remember(Layout(panel=2, maximised=True))
    async with lab(finished("adding")) as (pilot, screen):
        assert screen.chosen is screen.gradient
        assert screen.has_class("-maximised")
        await pilot.press("3", "m", "y")
    assert last_layout() == Layout(panel=3, maximised=False, logarithmic=False)


@pytest.mark.parametrize("elsewhere", [False, True], ids=["on that run", "elsewhere"])
async def test_the_end_of_a_run_is_told_once(
    elsewhere: bool, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr("seqlab.tui.app.notice", lambda words, how: told.append(words) or "")
    folder, worker = begin()
    async with lab(folder, worker, settings=Settings(notice=("bell",))) as (pilot, screen):
        await until(pilot, lambda: screen.moment is not None and screen.moment.state == "training")
        if elsewhere:
            await pilot.press("n")
        assert told == []
        control.send(folder, "stop")
        await until(pilot, lambda: told)
        await until(pilot, lambda: not worker.alive)
        await pilot.app._look_after()
        assert len(told) == 1
        assert told[0].startswith(f"{folder.name}: stopped at step ")
        assert (told[0] in [each.message for each in pilot.app._notifications]) == elsewhere


async def test_settings_choose_theme_characters_and_rates() -> None:
    settings = Settings(theme="nord", charset="ascii", fps=10, heatmap_fps=5)
    app = LabApp(settings=settings)
    async with app.run_test(size=(80, 24)):
        assert app.theme == "nord"
    assert settings.pause == 0.1
    assert settings.heatmap_pause == 0.2


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"theme": "norde"}, r"theme: 'norde' is not one of .*did you mean nord\?"),
        ({"keys": {"lab.paus": "p"}}, r"keys.lab.paus: there is no such action; .*did you mean lab.pause\?"),
    ],
    ids=str,
)
def test_a_theme_or_an_action_that_there_is_not_is_told(wrong: dict[str, Any], said: str) -> None:
    from seqlab.spec import SpecError

    with pytest.raises(SpecError, match=said):
        LabApp(settings=Settings(**wrong))


async def test_a_key_of_ones_own_does_what_the_old_one_did(finished: Finished) -> None:
    app = LabApp(watch=finished("adding"), settings=Settings(keys={"lab.log": "L"}))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, LabScreen) and app.screen.moment is not None)
        screen = app.screen
        assert isinstance(screen, LabScreen)
        before = screen.loss.logarithmic
        await pilot.press("y")
        assert screen.loss.logarithmic is before
        assert "‹L›" in str(screen.loss.border_title)
        await pilot.press("L")
        assert screen.loss.logarithmic is not before


def test_every_preset_can_be_run_again_by_its_command() -> None:
    from seqlab.runs.repro import repro_command
    from seqlab.spec.presets import presets

    for name in presets():
        assert repro_command(load_spec(name), Path("x")) == f"seqlab run {name}"
