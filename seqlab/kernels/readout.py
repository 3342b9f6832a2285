"""The readout, one affine map from the top layer's states to the outputs at every timestep.

    y_t = h_t V + d        ∂L/∂V = Σ h_tᵀ ∂L/∂y_t        ∂L/∂d = Σ ∂L/∂y_t        ∂L/∂h_t = ∂L/∂y_t Vᵀ

Outputs are few beside the numbers of the recurrent weights, so plain loops along h will do, with V turned
round for them.

Shapes: h [T,B,H], V [H,O], d [O], y [T,B,O]; `parameters` = (V, d).
"""

from seqlab.kernels.jit import Array, Arrays, jit


@jit
def forward(h: Array, parameters: Arrays, scratch: Arrays, y: Array) -> None:
    """Write the outputs `y` [T,B,O] of the states `h` [T,B,H].

    Args:
        h: see above.
        parameters: (V [H,O], d [O]).
        scratch: work arrays ([O,H], [O,H]); the first leaves as Vᵀ, which `backward` reads.
        y: see above.
    """
    V, d = parameters
    across = scratch[0]
    T, B, H = h.shape
    O = d.size  # noqa: E741
    for o in range(O):
        for j in range(H):
            across[o, j] = V[j, o]
    for t in range(T):
        for b in range(B):
            state, out = h[t, b], y[t, b]
            for o in range(O):
                weights, total = across[o], d[o]
                for j in range(H):
                    total += state[j] * weights[j]
                out[o] = total


@jit
def backward(h: Array, dy: Array, gradients: Arrays, scratch: Arrays, dh: Array) -> None:
    """Go back through the readout.

    Args:
        h: [T,B,H], the states `forward` read.
        dy: [T,B,O], ∂L/∂y.
        gradients: (dV [H,O], dd [O]), added to.
        scratch: as `forward` left it; the second becomes ∂L/∂Vᵀ.
        dh: [T,B,H], overwritten with ∂L/∂h.
    """
    dV, dd = gradients
    across, turned = scratch
    T, B, H = h.shape
    O = dd.size  # noqa: E741
    zero = dh.dtype.type(0)
    turned[:, :] = zero
    everything = dh.reshape(dh.size)
    for k in range(everything.size):
        everything[k] = zero
    for t in range(T):
        for b in range(B):
            for o in range(O):
                error = dy[t, b, o]
                if error == zero:
                    continue  # no loss is taken at this step
                state, back, weights, total = h[t, b], dh[t, b], across[o], turned[o]
                dd[o] += error
                for j in range(H):
                    back[j] += error * weights[j]
                for j in range(H):
                    total[j] += error * state[j]
    for o in range(O):
        for j in range(H):
            dV[j, o] += turned[o, j]
