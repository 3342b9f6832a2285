"""Weights from elsewhere: PyTorch's fit, whatever they stand behind; what does not fit is named."""

from __future__ import annotations

import pickle
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save, save_file

from seqlab.runs import tensors
from seqlab.runs.initial import load_initial, read_weights
from seqlab.runs.layout import INITIAL, RunError, create_run
from seqlab.spec import Spec
from seqlab.training.network import Network, Pass
from tests.conftest import small

FIXTURES = sorted((Path(__file__).parents[1] / "fixtures").glob("torch-*.npz"))
MOST = 100_000
COPY = {"name": "copy", "symbols": 2, "delay": 3, "alphabet": 2}


def spec_of(cell: str = "lstm", precision: str = "float32", **fields: object) -> Spec:
    return small(COPY, {"cell": cell, "hidden": 4, **fields}, precision=precision)


def fixture(path: Path, precision: str) -> tuple[Spec, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """A spec, PyTorch's weights for it, and what else PyTorch left."""
    _, *name, layers, direction = path.stem.split("-")
    cell = dict(zip(("cell", "activation"), name, strict=False))
    with np.load(path) as file:
        kept = dict(file)
    weights = {key[8:]: value.astype(precision) for key, value in kept.items() if key.startswith("weights/")}
    return (
        spec_of(**cell, precision=precision, layers=int(layers), bidirectional=direction == "both"),
        weights,
        kept,
    )


def loaded(content: bytes, spec: Spec) -> Network:
    network = Network(spec)
    network.parameters.load_torch(tensors.decode(content)[0])
    return network


def foreign(spec: Spec | None = None, seed: int = 0) -> dict[str, np.ndarray]:
    """Weights as PyTorch has them, both biases drawn."""
    network = Network(spec or spec_of())
    names = network.parameters.to_torch()
    draw = np.random.default_rng(seed)
    return {name: draw.normal(0, 0.4, value.shape).astype(np.float32) for name, value in names.items()}


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("float64", 1e-10)])
@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_with_torchs_weights_the_network_says_what_torch_says(path, precision, tolerance, tmp_path):
    spec, weights, kept = fixture(path, precision)
    save_file(weights, tmp_path / "w.safetensors")
    network = loaded(read_weights(tmp_path / "w.safetensors", spec), spec)
    x = kept["x"].astype(precision)
    work = Pass(network, 4, len(x))
    work.reset()
    expected = kept["equal/y"]
    assert np.linalg.norm(work.forward(x) - expected) <= tolerance * np.linalg.norm(expected)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_the_second_bias_is_folded_into_the_first_but_for_the_candidates_of_a_gru(cell, tmp_path):
    spec = spec_of(cell)
    weights = foreign(spec)
    save_file(weights, tmp_path / "w.safetensors")
    found, _ = tensors.decode(read_weights(tmp_path / "w.safetensors", spec))
    first, second = weights["bias_ih_l0"], weights["bias_hh_l0"]
    apart = slice(8, None) if cell == "gru" else slice(0, 0)
    folded = first + second
    folded[apart] = first[apart]
    left = np.zeros_like(second)
    left[apart] = second[apart]
    np.testing.assert_array_equal(found["bias_ih_l0"], folded)
    np.testing.assert_array_equal(found["bias_hh_l0"], left)


@pytest.mark.parametrize("prefix", ["", "model.", "rnn."])
@pytest.mark.parametrize("readout", ["readout.", "model.readout.", "fc.", "rnn.linear.", "head."])
def test_names_may_stand_behind_a_prefix(prefix, readout, tmp_path):
    weights, spec = foreign(), spec_of()
    save_file(weights, tmp_path / "plain.safetensors")
    named = {
        name.replace("readout.", readout) if "readout" in name else prefix + name: value
        for name, value in weights.items()
    }
    save_file(named, tmp_path / "named.safetensors")
    found, expected = (
        tensors.decode(read_weights(tmp_path / f"{name}.safetensors", spec))[0] for name in ("named", "plain")
    )
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].tobytes() == value.tobytes()


def test_what_a_run_keeps_can_be_read_again(tmp_path):
    spec = spec_of(peepholes=True, bidirectional=True)
    save_file(foreign(spec), tmp_path / "w.safetensors")
    once = read_weights(tmp_path / "w.safetensors", spec)
    (tmp_path / INITIAL).write_bytes(once)
    twice = read_weights(tmp_path / INITIAL, spec)
    assert tensors.decode(twice)[0].keys() == tensors.decode(once)[0].keys()
    for name, value in tensors.decode(once)[0].items():
        assert tensors.decode(twice)[0][name].tobytes() == value.tobytes()


def test_a_gate_order_that_is_ours_is_accepted_however_it_is_written(tmp_path):
    for order in ("i,f,g,o", "ifgo", "I F G O"):
        (tmp_path / "w.safetensors").write_bytes(save(foreign(), {"gate_order": order}))
        assert read_weights(tmp_path / "w.safetensors", spec_of())


def test_float32_is_widened_exactly(tmp_path):
    save_file(foreign(spec_of("rnn")), tmp_path / "w.safetensors")
    found, _ = tensors.decode(read_weights(tmp_path / "w.safetensors", spec_of("rnn", "float64")))
    assert found["weight_hh_l0"].dtype == np.float64
    np.testing.assert_array_equal(found["weight_hh_l0"], foreign(spec_of("rnn"))["weight_hh_l0"])


def without(name: str) -> bytes:
    return save({key: value for key, value in foreign().items() if key != name})


def changed(**arrays: np.ndarray) -> bytes:
    return save({**foreign(), **{name.replace("__", "."): value for name, value in arrays.items()}})


