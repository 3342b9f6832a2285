"""The compile cache, with a copy of the kernels in processes of their own."""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import seqlab.kernels
from seqlab.kernels import jit

KERNELS = Path(seqlab.kernels.__file__).parent

RUN = """
import json, sys, warnings
warnings.simplefilter("error")
{before}
import numpy as np
from seqlab.kernels import activations, cache, rnn
compiled_before = cache.is_compiled("rnn")
h = np.zeros((2, 1, 1))
if {calls}:
    x = np.full((1, 1, 1), 0.5)
    weights = (np.ones((1, 1)), np.ones((1, 1)), np.zeros(1))
    packed = tuple(np.zeros(s) for s in [48, 32, 0])
    rnn.pack(weights, packed)
    rnn.forward(x, 0, packed, (h,), (), 0)
if {calls} > 1:
    carry = (np.zeros((1, 1)),)
    gradients = tuple(np.zeros_like(w) for w in weights)
    scratch = (np.zeros((1, 1, 1, 1)),)
    rnn.backward(x, 0, packed, (h,), (), np.ones((1, 1, 1)), carry, gradients, scratch, x[:0], 0)
stats = rnn.forward.stats
print(json.dumps(dict(
    h=h[1, 0, 0], folder=str(cache.FOLDER), writable=cache.WRITABLE,
    hits=sum(stats.cache_hits.values()), misses=sum(stats.cache_misses.values()),
    compiled_before=compiled_before, compiled=cache.is_compiled("rnn"),
    file=rnn.__file__, others=__import__("numba").config.CACHE_DIR,
)))
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A package `seqlab` with a copy of the kernels alone."""
    package = tmp_path_factory.mktemp("copy") / "seqlab"
    shutil.copytree(KERNELS, package / "kernels", ignore=shutil.ignore_patterns("__pycache__"))
    (package / "__init__.py").write_text("")
    return package.parent


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def first(copy, cache):
    """What the first process found that called both kernels with this cache."""
    return run(copy, cache, calls=2)


def run(copy, cache, before="", calls=1):
    """Call that many kernels in a process; its facts."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")}
    if cache is not None:
        environment["NUMBA_CACHE_DIR"] = str(cache)
    else:
        environment |= {"HOME": str(copy), "XDG_CACHE_HOME": str(copy / "xdg")}
    command = [sys.executable, "-c", RUN.format(before=before, calls=calls)]
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["file"].startswith(str(copy))
    return facts


def test_a_second_process_finds_the_first_ones_code(copy, cache, first):
    second = run(copy, cache)
    assert (first["hits"], first["misses"]) == (0, 1)
    assert (second["hits"], second["misses"]) == (1, 0)
    assert not first["compiled_before"]
    assert first["compiled"]
    assert second["compiled_before"]
    assert first["folder"] == second["folder"]
    assert Path(first["folder"]).parent == cache


def test_the_cache_moves_when_a_function_in_another_file_changes(copy, cache, first, tmp_path):
    changed = shutil.copytree(copy, tmp_path / "changed")
    source = changed / "seqlab" / "kernels" / "activations.py"
    text = source.read_text()
    assert "return math.tanh(x)" in text
    same = run(changed, cache, calls=0)
    assert same["folder"] == first["folder"]
    source.write_text(text.replace("return math.tanh(x)", "return math.tanh(x) + 100.0"))
    after = run(changed, cache)
    assert after["folder"] != first["folder"]
    assert after["misses"] == 1
    assert after["h"] == first["h"] + 100


def test_the_folder_is_ours_even_if_numba_was_there_first_and_numbas_own_stays(copy, cache, first):
    facts = run(copy, cache, before="import numba")
    assert facts["folder"] == first["folder"]
    assert list(Path(facts["folder"]).glob("*/rnn.forward-*.nbc"))
    assert (facts["hits"], facts["misses"]) == (1, 0)
    assert facts["others"] == str(cache)


def test_a_cache_that_cannot_be_written_is_done_without(copy, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("a file where the folder should be")
    facts = run(copy, blocked)
    assert not facts["writable"]
    assert facts["h"] == pytest.approx(0.46211715726)
    assert not list(copy.rglob("*.nbc"))


def test_without_numbas_variable_the_users_cache_folder_is_used(copy):
    facts = run(copy, None, calls=0)
    folder = Path(facts["folder"])
    assert folder.is_relative_to(copy)
    assert folder.parent.name == "numba"
    assert folder.parent.parent.name == "seqlab"
    assert folder.is_dir()
    assert facts["writable"]
    assert facts["others"] == ""


def test_folders_used_least_recently_are_removed_and_foreign_ones_left(copy, tmp_path):
    cache = tmp_path / "cache"
    for age in range(8):
        folder = cache / f"seqlab-{age:016x}"
        folder.mkdir(parents=True)
        os.utime(folder, (1_000_000 - age, 1_000_000 - age))
    (cache / "another-program").mkdir()
    facts = run(copy, cache, calls=0)
    left = {path.name for path in cache.iterdir()}
    newest = {f"seqlab-{age:016x}" for age in range(3)}
    assert left == {"another-program", Path(facts["folder"]).name, *newest}


def test_the_flags_keep_nan():
    assert {"reassoc", "contract", "arcp", "nsz", "afn"} == jit.FASTMATH


@pytest.mark.parametrize("path", sorted(KERNELS.glob("*.py")), ids=lambda path: path.stem)
def test_kernels_are_compiled_by_our_decorator_alone(path):
    tree = ast.parse(path.read_text())
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert path.stem == "jit" or not names & {"njit", "vectorize", "guvectorize", "prange", "jitclass"}
