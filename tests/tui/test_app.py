"""The lab as a program: in a real terminal, with real signals."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyte
import pytest

from seqlab.runs.layout import create_run, list_runs
from seqlab.tui.app import LabApp
from tests.conftest import small
from tests.tui.waiting import until

OPEN = "import sys; from seqlab.tui.app import run_lab; sys.exit(run_lab())"
START = """
import sys
from seqlab.spec import load_spec
from seqlab.tui.app import run_lab
model = {"cell": "lstm", "hidden": 4}
spec = {"task": {"name": "adding"}, "model": model, "training": {"steps": 100_000_000}}
sys.exit(run_lab(load_spec(spec)))
"""


class Terminal:
    """A program in a terminal of its own, and what stands on its screen."""

    def __init__(self, code: str, **environment: str) -> None:
        self.fd, inner = pty.openpty()
        self.screen = pyte.Screen(100, 30)
        self.raw = b""
        self._stream = pyte.ByteStream(self.screen)
        env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30", **environment}
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=inner,
            stdout=inner,
            stderr=inner,
            env=env,
            start_new_session=True,
        )
        os.close(inner)

    def read_until(self, *words: bytes) -> None:
        """Read until all of `words` have come; it fails if the program ends before."""
        seen = b""
        while not all(word in seen for word in words):
            chunk = self._read()
            assert chunk, f"it ended: {self.raw[-2000:]!r}"
            seen += chunk

    def read_to_end(self) -> int:
        """Read what is left; the exit code."""
        while self._read():
            pass
        return self.process.wait()

    def press(self, keys: bytes) -> None:
        os.write(self.fd, keys)

    def _read(self) -> bytes:
        try:
            chunk = os.read(self.fd, 65536)
        except OSError:  # nobody writes any more
            return b""
        self.raw += chunk
        return chunk

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.fd)


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.close()


def test_q_leaves_with_0_and_gives_the_terminal_back(terminals: list[Terminal]) -> None:
    terminals.append(terminal := Terminal(OPEN))
    terminal.read_until(b"Experiment", b"Truncation")
    terminal.press(b"q")
    assert terminal.read_to_end() == 0
    assert terminal.raw.rindex(b"\x1b[?1049l") > terminal.raw.rindex(b"\x1b[?1049h")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_leave_with_their_code_and_give_the_terminal_back(
    terminals: list[Terminal], number: signal.Signals
) -> None:
    terminals.append(terminal := Terminal(OPEN))
    terminal.read_until(b"Truncation")
    terminal.process.send_signal(number)
    assert terminal.read_to_end() == 128 + number
    assert terminal.raw.rindex(b"\x1b[?1049l") > terminal.raw.rindex(b"\x1b[?1049h")


def test_the_frame_is_painted_before_the_form_is_imported(terminals: list[Terminal]) -> None:
    terminals.append(terminal := Terminal(OPEN))
    terminal.read_until(b"Truncation")
    assert terminal.raw.index(b"Experiment") < terminal.raw.index(b"Truncation")
    assert b"one moment" in terminal.raw


def test_no_color_sends_no_colours(terminals: list[Terminal]) -> None:
    terminals.append(terminal := Terminal(OPEN, NO_COLOR="1"))
    terminal.read_until(b"Truncation")
    terminal.press(b"q")
    terminal.read_to_end()
    assert b"\x1b[38;" not in terminal.raw
    assert b";38;5;" not in terminal.raw
    assert b"48;5;" not in terminal.raw
    assert b"\x1b[7;39;49m" in terminal.raw  # the field with the focus


def test_leaving_says_that_training_goes_on_and_how_to_come_back(
    terminals: list[Terminal], tmp_path: Path
) -> None:
    from seqlab.runs.control import send
    from seqlab.runs.reader import RunReader

    terminals.append(terminal := Terminal(START, SEQLAB_HOME=str(tmp_path)))
    terminal.read_until(b"training")
    terminal.press(b"q")
    assert terminal.read_to_end() == 0
    after = terminal.raw[terminal.raw.rindex(b"\x1b[?1049l") :].decode()
    folder = list_runs(tmp_path)[0]
    assert "training goes on" in after
    assert f"seqlab watch {folder.name}" in after
    reader = RunReader(folder)
    assert reader.poll().state not in ("failed", "lost", "finished")
    send(folder, "stop")
    while reader.poll().state != "stopped":
        assert reader.poll().state not in ("failed", "lost")


def test_opening_the_lab_imports_neither_numba_nor_scipy() -> None:
    code = (
        "import sys\n"
        "import seqlab.tui.app\n"
        "assert not {'numpy', 'pydantic'} & set(sys.modules), 'before the first paint'\n"
        "import seqlab.tui.screens.setup, seqlab.tui.screens.help, seqlab.tui.standby\n"
        "import seqlab.tui.widgets.form, seqlab.tui.widgets.preset_list, seqlab.tui.widgets.summary\n"
        "assert not {'numba', 'scipy', 'llvmlite'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


async def test_watching_opens_on_the_run_with_setup_beneath(tmp_path: Path) -> None:
    from seqlab.tui.screens.lab import LabScreen
    from seqlab.tui.screens.setup import SetupScreen

    folder = create_run(small(), tmp_path)
    app = LabApp(watch=folder)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, LabScreen))
        assert isinstance(app.screen_stack[0], SetupScreen)


async def test_every_key_has_a_name_and_words() -> None:
    from seqlab.tui.screens.help import keys_of
    from seqlab.tui.screens.setup import SetupScreen

    app = LabApp()
    async with app.run_test(size=(120, 36)) as pilot:
        screen = app.screen
        assert isinstance(screen, SetupScreen)
        await until(pilot, lambda: screen.ready)
        bindings = keys_of(screen, app)
        assert {"setup.start", "setup.find", "app.help", "app.quit", "field.open"} <= {b.id for b in bindings}
        assert all(binding.tooltip or binding.description for binding in bindings)
        offered = [command.title for command in app.get_system_commands(screen)]
        assert {"Start", "Presets", "Help", "Quit", "Theme"} <= set(offered)


@pytest.mark.parametrize("theme", ["seqlab-dark", "seqlab-light", "ansi-dark", "textual-light", "nord"])
async def test_it_draws_under_any_theme(theme: str) -> None:
    from seqlab.tui.screens.setup import SetupScreen

    app = LabApp()
    async with app.run_test(size=(120, 36)) as pilot:
        app.theme = theme
        screen = app.screen
        assert isinstance(screen, SetupScreen)
        await until(pilot, lambda: screen.ready)
        assert "Truncation" in app.export_screenshot()
