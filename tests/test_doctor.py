"""What doctor says of what the machine does to runs."""

from __future__ import annotations

import getpass
from pathlib import Path

import pytest

from seqlab.doctor import _can_write, _worker, at_logout

KILLS = "[Login]\nKillUserProcesses=yes\n"


def system(root: Path, **files: str) -> Path:
    """The files of a system: `etc_10` is the part 10.conf in etc, `etc` is its logind.conf itself."""
    for name, text in files.items():
        place, _, number = name.partition("_")
        place = {"lib": "usr/lib", "local": "usr/local/lib"}.get(place, place)
        path = root / place / "systemd" / (f"logind.conf.d/{number}.conf" if number else "logind.conf")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"etc": "[Login]\n#KillUserProcesses=yes\n"},
        {"etc": KILLS, "etc_10": "[Login]\nKillUserProcesses=no\n"},
        {"lib_10": KILLS, "etc_10": "[Login]\n"},
        {"lib": KILLS, "etc": "[Login]\n"},
        {"etc": "KillUserProcesses=maybe"},
        {"etc": KILLS + "KillOnlyUsers=somebody-else\n"},
        {"etc": f"{KILLS}KillExcludeUsers=root {getpass.getuser()}\n"},
    ],
    ids=str,
)
def test_where_the_login_service_spares_them_runs_go_on(tmp_path: Path, files: dict[str, str]) -> None:
    assert at_logout(system(tmp_path, **files)) == "go on"


@pytest.mark.parametrize(
    "files",
    [
        {"etc": KILLS},
        {"lib_50": KILLS},
        {"local_50": KILLS},
        {"lib": KILLS},
        {"lib": "KillUserProcesses=no", "run": "KillUserProcesses=Y"},
        {"etc": "KillUserProcesses=t"},
        {"etc": "[Login]\nKillUserProcesses=no\n", "run_20": KILLS},
        {"etc_10": "KillUserProcesses=no", "etc_20": "KillUserProcesses = on"},
    ],
    ids=str,
)
def test_where_it_ends_them_it_is_said_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str]
) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "somebody")  # root is spared
    said = at_logout(system(tmp_path, **files))
    assert said.startswith("end: ")
    assert "loginctl enable-linger" in said


def test_no_file_in_the_current_folder_stands_in_for_a_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "seqlab").mkdir()
    (tmp_path / "seqlab" / "__init__.py").write_text("raise SystemExit('another seqlab')")
    monkeypatch.chdir(tmp_path)
    assert "training" not in dict(_worker()["machine"])


def test_a_place_of_which_nothing_can_be_known_is_no_traceback(tmp_path: Path) -> None:
    assert _can_write(tmp_path / ("x" * 300) / "runs")
