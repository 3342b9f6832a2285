"""One training step of adding, as seqlab, PyTorch and JAX do it: what `benchmarks.training_step` compares.

    python -m benchmarks.peers PEER THREADS

answers requests on stdin, a JSON object a line, with one on stdout each, so that every library has a process
of its own and nothing but one of them works at a time. The step is the same for all: forward, full
backpropagation, clipping by the norm, Adam, on one batch that stays. Every library may take the form of it
that suits it best: these are its variants.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqlab.spec import Spec, validate

LR, CLIP = 1e-3, 1.0
Tensors = dict[str, NDArray[Any]]
Step = Callable[[], Any]


def problem(cell: str, hidden: int, batch: int, length: int) -> Spec:
    """The spec that all of them train."""
    return validate(
        {
            "task": {"name": "adding", "length": length},
            "model": {"cell": cell, "hidden": hidden},
            "training": {
                "steps": 1000,
                "batch_size": batch,
                "optimizer": {"name": "adam", "lr": LR},
                "clip": {"kind": "norm", "limit": CLIP},
            },
        }
    )


class Seqlab:
    """The trainer itself, on a batch that is given."""

    variants = ("seqlab",)

    def __init__(self, spec: Spec, threads: int) -> None:
        from seqlab.training.trainer import Trainer

        self._trainer = Trainer(spec, threads)
        self._parts = self._trainer.draw()

    def export(self) -> Tensors:
        """Weights under PyTorch's names, and the batch."""
        weights = self._trainer.network.parameters.to_torch()
        whole = self._parts[0]
        return {**weights, "x": whole.inputs, "target": whole.targets[-1]}

    def gradients(self, variant: str) -> tuple[float, Tensors]:
        """The loss and its gradient, under PyTorch's names."""
        loss, gradient = self._trainer.backpropagate(self._parts)
        return loss, gradient.to_torch()

    def step(self, variant: str) -> Step:
        """A training step."""
        return lambda: self._trainer.learn(self._parts)


class PyTorch:
    """`torch.nn.RNN`, `LSTM` or `GRU`, its second bias frozen where it is one too many; fused Adam.

    Subnormal numbers are flushed to zero, as in seqlab and JAX. `torch.compile` leaves recurrent layers as
    they are, and compiles the rest.
    """

    variants = ("eager", "torch.compile")

    def __init__(self, spec: Spec, threads: int, given: Mapping[str, NDArray[Any]]) -> None:
        import torch

        torch.set_flush_denormal(True)
        torch.set_num_threads(threads)
        self._torch = torch
        cell, H = spec.model.cell, spec.model.hidden
        kind = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell]
        self._recurrent = kind(2, H)
        self._readout = torch.nn.Linear(H, 1)
        self._named = {
            **dict(self._recurrent.named_parameters()),
            "readout.weight": self._readout.weight,
            "readout.bias": self._readout.bias,
        }
        with torch.no_grad():
            for name, parameter in self._named.items():
                parameter.copy_(torch.from_numpy(given[name]))
        second = self._named["bias_hh_l0"]
        if cell == "gru":  # the candidate's counts, as it stands inside the reset gate
            second.register_hook(lambda g: torch.cat([torch.zeros(2 * H), g[2 * H :]]))
        else:
            second.requires_grad_(False)
        self._trained = [p for p in self._named.values() if p.requires_grad]
        self._x, self._target = torch.from_numpy(given["x"]), torch.from_numpy(given["target"])
        self._adam = torch.optim.Adam(self._trained, lr=LR, fused=True)

    def gradients(self, variant: str) -> tuple[float, Tensors]:
        """The loss and its gradient."""
        self._adam.zero_grad()
        loss = self._form(variant)()
        loss.backward()
        return float(loss.detach()), {
            name: np.zeros(p.shape, np.float32) if p.grad is None else p.grad.numpy().copy()
            for name, p in self._named.items()
        }

    def step(self, variant: str) -> Step:
        """A training step."""
        loss_of = self._form(variant)

        def step() -> None:
            self._adam.zero_grad()
            loss = loss_of()
            loss.backward()
            self._torch.nn.utils.clip_grad_norm_(self._trained, CLIP)
            self._adam.step()
            loss.item()

        return step

    def _form(self, variant: str) -> Callable[[], Any]:
        return self._torch.compile(self._loss) if variant == "torch.compile" else self._loss

    def _loss(self) -> Any:
        states, _ = self._recurrent(self._x)
        return ((self._readout(states[-1]) - self._target) ** 2).mean()


