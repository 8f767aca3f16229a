"""Names, brackets, types and nearest matches; and that nothing heavy is imported to answer."""

import dataclasses
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import UsageError
from bench.registry import KINDS, Registry
from bench.static import MISSING
from bench.values import parse_value, split_top

PLUGIN = Path(__file__).parent / "plugins" / "planted.py"


@pytest.fixture(scope="module")
def registry():
    return Registry([PLUGIN])


def every_plugin():
    registry = Registry()
    return [(kind, name) for kind in KINDS for name in registry.names(kind)]


@pytest.mark.parametrize(("kind", "name"), every_plugin())
def test_static_reading_agrees_with_the_imported_class(registry, kind, name):
    """What planning reads from the source is what the dataclass really has."""
    entry = registry.entry(kind, name)
    assert entry.error == ""
    module = __import__(entry.module, fromlist=[entry.cls])
    cls = getattr(module, entry.cls)
    real = {f.name: (MISSING if f.default is dataclasses.MISSING else f.default) for f in dataclasses.fields(cls)}
    assert {f.name: f.default for f in entry.info.fields.values()} == real
    assert entry.info.summary
    for fact, value in entry.info.facts.items():
        assert getattr(cls, fact) == value


def test_brackets_are_typed_by_the_field(registry):
    spec = registry.parse("method", "slowly_trained[steps=7,pause=0.5,diary=x]", {})
    assert spec.values == {"steps": 7, "pause": 0.5, "diary": "x"}
    assert spec.label == "slowly_trained[diary=x,pause=0.5,steps=7]"


def test_the_same_settings_give_the_same_label_in_any_order(registry):
    one = registry.parse("method", "slowly_trained[steps=7,pause=0.5]", {})
    other = registry.parse("method", "slowly_trained[ pause=0.5 , steps=7 ]", {})
    assert one.label == other.label and one.values == other.values


def test_globs_all_repeats_and_sweeps(registry):
    specs = registry.select("method", ["planted,noise", "planted", "slowly_trained[steps=1|2]"], {})
    assert [s.label for s in specs] == ["planted", "noise", "slowly_trained[steps=1]", "slowly_trained[steps=2]"]
    assert {s.name for s in registry.select("method", ["*_trained"], {})} == {"slowly_trained"}
    assert len(registry.select("method", ["all"], {})) == len(registry.names("method"))


def test_profile_settings_fill_in_below_what_the_user_writes(registry):
    profile = {"slowly_trained": {"steps": 5, "pause": 1}}
    spec = registry.parse("method", "slowly_trained[steps=9]", profile)
    assert spec.values["steps"] == 9 and spec.values["pause"] == 1.0
    assert spec.label == "slowly_trained[steps=9]"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("plantd", "did you mean planted"),
        ("slowly_trained[step=3]", "did you mean steps"),
        ("slowly_trained[steps=many]", "expected a whole number"),
        ("slowly_trained[steps]", "setting=value"),
        ("slowly_trained[steps=1", "brackets"),
        ("nothing_*", "no method matches"),
    ],
)
def test_wrong_names_answer_in_one_line(registry, text, message):
    with pytest.raises(UsageError, match=message) as error:
        registry.select("method", [text], {})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "annotation", "value"),
    [
        ("on", "bool", True),
        ("off", "bool", False),
        ("off", "Literal['off', 'on']", "off"),
        ("none", "int | None", None),
        ("3", "int | None", 3),
        ("1e-4", "float", 1e-4),
        ("a+b", "tuple[str, ...]", ("a", "b")),
        ("depth+albedo", "str", "depth+albedo"),
    ],
)
def test_values_take_the_type_of_their_field(text, annotation, value):
    parsed = parse_value(text, annotation, "x")
    assert parsed == value and type(parsed) is type(value)


@given(st.text(alphabet="ab,[]=|", max_size=20))
def test_splitting_never_loses_a_character_or_answers_in_one_line(text):
    try:
        parts = split_top(text)
    except UsageError:
        return
    assert all(part in text for part in parts)


def test_a_broken_plugin_breaks_only_itself(tmp_path):
    (tmp_path / "broken.py").write_text("class X(Method):\n    a: int = 1 +\n")
    with pytest.raises(UsageError, match=r"broken\.py"):
        Registry([tmp_path / "broken.py"])
    (tmp_path / "odd.py").write_text(
        "from bench.api import Method\nclass Odd(Method):\n    a: int = f()\nclass Fine(Method):\n    b: int = 1\n"
    )
    registry = Registry([tmp_path / "odd.py"])
    assert registry.entry("method", "odd").error and not registry.entry("method", "fine").error


@pytest.mark.parametrize("arguments", [["--help"], ["list", "methods"], ["plan", "-m", "all", "-t", "all"]])
def test_lists_plans_and_help_import_nothing_heavy(arguments, tmp_path):
    script = (
        "import sys\nfrom bench.cli import main\n"
        f"sys.argv = ['bench', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit as leaving:\n    assert not leaving.code, leaving.code\n"
        "heavy = {'torch', 'numpy', 'matplotlib', 'sklearn', 'pandas', 'submitit'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(Path(__file__).parents[1]), "PATH": "", "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - start < 3  # 0.2 s on an idle machine; generous, as the tests share the cores
