"""The readout, one affine map from the top layer's states to the outputs at every timestep.

    y_t = h_t V + d        ∂L/∂V = Σ h_tᵀ ∂L/∂y_t        ∂L/∂d = Σ ∂L/∂y_t        ∂L/∂h_t = ∂L/∂y_t Vᵀ

Shapes: h [T,B,H], V [H,O], d [O], y [T,B,O]; `parameters` = (V, d).
"""

import numpy as np

from seqlab.kernels.jit import Array, Arrays, jit


@jit
def forward(h: Array, parameters: Arrays, y: Array) -> None:
    """Write the outputs `y` [T,B,O] of the states `h` [T,B,H]."""
    V, d = parameters
    T, B, H = h.shape
    O = d.size  # noqa: E741
    np.dot(h.reshape(T * B, H), V, y.reshape(T * B, O))
    flat = y.reshape(y.size)
    for row in range(T * B):
        for o in range(O):
            flat[row * O + o] += d[o]


@jit
def backward(h: Array, parameters: Arrays, dy: Array, gradients: Arrays, scratch: Arrays, dh: Array) -> None:
    """Go back through the readout.

    Args:
        h: [T,B,H], the states `forward` read.
        parameters: (V [H,O], d [O]).
        dy: [T,B,O], ∂L/∂y.
        gradients: (dV [H,O], dd [O]), added to.
        scratch: ([H,O],), work array for the product that becomes ∂L/∂V.
        dh: [T,B,H], overwritten with ∂L/∂h.
    """
    V = parameters[0]
    dV, dd = gradients
    product = scratch[0]
    T, B, H = h.shape
    O = dd.size  # noqa: E741
    rows = dy.reshape(T * B, O)
    np.dot(h.reshape(T * B, H).T, rows, product)
    for i in range(H):
        for o in range(O):
            dV[i, o] += product[i, o]
    flat = dy.reshape(dy.size)
    for row in range(T * B):
        for o in range(O):
            dd[o] += flat[row * O + o]
    np.dot(rows, V.T, dh.reshape(T * B, H))
