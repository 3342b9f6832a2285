"""Keys that a person moves: which actions there are, what is a key, and what must not meet."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import seqlab
from seqlab.settings import Settings, key_name, shown_key
from seqlab.tui.wishes import bound, is_key, wrong_keys

LAB = Path(seqlab.__file__).parent / "tui"


def bindings_written() -> set[str]:
    """The ids that stand in the sources as such: `id="find.next"`."""
    return {
        found
        for path in LAB.rglob("*.py")
        for found in re.findall(r'\bid="(\w+\.\w+)"', path.read_text("utf-8"))
    }


def test_every_binding_with_a_name_is_an_action() -> None:
    known = set(bound().keys)
    assert bindings_written() <= known
    assert {"lab.pause", "runs.mark", "heatmap.left", "app.redraw", "field.open", "group.fold"} <= known


def test_what_is_bound_already_is_a_key_and_can_be_bound_again() -> None:
    for name, keys in bound().keys.items():
        assert all(map(is_key, keys)), name
        assert not wrong_keys({name: ",".join(keys)}), name


@pytest.mark.parametrize("key", ["p", "P", "?", "+", "é", "f5", "alt+x", "ctrl+shift+left", "slash", "minus"])
def test_this_is_a_key(key: str) -> None:
    assert is_key(key)


@pytest.mark.parametrize(
    "key", ["", "nonsense key", "pgup", "solidus", "shift+ctrl+left", "strg+t", "ctrl+", "esc", "\x1b"]
)
def test_this_is_no_key(key: str) -> None:
    assert not is_key(key)
    assert [problem.path for problem in wrong_keys({"lab.stop": f"p,{key}"})] == [("keys", "lab.stop")]


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"lab.stop": "space"}, "lab.pause"),
        ({"lab.stop": "q"}, "app.quit"),
        ({"app.runs": "m"}, "lab.maximise"),
        ({"lab.stop": "x", "lab.pause": "z,x"}, "lab.stop"),
        ({"runs.mark": "home"}, "runs.first"),
        ({"app.help": "q"}, "app.quit"),
        ({"lab.fork": "?"}, "app.help"),
    ],
)
def test_no_two_actions_of_a_screen_share_a_key_that_was_moved(keys: dict[str, str], named: str) -> None:
    assert any(f"is the key of {named} too" in problem.message for problem in wrong_keys(keys))


@pytest.mark.parametrize(
    "keys",
    [
        {"lab.pause": "s", "lab.stop": "space"},
        {"app.runs": "b", "ask.yes": "b"},  # a dialog hears no keys of the app
        {"lab.pause": "up"},  # but in the heatmap, which has taken the arrows from the lab before
        {"heatmap.left": "h", "lab.scrub_back": "h"},
        {"app.help": "f1"},
    ],
)
def test_keys_may_change_places_and_serve_several_screens(keys: dict[str, str]) -> None:
    assert not wrong_keys(keys)


def test_what_the_program_keeps_for_itself_is_no_key_for_an_action() -> None:
    (problem,) = wrong_keys({"lab.stop": "ctrl+q"})
    assert problem.message == "ctrl+q belongs to the program and cannot be moved"


def test_words_name_the_key_that_an_action_has() -> None:
    """Wherever the lab's own words name a key, the one named for want of another is the one that is bound."""
    named = []
    for path in LAB.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("key_name", "key_hint"):
                named.append([part.value for part in node.args[1:] if isinstance(part, ast.Constant)])
    named = [each for each in named if len(each) == 2]
    assert len(named) > 8
    for action, key in named:
        assert key in {shown_key(each) for each in bound().keys[str(action)]}, action


def test_a_key_that_was_moved_is_named_as_people_write_it() -> None:
    class Remapped:
        settings = Settings(keys={"lab.log": "full_stop, L", "lab.live": "pageup", "lab.save": "ctrl+s"})

    assert [key_name(Remapped(), name, "y") for name in ("lab.log", "lab.live", "lab.save", "lab.copy")] == [
        ".",
        "pgup",
        "ctrl+s",
        "y",
    ]
