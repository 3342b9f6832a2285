"""The compiled mathematics: a file per cell, or per variety of one, forward and backward side by side.

Attention, the readout, the losses and the optimisers have files of their own beside them.
Every kernel is a plain function on NumPy arrays that the caller owns, compiled by Numba on its first call
(`jit.py`) and kept on disk. Arrays are C-contiguous and of one dtype, float32 or float64; sequences are
time-major. Shapes are named by the letters of the field: T timesteps, B sequences, F inputs, H units, O
outputs.

The cells (`rnn`, `lstm`, `gru` and others) share one calling convention, so that whoever calls them need not
know them:

    pack(parameters, packed)
    forward(x, first, packed, carried, record, variant)
    backward(x, first, packed, carried, record, dh, carry, gradients, scratch, dx, variant)

    x          [T,·,F]    the inputs of the window; sequences `first` to `first + B - 1` are this call's
    parameters            (W [F,G·H], U [H,G·H], b [G·H], ...); without memory (W, b)
    packed                the parameters once more, as `pack` arranges them; `matmul.py` says why
    carried    [T+1,B,H]  each state; row 0 is where the window starts, row t+1 the state after step t
    record                what each step computed, for the backward pass and for whoever wants to look
    scratch               work arrays, meaningless between calls
    dh         [T,B,H]    in: what the loss and the layer above send to h_t; out: the total derivative ∂L/∂h_t
    carry      [B,H]      for each state, in: ∂L/∂(final state) from beyond the window; out: ∂L/∂(start state)
    gradients             like the parameters; added to, never overwritten
    dx         [T,B,F]    overwritten with ∂L/∂x; with no rows at all it is not wanted
    variant               an integer; where there is more than one, the module says which

What parameters, packed, record and scratch are for a cell, and their shapes, is declared in `seqlab.cells`,
so that the memory of a network is known without compiling anything.
"""
