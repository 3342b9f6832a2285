"""What is light stays light: proven in fresh processes."""

import subprocess
import sys

import pytest

LOADED = "import sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"


def loaded_by(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{LOADED}"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_the_version_imports_neither_textual_nor_numpy():
    invoke = "CliRunner().invoke(cli, ['--version'])"
    code = f"from click.testing import CliRunner; from seqlab.cli import cli; {invoke}"
    assert not loaded_by(code) & {"textual", "numpy", "numba", "pydantic", "rich"}


def test_importing_the_package_imports_nothing():
    assert not loaded_by("import seqlab") & {"textual", "numpy", "numba", "pydantic", "click"}


@pytest.mark.parametrize(
    "module",
    [
        "seqlab.tui.app",
        "seqlab.tui.screens.setup",
        "seqlab.tui.screens.lab",
        "seqlab.runs.follow",
        "seqlab.spec",
    ],
)
def test_the_lab_and_the_run_folder_do_not_import_numba(module: str):
    assert not loaded_by(f"import {module}") & {"numba", "llvmlite"}


@pytest.mark.parametrize(
    "module", ["seqlab.training.trainer", "seqlab.worker.job", "seqlab.runs.run", "seqlab.spec"]
)
def test_only_the_lab_knows_textual(module: str):
    assert not loaded_by(f"import {module}") & {"textual", "rich"}
