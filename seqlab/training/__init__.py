"""Training: puts the compiled kernels together into networks, truncated backpropagation, steps and the probe."""
