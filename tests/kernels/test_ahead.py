"""A second process compiles what kernels call; whatever becomes of it, the kernels work."""

import json
import os
import subprocess
import sys

import pytest

FIRST = """
import json, sys
import numpy as np
from seqlab.kernels import ahead, linked
{before}
ahead.start("rnn", "float32")
from numba.core import compiler
compiled = []
inner = compiler.compile_extra
def counted(*args, **options):
    compiled.append(next(a.__name__ for a in args if hasattr(a, "__code__")))
    return inner(*args, **options)
compiler.compile_extra = counted
from tests.kernels.cases import CELLS, make_case, run_kernel
result = run_kernel(make_case(CELLS[0], (3, 2, 2, 5), 0, np.float32))
print(json.dumps([compiled, float(np.abs(result.dh).sum())]))
"""

needs_two = pytest.mark.skipif(os.cpu_count() == 1, reason="there is one processor, so no second process")


def run(cache, before=""):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    command = [sys.executable, "-c", FIRST.format(before=before)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    names, total = json.loads(done.stdout)
    return names, total


@needs_two
def test_what_the_second_process_compiles_this_one_does_not(tmp_path):
    names, total = run(tmp_path / "a")
    assert {"forward", "backward"} <= set(names)
    assert not {"product", "add_gradients", "_step_back"} & set(names)
    again, same = run(tmp_path / "a")
    assert again == []
    assert same == total


@needs_two
@pytest.mark.parametrize(
    "before",
    [
        "ahead.sys.executable = '/bin/false'",
        "ahead.sys.executable = '/no/such/file'",
    ],
    ids=["it ends at once", "it cannot be started"],
)
def test_without_the_second_process_this_one_compiles_everything(tmp_path, before):
    names, _ = run(tmp_path, before)
    assert {"forward", "backward", "product", "add_gradients", "_step_back"} <= set(names)
