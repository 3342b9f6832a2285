"""The gradients of an affine map z = x W + b over all rows of a window at once.

    ∂L/∂W = xᵀ ∂L/∂z        ∂L/∂b = the sum of the rows of ∂L/∂z

Both are added to what is there already. Every cell and the readout use them.
"""

import numpy as np

from seqlab.kernels.jit import Array, jit


@jit
def add_weight_gradient(x: Array, dz: Array, product: Array, dW: Array) -> None:
    """Add xᵀ dz to `dW`: one matrix product over the whole window.

    Args:
        x: [N,I], the inputs of the map; N = T·B rows.
        dz: [N,J], ∂L/∂z.
        product: [I,J], work array, overwritten.
        dW: [I,J], added to.
    """
    np.dot(x.T, dz, product)
    for i in range(dW.shape[0]):
        add_row(product[i], dW[i])


@jit
def add_bias_gradient(dz: Array, db: Array) -> None:
    """Add the sum of the rows of `dz` [N,J] to `db` [J]."""
    for n in range(dz.shape[0]):
        add_row(dz[n], db)


@jit
def add_row(row: Array, total: Array) -> None:
    """Add `row` [J] to `total` [J]."""
    for j in range(total.size):
        total[j] += row[j]
