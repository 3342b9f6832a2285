"""A lab on which nothing happens sends nothing to the terminal."""

from __future__ import annotations

import pytest
from textual.app import App
from textual.screen import Screen

from seqlab.tui.app import LabApp
from seqlab.tui.screens.follower import Follower
from seqlab.tui.screens.help import HelpScreen
from seqlab.tui.screens.lab import LabScreen
from seqlab.tui.screens.setup import SetupScreen
from tests.tui.conftest import Finished
from tests.tui.waiting import until

LOOKS = 4
"""So many with nothing else between them are rest: Setup, were it awake, would look more often."""


class Rest:
    """Counts looks at a run.

    Attributes:
        undrawn: looks since something was drawn last.
        unstirred: looks since Setup stirred last behind another screen.
    """

    def __init__(self) -> None:
        self.undrawn = 0
        self.unstirred = 0


@pytest.fixture
def rest(monkeypatch: pytest.MonkeyPatch) -> Rest:
    counted = Rest()
    look, display, stir = Follower._look, App._display, SetupScreen._look

    def looked(self: Follower, *arguments: object) -> object:
        found = look(self, *arguments)  # type: ignore[arg-type]
        counted.undrawn += 1
        counted.unstirred += 1
        return found

    def drawn(self: App[None], screen: Screen[None], renderable: object) -> None:
        counted.undrawn = 0
        display(self, screen, renderable)  # type: ignore[arg-type]

    def stirred(self: SetupScreen) -> None:
        if self.app.screen is not self:  # Textual calls the one beneath the front "current", too
            counted.unstirred = 0
        stir(self)

    monkeypatch.setattr(Follower, "_look", looked)
    monkeypatch.setattr(App, "_display", drawn)
    monkeypatch.setattr(SetupScreen, "_look", stirred)
    return counted


async def test_a_finished_run_that_is_watched_draws_nothing_at_any_step(
    finished: Finished, rest: Rest
) -> None:
    app = LabApp(watch=finished("adding"))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, LabScreen) and app.screen.moment is not None)
        await until(pilot, lambda: rest.undrawn >= LOOKS)
        await pilot.press("left")
        await until(pilot, lambda: rest.undrawn < LOOKS)
        await until(pilot, lambda: rest.undrawn >= LOOKS)


async def test_behind_a_run_setup_rests_whether_or_not_it_was_in_front_before(
    finished: Finished, rest: Rest
) -> None:
    app = LabApp(watch=finished("adding"))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, LabScreen) and app.screen.moment is not None)
        rest.unstirred = 0
        await until(pilot, lambda: rest.unstirred >= LOOKS)
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, SetupScreen) and app.screen.ready)
        app.open_run(finished("adding"))
        await until(pilot, lambda: isinstance(app.screen, LabScreen) and app.screen.moment is not None)
        rest.unstirred = 0
        await until(pilot, lambda: rest.unstirred >= LOOKS)


async def test_behind_another_screen_the_lab_does_not_look_and_in_front_again_it_does(
    finished: Finished, monkeypatch: pytest.MonkeyPatch, rest: Rest
) -> None:
    app = LabApp(watch=finished("adding"))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, LabScreen) and app.screen.moment is not None)
        lab = app.screen
        assert isinstance(lab, LabScreen)
        asked: list[bool] = []
        unseen = lab.follower._unseen

        def asking() -> bool:
            asked.append(unseen())
            return asked[-1]

        monkeypatch.setattr(lab.follower, "_unseen", asking)
        for screen, covers in ((HelpScreen(lab), False), (Screen[None](), True)):
            app.push_screen(screen)
            asked.clear()
            await until(pilot, lambda: len(asked) > 1)
            assert asked[1:] == [covers] * len(asked[1:])
            app.pop_screen()
            looks = rest.unstirred
            await until(pilot, lambda looks=looks: rest.unstirred > looks)
