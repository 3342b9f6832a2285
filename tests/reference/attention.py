"""score_tj = s_t A e_j, a softmax over j, c_t = Σ_j a_tj e_j, joined to s_t: step by step."""

import numpy as np


def forward(s, e, A):
    """(s ‖ c) [T, B, 2H] and the shares a [T, B, S]."""
    T, B, H = s.shape
    joined, shares = np.zeros((T, B, 2 * H)), np.zeros((T, B, len(e)))
    for t in range(T):
        for b in range(B):
            scores = np.array([s[t, b] @ A @ seen for seen in e[:, b]])
            powers = np.exp(scores - scores.max())
            shares[t, b] = powers / powers.sum()
            joined[t, b] = np.concatenate([s[t, b], shares[t, b] @ e[:, b]])
    return joined, shares


def backward(s, e, A, djoined):
    """∂L/∂s, ∂L/∂e and ∂L/∂A, by the derivative of the softmax written out as a matrix."""
    T, B, H = s.shape
    ds, de, dA = np.zeros_like(s), np.zeros_like(e), np.zeros_like(A)
    _, shares = forward(s, e, A)
    for t in range(T):
        for b in range(B):
            own, context, a, seen = djoined[t, b, :H], djoined[t, b, H:], shares[t, b], e[:, b]
            dscores = (np.diag(a) - np.outer(a, a)) @ (seen @ context)
            ds[t, b] = own + dscores @ (seen @ A.T)
            de[:, b] += np.outer(a, context) + np.outer(dscores, s[t, b] @ A)
            dA += np.outer(s[t, b], dscores @ seen)
    return ds, de, dA
