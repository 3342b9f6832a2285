"""What tests share: small specs, and a home for runs that is thrown away."""

from __future__ import annotations

import itertools
from typing import Any

import hypothesis
import pytest

from seqlab.spec import Spec, load_spec

# How long an example takes depends on what else the machine does, and on what is compiled already.
hypothesis.settings.register_profile("seqlab", deadline=None)
hypothesis.settings.load_profile("seqlab")


_numbers = itertools.count()


@pytest.fixture(autouse=True)
def _own_home(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test touches the runs of whoever runs the tests."""
    monkeypatch.setenv("SEQLAB_HOME", str(tmp_path_factory.getbasetemp() / "home"))
    # Settings that say nothing, and a memory that nobody has written to yet.
    home = tmp_path_factory.getbasetemp() / "settings" / f"{next(_numbers)}"
    home.mkdir(parents=True)
    (home / "config.toml").touch()
    monkeypatch.setenv("SEQLAB_CONFIG", str(home / "config.toml"))
    monkeypatch.setenv("SEQLAB_STATE", str(home / "state"))
    monkeypatch.delenv("SEQLAB_THREADS", raising=False)
    monkeypatch.delenv("SSH_CONNECTION", raising=False)


def small(task: dict[str, Any] | None = None, model: dict[str, Any] | None = None, **training: Any) -> Spec:
    """A spec that trains in no time: adding over 10 steps unless `task` names another."""
    adding = {"name": "adding", "length": 10}
    return load_spec(
        {
            "task": task if task and "name" in task else {**adding, **(task or {})},
            "model": {"cell": "lstm", "hidden": 4, **(model or {})},
            "training": {"steps": 20, "batch_size": 4, "eval_sequences": 8, **training},
        }
    )
