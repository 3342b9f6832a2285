"""Figures for a paper: the loss with its rungs, the gradient at each timestep, and the gates.

Each is a file of its own, as wide as a column of text, or the page. Fonts are as your matplotlibrc has them.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from seqlab.cells.base import REVERSE, State
from seqlab.exports.base import Export, Format, Outputs, place
from seqlab.runs.layout import RunError
from seqlab.spec.credit import reached, walls

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from seqlab.runs.frames import Frame
    from seqlab.runs.run import Run

_COLUMN = 3.5
"""Inches: the width of a column of text."""
_HEIGHT = 2.4
_HEATMAP = (1.25, 1.1)
"""Inches: one among others."""
_FONT_SIZE = 8.0
_DOTS = 300
"""An inch, where a figure is made of dots."""
_GREY = "0.55"


class Figures(Format):
    """What both kinds of figures share."""

    extra: ClassVar[str] = "figures"
    libraries: ClassVar[tuple[str, ...]] = ("matplotlib",)

    def make(self, run: Run, step: int | None, out: Path | None, outputs: Outputs) -> Export:
        """Three files: what `out` or the run is called, then -loss, -gradient and -gates."""
        import matplotlib

        frame = run.frame(-1 if step is None else step)
        path = place(run, out, f".{self.to}")
        suffix = path.suffix if path.suffix == f".{self.to}" else f"{path.suffix}.{self.to}"
        made = {}
        # The salt makes the names inside an SVG the same every time.
        with matplotlib.rc_context({"svg.hashsalt": "seqlab", "font.size": _FONT_SIZE}):
            for name, draw in _DRAWN.items():
                content = _rendered(draw(run, frame, step), self.to)
                made[path.with_name(f"{path.stem}-{name}{suffix}")] = content
        return Export(made, (f"gradient and gates after step {frame.step:,}",))


class PNG(Figures):
    """Figures made of dots."""

    summary: ClassVar[str] = "three figures, of loss, gradient and gates, made of dots"
    rank: ClassVar[int] = 6

    to: Literal["png"] = "png"


class SVG(Figures):
    """Figures made of lines."""

    summary: ClassVar[str] = "three figures, of loss, gradient and gates, made of lines"
    rank: ClassVar[int] = 5

    to: Literal["svg"] = "svg"


def loss(run: Run, frame: Frame, step: int | None) -> Figure:
    """Training loss faint, held-out loss bold, the rungs across; a line at `step` if one was asked for."""
    figure, axes = _new()
    drawn = []
    styles = (("train/loss", "train", "C0", 0.8, 0.4), ("eval/loss", "held out", "C0", 1.6, 1.0))
    for metric, label, color, width, alpha in styles:
        series = run.metrics.get(metric)
        if series is not None and len(series):
            axes.plot(series.steps, series.values, label=label, color=color, linewidth=width, alpha=alpha)
            drawn.append(series.values)
    if not drawn:
        raise RunError(f"{run.path}: has no loss yet")
    logarithmic = any((values[np.isfinite(values)] > 0).any() for values in drawn)
    if logarithmic:
        axes.set_yscale("log", nonpositive="mask")
    for rung in run.rungs:
        if rung.metric == "eval/loss" and np.isfinite(rung.height) and (rung.height > 0 or not logarithmic):
            axes.axhline(rung.height, color=_GREY, linewidth=0.8, linestyle="--", zorder=0)
            axes.annotate(
                rung.label, (1, rung.height), (-2, 1.5), xycoords=axes.get_yaxis_transform(),
                textcoords="offset points", ha="right", fontsize="small", color=_GREY,
            )  # fmt: skip
    if step is not None:
        axes.axvline(step, color=_GREY, linewidth=0.8, linestyle=":")
    axes.set_xlabel("step")
    axes.set_ylabel(f"loss ({run.spec.loss.label})")
    axes.legend(frameon=False)
    return figure


def gradient(run: Run, frame: Frame, step: int | None) -> Figure:
    """‖∂L/∂h_t‖, a line for each layer; dashed full backpropagation, dotted the credit of the last loss.

    Walls of truncation are thin lines, and where no gradient can be is shaded. What equals the line in front
    is left out.
    """
    spec, probe = run.spec, run.probe
    if probe is None:
        raise RunError(f"{run.path}: has no probe yet")
    figure, axes = _new()
    length, cut = len(probe["mask"]), spec.training.cut
    losses = np.flatnonzero((probe["mask"] > 0).any(axis=1))
    x = 1 + frame.time_stride * np.arange(len(frame.tensors["layer0/gradient"]))
    reach = np.zeros(length, np.bool_)  # padding behind the longest sequence gets none
    longest = int(probe["lengths"].max()) if "lengths" in probe else length
    reach[:longest] = reached(longest, cut, losses, passes=spec.model.passes)
    positive = False
    for layer in range(spec.model.layers):
        named = f"layer {layer + 1}" if spec.model.layers > 1 else "gradient"
        front = frame.tensors[f"layer{layer}/gradient"]
        full, credit = (frame.tensors[f"layer{layer}/{name}"] for name in ("gradient_full", "credit"))
        lines = [(np.where(reach[x - 1], front, np.nan), named, "-")]
        lines += [(full, "full BPTT", "--")] if not _same(full, front) else []
        lines += [(credit, "credit of the last loss", ":")] if not _same(credit, full) else []
        for values, label, style in lines:
            first = layer == 0 or style == "-"  # what the other styles mean is told once
            axes.plot(x, values, style, color=f"C{layer % 10}", linewidth=1.2, label=label if first else None)
            positive |= bool((values > 0).any())
    if positive:
        axes.set_yscale("log", nonpositive="mask")
    for wall in walls(length, cut):
        axes.axvline(wall + 0.5, color=_GREY, linewidth=0.5, zorder=0)
    axes.fill_between(
        np.arange(1, length + 1), 0, 1, where=~reach, step="mid", transform=axes.get_xaxis_transform(),
        color="0.92", linewidth=0, zorder=-1,
    )  # fmt: skip
    axes.set_xlim(1, max(2, length))
    axes.set_xlabel("timestep")
    axes.set_ylabel("‖∂L/∂h‖")
    axes.legend(frameon=False)
    return figure


def gates(run: Run, frame: Frame, step: int | None) -> Figure:
    """Every gate and state of the first probe sequence, units over timesteps.

    A row for each layer in each direction, a column with one scale for each gate and state.
    """
    from matplotlib.figure import Figure

    model = run.spec.model
    parts = model.parts()
    rows = [
        [state for state in model.shown(part.layer) if state.name.endswith(REVERSE) == bool(part.back)]
        for part in parts
    ]
    states = max(rows, key=len)  # the top layer may show more
    size = (len(states) * _HEATMAP[0], 0.5 + len(parts) * _HEATMAP[1])
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(parts), len(states), squeeze=False, sharex=True)
    for column, state in enumerate(states):
        shown = [row for row in range(len(parts)) if column < len(rows[row])]
        seen = [frame.tensors[f"layer{parts[row].layer}/state/{rows[row][column].name}"] for row in shown]
        low, high, colors = _scale(state.kind, np.concatenate(seen))
        for row, values in zip(shown, seen, strict=True):
            axes = grid[row, column]
            timesteps, units = values.shape[0] * frame.time_stride, values.shape[1] * frame.unit_stride
            image = axes.imshow(
                values.T, aspect="auto", origin="lower", interpolation="nearest", vmin=low, vmax=high,
                cmap=colors, extent=(0.5, timesteps + 0.5, 0.5, units + 0.5),
            )  # fmt: skip
            if column and state.rows == states[0].rows:
                axes.tick_params(labelleft=False)
            elif column:
                axes.set_ylabel(state.rows)
        for axes in grid[[row for row in range(len(parts)) if row not in shown], column]:
            axes.set_axis_off()
        figure.colorbar(image, ax=grid[:, column], location="bottom", aspect=12)
        grid[shown[0], column].set_title(_titled(state), fontsize="medium")
        grid[-1, column].set_xlabel("timestep")
    for axes, part in zip(grid[:, 0], parts, strict=True):
        which = [f"layer {part.layer + 1}"] * (model.layers > 1) + ["backwards"] * part.back
        axes.set_ylabel("\n".join([*which, "unit"]))
    return figure


def _titled(state: State) -> str:
    """`f, forget gate`; `attention`."""
    name, label = state.name.removesuffix(REVERSE), state.label.removesuffix(", backwards")
    return name if name == label else f"{name}, {label}"


_DRAWN: dict[str, Callable[[Run, Frame, int | None], Figure]] = {
    "loss": loss,
    "gradient": gradient,
    "gates": gates,
}


def _new() -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_COLUMN, _HEIGHT), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _rendered(figure: Figure, kind: str) -> bytes:
    """The figure as a file, without the time at which it was made."""
    content = io.BytesIO()
    metadata: dict[str, Any] = {"Date": None} if kind == "svg" else {"Software": None}
    figure.savefig(content, format=kind, dpi=_DOTS, metadata=metadata)
    return content.getvalue()


def _scale(kind: str, values: NDArray[np.float32]) -> tuple[float, float, str]:
    """The limits of a heatmap, and its colours: what has a middle has two, the middle being white."""
    if kind == "gate":
        return 0.0, 1.0, "viridis"
    if kind == "signed":
        return -1.0, 1.0, "RdBu_r"
    finite = values[np.isfinite(values)]
    most = float(np.abs(finite).max()) if finite.any() else 1.0
    return -most, most, "RdBu_r"


def _same(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    return np.array_equal(one, other, equal_nan=True)
