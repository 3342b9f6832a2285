"""What the lab says in sentences: help, what is wrong, and how many sentences fit."""

from __future__ import annotations

from collections.abc import Sequence

from seqlab.runs.harmless import harmless_lines
from seqlab.spec.schema import Spec
from seqlab.tui.panels.moment import Moment
from seqlab.tui.panels.rival import rival_words
from seqlab.tui.panels.status import LOG_WIDTH
from seqlab.tui.widgets.axes import number

_HELP = """\
Loss: on each batch that it trains on, faint; on a held-out split, bold. A rung is the loss of a predictor \
that knows less than the task needs; a loss within 5 % of a rung is said to be on it. The line of heavy \
dashes is no rung but a rival: an echo state network, whose units are random and never trained, and whose \
readout is fitted at once. On tasks of numbers under mse it is there some seconds after the training began. \
Unit: nats a symbol under cross-entropy, else the task's own, squared under mse. Healthy: it leaves rung \
after rung, bold and faint together. Sick: flat on a rung, where nothing more is learned; the bold line \
rising while the faint one falls; jumps upwards that clipping or a lower learning rate would spare it.
Gradient: the norm of ∂L/∂h at each timestep, over the probe sequences and all units. Walls cut it: steps \
from which no loss can be reached get none. Behind it, faint, what full BPTT would send, and the credit of \
the last loss taken alone, not divided by the number of losses: where there is a loss at every step, its \
scale is not that of the other lines. Where these are the same as the line in front they are left out. \
"Below float32" is a gradient that is there and rounds to 0. All this is reach and no more: networks learn \
inside a window what carries over. Unit: loss per unit of a state. Healthy: of one size from end to end, or \
larger where the answer depends on what came in. Sick: falling by powers of ten towards step 1, so that \
early steps teach nothing, or growing towards it without end.
Gates: the first probe sequence, units down, time across; from 0, shut, to 1, open, and states as far as \
the scale in the title goes. With the focus here, arrows move a cursor, with shift one by one. Healthy: \
units that differ, and that move where something happens in the sequence. Sick: every unit at one end all \
the time, where hardly any gradient gets through, or rows that are all alike.
Probe: what the network makes of one fixed sequence that it never trains on, in the units of the task. \
Healthy: its answer near the one asked for. Sick: the same answer whatever came in.
Time: arrows go back and forth over the frames that are kept, with shift by ten, home to the first. Every \
panel shows that step, the loss is read at the upright line, and the run goes on unseen until end. What was \
changed on the way is marked over the loss, at the step from which it acts.
Overlay: runs laid over this one have letters, B to H, on their loss and on their gradient, each along its \
own steps; A, in bold, is this one. Who goes back in time sees the kept frame of each that is nearest to \
the step, and under the plot the losses there. A loss of another kind or task has another scale: it is not \
drawn.
Status: sequences a second, time left, learning rate, and the share of the last 100 rows whose gradient was \
clipped."""


def help_text(moment: Moment | None) -> str:
    """What this run is about, and what the words on the screen mean, with the rungs as measured."""
    rungs = moment.snapshot.rungs if moment is not None else ()
    lines = [*(_about(moment.snapshot.spec) if moment is not None else ()), _HELP]
    if rungs:
        lines.append("Rungs, by formula and as measured on this run's eval split:")
    for rung in rungs:
        by_formula = "" if rung.value is None else f"{number(rung.value)}, "
        lines.append(f"  {rung.metric}, {rung.label}: {by_formula}measured {number(rung.measured)}")
    if moment is not None and moment.snapshot.rival is not None:
        lines.append(rival_words(moment.snapshot.rival))
    return "\n".join([*lines, ""])


def _about(spec: Spec) -> list[str]:
    """Title, explanation and claims, a line each."""
    claims = [f"  {claim.in_words()}" + (f": {claim.why}" if claim.why else "") for claim in spec.expect]
    # Broken where the screen ends, not where the file's lines do.
    about = [" ".join(paragraph.split()) for paragraph in spec.about.split("\n\n")]
    title = spec.title[:1].upper() + spec.title[1:]
    fork = (
        [] if spec.fork is None else [f"It is a fork: up to step {spec.fork.step:,} it is {spec.fork.run}."]
    )
    lines = [title, *fork, *about, *(["Claimed:"] if claims else []), *claims]
    return [harmless_lines(line) for line in lines if line]


def troubles(moment: Moment) -> list[str]:
    """What to know beyond the state: what cannot be read, and the last words of a worker that died."""
    snapshot = moment.snapshot
    lines = [*snapshot.problems[:3], *moment.left_out[:3]]
    if moment.state in ("training", "paused", "finished") and snapshot.status.message:
        lines.append(snapshot.status.message)
    if moment.state in ("lost", "failed"):
        lines += [line for line in moment.stderr if line not in moment.log]
        # A lost run has its last line in the status.
        told = moment.state == "lost" and len(moment.log) == 1 and len(moment.log[0].strip()) <= LOG_WIDTH
        if moment.log and not told:
            lines += ["the end of worker.log:", *moment.log]
        elif not moment.log and not moment.stderr:
            lines.append("worker.log is empty")
    return lines


def fitted(sentences: Sequence[str], width: int, height: int) -> str:
    """Whole sentences, as many as `height` lines of `width` cells hold; always the first."""
    said = ""
    for sentence in sentences:
        longer = f"{said} {sentence}".strip()
        if said and _lines(longer, width) > height:
            break
        said = longer
    return said


def _lines(text: str, width: int) -> int:
    """How many lines a text takes, broken at spaces."""
    lines, used = 1, 0
    for word in text.split():
        if used and used + 1 + len(word) > width:
            lines, used = lines + 1, 0
        used += len(word) + (1 if used else 0)
    return lines
