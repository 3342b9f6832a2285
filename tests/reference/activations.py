import numpy as np


def sigmoid(a):
    """1/(1 + e^(-a)), without overflow."""
    e = np.exp(-np.abs(a))
    return np.where(a >= 0, 1 / (1 + e), e / (1 + e))
