"""The worker: the process that trains one run folder, started by `seqlab.runs.launch`.

`__main__` speaks with whoever started it, `warmth` imports, compiles and measures ahead, `job` trains a run
and `recorder` writes down everything it learns. `orders` obeys viewers, `changes` makes what they change and
makes it again when a run is repeated, `origin` gives a fork what it begins with, and `environment` says what
all this ran on.
"""
