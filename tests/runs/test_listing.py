"""The list of runs, on real folders: whole, torn, newer, closed, and strange."""

from __future__ import annotations

import fcntl
import json
import math
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.runs import layout
from seqlab.runs.layout import RunError
from seqlab.runs.listing import Listing
from seqlab.runs.listing_files import POINTS
from seqlab.runs.listing_row import Row, matching
from seqlab.runs.liveness import read_status
from seqlab.runs.writer import RunWriter
from seqlab.spec import Spec


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def ended(spec: Spec, home: Path, state: str = "finished", rows: int = 40) -> Path:
    """A run that is over, as a worker leaves it."""
    folder = layout.create_run(spec, home)
    with RunWriter(folder) as writer:
        for step in range(1, rows + 1):
            writer.rows({"step": step, "train/loss": 1 / step, "eval/loss": 2 / step})
        writer.set_status(state=state, step=rows)
    return folder


def renamed(folder: Path, name: str) -> Path:
    return folder.rename(folder.with_name(name))


def only(home: Path, *wanted: Path) -> Row:
    [row] = Listing(home).poll(wanted, specs=9)
    return row


class TestRow:
    def test_it_says_what_a_run_is_and_how_far_it_came(self, spec: Spec, home: Path) -> None:
        folder = ended(spec, home)
        row = only(home, folder)
        assert (row.folder, row.name, row.state, row.message) == (folder, folder.name, "finished", "")
        assert row.told is not None
        assert (row.told.task, row.told.cell, row.told.hidden) == ("adding", "rnn", 4)
        assert row.told.title == "a small one"
        assert (row.step, row.steps, row.loss, row.best) == (40, 100, 2 / 40, 2 / 40)
        status = read_status(folder)
        assert row.age(status.heartbeat) < 120
        assert row.silence(status.heartbeat + 5) == 5
        assert not row.ill
        assert not row.under_way

    def test_before_an_evaluation_the_loss_is_that_of_a_batch(self, spec: Spec, home: Path) -> None:
        folder = layout.create_run(spec, home)
        assert only(home).loss is None
        with RunWriter(folder) as writer:
            writer.rows({"step": 1, "train/loss": math.inf})
            writer.set_status(state="diverged", step=1)
        assert only(home).loss == math.inf

    def test_its_spec_and_curve_are_read_when_it_is_in_sight(self, spec: Spec, home: Path) -> None:
        folder = ended(spec, home)
        listing = Listing(home)
        [row] = listing.poll()
        assert (row.told, row.curve) == (None, ())
        [row] = listing.poll(specs=1)
        assert row.told is not None
        assert row.curve == ()
        [row] = listing.poll([folder])
        assert len(row.curve) == POINTS
        assert listing.poll([folder])[0] is row

    def test_specs_are_read_from_the_newest_on(self, spec: Spec, home: Path) -> None:
        for day in (1, 2, 3):
            renamed(ended(spec, home), f"2026010{day}-000000-adding-rnn-aaaaaa")
        listing = Listing(home)
        assert [row.told is not None for row in listing.poll(specs=2)] == [True, True, False]
        assert [row.told is not None for row in listing.poll(specs=2)] == [True, True, True]


class TestOrder:
    def test_it_is_that_of_list_runs(self, spec: Spec, home: Path) -> None:
        for name in ("20260102-000000-a", "20260101-235959-z", "20300101-000000-m", "my best"):
            renamed(ended(spec, home, rows=1), name)
        listed = [row.folder for row in Listing(home).poll()]
        assert listed == layout.list_runs(home)
        assert listed[0].name == "20300101-000000-m"

    def test_runs_come_and_go(self, spec: Spec, home: Path) -> None:
        listing = Listing(home)
        assert listing.poll() == ()
        first = ended(spec, home, rows=1)
        assert [row.folder for row in listing.poll()] == [first]
        shutil.rmtree(first)
        assert listing.poll() == ()

    def test_what_is_no_run_is_not_there(self, spec: Spec, home: Path) -> None:
        (home / "empty").mkdir(parents=True)
        (home / "notes.txt").write_text("x")
        os.symlink("nowhere", home / "dangling")
        hidden = ended(spec, home, rows=1)
        renamed(hidden, ".deleted-0123456789abcdef")
        half = layout.create_run(spec, home)
        (half / layout.SPEC).unlink()  # as it is for a moment while it is being made
        assert Listing(home).poll() == ()
        assert layout.list_runs(home) == []

    def test_a_folder_that_cannot_be_listed_says_so(self, tmp_path: Path) -> None:
        with pytest.raises(RunError, match="cannot be listed: File name too long"):
            Listing(tmp_path / ("x" * 300)).poll()


