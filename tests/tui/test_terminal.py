"""The lab in a real terminal: what keys, signals, sizes and hang-ups do to it, and do not do to a run."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from textual.drivers._writer_thread import WriterThread

from benchmarks.terminal import Terminal
from seqlab.runs import control
from seqlab.runs.layout import list_runs
from seqlab.runs.run import Run, open_run
from seqlab.spec import to_toml
from seqlab.tui.terminal import Vanishing
from tests.conftest import small
from tests.recording import FOLDER
from tests.runs.conftest import until

SEQLAB = [sys.executable, "-m", "seqlab"]
RESTORED = b"\x1b[?1049l"

#: Runs a program in a session of its own, so that the end of the terminal is not told to it.
UNHEARD = """
import os, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_IGN)
child = os.fork()
if not child:
    os.setsid()
    os.execv(sys.argv[1], sys.argv[1:])
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""

PANELS = ("1 Loss", "2 Gradient", "3 Input gate", "4 Probe")

Open = Callable[..., Terminal]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Open the lab on a terminal; runs go to tmp_path/runs, and no worker outlives the test."""
    terminals: list[Terminal] = []

    def begin(
        *arguments: str, size: tuple[int, int] = (120, 36), before: Sequence[str] = (), **variables: str
    ) -> Terminal:
        command = [*before, *SEQLAB, *arguments, "--out", str(tmp_path / "runs")]
        terminals.append(Terminal(command, size, environment=variables))
        return terminals[-1]

    yield begin
    for terminal in terminals:
        terminal.__exit__(None, None, None)
    for folder in list_runs(tmp_path / "runs"):
        run = open_run(folder)
        if run.state not in ("finished", "stopped", "diverged", "failed", "lost"):
            control.send(folder, "stop")
            until(
                lambda run=run: run.state not in ("training", "paused", "importing", "compiling", "starting")
            )


def step_on(screen: str) -> int:
    """The step that the status line says, -1 if it says none."""
    found = re.search(r"step ([\d,]+) of", screen)
    return int(found[1].replace(",", "")) if found else -1


@pytest.fixture
def spec(tmp_path: Path) -> str:
    path = tmp_path / "spec.toml"
    path.write_text(
        to_toml(small(steps=10_000_000, log_every=100, frame_every=1_000_000, eval_every=1_000_000))
    )
    return str(path)


def training(terminal: Terminal, tmp_path: Path) -> Run:
    """Wait until the lab shows that the run trains."""
    terminal.wait_for(lambda: "training" in terminal.screen(), 300)
    return open_run(list_runs(tmp_path / "runs")[0])


def test_it_opens_and_leaves_the_terminal_as_it_was(opened: Open):
    terminal = opened("lab")
    terminal.wait_for(lambda: "Experiment" in terminal.screen(), 300)
    terminal.press("q")
    assert terminal.wait(300) == 0
    assert RESTORED in terminal.data
    assert "Traceback" not in terminal.screen()


def test_keys_that_come_in_a_burst_go_where_they_would_have_gone_one_by_one(opened: Open):
    terminal = opened("lab")
    terminal.wait_for(lambda: "Truncation" in terminal.screen(), 300)
    terminal.press("\t40\x7f\x7f64\t\t7\x7f8")
    terminal.wait_for(
        lambda: re.search(r"length +64 .*hidden +8 ", terminal.screen(), re.DOTALL) is not None, 300
    )
    terminal.press("qqq")
    assert terminal.wait(300) == 0


def test_leaving_a_run_says_that_it_goes_on_and_how_to_come_back(opened: Open, spec: str, tmp_path: Path):
    terminal = opened("lab", spec)
    run = training(terminal, tmp_path)
    terminal.press("q")
    assert terminal.wait(300) == 0
    said = terminal.data.rpartition(RESTORED)[2].decode()
    assert "training goes on" in said
    assert "seqlab watch" in said
    rows = run.rows
    until(lambda: run.rows > rows)
    again = opened("watch", run.name)
    again.wait_for(lambda: "training" in again.screen(), 300)
    again.press("s")
    again.wait_for(lambda: "stopped" in again.screen(), 300)
    assert run.state == "stopped"


def test_several_labs_look_at_one_run_and_killing_one_leaves_the_run_and_the_others(
    opened: Open, spec: str, tmp_path: Path
):
    first = opened("lab", spec)
    run = training(first, tmp_path)
    second = opened("watch", run.name)
    second.wait_for(lambda: step_on(second.screen()) > 0, 300)
    os.kill(first.pid, signal.SIGKILL)
    assert first.wait(300) == -signal.SIGKILL
    before = step_on(second.screen())
    second.wait_for(lambda: step_on(second.screen()) > before, 300)
    third = opened("watch", run.name)
    third.wait_for(lambda: step_on(third.screen()) > before, 300)
    third.press(" ")
    second.wait_for(lambda: "paused" in second.screen(), 300)
    second.press("s")
    third.wait_for(lambda: "stopped" in third.screen(), 300)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_give_the_terminal_back_and_leave_the_run(number, opened: Open, spec: str, tmp_path: Path):
    terminal = opened("lab", spec)
    run = training(terminal, tmp_path)
    os.kill(terminal.pid, number)
    assert terminal.wait(300) == 128 + number
    assert RESTORED in terminal.data
    rows = run.rows
    until(lambda: run.rows > rows)


def test_a_dropped_connection_ends_the_lab_and_not_the_run(opened: Open, spec: str, tmp_path: Path):
    terminal = opened("lab", spec)
    run = training(terminal, tmp_path)
    terminal.hang_up()
    assert terminal.wait(300) == 129
    rows = run.rows
    until(lambda: run.rows > rows)


def test_without_a_signal_too_a_lost_terminal_ends_the_lab(opened: Open, spec: str, tmp_path: Path):
    terminal = opened("lab", spec, before=[sys.executable, "-c", UNHEARD])
    run = training(terminal, tmp_path)
    terminal.hang_up()
    assert terminal.wait(300) == 129
    rows = run.rows
    until(lambda: run.rows > rows)


def test_a_mouse_report_of_old_does_no_harm(opened: Open):
    terminal = opened("lab")
    terminal.wait_for(lambda: "Truncation" in terminal.screen(), 300)
    terminal.press(b"\x1b[M !\xe9\xff")
    terminal.press("?")
    terminal.wait_for(lambda: "esc closes" in terminal.screen(), 300)


def test_no_write_waits_for_a_terminal_that_is_gone():
    lost, end = os.openpty()
    file = os.fdopen(end, "w")
    writer = WriterThread(Vanishing(file))
    writer.start()
    os.close(lost)
    many = threading.Thread(target=lambda: [writer.write("words\n") for _ in range(200)], daemon=True)
    many.start()
    many.join(300)
    assert not many.is_alive()
    writer.stop()
    with suppress(OSError):  # what waits in it has nowhere to go
        file.close()


def test_it_fits_every_size_while_a_run_trains(opened: Open, spec: str, tmp_path: Path):
    terminal = opened("lab", spec)
    training(terminal, tmp_path)
    for columns, rows, seen in (
        (80, 24, "training"),
        (59, 14, "60"),
        (200, 60, "training"),
        (60, 15, "training"),
    ):
        terminal.resize(columns, rows)
        terminal.wait_for(lambda seen=seen: seen in terminal.screen(), 300)
        assert all(len(line) <= columns for line in terminal.screen().splitlines())
    assert terminal.running


def test_a_storm_of_sizes_ends_with_the_last_one(opened: Open, spec: str, tmp_path: Path):
    terminal = opened("lab", spec)
    training(terminal, tmp_path)
    for number in range(60):
        terminal.resize(60 + 7 * number % 140, 15 + 5 * number % 45)
    terminal.resize(120, 36)
    terminal.wait_for(lambda: all(words in terminal.screen() for words in PANELS), 300)
    assert terminal.running


def test_a_stalled_link_loses_nothing_and_holds_nobody_up(opened: Open, spec: str, tmp_path: Path):
    terminal = opened("lab", spec)
    run = training(terminal, tmp_path)
    terminal.wait_for(lambda: step_on(terminal.screen()) > 0, 300)
    before = len(terminal.data)
    # Nobody reads what the lab writes until far more has happened than a pipe holds pictures of.
    rows = run.rows
    until(lambda: run.rows > rows + 500)
    step = run.status.step
    terminal.press("?")
    terminal.wait_for(lambda: "esc closes" in terminal.screen(), 300)
    terminal.press("\x1b")
    terminal.wait_for(lambda: "esc closes" not in terminal.screen(), 300)
    terminal.wait_for(lambda: step_on(terminal.screen()) >= step, 300)
    assert len(terminal.data) - before < 200_000  # the newest pictures, not all of them
    terminal.press(" ")
    terminal.wait_for(lambda: "paused at" in terminal.screen(), 300)


def test_a_worker_that_dies_is_said_to_be_lost_and_the_lab_goes_on(opened: Open, spec: str, tmp_path: Path):
    terminal = opened("lab", spec)
    run = training(terminal, tmp_path)
    os.kill(run.status.pid or 0, signal.SIGKILL)
    terminal.wait_for(lambda: "lost" in terminal.screen(), 300)
    terminal.press("n")
    terminal.wait_for(lambda: "Experiment" in terminal.screen(), 300)
    assert terminal.running


def test_the_frame_is_painted_before_the_form_is_imported(opened: Open):
    terminal = opened("lab")
    terminal.wait_for(lambda: "Truncation" in terminal.screen(), 300)
    assert b"one moment" in terminal.data
    assert terminal.data.index(b"Experiment") < terminal.data.index(b"Truncation")


BRAILLE, BLOCKS, BEYOND_ASCII = "[\u2801-\u28ff]", "[\u2580-\u259f]", "[^\x00-\x7f]"
COLOURS = {
    "truecolor": "[34]8;2;",
    "256": "[34]8;5;",
    "16": r"(^|;)(3[0-7]|4[0-7]|9[0-7]|10[0-7])(;|$)",
}
"""Kinds of colours, and how an escape sequence that sets one of them looks."""


def colours_in(data: bytes) -> set[str]:
    """The kinds of colours that were sent."""
    sent = set(re.findall(r"\x1b\[([0-9;]*)m", data.decode()))
    found = (next((kind for kind, look in COLOURS.items() if re.search(look, each)), "") for each in sent)
    return set(found) - {""}


@pytest.mark.parametrize(
    ("variables", "colours", "drawn", "absent"),
    [
        ({"TERM": "xterm-256color"}, {"256"}, [BRAILLE, BLOCKS], []),
        ({"TERM": "tmux-256color"}, {"256"}, [BRAILLE, BLOCKS], []),
        ({"TERM": "linux"}, {"16"}, [], [BEYOND_ASCII]),
        ({"NO_COLOR": "1"}, set(), [BRAILLE], []),
    ],
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else "",
)
def test_a_run_is_drawn_with_what_the_terminal_has(
    opened: Open, variables: dict[str, str], colours: set[str], drawn: list[str], absent: list[str]
):
    terminal = opened("watch", str(FOLDER), **{"LC_ALL": "C.UTF-8", **variables})
    terminal.wait_for(lambda: all(words in terminal.screen() for words in (*PANELS, "constant 1")), 300)
    terminal.press("q")
    assert terminal.wait(300) == 0
    assert colours_in(terminal.data) == colours
    picture = terminal.data.decode()
    assert all(re.search(characters, picture) for characters in drawn)
    assert not any(re.search(characters, picture) for characters in absent)


def test_a_terminal_that_can_place_nothing_is_refused_in_a_line(opened: Open):
    terminal = opened("watch", str(FOLDER), TERM="dumb")
    assert terminal.wait(300) == 2
    assert terminal.data.decode().strip().startswith("the lab needs a terminal; without one, ")
