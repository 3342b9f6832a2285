"""The gradients of an affine map z = x W + h U + b, added up over a stretch of timesteps.

    ∂L/∂W = Σ_t x_tᵀ ∂L/∂z_t        ∂L/∂U = Σ_t h_{t-1}ᵀ ∂L/∂z_t        ∂L/∂b = Σ_t ∂L/∂z_t

Every cell uses them, one gate after the other.
"""

from seqlab.kernels.jit import Array, Int
from seqlab.kernels.linked import linked, vectorised
from seqlab.kernels.matmul import DEPTH, product


@linked
def add_gradients(
    x: Array,
    x_at: Int,
    x_step: Int,
    F: Int,
    h: Array,
    h_at: Int,
    H: Int,
    dz: Array,
    of_x: Int,
    of_h: Int,
    steps: Int,
    B: Int,
    dW: Array,
    dU: Array,
    db: Array,
    width: Int,
    column: Int,
) -> None:
    """Add the gradients of one gate, columns `column` to `column + H - 1`.

    Args:
        x: the inputs of all B sequences at the first timestep stand at `x_at`.
        x_at: see `x`.
        x_step: from timestep to timestep; B·F if there are no other sequences between.
        F: features.
        h: the states [·,B,H] before the first timestep stand at `h_at`.
        h_at: see `h`.
        H: units.
        dz: ∂L/∂z [steps,B,H] begins at `of_x` for the side of x and b, at `of_h` for that of h.
        of_x: see `dz`.
        of_h: see `dz`.
        steps: how many timesteps.
        B: sequences.
        dW: [F,width], added to.
        dU: [H,width], added to.
        db: [·], added to.
        width: columns of dW and dU.
        column: see above.
    """
    done = 0
    while done < steps * B:
        rows = min(DEPTH, steps * B - done)
        product(
            h, h_at + done * H, 1, H, 1, 0, rows, h, 0, 0, 0, dz, of_h + done * H, H,
            dU, column, width, H, H
        )  # fmt: skip
        for row in range(done, done + rows):
            for n in range(H):
                db[column + n] += dz[of_x + row * H + n]
        done += rows
    add_products(x, x_at, x_step, F, dz, of_x, H, steps, B, dW, width, column)


@linked
def add_products(
    x: Array,
    x_at: Int,
    x_step: Int,
    F: Int,
    dz: Array,
    dz_at: Int,
    N: Int,
    steps: Int,
    B: Int,
    dW: Array,
    width: Int,
    column: Int,
) -> None:
    """Add Σ_t x_tᵀ ∂L/∂z_t to columns `column` to `column + N - 1`.

    Args:
        x: the inputs [B,F] of the first timestep stand at `x_at`.
        x_at: see `x`.
        x_step: from timestep to timestep; B·F if there are no other sequences between.
        F: their width.
        dz: ∂L/∂z [steps,B,N] begins at `dz_at`.
        dz_at: see `dz`.
        N: columns of ∂L/∂z.
        steps: how many timesteps.
        B: sequences.
        dW: [F,width], added to.
        width: its columns.
        column: see above.
    """
    # Slices of a batch have other sequences between one timestep and the next.
    piece = steps * B if x_step == B * F else B
    done = 0
    while done < steps * B:
        rows = min(DEPTH, piece - done % piece)
        at = x_at + done * F if piece > B else x_at + done // B * x_step + done % B * F
        product(
            x, at, 1, F, 1, 0, rows, x, 0, 0, 0, dz, dz_at + done * N, N, dW, column, width, F, N
        )  # fmt: skip
        done += rows


@linked
def add_bias(dy: Array, dy_at: Int, rows: Int, dbias: Array, column: Int, H: Int) -> None:
    """Add rows of H numbers to columns `column` to `column + H - 1` of ∂L/∂b."""
    vectorised()
    for row in range(rows):
        for j in range(H):
            dbias[column + j] += dy[dy_at + row * H + j]
