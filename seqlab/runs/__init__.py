"""The run folder: how a run is written, read, steered, and started.

`layout` names the files, `writer` and `persist` write them, `reader` follows them live, `run` opens them in
a notebook, `control` carries commands to the worker, `launch` starts workers, `claims` checks what a spec
expects.
"""
