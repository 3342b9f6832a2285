"""In a real tmux: start, detach, attach, and the numbers have moved."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.terminal import Terminal
from seqlab.runs import control
from seqlab.runs.layout import list_runs
from seqlab.runs.run import open_run
from seqlab.spec import to_toml
from tests.conftest import small
from tests.runs.conftest import until
from tests.tui.test_terminal import step_on

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")

SIZE = (120, 40)


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[list[str]]:
    """The start of commands to a tmux of our own, which ends with the test."""
    command = ["tmux", "-S", str(tmp_path / "socket"), "-f", "/dev/null"]
    yield command
    for folder in list_runs(tmp_path / "runs"):
        run = open_run(folder)
        if run.state not in ("finished", "stopped"):
            control.send(folder, "stop")
            until(lambda run=run: run.state == "stopped")
    subprocess.run([*command, "kill-server"], capture_output=True, check=False)


def test_a_session_is_left_and_found_again_further_on(tmux: list[str], tmp_path: Path) -> None:
    spec = tmp_path / "spec.toml"
    spec.write_text(to_toml(small(steps=100_000_000, log_every=100)))
    lab = [sys.executable, "-m", "seqlab", "lab", str(spec), "--out", str(tmp_path / "runs")]
    size = ["-x", str(SIZE[0]), "-y", str(SIZE[1])]
    with Terminal([*tmux, "new-session", *size, *lab], SIZE) as terminal:
        terminal.wait_for(lambda: step_on(terminal.screen()) > 0, 300)
        before = step_on(terminal.screen())
        terminal.press("\x02d")
        assert terminal.wait(300) == 0

    def alone() -> str:
        shown = subprocess.run([*tmux, "capture-pane", "-p"], capture_output=True, text=True, check=True)
        return shown.stdout

    until(lambda: step_on(alone()) > before)
    meanwhile = step_on(alone())
    with Terminal([*tmux, "attach"], SIZE) as terminal:
        terminal.wait_for(lambda: step_on(terminal.screen()) > meanwhile, 300)
        for words in ("Loss", "Gradient", "Input gate", "Probe"):
            terminal.wait_for(lambda words=words: words in terminal.screen(), 300)
        terminal.press("q")
        terminal.wait(300)
