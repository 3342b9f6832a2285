"""The tests. BLAS takes one thread: several test processes share the processors."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
