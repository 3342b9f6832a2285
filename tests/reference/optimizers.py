"""PyTorch's formulas. Each takes all gradients in order and gives the parameters after every step."""

import numpy as np


def sgd(theta, gradients, lr, momentum, nesterov):
    buffer, path = None, []
    for g in gradients:
        buffer = g if buffer is None else momentum * buffer + g
        theta = theta - lr * (g + momentum * buffer if nesterov else buffer)
        path.append(theta)
    return path


def rmsprop(theta, gradients, lr, alpha, eps, momentum):
    square_average, buffer, path = 0.0, 0.0, []
    for g in gradients:
        square_average = alpha * square_average + (1 - alpha) * g**2
        buffer = momentum * buffer + g / (np.sqrt(square_average) + eps)
        theta = theta - lr * buffer
        path.append(theta)
    return path


def adam(theta, gradients, lr, beta1, beta2, eps):
    m, v, path = 0.0, 0.0, []
    for n, g in enumerate(gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**n), v / (1 - beta2**n)
        theta = theta - lr * m_hat / (np.sqrt(v_hat) + eps)
        path.append(theta)
    return path


def adamw(theta, gradients, lr, beta1, beta2, eps, weight_decay):
    m, v, path = 0.0, 0.0, []
    for n, g in enumerate(gradients, start=1):
        theta = theta - lr * weight_decay * theta
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**n), v / (1 - beta2**n)
        theta = theta - lr * m_hat / (np.sqrt(v_hat) + eps)
        path.append(theta)
    return path