class TestState:
    def test_a_worker_that_is_there_or_gone_is_seen_without_a_new_status(
        self, spec: Spec, home: Path
    ) -> None:
        folder = ended(spec, home, "training")
        listing = Listing(home)
        with (folder / layout.LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            assert [row.state for row in listing.under_way()] == ["training"]
        [row] = listing.poll()
        assert row.state == "lost"
        assert listing.under_way() == []
        with RunWriter(folder) as writer:
            writer.set_status(state="stopped")
        assert [row.state for row in listing.poll()] == ["stopped"]

    @pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\x00", b'{"format": 1}', b"[" * 60_000])
    def test_a_damaged_status_is_said_to_be_and_mended_when_it_is(
        self, spec: Spec, home: Path, content: bytes
    ) -> None:
        folder = ended(spec, home)
        whole = (folder / layout.STATUS).read_bytes()
        (folder / layout.STATUS).write_bytes(content)
        listing = Listing(home)
        [row] = listing.poll([folder])
        assert row.state == "damaged"
        assert row.message.startswith("status.json cannot be read: ")
        assert (row.ill, row.step, row.steps, row.loss, row.best) == (True, 0, 0, None, None)
        (folder / layout.STATUS).write_bytes(whole)
        assert [row.state for row in listing.poll()] == ["finished"]

    def test_a_newer_format_is_said_to_be(self, spec: Spec, home: Path) -> None:
        folder = ended(spec, home)
        status = json.loads((folder / layout.STATUS).read_bytes())
        (folder / layout.STATUS).write_text(json.dumps({**status, "format": 2}))
        row = only(home)
        assert row.state == "newer"
        assert "has format 2" in row.message

    @pytest.mark.parametrize(
        ("name", "said"),
        [(layout.SPEC, "has no spec.toml"), (layout.STATUS, "has no status.json")],
    )
    def test_half_a_run_says_what_is_missing(self, spec: Spec, home: Path, name: str, said: str) -> None:
        (ended(spec, home) / name).unlink()
        row = only(home)
        assert (row.state, row.message) == ("damaged", said)

    @pytest.mark.parametrize("content", [b"[task", b"\xff", b"title = 3", b"task = 1\nmodel = 2"])
    def test_a_damaged_spec_makes_a_damaged_run(self, spec: Spec, home: Path, content: bytes) -> None:
        folder = ended(spec, home)
        (folder / layout.SPEC).write_bytes(content)
        row = only(home, folder)
        assert row.state == "damaged"
        assert row.message.startswith("spec.toml cannot be read: ")

    def test_what_belongs_to_another_is_said_to_be_closed(self, spec: Spec) -> None:
        with tempfile.TemporaryDirectory() as place:  # where also someone without rights can look
            os.chmod(place, 0o755)
            folder = ended(spec, Path(place))
            os.chmod(folder, 0o000)
            try:
                with someone_else():
                    row = only(Path(place), folder)
            finally:
                os.chmod(folder, 0o755)
        assert row.state == "unreadable"
        assert row.message.startswith("Permission denied")


NOBODY = 65534


class someone_else:  # noqa: N801 - reads as who one is
    """No superuser, for whom nothing is closed."""

    def __enter__(self) -> None:
        self._user = os.geteuid()
        if self._user == 0:
            os.seteuid(NOBODY)

    def __exit__(self, *error: object) -> None:
        os.seteuid(self._user)


class TestStrangers:
    def test_no_text_of_theirs_reaches_the_terminal_as_it_is(self, spec: Spec, home: Path) -> None:
        folder = ended(spec.model_copy(update={"title": "a\x1b[2Jb"}), home)
        folder = renamed(folder, "evil\x1b]0;x\x07")
        with RunWriter(folder) as writer:
            writer.set_status(message="see\x9b2J\nthis")
        row = only(home, folder)
        assert row.told is not None
        assert (row.name, row.told.title) == (r"evil\x1b]0;x\x07", r"a\x1b[2Jb")
        assert row.message == r"see\x9b2J this"
        assert row.folder == folder

    def test_a_name_that_is_no_text_is_listed(self, spec: Spec, home: Path) -> None:
        renamed(ended(spec, home), os.fsdecode(b"caf\xe9"))
        assert only(home).name == r"caf\udce9"

    @pytest.mark.parametrize("name", [layout.STATUS, layout.SPEC, layout.METRICS])
    def test_links_pipes_and_folders_in_place_of_files_are_not_read(
        self, spec: Spec, home: Path, tmp_path: Path, name: str
    ) -> None:
        secret = tmp_path / "secret"
        secret.write_text("password")
        for number, make in enumerate((lambda path: os.symlink(secret, path), os.mkfifo, os.mkdir)):
            folder = renamed(ended(spec, home), f"number {number}")
            (folder / name).unlink()
            make(folder / name)
        rows = Listing(home).poll([home / f"number {number}" for number in range(3)])
        assert len(rows) == 3
        for row in rows:
            assert row.state == ("finished" if name == layout.METRICS else "damaged")
            assert row.curve == ()
            assert "password" not in row.message

    def test_files_that_are_too_large_are_not_read(self, spec: Spec, home: Path) -> None:
        folder = ended(spec, home)
        os.truncate(folder / layout.STATUS, 1 << 40)
        assert "longer than 65536 bytes" in only(home).message

    @pytest.mark.parametrize(
        "wild", [{"heartbeat": 10**400}, {"rate": 10**400}, {"step": 10**400}, {"steps": 10**400}]
    )
    def test_a_number_of_any_size_takes_no_other_run_down(
        self, spec: Spec, home: Path, wild: dict[str, int]
    ) -> None:
        good, bad = ended(spec, home), renamed(ended(spec, home, "training"), "bad")
        status = json.loads((bad / layout.STATUS).read_bytes())
        (bad / layout.STATUS).write_text(json.dumps({**status, **wild}))
        states = {row.folder: row.state for row in Listing(home).poll([good, bad], specs=9)}
        assert states == {good: "finished", bad: "damaged"}

    def test_what_is_no_number_is_no_loss(self, spec: Spec, home: Path) -> None:
        folder = ended(spec, home)
        status = json.loads((folder / layout.STATUS).read_bytes())
        wild = {
            "metrics": {"eval/loss": "Infinity", "train/loss": [1]},
            "best": {"step": 1, "eval/loss": 10**400},
            "heartbeat": "NaN",
        }
        (folder / layout.STATUS).write_text(json.dumps({**status, **wild}))
        row = only(home, folder)
        assert (row.loss, row.best, row.silence(1e9)) == (math.inf, None, math.inf)

    def test_a_folder_that_nobody_foresaw_leaves_the_others_listed(
        self, spec: Spec, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        good, bad = ended(spec, home), ended(spec, home, "training")
        monkeypatch.setattr("seqlab.runs.liveness.read_state", lambda folder: 1 / 0)
        states = {row.folder: row.state for row in Listing(home).poll()}
        assert states == {good: "finished", bad: "damaged"}

    def test_a_link_to_itself_leaves_the_others_listed(self, spec: Spec, home: Path) -> None:
        folder = ended(spec, home)
        os.symlink("loop", home / "loop")
        assert only(home).folder == folder
        assert layout.list_runs(home) == [folder]

    @given(content=st.binary(max_size=200))
    def test_no_bytes_make_it_fail(self, content: bytes) -> None:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "run"
            folder.mkdir()
            for name in (layout.STATUS, layout.SPEC, layout.METRICS):
                (folder / name).write_bytes(content)
            [row] = Listing(Path(place)).poll([folder])
            assert row.ill


class TestMatching:
    @pytest.fixture
    def rows(self, spec: Spec, home: Path) -> tuple[Row, ...]:
        ended(spec, home, "stopped")
        renamed(ended(spec, home), "my best")
        (renamed(ended(spec, home), "torn") / layout.STATUS).write_bytes(b"")
        return Listing(home).poll(specs=9)

    @pytest.mark.parametrize(
        ("words", "names"),
        [
            ("", 3),
            ("ADDING RNN", 2),
            ("best", ["my best"]),
            ("small finished", ["my best"]),
            ("damaged", ["torn"]),
            ("stopped best", []),
        ],
    )
    def test_every_word_must_be_in_name_task_cell_state_or_title(
        self, rows: tuple[Row, ...], words: str, names: int | list[str]
    ) -> None:
        found = [row.name for row in matching(rows, words)]
        assert found == names if isinstance(names, list) else len(found) == names