def renamed(names: dict[str, str]) -> bytes:
    return save({names.get(key, key): value for key, value in foreign().items()})


def zipped(path: Path) -> bytes:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}))
    return path.read_bytes()


KERAS = {
    "weight_ih_l0": "lstm/kernel:0",
    "weight_hh_l0": "lstm/recurrent_kernel:0",
    "bias_ih_l0": "lstm/bias:0",
}
ONNX = {"weight_ih_l0": "lstm.W", "weight_hh_l0": "lstm.R", "bias_ih_l0": "lstm.B"}
WHOLE = save(foreign())

BAD = {
    "missing": (without("bias_hh_l0"), "has no bias_hh_l0"),
    "extra": (changed(weight_hr_l0=np.zeros(3)), "has weight_hr_l0, for which the network has no place"),
    "another layer": (changed(weight_ih_l1=np.zeros(3)), "has weight_ih_l1, for which"),
    "prefix": (renamed({"weight_ih_l0": "encoder.weight_ih_l0"}), "has no weight_ih_l0"),
    "twice": (
        changed(rnn__bias_ih_l0=np.zeros(16, np.float32)),
        "would both be bias_ih_l0",
    ),
    "shape": (
        changed(weight_hh_l0=np.zeros((16, 3), np.float32)),
        "weight_hh_l0 is [16, 3] instead of [16, 4]",
    ),
    "half": (changed(weight_hh_l0=np.zeros((16, 4), np.float16)), "weight_hh_l0 is F16; with"),
    "double": (
        changed(weight_hh_l0=np.zeros((16, 4))),
        "weight_hh_l0 is F64; with training.precision = 'float32', F32 is needed",
    ),
    "integers": (changed(readout__bias=np.zeros(3, np.int64)), "readout.bias is I64; with"),
    "NaN": (changed(readout__bias=np.full(3, np.nan, np.float32)), "not finite in readout.bias"),
    "gate order": (
        save(foreign(), {"gate_order": "i,o,f,g"}),
        "its gate_order is 'i,o,f,g'; i,f,g,o is needed",
    ),
    "Keras": (renamed(KERAS), "named in Keras's style (kernel, recurrent_kernel); PyTorch's is needed"),
    "ONNX": (renamed(ONNX), "named in ONNX's style (W, R, B); PyTorch's is needed: weight_ih_l0"),
    "truncated": (WHOLE[:-1], "is not a whole safetensors file: incomplete metadata, file not fully covered"),
    "header alone": (WHOLE[:50], "is not a whole safetensors file: invalid header length"),
    "empty": (b"", "is not a whole safetensors file: header too small"),
    "text": (b"[task]\nname = 'copy'\n" * 9, "is not a whole safetensors file: header too large"),
    "pickle": (pickle.dumps(foreign()), "is a pickle, which is never read; a safetensors file is needed"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(99), "is an HDF5 file, as Keras writes"),
}


@pytest.mark.parametrize(("content", "said"), BAD.values(), ids=BAD)
def test_what_does_not_fit_is_one_clear_line(content, said, tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(RunError, match=re.escape(said)) as error:
        read_weights(path, spec_of())
    lines = str(error.value).splitlines()
    assert all(line.startswith(f"{path}: ") for line in lines)
    # A name that is wrong is missing, too.
    assert len(lines) == (2 if "encoder" in str(error.value) else 1)


def test_what_torch_save_writes_is_never_read(tmp_path):
    content = zipped(tmp_path / "w.pt")
    assert content.startswith(b"PK")
    with pytest.raises(RunError, match=r"with a pickle inside, which is never read; .*save_file writes it"):
        read_weights(tmp_path / "w.pt", spec_of())


@pytest.mark.parametrize(
    ("name", "said"), [("none", "No such file"), ("", "Is a directory"), ("a" * 300, "too long")]
)
def test_a_file_that_cannot_be_read_is_named(name, said, tmp_path):
    with pytest.raises(RunError, match=f"cannot be read: .*{said}"):
        read_weights(tmp_path / name, spec_of())


def test_of_many_misfits_of_a_kind_a_few_are_named(tmp_path):
    save_file(foreign(spec_of(layers=3)), tmp_path / "w.safetensors")
    with pytest.raises(RunError, match=r"has bias_hh_l1, bias_hh_l2, .* and 4 more, for which"):
        read_weights(tmp_path / "w.safetensors", spec_of())


def test_a_run_keeps_its_weights_and_says_if_they_are_gone_or_others(tmp_path):
    spec = spec_of()
    save_file(foreign(), tmp_path / "mine.safetensors")
    folder = create_run(spec, tmp_path / "runs", read_weights(tmp_path / "mine.safetensors", spec))
    found = load_initial(folder, MOST)
    assert found is not None
    assert found.file == "mine.safetensors"
    np.testing.assert_array_equal(found.tensors["readout.weight"], foreign()["readout.weight"])
    assert load_initial(folder, MOST, found.sha256) is not None
    (folder / INITIAL).write_bytes(tensors.encode({}))
    with pytest.raises(RunError, match=r"init.safetensors: is not what this run started from"):
        load_initial(folder, MOST, found.sha256)
    (folder / INITIAL).write_bytes(bytes(MOST + 1))
    with pytest.raises(RunError, match=r"init.safetensors: cannot be read: longer than 100000 bytes"):
        load_initial(folder, MOST)
    (folder / INITIAL).write_bytes(b"torn")
    with pytest.raises(RunError, match=r"init.safetensors: cannot be read: not a whole safetensors file"):
        load_initial(folder, MOST)
    (folder / INITIAL).unlink()
    with pytest.raises(RunError, match=r"init.safetensors: is gone"):
        load_initial(folder, MOST, found.sha256)
    assert load_initial(folder, MOST) is None
