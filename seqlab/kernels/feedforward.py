"""A network without memory, the control for all others, forward and backward.

    a_t = x_t W + b                      h_t = φ(a_t),    φ as in `rnn` and `rnn_more`

Backward, with δ_t = ∂L/∂h_t in total, which from beyond the window is only what arrives for the last state:

    ∂L/∂a_t = δ_t ∘ φ'(a_t)              ∂L/∂x_t = ∂L/∂a_t Wᵀ
    ∂L/∂W = Σ x_tᵀ ∂L/∂a_t               ∂L/∂b = Σ ∂L/∂a_t

Shapes: W [F,H], b [H]; `packed` has nothing for ∂L/∂h_{t-1}; `carried` = (h [T+1,B,H],), of which row 0 is
not read; `record` = (); `scratch` = (∂L/∂a [1,·,B,H] of some steps,); `variant` is that of `rnn` or
`rnn_more`.
"""

from seqlab.kernels.jit import Array, Arrays, Int, jit
from seqlab.kernels.linear import add_bias, add_products
from seqlab.kernels.linked import linked, vectorised
from seqlab.kernels.matmul import pack as pack_columns
from seqlab.kernels.matmul import pack_transposed, product
from seqlab.kernels.rnn import RELU, activate, step_back
from seqlab.kernels.rnn_more import activate as activate_more
from seqlab.kernels.rnn_more import step_back as step_back_more


@jit
def pack(parameters: Arrays, packed: Arrays) -> None:
    """Arrange the weights as the other two read them. Arguments as in `seqlab.kernels`."""
    W, b = parameters
    F, H = W.shape
    pack_columns(b, 0, W, H, 0, W, H, F, 0, H, packed[0], 0)
    if packed[2].size > 0:
        pack_transposed(W, H, 0, F, H, packed[2], 0)


@jit
def forward(x: Array, first: int, packed: Arrays, carried: Arrays, record: Arrays, variant: int) -> None:
    """Run the window forward: fills h[1:] from x. Arguments as in `seqlab.kernels`."""
    h = carried[0]
    _, together, F = x.shape
    T, B, H = h.shape[0] - 1, h.shape[1], h.shape[2]
    N = B * H
    for t in range(T):
        product(
            h, 0, H, 1, 0, 0, H, x, (t * together + first) * F, F, F, packed[0], 0, 0,
            h, (t + 1) * N, H, B, H
        )  # fmt: skip
        if variant <= RELU:
            activate(h, (t + 1) * N, N, variant)
        else:
            activate_more(h, (t + 1) * N, N, variant)


@jit
def backward(
    x: Array,
    first: int,
    packed: Arrays,
    carried: Arrays,
    record: Arrays,
    dh: Array,
    carry: Arrays,
    gradients: Arrays,
    scratch: Arrays,
    dx: Array,
    variant: int,
) -> None:
    """Go back through the window that `forward` filled. Arguments as in `seqlab.kernels`."""
    h = carried[0]
    dh_carried = carry[0]
    dW, db = gradients
    da = scratch[0]
    T, B, H = dh.shape
    _, together, F = x.shape
    S, N = da.shape[1], B * H
    for end in range(T, 0, -S):
        start = max(0, end - S)
        for t in range(end - 1, start - 1, -1):
            s = t - start
            if variant <= RELU:
                step_back(dh, t * N, dh_carried, h, (t + 1) * N, da, s * N, N, variant)
            else:
                step_back_more(dh, t * N, dh_carried, h, (t + 1) * N, da, s * N, N, variant)
            if t == T - 1:
                _forget(dh_carried, N)
            if dx.shape[0] > 0:
                product(
                    da, s * N, H, 1, 1, 0, H, da, 0, 0, 0, packed[2], 0, 0, dx, t * B * F, F, B, F
                )  # fmt: skip
        steps = end - start
        add_products(
            x, (start * together + first) * F, together * F, F, da, 0, H, steps, B, dW, H, 0
        )  # fmt: skip
        add_bias(da, 0, steps * B, db, 0, H)


@linked
def _forget(dh_carried: Array, N: Int) -> None:
    """Nothing goes on to the step before."""
    vectorised()
    for j in range(N):
        dh_carried[j] = type(dh_carried[j])(0)
