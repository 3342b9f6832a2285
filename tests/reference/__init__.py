"""Every kernel once more in plain float64 NumPy, written from the equations: slow and short.

A cell's `forward(x, parameters, start, variant)` gives `(carried, record)`, and its
`backward(x, parameters, carried, record, dh, carry, variant)` gives `(dh, carry, gradients, dx)`,
all as in `seqlab.kernels`, with which this shares no code.
"""
