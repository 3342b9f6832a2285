"""What the command line prints is fit for a terminal, and every error is a line, whoever wrote the files."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from seqlab import cli, console
from seqlab.runs.status import Status
from seqlab.spec import to_toml
from tests.conftest import small

EVIL = "\x1b]0;PWN\x07\x9b31m\u202e"
WRITTEN_OUT = r"\x1b]0;PWN\x07\x9b31m\u202e"

Seqlab = Callable[..., tuple[int, str, str]]


@pytest.fixture
def seqlab(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Seqlab:
    """Run the command line in this process; returns its exit code, and what it wrote to stdout and stderr."""

    def called(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["seqlab", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        said = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return end.value.code, said.out, said.err

    return called


@pytest.fixture
def evil(tmp_path: Path) -> Path:
    """A spec with a title and a text that would do something to a terminal."""
    path = tmp_path / "evil.toml"
    spec = small().model_copy(update={"title": EVIL, "about": f"first\n  {EVIL}"})
    path.write_text(to_toml(spec))
    return path


def test_texts_of_a_spec_are_written_out_line_by_line(seqlab: Seqlab, evil: Path) -> None:
    assert seqlab("presets", evil) == (0, f"first\n  {WRITTEN_OUT}\n", "")


def test_json_is_exact_and_on_a_terminal_plain(
    seqlab: Seqlab, evil: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, exact, _ = seqlab("presets", evil, "--json")
    assert "\u202e" in exact
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    _, plain, _ = seqlab("presets", evil, "--json")
    assert plain.isascii()
    assert json.loads(plain) == json.loads(exact)
    assert json.loads(plain)["title"] == EVIL


def test_every_character_is_plain_in_json_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    every = "".join(map(chr, range(0x300))) + "\ud800\U0001f600"
    console.emit(text=every)
    line = capsys.readouterr().out
    assert line.removesuffix("\n").isprintable()
    assert line.isascii()
    assert json.loads(line)["text"] == every


def test_keys_of_a_spec_are_written_out_in_errors(seqlab: Seqlab, evil: Path) -> None:
    evil.write_text(evil.read_text() + '\n["\\u001b]0;PWN"]\na = 1\n')
    code, out, err = seqlab("presets", evil)
    assert (code, out) == (2, "")
    assert r"\x1b]0;PWN" in err
    assert err.replace("\n", "").isprintable()


@pytest.mark.parametrize("command", ["resume", "fork", "replay"])
def test_names_of_folders_are_written_out_in_errors(command: str, seqlab: Seqlab, tmp_path: Path) -> None:
    (tmp_path / EVIL).mkdir()
    code, _, err = seqlab(command, tmp_path / EVIL)
    assert code == 2
    assert f"{WRITTEN_OUT}: is not a run folder" in err
    assert err.count("\n") == 1


def test_arguments_are_written_out_in_errors(seqlab: Seqlab) -> None:
    code, _, err = seqlab("resume", "--\x1b[2J")
    assert code == 2
    assert "No such option" in err
    assert "\x1b" not in err


def test_a_title_is_no_markup_for_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(
        console, "stderr_console", lambda: Console(file=shown, force_terminal=True, width=200)
    )
    with console._Bar(f"a[/b]{EVIL}"):
        pass
    assert f"a[/b]{WRITTEN_OUT}" in shown.getvalue()


def test_what_the_system_refuses_is_a_line(seqlab: Seqlab, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> None:
        raise PermissionError(13, "Permission denied", "/closed/config.toml")

    monkeypatch.setattr("seqlab.settings.load_settings", refused)
    assert seqlab("config", "show") == (2, "", "/closed/config.toml: Permission denied\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_below_stdout_is_a_line(seqlab: Seqlab, monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        code, _, err = seqlab("presets")
        full.flush()  # what Python does at its end: nothing is left that could fail
    assert (code, err) == (2, "No space left on device\n")


def test_a_run_line_says_its_name_written_out(
    tmp_path: Path, seqlab: Seqlab, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / EVIL
    folder.mkdir()
    (folder / "spec.toml").write_text(to_toml(small()))
    (folder / "status.json").write_bytes(Status("failed", 1, 20, message=EVIL).to_bytes())
    code, out, _ = seqlab("runs", "--out", tmp_path, "--list")
    assert code == 0
    assert out.startswith(WRITTEN_OUT)
    assert out.count("\n") == 1
