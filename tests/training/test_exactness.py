"""The comparison with central differences finds right gradients right, wrong ones wrong, and where."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seqlab.cells import CELLS
from seqlab.spec import SpecError
from seqlab.tasks import TASKS as TASK_KINDS
from seqlab.training.exactness import TOLERANCE, beside_the_first, compare, in_float64
from seqlab.training.network import Network, Pass
from tests.conftest import small

TASKS = st.sampled_from(
    [
        {"name": "adding", "length": 7},
        {"name": "copy", "delay": 2, "symbols": 2, "alphabet": 3},
        {"name": "sine", "length": 6, "horizon": 0},
        {"name": "reverse", "symbols": 3, "alphabet": 3},
        {"name": "order", "length": 12, "shortest": 10},
        {"name": "generate", "length": 5, "channels": 3},
        {"name": "parity", "length": 5},
    ]
)
OPTIONS = {
    "rnn": {"activation": ["tanh", "relu", "leaky_relu", "sigmoid", "softsign"], "layer_norm": [False, True]},
    "feedforward": {"activation": ["tanh", "relu", "hard_sigmoid", "identity"]},
    "gru": {"reset": ["after", "before"]},
    "lstm": {
        "peepholes": [False, True],
        "forget": ["own", "coupled", "none"],
        "gate_activation": ["sigmoid", "hard_sigmoid"],
    },
    "peephole_lstm": {"layer_norm": [False, True]},
}


@st.composite
def specs(draw):
    """Any cell and option, layers, directions, joints, lengths, loss and truncation, in float64."""
    layers = draw(st.integers(1, 3))
    model = {
        "cell": draw(st.sampled_from(list(CELLS))),
        "hidden": draw(st.integers(2, 4)),
        "layers": layers,
        "bidirectional": draw(st.booleans()),
        "residual": draw(st.booleans()),
        "dropout": draw(st.sampled_from([0.0, 0.3])) if layers > 1 else 0.0,
    }
    for option, values in OPTIONS.get(model["cell"], {}).items():
        model[option] = draw(st.sampled_from(values))
    training = {
        "truncation": draw(st.sampled_from([0, 1, 3])),
        "at_walls": draw(st.sampled_from(["carry", "reset"])),
        "batch_size": 3,
    }
    if not training["truncation"] and draw(st.booleans()):
        training |= {"stride": 2, "window": draw(st.integers(2, 9))}
    task = draw(TASKS)
    if CELLS[model["cell"]].model_validate({}).closed_form:
        task = {"name": "adding", "length": 7}
        model |= {"layers": 1, "residual": False, "dropout": 0.0}
    elif TASK_KINDS[task["name"]].loss == "mse":
        training["loss"] = draw(st.sampled_from(["mse", "mae", "huber"]))
    if task["name"] == "reverse":
        model |= {"bidirectional": False, "attention": draw(st.booleans())}
        for name in ("truncation", "stride", "window"):
            training.pop(name, None)
    if model["bidirectional"]:
        try:
            return in_float64(small(task, model, **training))
        except SpecError:  # truncated
            model["bidirectional"] = False
    return in_float64(small(task, model, **training))


@settings(max_examples=40, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(specs())
def test_the_gradient_of_any_spec_is_right(spec):
    for block in compare(spec, 12, beside_the_first(spec)):
        assert block.right, block
        assert block.compared > 0


@pytest.mark.parametrize("block", ["layer 1: U", "readout: V"])
def test_a_wrong_gradient_is_found_in_its_block(monkeypatch, block):
    spec = in_float64(small({"length": 6}, {"cell": "gru", "layers": 2}))
    right = Pass.backward

    def wrong(self, x, gradients, *more, **named):
        right(self, x, gradients, *more, **named)
        number, name = {"layer 1: U": (1, "U"), "readout: V": (2, "V")}[block]
        gradients.named[number][name][1, 0] *= 1.01

    monkeypatch.setattr(Pass, "backward", wrong)
    found = {each.name: each for each in compare(spec)}
    assert [name for name, each in found.items() if not each.right] == [block]
    assert found[block].worst == (1, 0)
    assert found[block].error > TOLERANCE


def test_entries_with_a_kink_within_the_step_are_left_out_and_counted():
    spec = in_float64(small({"length": 6}, {"cell": "rnn", "activation": "relu", "hidden": 3}))
    weights = Network(spec).empty()
    weights.readout[0][:] = 1.0
    # With no other weights and no bias, every unit of a relu stands right at its kink.
    found = {block.name: block for block in compare(spec, weights=weights.flat)}
    assert (found["layer 0: b"].compared, found["layer 0: b"].kinks) == (0, 3)
    assert not found["layer 0: b"].right  # where nothing can be compared, nothing is shown
    assert found["readout: V"].kinks == 0


def test_nan_is_not_right():
    spec = in_float64(small({"length": 6}, {"cell": "rnn", "hidden": 2}))
    blocks = list(compare(spec, weights=np.full(Network(spec).parameters.flat.size, np.nan)))
    assert not any(block.right for block in blocks)
