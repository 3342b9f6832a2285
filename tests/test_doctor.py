"""What doctor says of what the machine does to runs."""

from __future__ import annotations

import getpass
from pathlib import Path

import pytest

from seqlab.doctor import at_logout

KILLS = "[Login]\nKillUserProcesses=yes\n"


def system(root: Path, **files: str) -> Path:
    """The files of a system: `etc_10` is etc/systemd/logind.conf.d/10.conf, `main` is logind.conf itself."""
    for name, text in files.items():
        place, _, number = name.partition("_")
        folder = {"main": "etc/systemd", "lib": "usr/lib/systemd/logind.conf.d"}.get(
            place, f"{place}/systemd/logind.conf.d"
        )
        path = root / folder / ("logind.conf" if place == "main" else f"{number}.conf")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"main": "[Login]\n#KillUserProcesses=yes\n"},
        {"main": KILLS, "etc_10": "[Login]\nKillUserProcesses=no\n"},
        {"lib_10": KILLS, "etc_10": "[Login]\n"},
        {"main": KILLS + "KillOnlyUsers=somebody-else\n"},
        {"main": f"{KILLS}KillExcludeUsers=root {getpass.getuser()}\n"},
    ],
    ids=str,
)
def test_where_the_login_service_spares_them_runs_go_on(tmp_path: Path, files: dict[str, str]) -> None:
    assert at_logout(system(tmp_path, **files)) == "go on"


@pytest.mark.parametrize(
    "files",
    [
        {"main": KILLS},
        {"lib_50": KILLS},
        {"main": "[Login]\nKillUserProcesses=no\n", "run_20": KILLS},
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
