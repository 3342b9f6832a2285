"""The gradients of an affine map z = x W + h U + b, added up over the timesteps of a stretch.

    ∂L/∂W = Σ_t x_tᵀ ∂L/∂z_t        ∂L/∂U = Σ_t h_{t-1}ᵀ ∂L/∂z_t        ∂L/∂b = Σ_t ∂L/∂z_t

Every cell uses them, one gate after the other.
"""

import numpy as np

from seqlab.kernels.jit import Array, inlined
from seqlab.kernels.matmul import accumulate


@inlined
def add_input_gradient(
    x: Array, first: int, start: int, dz: Array, at: int, steps: int, B: int, H: int, dW: Array, column: int,
    spare: Array,
) -> None:  # fmt: skip
    """Add Σ x_tᵀ dz_t to columns `column` to `column + H - 1` of `dW` [F,·].

    Args:
        x: [T,·,F], of which sequences `first` to `first + B - 1` count.
        first: see above.
        start: the first timestep.
        dz: flat; [steps,B,H] begins at `at`.
        at: see above.
        steps: how many timesteps.
        B: how many sequences.
        H: how many units.
        dW: [F,·], added to.
        column: see above.
        spare: see `seqlab.kernels.matmul`.
    """
    _, together, F = x.shape
    inputs, gradient, row = x.reshape(x.size), dW.reshape(dW.size), dW.shape[1]
    if B == together:
        begin = start * B * F
        accumulate(inputs, begin, F, F, dz, at, H, H, steps * B, gradient, column, row, spare)
        return
    for step in range(steps):
        begin = ((start + step) * together + first) * F
        accumulate(inputs, begin, F, F, dz, at + step * B * H, H, H, B, gradient, column, row, spare)


@inlined
def add_state_gradient(
    h: Array, start: int, dz: Array, at: int, steps: int, dU: Array, column: int, spare: Array
) -> None:
    """Add Σ h_{t-1}ᵀ dz_t to columns `column` to `column + H - 1` of `dU` [H,·]; h is [T+1,B,H]."""
    _, B, H = h.shape
    states, gradient = h.reshape(h.size), dU.reshape(dU.size)
    accumulate(
        states, start * B * H, H, H, dz, at, H, H, steps * B, gradient, column, dU.shape[1], spare
    )  # fmt: skip


@inlined
def add_bias_gradient(dz: Array, at: int, rows: int, H: int, db: Array, column: int, spare: Array) -> None:
    """Add the sum of `rows` rows of `dz`, which begin at `at`, to `db` from `column` on."""
    ones, still, once = np.ones(1, dz.dtype), np.intp(0), np.intp(1)
    accumulate(ones, still, still, once, dz, at, H, H, rows, db, column, H, spare)
