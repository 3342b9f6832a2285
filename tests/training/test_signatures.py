"""Kernels are compiled once for each dtype, whatever is trained."""

import json
import subprocess
import sys

SCRIPT = """
import json
from numba.core.dispatcher import Dispatcher
from seqlab.kernels import (
    denormals, feedforward, gru, gru_before, gru_norm, losses, lstm, lstm_norm, mgu, optimizers, readout, rnn,
    rnn_more, rnn_norm
)
from seqlab.spec import validate
from seqlab.training.trainer import Trainer

for precision in ("float32", "float64"):
    for cell, task, training in [
        ("rnn", {"name": "adding", "length": 6}, {"truncation": 2, "update": "window"}),
        ("lstm", {"name": "copy", "delay": 3}, {"truncation": 4, "optimizer": {"name": "rmsprop"}}),
        ("gru", {"name": "sine"}, {"optimizer": {"name": "sgd", "lr": 0.01}}),
        ("mgu", {"name": "adding", "length": 6}, {"loss": "huber", "optimizer": {"name": "adamw"}}),
        ("mgu", {"name": "adding", "length": 6}, {"loss": "mae"}),
        ("feedforward", {"name": "copy", "delay": 3}, {"truncation": 4}),
        ({"cell": "gru", "reset": "before"}, {"name": "sine"}, {"truncation": 20}),
        ({"cell": "rnn", "activation": "softsign"}, {"name": "adding", "length": 6}, {}),
        ({"cell": "rnn", "layer_norm": True}, {"name": "adding", "length": 6}, {}),
        ({"cell": "gru", "layer_norm": True}, {"name": "sine"}, {"truncation": 20}),
        ({"cell": "lstm", "layer_norm": True}, {"name": "copy", "delay": 3}, {}),
    ]:
        training |= {"batch_size": 17, "eval_sequences": 3, "precision": precision}
        training |= {"clip": {"kind": "norm", "limit": 1e-9}}
        model = {**({"cell": cell} if isinstance(cell, str) else cell), "hidden": 5, "layers": 2}
        trainer = Trainer(validate({"task": task, "model": model, "training": training}), threads=2)
        trainer.advance()
        trainer.evaluate()
        trainer.probe.look()
        trainer.restore(1, trainer.state())
        trainer.advance()
        trainer.close()


def dtype(signature):
    # That of the first array; the numbers of an optimiser, which come last, are always float64.
    flat = [kind for part in signature for kind in (getattr(part, "types", None) or [part])]
    return next((str(kind.dtype) for kind in flat if hasattr(kind, "dtype")), "none")


modules = (
    denormals, feedforward, gru, gru_before, gru_norm, losses, lstm, lstm_norm, mgu, optimizers, readout, rnn,
    rnn_more, rnn_norm
)
print(json.dumps({
    f"{module.__name__}.{name}": [dtype(signature) for signature in value.signatures]
    for module in modules for name, value in vars(module).items() if isinstance(value, Dispatcher)
}))
"""


def test_every_kernel_has_one_signature_for_each_dtype():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {"seqlab.kernels.lstm.forward", "seqlab.kernels.readout.backward"} <= found.keys()
    for name, dtypes in found.items():
        assert len(dtypes) == len(set(dtypes)), name
    used = [name for name, dtypes in found.items() if set(dtypes) == {"float32", "float64"}]
    assert len(used) >= 36, used
