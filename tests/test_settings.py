"""What stands in config.toml: read whole, every error at once, with its place."""

from __future__ import annotations

import os
import tempfile
import tomllib
from pathlib import Path

import pytest

from seqlab.settings import Settings, config_path, load_settings, to_toml
from seqlab.spec import SpecError
from tests.runs.test_listing import someone_else


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config.toml"
    monkeypatch.setenv("SEQLAB_CONFIG", str(path))
    return path


def test_without_a_file_everything_has_its_default(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert config_path() == config
    assert load_settings(tmp_path / "none.toml") == Settings()
    monkeypatch.delenv("SEQLAB_CONFIG")
    monkeypatch.setattr("platformdirs.user_config_dir", lambda name: str(tmp_path / name))
    assert config_path() == tmp_path / "seqlab" / "config.toml"
    assert load_settings() == Settings()


@pytest.mark.parametrize("chosen", [{}, {"fps": 3.0}])
def test_a_file_that_the_environment_names_must_be_there(config: Path, chosen: dict[str, float]) -> None:
    with pytest.raises(SpecError, match=f"^{config}: there is no such file; SEQLAB_CONFIG names it$"):
        load_settings(**chosen)


def test_the_file_counts_and_the_command_line_counts_more(config: Path) -> None:
    config.write_text('theme = "seqlab-light"\nfps = 8\n[keys]\n"lab.pause" = "p"\n')
    found = load_settings(fps=2, charset=None)
    assert (found.theme, found.fps, found.charset, found.keys) == (
        "seqlab-light",
        2,
        "auto",
        {"lab.pause": "p"},
    )


def test_what_is_in_force_is_a_file_that_says_the_same(config: Path) -> None:
    for settings in (Settings(), Settings(fps=3, notice=("bell",), keys={"lab.log": "L"}, mouse=False)):
        config.write_text(to_toml(settings))
        assert load_settings() == settings


def test_every_error_is_told_with_its_line(config: Path) -> None:
    config.write_text('thme = "x"\nfps = 100\n\ncharset = "brail"\n[keys]\n"lab.pause" = 3\n')
    with pytest.raises(SpecError) as raised:
        load_settings()
    said = "\n".join(sorted(str(raised.value).splitlines()))
    assert said == "\n".join(
        [
            f"{config}:1: thme: unknown field; known: theme, charset, fps, heatmap_fps, mouse, notice, keys "
            "(did you mean theme?)",
            f"{config}:2: fps: 100 is out of bounds: it must be at most 30",
            f"{config}:4: charset: 'brail' is not one of auto, braille, block, ascii (did you mean braille?)",
            f"{config}:6: keys.lab.pause: 3 is not a text",
        ]
    )


def test_a_theme_actions_and_keys_that_there_are_not_are_told_with_the_rest(config: Path) -> None:
    config.write_text(
        'theme = "norde"\nfps = 100\n[keys]\n"lab.stop" = "no key"\n"lab.paus" = "p"\n"lab.log" = 3\n'
        '"lab.steer" = "q"\n"nothing.at.all" = "x"\n'
    )
    with pytest.raises(SpecError) as raised:
        load_settings()
    told = [
        ":1: theme: 'norde' is not one of ansi-dark, ",
        ":2: fps: 100 is out of bounds",
        ":4: keys.lab.stop: 'no key' is not the name of a key; ",
        ":5: keys.lab.paus: there is no such action; there are lab.copy, ",
        ":6: keys.lab.log: 3 is not a text",
        ":7: keys.lab.steer: q is the key of app.quit too; ",
        ":8: keys.nothing.at.all: there is no such action; names begin with amend, app, ",
    ]
    for line, words in zip(str(raised.value).splitlines(), told, strict=True):
        assert line.startswith(f"{config}{words}")


def test_an_error_of_the_command_line_is_told_as_its_own(config: Path) -> None:
    config.write_text('theme = "norde"\n')
    with pytest.raises(SpecError, match=r"^--fps: -3 is out of bounds: it must be at least 0$"):
        load_settings(fps=-3, theme="nord")
    config.write_text("")
    with pytest.raises(SpecError, match=r"^--theme: 'norde' is not one of .* \(did you mean nord\?\)$"):
        load_settings(theme="norde")


@pytest.mark.parametrize("content", [b"fps = = 3", b"\xff\xfe", b"["])
def test_what_is_no_toml_is_told(config: Path, content: bytes) -> None:
    config.write_bytes(content)
    with pytest.raises(SpecError, match=f"^{config}: not a TOML file: "):
        load_settings()


def test_a_folder_in_its_place_is_told(config: Path) -> None:
    config.mkdir()
    with pytest.raises(SpecError, match="cannot be read: Is a directory"):
        load_settings()


def test_over_ssh_pictures_are_fewer_unless_it_is_said_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    here = Settings().pause, Settings().heatmap_pause
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.1 1 192.0.2.2 22")
    assert here < (Settings().pause, Settings().heatmap_pause)
    assert Settings(fps=10).pause == 0.1
    assert Settings(fps=1).heatmap_pause == 1  # never more often than the rest
    assert tomllib.loads(to_toml(Settings()))["fps"] == 0


def test_a_folder_that_is_closed_to_us_is_an_error_in_words() -> None:
    with tempfile.TemporaryDirectory() as place:  # where also someone without rights can look
        os.chmod(place, 0o755)
        folder = Path(place) / "closed"
        folder.mkdir()
        os.chmod(folder, 0o000)
        try:
            with (
                someone_else(),
                pytest.raises(SpecError, match=r"config\.toml: cannot be read: Permission denied$"),
            ):
                load_settings(folder / "config.toml")
        finally:
            os.chmod(folder, 0o755)
