"""The wheel, installed into an empty environment, holds the presets and runs one."""

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    # The build backend is one of the test tools, so nothing is fetched for an environment of its own.
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return next(out.glob("*.whl"))


def test_the_wheel_holds_presets_styles_and_the_typing_mark(wheel: Path):
    names = zipfile.ZipFile(wheel).namelist()
    for preset in (ROOT / "presets").glob("*.toml"):
        assert f"seqlab/presets/{preset.name}" in names
    for style in (ROOT / "seqlab").rglob("*.tcss"):
        assert style.relative_to(ROOT).as_posix() in names
    assert "seqlab/py.typed" in names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/"))]


def test_installed_into_an_empty_environment_it_runs_a_preset(wheel: Path, tmp_path: Path):
    venv.create(tmp_path / "env", with_pip=True)
    binaries = tmp_path / "env" / "bin"
    pinned = [
        "--quiet",
        "--no-compile",
        "--disable-pip-version-check",
        "--constraint",
        ROOT / "constraints.txt",
    ]
    subprocess.run([binaries / "pip", "install", *pinned, wheel], check=True, cwd=tmp_path, timeout=600)
    command = [binaries / "seqlab", "run", "vanishing", "-s", "training.steps=5", "--json"]
    outside = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [*command, "--out", tmp_path / "runs"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=outside,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["event"] == "finished"
    assert last["step"] == 5
