"""The readout, one affine map from the top layer's states to the outputs at every timestep.

    y_t = h_t V + d        ∂L/∂V = Σ h_tᵀ ∂L/∂y_t        ∂L/∂d = Σ ∂L/∂y_t        ∂L/∂h_t = ∂L/∂y_t Vᵀ

Shapes: h [T,B,H], V [H,O], d [O], y [T,B,O]; `parameters` = (V, d).
"""

import numpy as np

from seqlab.kernels.jit import Array, Arrays, jit
from seqlab.kernels.linear import add_bias_gradient, add_row, add_weight_gradient


@jit
def forward(h: Array, parameters: Arrays, y: Array) -> None:
    """Write the outputs `y` [T,B,O] of the states `h` [T,B,H]."""
    V, d = parameters
    T, B, H = h.shape
    y_rows = y.reshape(T * B, d.size)
    np.dot(h.reshape(T * B, H), V, y_rows)
    for n in range(T * B):
        add_row(d, y_rows[n])


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
    T, B, H = h.shape
    dy_rows = dy.reshape(T * B, dd.size)
    add_weight_gradient(h.reshape(T * B, H), dy_rows, scratch[0], dV)
    add_bias_gradient(dy_rows, dd)
    np.dot(dy_rows, V.T, dh.reshape(T * B, H))
