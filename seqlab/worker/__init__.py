"""The worker: the process that trains one run folder, started by `seqlab.runs.launch`.

`__main__` speaks with whoever started it, `warmth` imports, compiles and measures ahead, `job` trains a run
and writes down everything it learns, `environment` records what it ran on.
"""
