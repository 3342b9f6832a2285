"""Training: compiled kernels put together into networks, truncated backpropagation, steps and the probe."""
