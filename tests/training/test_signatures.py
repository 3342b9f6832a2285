"""Kernels are compiled once for each dtype, whatever is trained."""

import json
import subprocess
import sys

SCRIPT = """
import json
from numba.core.dispatcher import Dispatcher
from seqlab.kernels import denormals, gru, losses, lstm, optimizers, readout, rnn
from seqlab.spec import validate
from seqlab.training.trainer import Trainer

for precision in ("float32", "float64"):
    for cell, task, training in [
        ("rnn", {"name": "adding", "length": 6}, {"truncation": 2, "update": "window"}),
        ("lstm", {"name": "copy", "delay": 3}, {"truncation": 4, "optimizer": {"name": "rmsprop"}}),
        ("gru", {"name": "sine"}, {"optimizer": {"name": "sgd", "lr": 0.01}}),
    ]:
        training |= {"batch_size": 17, "eval_sequences": 3, "precision": precision}
        training |= {"clip": {"kind": "norm", "limit": 1e-9}}
        model = {"cell": cell, "hidden": 5, "layers": 2}
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


modules = (denormals, gru, losses, lstm, optimizers, readout, rnn)
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
    assert len(used) >= 15, used
