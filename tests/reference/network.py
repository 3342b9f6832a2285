"""A whole network in plain NumPy: layers, readout and loss over windows, states carried over walls.

`model` is the spec's cell; `layers` are the parameters of each layer, for two directions the forward one's
and then the backward one's. Written step by step and sequence by sequence.
"""

from importlib import import_module

import numpy as np

from tests.reference import losses, readout


def cell_of(model):
    return import_module(f"tests.reference.{model.kernel}")


def start_states(model, batch):
    zeros = np.zeros((batch, model.hidden))
    return [tuple(zeros for _ in model.carried_names) for _ in model.parts()]


def backwards(x, lengths):
    """Each sequence from its last step to its first; what lies behind its end stays there."""
    turned = x.copy()
    for b in range(x.shape[1]):
        length = len(x) if lengths is None else lengths[b]
        for t in range(length):
            turned[t, b] = x[length - 1 - t, b]
    return turned


def window_forward(model, layers, head, x, starts, masks=None, lengths=None):
    """Outputs of one window, the states of each part at its end, and what each part's forward pass gave."""
    ends, passes = [], []
    for number in range(model.layers):
        sides = []
        for back in range(model.directions):
            part = number * model.directions + back
            seen = backwards(x, lengths) if back else x
            carried, record = cell_of(model).forward(seen, layers[part], starts[part], model.variant)
            passes.append((seen, carried, record))
            ends.append(tuple(state[-1] for state in carried))
            sides.append(backwards(carried[0][1:], lengths) if back else carried[0][1:])
        out = np.concatenate(sides, axis=2)
        if model.residual and out.shape == x.shape:
            out = out + x
        if masks is not None and number < model.layers - 1:
            out = out * masks[number]
        x = out
    return readout.forward(x, head), ends, passes


def outputs(model, layers, head, x, masks=None, lengths=None):
    return window_forward(model, layers, head, x, start_states(model, x.shape[1]), masks, lengths)[0]


def loss_with_frozen_starts(model, layers, head, x, targets, mask, loss, scale, windows, starts, **joints):
    """The loss of each window's block, from given states at its start: what truncation differentiates.

    `windows` are (start, block, stop).
    """
    total = 0.0
    for (start, block, stop), states in zip(windows, starts, strict=True):
        y, _, _ = window_forward(model, layers, head, x[start:stop], states, **joints)
        counted = y[block - start :]
        total += getattr(losses, loss)(counted, targets[block:stop], mask[block:stop], scale)[0]
    return total


def states_at_starts(model, layers, head, x, windows, reset=False, **joints):
    """The states at the start of each window: those after all steps before it, or zeros."""
    batch = x.shape[1]
    found = []
    for start, _, _ in windows:
        states = start_states(model, batch)
        if start and not reset:
            _, states, _ = window_forward(model, layers, head, x[:start], states, **joints)
        found.append(states)
    return found


def state_gradients(model, layers, head, x, targets, mask, loss, scale):
    """dL/dh_t in total [T,B,H] of each layer under full backpropagation; one direction, nothing between."""
    y, _, passes = window_forward(model, layers, head, x, start_states(model, x.shape[1]))
    _, dy = getattr(losses, loss)(y, targets, mask, scale)
    _, dh = readout.backward(passes[-1][1][0][1:], head, dy)
    found = []
    for parameters, (below, carried, record) in reversed(list(zip(layers, passes, strict=True))):
        carry = tuple(np.zeros_like(state[0]) for state in carried)
        total, _, _, dx = cell_of(model).backward(
            below, parameters, carried, record, dh, carry, model.variant
        )
        found.insert(0, total)
        dh = dx
    return found
