"""The gradients of an affine map z = x W + h U + b, added up over a stretch of timesteps.

    ∂L/∂W = Σ_t x_tᵀ ∂L/∂z_t        ∂L/∂U = Σ_t h_{t-1}ᵀ ∂L/∂z_t        ∂L/∂b = Σ_t ∂L/∂z_t

Every cell uses them, one gate after the other.
"""

import numpy as np

from seqlab.kernels.jit import Array, Int, jit
from seqlab.kernels.matmul import accumulate


@jit
def add_gradients(
    x: Array, first: Int, h: Array, start: Int, dz: Array, of_x: Int, of_h: Int, steps: Int,
    dW: Array, dU: Array, db: Array, column: Int, spare: Array,
) -> None:  # fmt: skip
    """Add the gradients of one gate, columns `column` to `column + H - 1`.

    Args:
        x: [T,·,F], of which sequences `first` to `first + B - 1` count.
        first: see `x`.
        h: [T+1,B,H], the states; row 0 is before the first timestep.
        start: the first timestep.
        dz: flat. ∂L/∂z [steps,B,H] begins at `of_x` for the side of x and b, at `of_h` for that of h.
        of_x: see `dz`.
        of_h: see `dz`.
        steps: how many timesteps.
        dW: [F,·], added to.
        dU: [H,·], added to.
        db: [·], added to.
        column: see above.
        spare: see `seqlab.kernels.matmul`.
    """
    _, together, F = x.shape
    _, B, H = h.shape
    ones = np.ones(1, dz.dtype)
    # One place that calls: whatever is called is compiled in anew at each place.
    for kind in range(3):
        a, a_at, a_row, M, b_at = h.reshape(h.size), start * B * H, H, H, of_h
        c, c_row, pieces, skip = dU.reshape(dU.size), dU.shape[1], 1, 0
        if kind == 1:
            a, a_at, a_row, M, b_at = x.reshape(x.size), (start * together + first) * F, F, F, of_x
            c, c_row = dW.reshape(dW.size), dW.shape[1]
            if together > B:  # the sequences of a slice lie apart from those of the next timestep
                pieces, skip = steps, together * F
        elif kind == 2:
            a, a_at, a_row, M, b_at = ones, 0, 0, 1, of_x
            c, c_row = db, H
        rows = steps * B // pieces
        for piece in range(pieces):
            accumulate(
                a, a_at + piece * skip, a_row, M, dz, b_at + piece * rows * H, H, H, rows, c, column, c_row, spare
            )  # fmt: skip