class Jax:
    """`lax.scan` in one jitted step, with donated buffers."""

    variants = ("inputs ahead", "inputs ahead, unrolled by 4", "inputs in the loop")

    def __init__(self, spec: Spec, threads: int, given: Mapping[str, NDArray[Any]]) -> None:
        import jax
        import jax.numpy as jnp

        self._jax, self._jnp = jax, jnp
        self._cell, self._hidden = spec.model.cell, spec.model.hidden
        self._given = {name: jnp.asarray(value) for name, value in given.items()}
        names = [name for name in given if name not in ("x", "target")]
        if self._cell != "gru":
            names.remove("bias_hh_l0")
        self._start = {name: self._given[name] for name in names}

    def gradients(self, variant: str) -> tuple[float, Tensors]:
        """The loss and its gradient."""
        loss, found = self._jax.jit(self._jax.value_and_grad(self._loss(variant)))(self._start)
        gradients = {name: np.array(value) for name, value in found.items()}
        if self._cell == "gru":
            gradients["bias_hh_l0"][: 2 * self._hidden] = 0
        return float(loss), gradients

    def step(self, variant: str) -> Step:
        """A training step."""
        jax, jnp = self._jax, self._jnp
        loss_of, gru, H = self._loss(variant), self._cell == "gru", self._hidden

        def update(weights: Any, first: Any, second: Any, count: Any) -> Any:
            loss, g = jax.value_and_grad(loss_of)(weights)
            if gru:
                g["bias_hh_l0"] = g["bias_hh_l0"].at[: 2 * H].set(0.0)
            norm = jnp.sqrt(sum(jnp.sum(value**2) for value in g.values()))
            factor = jnp.minimum(1.0, CLIP / (norm + 1e-6))
            count = count + 1
            for name, value in g.items():
                value = value * factor
                first[name] = 0.9 * first[name] + 0.1 * value
                second[name] = 0.999 * second[name] + 0.001 * value**2
                m, v = first[name] / (1 - 0.9**count), second[name] / (1 - 0.999**count)
                weights[name] = weights[name] - LR * m / (jnp.sqrt(v) + 1e-8)
            return weights, first, second, count, loss

        jitted = jax.jit(update, donate_argnums=(0, 1, 2, 3))
        zeros = {name: jnp.zeros_like(value) for name, value in self._start.items()}
        state = [
            {name: jnp.array(value) for name, value in self._start.items()},
            zeros,
            {name: jnp.array(value) for name, value in zeros.items()},
            jnp.asarray(0.0),
        ]

        def step() -> None:
            *state[:], loss = jitted(*state)
            loss.block_until_ready()

        return step

    def _loss(self, variant: str) -> Callable[[Any], Any]:
        jax, jnp = self._jax, self._jnp
        x, target, cell, H = self._given["x"], self._given["target"], self._cell, self._hidden
        ahead = variant.startswith("inputs ahead")
        sigmoid = jax.nn.sigmoid

        def loss(weights: Any) -> Any:
            W, U = weights["weight_ih_l0"].T, weights["weight_hh_l0"].T
            b, second = weights["bias_ih_l0"], weights.get("bias_hh_l0")

            def step(state: Any, now: Any) -> Any:
                from_input = now if ahead else now @ W + b
                h, c = state
                a = h @ U
                if cell == "rnn":
                    return (jnp.tanh(from_input + a), c), None
                if cell == "lstm":
                    i, f, g, o = jnp.split(from_input + a, 4, axis=1)
                    c = sigmoid(f) * c + sigmoid(i) * jnp.tanh(g)
                    return (sigmoid(o) * jnp.tanh(c), c), None
                a = a + second
                r, z = jnp.split(sigmoid(from_input[:, : 2 * H] + a[:, : 2 * H]), 2, axis=1)
                n = jnp.tanh(from_input[:, 2 * H :] + r * a[:, 2 * H :])
                return (n + z * (h - n), c), None

            zeros = jnp.zeros((x.shape[1], H))
            (h, _), _ = jax.lax.scan(
                step,
                (zeros, zeros if cell == "lstm" else jnp.zeros(())),
                x @ W + b if ahead else x,
                unroll=4 if "unrolled" in variant else 1,
            )
            y = h @ weights["readout.weight"].T + weights["readout.bias"]
            return jnp.mean((y - target) ** 2)

        return loss


PEERS: dict[str, Any] = {"seqlab": Seqlab, "PyTorch": PyTorch, "JAX": Jax}


def sgemm(size: int = 2048) -> float:
    """GFLOP/s of one large square product in float32, the best of two."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((size, size), np.float32) for _ in range(2))
    out = np.empty_like(a)
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        np.matmul(a, b, out)
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 / min(seconds) / 1e9


def main() -> None:
    """Answer requests until the end of the input."""
    peer, threads = sys.argv[1], int(sys.argv[2])
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # libraries may print
    model: Any = None
    steps: dict[str, Step] = {}
    for line in sys.stdin:
        request = json.loads(line)
        answer: dict[str, Any] = {}
        match request["do"]:
            case "open":
                spec, files = problem(*request["shape"]), request["files"]
                given = {} if peer == "seqlab" else dict(np.load(f"{files}/given.npz"))
                model = Seqlab(spec, threads) if peer == "seqlab" else PEERS[peer](spec, threads, given)
                if peer == "seqlab":
                    np.savez(f"{files}/given.npz", **model.export())
                losses = []
                for number, variant in enumerate(model.variants):
                    loss, gradients = model.gradients(variant)
                    losses.append(loss)
                    np.savez(f"{files}/{peer}-{number}.npz", **gradients)
                steps = {}
                answer = {"losses": losses}
            case "time":
                variant = request["variant"]
                if variant not in steps:
                    steps[variant] = model.step(variant)
                    for _ in range(3):
                        steps[variant]()
                times = []
                end = time.perf_counter() + request["seconds"]
                while len(times) < 3 or time.perf_counter() < end:
                    start = time.perf_counter()
                    steps[variant]()
                    times.append(time.perf_counter() - start)
                answer = {"times": times}
            case "sgemm":
                answer = {"rate": sgemm()}
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    main()
