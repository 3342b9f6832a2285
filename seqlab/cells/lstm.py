"""Long short-term memory (Hochreiter & Schmidhuber 1997), with the forget gate of Gers et al. (2000).

Options go together in any combination. Without any the kernel is `lstm`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from seqlab.cells.activations import FORMULAS
from seqlab.cells.base import Arrays, Part, Shape, State, derivatives_shape
from seqlab.cells.layer_norm import NORMALISED, LayerNormed

_PEEPHOLES, _COUPLED, _NO_FORGET, _HARD = 1, 2, 4, 8
"""The bits of `variant`, as in `seqlab.kernels.lstm_options`."""


def _forget_bias(data: Mapping[str, Any]) -> float:
    """1 (Gers 2000; Jozefowicz 2015); 0 where no forget gate has that bias, or `chrono` draws it."""
    return 1.0 if data.get("forget", "own") == "own" and not data.get("chrono") else 0.0


class BaseLSTM(LayerNormed):
    """What every LSTM is, with or without peepholes."""

    carried_names: ClassVar[tuple[str, ...]] = ("h", "c")
    changes: ClassVar[Mapping[str, str]] = {
        'forget = "coupled"': "f_t = 1 - i_t",
        'forget = "none"': "f_t = 1",
        'gate_activation = "hard_sigmoid"': f"σ(a) = {FORMULAS['hard_sigmoid']}",
        "layer_norm = true": f"{NORMALISED}\nh_t = o_t∘tanh(g_c∘N(c_t) + b_c)",
    }

    forget: Literal["own", "coupled", "none"] = Field(
        "own", description="a gate of its own, coupled (1 - the input gate), or none: nothing is forgotten"
    )
    chrono: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="start with memories of up to so many timesteps, instead of a forget bias",
        json_schema_extra={"unit": "timesteps", "zero": "off"},
    )
    forget_bias: float = Field(
        default_factory=_forget_bias,
        ge=-100.0,
        le=100.0,
        description="bias of the forget gate at the start, 1 if it has one; above 0 it starts open",
    )
    gate_activation: Literal["sigmoid", "hard_sigmoid"] = Field(
        "sigmoid", description="what gates are made by; hard is a straight line between 0 and 1"
    )

    @model_validator(mode="after")
    def _options_go_together(self) -> Self:
        if self.chrono and self.forget != "own":
            raise ValueError(
                f"chrono: {self.chrono} is for a forget gate; forget = {self.forget!r} has none: "
                "leave it out, or use forget = 'own'"
            )
        if self.chrono == 1:
            raise ValueError("chrono: 1 timestep is no memory: at least 2, or 0 for none")
        if self.forget_bias and self.forget != "own":
            raise ValueError(
                f"forget_bias: {self.forget_bias:g} is for a forget gate; forget = {self.forget!r} has none: "
                "leave it out, or use forget = 'own'"
            )
        if self.forget_bias and self.chrono:
            raise ValueError(
                f"forget_bias: {self.forget_bias:g} has no place beside chrono = {self.chrono}, which draws "
                "these biases: leave out one of them"
            )
        return self

    @property
    @abstractmethod
    def has_peepholes(self) -> bool:
        """Whether gates see the cell state."""

    @property
    def gates(self) -> tuple[str, ...]:
        """Input, forget if it has weights, candidate, output."""
        return ("i", "f", "g", "o") if self.forget == "own" else ("i", "g", "o")

    @property
    def variant(self) -> int:
        """The options, as the bits of `seqlab.kernels.lstm_options`."""
        return (
            _PEEPHOLES * self.has_peepholes
            + _COUPLED * (self.forget == "coupled")
            + _NO_FORGET * (self.forget == "none")
            + _HARD * (self.gate_activation == "hard_sigmoid")
        )

    @property
    def kernel(self) -> str:
        """One that is normalised, or one for all options, or one without any."""
        if self.layer_norm:
            return "lstm_norm"
        return "lstm_options" if self.variant else "lstm"

    def states(self) -> tuple[State, ...]:
        """Gates, then the memory and the output."""
        forget = () if self.forget == "none" else (State("f", "forget gate", "gate"),)
        return (
            State("i", "input gate", "gate"),
            *forget,
            State("g", "candidate", "signed"),
            State("o", "output gate", "gate"),
            State("c", "cell state", "free"),
            State("h", "output state", "signed"),
        )

    def observe(self, carried: Arrays, record: Arrays) -> dict[str, NDArray[Any]]:
        """Gates from the record, a coupled f from i, states from what is carried."""
        h, c = carried
        seen = {**dict(zip(self.gates, record[0], strict=True)), "c": c[1:], "h": h[1:]}
        if self.forget == "coupled":
            seen["f"] = 1 - seen["i"]
        return {state.name: seen[state.name] for state in self.states()}

    def parameter_shapes(self, features: int) -> dict[str, Shape]:
        """As every cell; normalised also `gc` and `bc`, the gain and the shift of c_t.

        With any option also `pi`, `pf` and `po`, the peepholes, empty where there is none. So the kernel
        takes the same for all options, and is compiled once.
        """
        shapes = super().parameter_shapes(features)
        if self.layer_norm:
            shapes |= {"gc": (self.hidden,), "bc": (self.hidden,)}
        if self.kernel != "lstm":
            shapes |= {f"p{gate}": (self.hidden * (gate in self._seeing),) for gate in "ifo"}
        return shapes

    def record_shapes(self, timesteps: int, batch: int) -> tuple[Shape, ...]:
        """The gates after activation; normalised also the sums, N(c) and what its rows were multiplied by."""
        window = (timesteps, batch, self.hidden)
        of_c = (window, window[:2]) if self.layer_norm else ()
        return (len(self.gates), *window), *self.normal_record(timesteps, batch), *of_c

    def scratch_shapes(self, timesteps: int, batch: int) -> tuple[Shape, ...]:
        """∂L/∂a of the gates; normalised also ∂L/∂ of the sums, and of what h_t is told of c_t."""
        da = derivatives_shape(len(self.gates), timesteps, batch, self.hidden)
        told = ((2, batch, self.hidden),) if self.layer_norm else ()
        return da, *self.normal_scratch(timesteps, batch), *told

    def packed_shapes(self, features: int, *, below: bool) -> tuple[Shape, ...]:
        """As every cell; normalised also c_t's gain and shift; with any option the peepholes in a row."""
        shapes = super().packed_shapes(features, below=below)
        of_c = ((self.hidden,), (self.hidden,)) if self.layer_norm else ()
        peepholes = ((3 * self.hidden * self.has_peepholes,),) if self.kernel != "lstm" else ()
        return *shapes, *of_c, *peepholes

    def initialise(self, rng: np.random.Generator, features: int) -> dict[str, NDArray[np.float64]]:
        """As every cell, with the forget gate's bias set, or drawn with that of the input gate.

        With `chrono` = T, b_f ~ log U[1, T - 1] and b_i = -b_f for each unit (Tallec & Ollivier 2018).

        Peepholes start at 0: so a cell begins as the very LSTM that it would be without them, and all that
        sets the two apart is learnt. Nothing random is needed, as each unit has a state of its own to see.
        """
        parameters = super().initialise(rng, features)
        if self.layer_norm:
            parameters["gc"][:] = 1
        if self.forget == "own":
            b, H = parameters["b"], self.hidden
            b[H : 2 * H] = self.forget_bias
            if self.chrono:
                b[H : 2 * H] = np.log(rng.uniform(1, self.chrono - 1, H))
                b[:H] = -b[H : 2 * H]
        return parameters

    def to_torch(self, parameters: Mapping[str, NDArray[Any]], layer: Part | int) -> dict[str, NDArray[Any]]:
        """As every cell; and the peepholes, which PyTorch does not know, as `weight_pi_l0` [H] and so on."""
        peepholes = {f"weight_p{gate}_l{layer}": parameters[f"p{gate}"].copy() for gate in self._seeing}
        return {**super().to_torch(parameters, layer), **peepholes}

    def from_torch(self, tensors: Mapping[str, NDArray[Any]], layer: Part | int) -> dict[str, NDArray[Any]]:
        """The inverse of `to_torch`; a second bias that is not zero is added to the first.

        Raises:
            KeyError: a tensor is missing.
        """
        loaded = super().from_torch(tensors, layer)
        if self.kernel != "lstm":
            nothing = np.zeros(0, loaded["b"].dtype)
            for gate in "ifo":
                name = f"weight_p{gate}_l{layer}"
                loaded[f"p{gate}"] = tensors[name] if gate in self._seeing else nothing
        return loaded

    @property
    def _seeing(self) -> tuple[str, ...]:
        """The gates with peepholes."""
        return tuple(gate for gate in self.gates if gate != "g") if self.has_peepholes else ()

    @property
    def norms(self) -> Mapping[str, str]:
        """Also those of c_t."""
        of_c = {"gc": "norm_c_weight_l", "bc": "norm_c_bias_l"}
        return {**super().norms, **of_c} if self.layer_norm else {}


