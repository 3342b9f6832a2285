"""Run folders that were torn, mangled or made up: each is shown as what it is, and nothing breaks."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seqlab.runs import layout
from seqlab.runs.layout import RunError
from seqlab.runs.listing import Listing
from seqlab.runs.run import Run
from seqlab.tui.panels.moment import observe
from seqlab.tui.panels.status import status_line
from seqlab.tui.panels.voice import voice
from seqlab.tui.panels.words import help_text, troubles
from tests.tui.conftest import Finished

Mangle = Callable[[bytes], bytes]

#: Bytes that mean something in the files of a run, some within a JSON or TOML text.
ESCAPED = [rb"\u001b]0;PWN\u0007", rb"\u009b2J", rb"\u202e"]
MEANINGFUL = [*map(bytes, zip(b'\n"{}[]0-e.\0\xff')), b"NaN", b"null", b"\x1b[2J", *ESCAPED]

tears: st.SearchStrategy[Mangle] = st.floats(0, 1).map(lambda share: lambda old: old[: int(share * len(old))])
strangers = st.binary(max_size=200).map(lambda new: lambda old: new)
tails = st.binary(max_size=50).map(lambda new: lambda old: old + new)


@st.composite
def wounds(draw: st.DrawFn) -> Mangle:
    """A few bytes are others now, are gone, or are there twice."""
    share, length = draw(st.floats(0, 1)), draw(st.integers(0, 20))
    new = draw(st.one_of(st.sampled_from(MEANINGFUL), st.binary(max_size=8)))

    def wound(old: bytes) -> bytes:
        at = int(share * len(old))
        return old[:at] + new + old[at + length :]

    return wound


def seen(folder: Path) -> str:
    """Everything that is read of a run and said about it; a run that cannot be read says so in words."""
    said = [repr(row) for row in Listing(folder.parent).poll()]
    try:
        run = Run(folder)
        moment = observe(run.snapshot())
    except RunError as error:
        return "\n".join([*said, str(error)])
    for read in (
        lambda: run.checkpoint(),
        lambda: run.env,
        *(lambda step=step: run.frame(step) for step in run.frames),
        *(lambda step=step: run.checkpoint(step) for step in run.checkpoints),
    ):
        with contextlib.suppress(RunError):
            read()
    said += [help_text(moment), *troubles(moment), *voice(moment, 0)]
    said += [status_line(moment, width, "", None).plain for width in (60, 120)]
    assert moment.learning_rate > 0
    return "\n".join(said)


@pytest.fixture(scope="session")
def original(finished: Finished) -> Path:
    return finished("adding")


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_torn_or_mangled_file_breaks_what_reads_it(
    original: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("hostile") / "run"
    shutil.copytree(original, folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "worker.lock")
    for path in data.draw(st.lists(st.sampled_from(files), min_size=1, max_size=3), "files"):
        mangle = data.draw(st.one_of(tears, strangers, tails, wounds()), path.name)
        path.write_bytes(mangle(path.read_bytes()))
    assert is_harmless(seen(folder))
    shutil.rmtree(folder)


def is_harmless(text: str) -> bool:
    return all(line.isprintable() for line in text.split("\n"))


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        (layout.STATUS, rb'"(message|host)": "'),
        (layout.EVENTS, rb'"(name|label|host|why|cell)": "'),
        (layout.ENV, rb'": "'),
        (layout.SPEC, rb'^(title|about) = "'),
        (layout.SPEC, rb'^"?(?=length)'),  # a field that is unknown, then
    ],
)
def test_no_text_that_a_file_holds_reaches_the_terminal_as_it_is(
    original: Path, tmp_path: Path, name: str, begins: bytes
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(original, folder)
    content = (folder / name).read_bytes()
    evil = b"".join(ESCAPED)
    if b"length" in begins:
        evil = b'"' + evil + b'" = 1\n'
    content, count = re.subn(begins, lambda found: found[0] + evil, content, flags=re.MULTILINE)
    (folder / name).write_bytes(content)
    assert count > 0
    assert is_harmless(seen(folder))


@pytest.mark.parametrize("made", ["folder", "pipe", "link", "loop", "nothing"])
def test_what_is_no_file_does_not_hold_anybody_up(original: Path, tmp_path: Path, made: str) -> None:
    names = sorted(path.relative_to(original) for path in original.rglob("*") if path.is_file())
    for name in names[:: 1 + len(names) // 20]:
        folder = tmp_path / str(name).replace("/", "-") / "run"
        shutil.copytree(original, folder)
        path = folder / name
        path.unlink()
        if made == "folder":
            path.mkdir()
        elif made == "pipe":
            os.mkfifo(path)
        elif made == "link":
            path.symlink_to("/dev/zero")
        elif made == "loop":
            path.symlink_to(path)
        seen(folder)
