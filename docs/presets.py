"""The table of presets in the README, made from the presets themselves: python docs/presets.py."""

from __future__ import annotations

from pathlib import Path

from seqlab.spec import load_spec, presets

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- presets -->\n", "<!-- /presets -->"


def main() -> None:
    """Write the table into the README."""
    README.write_text(with_table(README.read_text()))


def with_table(text: str) -> str:
    """The README's text with the table as it should be."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def table() -> str:
    """A row for each preset: its name, what it is, what it claims."""
    lines = ["| preset | | claims |", "|---|---|---|"]
    for name in presets():
        spec = load_spec(name)
        claims = "<br>".join(claim.in_words() for claim in spec.expect)
        lines.append(f"| `{name}` | {spec.title} | {claims} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
