"""A whole network in plain NumPy: layers, readout and loss over windows, states carried over walls."""

import numpy as np

from tests.reference import gru, losses, lstm, readout, rnn

CELLS = {"rnn": rnn, "lstm": lstm, "gru": gru}
STATES = {"rnn": 1, "lstm": 2, "gru": 1}


def start_states(cell, layers, batch, hidden):
    return [tuple(np.zeros((batch, hidden)) for _ in range(STATES[cell])) for _ in range(layers)]


def window_forward(cell, variant, layers, head, x, starts):
    """Outputs of one window, the states of each layer at its end, and what each layer's forward pass gave."""
    ends, passes = [], []
    for parameters, start in zip(layers, starts, strict=True):
        carried, record = CELLS[cell].forward(x, parameters, start, variant)
        passes.append((x, carried, record))
        ends.append(tuple(state[-1] for state in carried))
        x = carried[0][1:]
    return readout.forward(x, head), ends, passes


def outputs(cell, variant, layers, head, x):
    y, _, _ = window_forward(
        cell, variant, layers, head, x, start_states(cell, len(layers), x.shape[1], layers[0][1].shape[0])
    )
    return y


def loss_with_frozen_walls(cell, variant, layers, head, x, targets, mask, loss, scale, edges, starts):
    """The sum over windows of the loss, each started from given states: what truncation differentiates."""
    total = 0.0
    for (begin, end), start in zip(edges, starts, strict=True):
        y, _, _ = window_forward(cell, variant, layers, head, x[begin:end], start)
        total += getattr(losses, loss)(y, targets[begin:end], mask[begin:end], scale)[0]
    return total


def wall_states(cell, variant, layers, head, x, edges):
    """The states at the start of each window."""
    starts = [start_states(cell, len(layers), x.shape[1], layers[0][1].shape[0])]
    for begin, end in edges[:-1]:
        _, ends, _ = window_forward(cell, variant, layers, head, x[begin:end], starts[-1])
        starts.append(ends)
    return starts


def state_gradients(cell, variant, layers, head, x, targets, mask, loss, scale):
    """dL/dh_t in total [T,B,H] of each layer under full backpropagation."""
    hidden = layers[0][1].shape[0]
    y, _, passes = window_forward(
        cell, variant, layers, head, x, start_states(cell, len(layers), x.shape[1], hidden)
    )
    _, dy = getattr(losses, loss)(y, targets, mask, scale)
    _, dh = readout.backward(passes[-1][1][0][1:], head, dy)
    found = []
    for parameters, (below, carried, record) in reversed(list(zip(layers, passes, strict=True))):
        carry = tuple(np.zeros_like(state[0]) for state in carried)
        total, _, _, dx = CELLS[cell].backward(below, parameters, carried, record, dh, carry, variant)
        found.insert(0, total)
        dh = dx
    return found
