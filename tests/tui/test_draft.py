from __future__ import annotations

import itertools

import pytest

from seqlab.cells import CELLS
from seqlab.methods import CLIPS, OPTIMIZERS, SCHEDULES
from seqlab.spec.files import validate
from seqlab.spec.schema import Spec
from seqlab.tasks import TASKS
from seqlab.tui.draft import (
    CELL,
    CLIP,
    OPTIMIZER,
    SCHEDULE,
    STOP,
    TASK,
    TRUNCATION,
    Draft,
    Preset,
    preset_of,
    summary_of,
)

PRESET = Preset(
    "two",
    "two numbers",
    "watch the loss",
    {
        "title": "two numbers",
        "about": "watch the loss",
        "task": {"name": "adding", "length": 50},
        "model": {"cell": "lstm", "hidden": 8},
        "training": {"steps": 1000},
        "expect": [{"metric": "eval/loss", "below": 0.01}],
    },
)


def loaded() -> Draft:
    draft = Draft()
    draft.load(PRESET)
    return draft


def spec_of(draft: Draft) -> Spec:
    checked = draft.check()
    assert checked.spec is not None, checked.problems
    return checked.spec


def leaves(table: dict[str, object], path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    for name, value in table.items():
        found |= leaves(value, (*path, name)) if isinstance(value, dict) else {(*path, name)}
    return found


@pytest.mark.parametrize(
    ("task", "cell", "optimizer", "clip"),
    [
        *(("sine", cell, "adam", "norm") for cell in CELLS),
        *((task, "lstm", *methods) for task in TASKS for methods in itertools.product(OPTIMIZERS, CLIPS)),
    ],
)
def test_every_field_of_every_spec_is_on_the_form_once(
    task: str, cell: str, optimizer: str, clip: str
) -> None:
    draft = Draft()
    for path, key in ((TASK, task), (CELL, cell), (OPTIMIZER, optimizer), (CLIP, clip)):
        draft.set(path, key)
    paths = [entry.path for entry in draft.entries()]
    in_the_spec = leaves(spec_of(draft).model_dump()) - {("schema_version",), ("expect",)}
    assert sorted(paths) == sorted(in_the_spec)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_field_of_every_schedule_is_on_the_form(schedule: str) -> None:
    draft = loaded()
    draft.set(SCHEDULE, schedule)
    paths = [entry.path for entry in draft.entries()]
    assert sorted(paths) == sorted(leaves(spec_of(draft).model_dump()) - {("schema_version",), ("expect",)})


def test_a_choice_may_be_left_empty_and_says_what_that_means() -> None:
    draft = loaded()
    loss, metric = ("training", "loss"), (*STOP, "metric")
    entries = {entry.path: entry for entry in draft.entries()}
    assert entries[loss].options[0] == ("", "the task's own")
    assert entries[metric].options[0] == ("", "off")
    assert entries[loss].hint == "– = the task's own"
    draft.set(loss, "huber")
    draft.set(metric, "eval/accuracy")
    draft.set((*STOP, "patience"), "3")
    training = spec_of(draft).training
    assert (training.loss, training.stop.metric, training.stop.patience) == ("huber", "eval/accuracy", 3)
    draft.set(loss, "")
    assert spec_of(draft).loss_name == "mse"


@pytest.mark.parametrize(
    ("path", "text", "words"),
    [
        (("training", "loss"), "cross_entropy", "'cross_entropy' is for classes, but the targets of adding"),
        ((*STOP, "metric"), "eval/forecast", "a run of adding has no 'eval/forecast'"),
    ],
)
def test_what_does_not_fit_the_task_is_a_problem_of_its_own_field(
    path: tuple[str, ...], text: str, words: str
) -> None:
    draft = loaded()
    draft.set(path, text)
    problems = draft.check().problems
    assert list(problems) == [path]
    assert problems[path].startswith(words)


def test_every_field_has_one_line_of_help() -> None:
    draft = Draft()
    for task, cell, schedule in itertools.product(TASKS, CELLS, SCHEDULES):
        draft.set(TASK, task)
        draft.set(CELL, cell)
        draft.set(SCHEDULE, schedule)
        assert all(entry.help and "\n" not in entry.help for entry in draft.entries())


def test_what_is_not_set_follows_what_is() -> None:
    draft = loaded()
    assert spec_of(draft).training.eval_every == 50
    draft.set(("training", "steps"), "100000")
    assert spec_of(draft).training.eval_every == 5000
    assert draft.text(("training", "eval_every")) == ""
    assert draft.default(("training", "eval_every")) == "5000"


def test_an_emptied_field_goes_back_to_its_default() -> None:
    draft = loaded()
    draft.set(("task", "length"), "")
    assert spec_of(draft).task.timesteps == 100


@pytest.mark.parametrize("text", ["1e4", "10000", "10000.", "+10000"])
def test_whole_numbers_can_be_written_as_one_likes(text: str) -> None:
    draft = loaded()
    draft.set(("training", "steps"), text)
    assert spec_of(draft).training.steps == 10_000
    assert next(e for e in draft.entries() if e.path == ("training", "steps")).kind == "integer"


@pytest.mark.parametrize(
    ("path", "text", "words"),
    [
        (TRUNCATION, "-3", "-3 is out of bounds: it must be at least 0"),
        (("training", "steps"), "1.5", "1.5 is not an integer"),
        (("training", "steps"), "--", "'--' is not an integer"),
        (("training", "optimizer", "lr"), "0", "0 is out of bounds: it must be above 0"),
        (("model", "hidden"), "5000", "5000 is out of bounds: it must be at most 4,096"),
        (("training", "batch_size"), "1e400", "inf is not an integer"),
    ],
)
def test_a_wrong_value_is_a_problem_of_its_own_field(path: tuple[str, ...], text: str, words: str) -> None:
    draft = loaded()
    draft.set(path, text)
    checked = draft.check()
    assert checked.spec is None
    assert checked.problems == {path: words}


def test_problems_of_a_whole_table_are_shown_at_the_field_they_name() -> None:
    draft = loaded()
    draft.set(TASK, "sine")
    draft.set(("task", "period"), "50, 10")
    assert draft.check().problems == {
        ("task", "period"): "[50.0, 10.0] should go from the shortest to the longest"
    }
    draft.set(("task", "period"), "1 50")
    assert list(draft.check().problems) == [("task", "period")]


def test_another_cell_keeps_what_means_the_same() -> None:
    draft = loaded()
    draft.set(("model", "forget_bias"), "3")
    draft.set(CELL, "gru")
    assert draft.data["model"] == {"cell": "gru", "hidden": 8}
    draft.set(CELL, "rnn")
    draft.set(("model", "init"), "identity")
    draft.set(CELL, "lstm")  # which has no identity
    assert draft.data["model"] == {"cell": "lstm", "hidden": 8}


def test_a_preset_speaks_of_itself_only_while_it_is_unchanged() -> None:
    draft = loaded()
    assert (spec_of(draft).title, len(spec_of(draft).expect)) == ("two numbers", 1)
    draft.set(("training", "seed"), "7")
    assert len(spec_of(draft).expect) == 1
    draft.set(("model", "hidden"), "9")
    assert (spec_of(draft).title, spec_of(draft).expect) == ("", ())
    draft.set(("model", "hidden"), "8")
    assert len(spec_of(draft).expect) == 1


def test_claims_that_do_not_fit_another_task_do_not_stand_in_its_way() -> None:
    data = {**PRESET.data, "expect": [{"metric": "eval/loss", "below": {"rung": "one", "times": 0.5}}]}
    draft = Draft()
    draft.load(Preset("two", "", "", data))
    draft.set(TASK, "copy")
    assert spec_of(draft).expect == ()


def test_a_title_of_ones_own_stays() -> None:
    draft = loaded()
    draft.set(("title",), "mine")
    assert spec_of(draft).title == "mine"
    draft.set(("model", "hidden"), "9")
    assert spec_of(draft).title == "mine"


def test_a_group_in_words_names_what_is_set_in_it() -> None:
    draft = loaded()
    spec_of(draft)
    words = {group.title: summary_of(draft, group) for group in draft.groups()}
    assert words["Training"][:2] == ("steps 1,000", "batch size 32")
    assert words["Clipping"] == ("norm", "limit 1")
    assert words["Model"][:2] == ("layers 1", "bidirectional false")


def test_overrides_reach_the_form() -> None:
    draft = loaded()
    draft.override(["model.cell=gru", "training.truncation=5"])
    assert spec_of(draft).model.cell == "gru"
    assert draft.text(TRUNCATION) == "5"


def test_an_override_that_names_nothing_is_a_problem_and_no_crash() -> None:
    draft = loaded()
    draft.override(["task.name=[1]"])
    assert list(draft.check().problems) == [TASK]
    draft.override(["nonsense.here=1"])
    assert () in draft.check().problems


def test_the_hint_of_the_truncation_says_what_zero_means() -> None:
    hints = {entry.path: entry.hint for entry in Draft().entries()}
    assert hints[TRUNCATION] == "timesteps; 0 = full BPTT"
    assert hints["task", "length"] == "timesteps, 2 – 100,000"


def test_a_given_spec_is_the_preset_that_it_equals_or_one_of_its_own() -> None:
    same, other = validate(PRESET.data), validate({**PRESET.data, "title": "mine", "expect": []})
    assert preset_of(same, [PRESET]) is PRESET
    draft = Draft()
    draft.load(preset_of(other, [PRESET]))
    assert spec_of(draft) == other
    assert draft.unchanged(other)


def test_a_resolved_spec_fills_the_form_with_just_what_it_says() -> None:
    data = {**PRESET.data, "training": {"steps": 1000, "frame_every": 7}}
    resolved = validate(validate(data).model_dump(mode="json", exclude_none=True))
    draft = Draft()
    draft.load(preset_of(resolved, []))
    assert spec_of(draft) == resolved
