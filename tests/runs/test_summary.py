from __future__ import annotations

import json
from pathlib import Path

from seqlab.runs import layout
from seqlab.runs.summary import fields
from seqlab.spec import Spec
from tests.runs.test_listing import ended, only


def test_a_run_as_json_has_its_state_its_figures_and_its_latest_metrics(spec: Spec, tmp_path: Path) -> None:
    folder = ended(spec, tmp_path)
    found = fields(only(tmp_path, folder))
    assert (found["name"], found["run"], found["state"]) == (folder.name, str(folder), "finished")
    assert (found["task"], found["cell"], found["eval/loss"]) == ("adding", "rnn", 2 / 40)


def test_no_metric_stands_in_for_what_a_run_is(spec: Spec, tmp_path: Path) -> None:
    folder = ended(spec, tmp_path)
    status = json.loads((folder / layout.STATUS).read_bytes())
    status["metrics"] |= {"state": 1.0, "name": 2.0, "run": 3.0}
    (folder / layout.STATUS).write_text(json.dumps(status))
    found = fields(only(tmp_path, folder))
    assert (found["name"], found["run"], found["state"]) == (folder.name, str(folder), "finished")


def test_a_damaged_one_is_named(spec: Spec, tmp_path: Path) -> None:
    folder = ended(spec, tmp_path)
    (folder / layout.STATUS).write_bytes(b"")
    found = fields(only(tmp_path, folder))
    assert found["state"] == "damaged"
    assert "status.json" in found["message"]
