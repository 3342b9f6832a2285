"""Whatever is trained, going on from a state gives the bits of never having stopped."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seqlab.training.ridge import trainer_for
from tests.training.test_exactness import specs


@settings(max_examples=30, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(specs(), st.sampled_from(["sequence", "window"]))
def test_a_resumed_run_is_the_one_never_stopped(spec, update):
    update = "sequence" if spec.model.closed_form else update
    training = spec.training.model_copy(update={"precision": "float32", "update": update})
    spec = spec.model_copy(update={"training": training})
    whole = trainer_for(spec)
    first = [whole.advance() for _ in range(2)]
    state = {name: value.copy() for name, value in whole.state().items()}
    rest = [whole.advance() for _ in range(2)]
    again = trainer_for(spec)
    again.restore(2, state)
    assert [again.advance() for _ in range(2)] == rest
    assert not any(step.diverged or not np.isfinite(step.grad_norm) for step in first + rest)
    for name, value in whole.state().items():
        assert (again.state()[name] == value).all(), name