class LSTM(BaseLSTM):
    """An additive cell state behind three gates."""

    summary: ClassVar[str] = "input, forget and output gates around an additive memory"
    rank: ClassVar[int] = 2
    equations: ClassVar[str] = """\
i_t = σ(x_t W_i + h_{t-1} U_i + b_i)
f_t = σ(x_t W_f + h_{t-1} U_f + b_f)
g_t = tanh(x_t W_g + h_{t-1} U_g + b_g)
c_t = f_t∘c_{t-1} + i_t∘g_t
o_t = σ(x_t W_o + h_{t-1} U_o + b_o)
h_t = o_t∘tanh(c_t)"""
    changes: ClassVar[Mapping[str, str]] = {
        **BaseLSTM.changes,
        "peepholes = true": "p_i∘c_{t-1} + b_i for b_i\np_f∘c_{t-1} + b_f for b_f\np_o∘c_t + b_o for b_o",
    }
    source: ClassVar[str] = (
        'S. Hochreiter & J. Schmidhuber (1997), "Long short-term memory", Neural Computation 9(8), with '
        'forget = "none"; the forget gate: F. A. Gers, J. Schmidhuber & F. Cummins (2000), "Learning to '
        'forget: continual prediction with LSTM", Neural Computation 12(10); forget = "coupled": K. Greff et '
        'al. (2017), "LSTM: a search space odyssey", IEEE TNNLS 28(10)'
    )

    cell: Literal["lstm"] = "lstm"
    peepholes: bool = Field(False, description="gates see the cell state, too")

    @property
    def has_peepholes(self) -> bool:
        """As `peepholes` says."""
        return self.peepholes
