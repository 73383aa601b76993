"""One key changes, and nothing else: what the parser sees, and what a person sees."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdl.core.toml_edit import line_of, loads, quoted, statements, with_key, without_key

WHOLE = '''\
# my settings
jobs = 4   # four
header = [ # two of them
  "A: b", # with ] and "quotes"
  'C: "d"',
]
"user-agent" = """one
# no comment
jobs = 9
\\"""" # the end
x.'y = z' = { a = [1, 2], b = "}" }

# about my rules
[rules."a]b"]
jobs = 3
'''


def same(name: str) -> Any:
    return lambda key: key.replace("-", "_") == name.replace("-", "_")


def test_statements() -> None:
    found = [(s.kind, s.name, s.dotted, WHOLE[s.start : s.end].count("\n")) for s in statements(WHOLE)]
    assert found == [
        ("remark", "", False, 1),
        ("pair", "jobs", False, 1),
        ("pair", "header", False, 4),
        ("pair", "user-agent", False, 4),
        ("pair", "x", True, 1),
        ("remark", "", False, 1),
        ("remark", "", False, 1),
        ("table", "rules", False, 1),
        ("pair", "jobs", False, 1),
    ]
    assert "".join(WHOLE[s.start : s.end] for s in statements(WHOLE)) == WHOLE


@pytest.mark.parametrize(
    ("name", "value", "old", "new"),
    [
        ("jobs", "8", "jobs = 4   # four", "jobs = 8   # four"),
        ("user_agent", '"x"', WHOLE[WHOLE.index('"""one') : WHOLE.index(" # the end")], '"x"'),
        ("header", "[]", WHOLE[WHOLE.index("[ # two") : WHOLE.index('\n"user-agent')], "[]"),
        ("retries", "0", "\n\n# about", "\nretries = 0\n\n# about"),
    ],
)
def test_set(name: str, value: str, old: str, new: str) -> None:
    assert WHOLE.count(old) == 1
    assert with_key(WHOLE, name, value, same(name)) == WHOLE.replace(old, new)


def test_unset_takes_all_lines_of_a_key_and_no_other() -> None:
    edited = without_key(WHOLE, same("header"))
    assert edited == WHOLE.replace(WHOLE[WHOLE.index("header =") : WHOLE.index('"user-agent"')], "")
    assert without_key(WHOLE, same("nothing")) == WHOLE
    assert without_key("jobs = 1\n\nretries = 2\n\n# end\n", same("jobs")) == "retries = 2\n\n# end\n"
    assert without_key("# mine\njobs = 1\n\nretries = 2\n", same("jobs")) == "# mine\n\nretries = 2\n"
    assert without_key(WHOLE, same("jobs")).endswith("jobs = 3\n"), "a table's key is not the top-level one"


@pytest.mark.parametrize(
    ("text", "edited"),
    [
        ("", "jobs = 8\n"),
        ("# only words", "# only words\njobs = 8\n"),
        ("# jobs = 4\n# more\n", "# jobs = 4\njobs = 8\n# more\n"),
        ("a = 1", "a = 1\njobs = 8\n"),
        ("a = 1\r\n[t]\r\n", "a = 1\r\njobs = 8\r\n[t]\r\n"),
        ("[t]\nb = 1\n", "jobs = 8\n\n[t]\nb = 1\n"),
        ("# head\n\n# of t\n[t]\n", "# head\njobs = 8\n\n# of t\n[t]\n"),
        ("# of t\n[t]\n", "jobs = 8\n\n# of t\n[t]\n"),
        ("# head\n\n\n[t]\n", "# head\njobs = 8\n\n\n[t]\n"),
        ("\n# of t\n[t]\n", "jobs = 8\n\n\n# of t\n[t]\n"),
        ("no-jobs = 1 # why\n", "jobs = 8 # why\n"),
        ("JOBS = 1\njobs=1\n", "JOBS = 1\njobs=8\n"),
        ("jobs = 1\nno-jobs = 2\nb = 3\n", "jobs = 8\nb = 3\n"),
        ("  jobs\t=\t'x'\n", "  jobs\t=\t8\n"),
        ("[[rules]]\n", "jobs = 8\n\n[[rules]]\n"),
        ("rules.x.y = 1\n", "rules.x.y = 1\njobs = 8\n"),
    ],
)
def test_where_a_key_goes(text: str, edited: str) -> None:
    spellings = lambda key: key in ("jobs", "no-jobs")  # noqa: E731
    assert with_key(text, "jobs", "8", spellings) == edited
    assert loads(edited)["jobs"] == 8


def test_lines() -> None:
    assert line_of(WHOLE, "jobs") == 2
    assert line_of(WHOLE, "x") == 11
    assert line_of(WHOLE, "rules") == 14
    assert line_of(WHOLE, "missing") == 1
    assert line_of("[[mirror]]\nx = 1", "mirror") == 1


@pytest.mark.parametrize(
    "text", ["", 'a "b"', "C:\\new\\table", "it's C:\\x", "\x7f\x01\t\n", "naïve 日本 \U0001f600", "'"]
)
def test_texts_come_back(text: str) -> None:
    assert loads(f"x = {quoted(text)}") == {"x": text}


def test_a_path_stays_readable() -> None:
    assert quoted("C:\\new") == "'C:\\new'"


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(ValueError):
        quoted("\udc80")


# --- any document ----------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=20)
SHORT = st.text("ab]#'= [{}\",\\", max_size=8)


def _long(text: str) -> str:
    body = text.replace("\\", "\\\\").replace('"""', '""\\"')
    body = body[:-1] + '\\"' if body.endswith('"') else body
    return f'"""\n{body}"""'


VALUES = st.recursive(
    st.one_of(
        st.integers().map(str),
        st.booleans().map(lambda b: str(b).lower()),
        TEXTS.filter(lambda t: t.isprintable()).map(quoted),
        SHORT.map(quoted),
        SHORT.map(_long),
        st.text('ab]#"= [{\n', max_size=8).map(lambda t: f"'''{t}'''"),
        st.sampled_from(["1.5", "inf", "1979-05-27 07:32:00", "0x1F", '""""a""""', "''''b''''", '""""""', "''''''"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[ # ]'\"\n" + "".join(f"  {i}, # [\n" for i in items) + "]"),
        st.lists(inner, max_size=3).map(lambda items: "[" + ", ".join(items) + "]"),
        st.lists(inner.filter(lambda i: "\n" not in i), max_size=3).map(
            lambda items: "{ " + ", ".join(f"k{n} = {i}" for n, i in enumerate(items)) + " }"
        ),
    ),
    max_leaves=6,
)
KEYS = st.sampled_from(["a", "b-c", '"d e"', "'f#'", '"g=h"', "jobs", "k.l", '"x"."y]"'])
END = st.sampled_from(["", " # remark = [", "  "])


@st.composite
def documents(draw: Any) -> str:
    keys = draw(st.lists(KEYS, unique=True, max_size=5))
    lines = []
    for key in keys:
        lines += draw(st.lists(st.sampled_from(["", "# jobs of mine", "   # '''", "#[x]"]), max_size=2))
        lines.append(f"{key} = {draw(VALUES)}{draw(END)}")
    lines += draw(
        st.lists(st.sampled_from(['[t."]"]\njobs = 3', "# x\n[[u]]", "[v]\na = '''\njobs = 1\n'''"]), unique=True)
    )
    end = draw(st.sampled_from(["\n", "\r\n"]))
    text = "\n".join(lines).replace("\n", end) + draw(st.sampled_from(["", end]))
    loads(text)
    return str(text)


@given(documents(), st.sampled_from(["jobs", "a", "new-one"]), VALUES)
def test_any_document_keeps_the_rest(text: str, name: str, value: str) -> None:
    before = loads(text)
    spelled = same(name)
    edited = with_key(text, name, value, spelled)
    assert loads(edited) == {**before, name: loads(f"x = {value}")["x"]}
    if name not in before:
        back = without_key(edited, spelled)
        assert back == text or (not text.endswith("\n") and back.rstrip("\r\n") == text), "as if nothing had been"
        assert sorted(edited.split()) == sorted([*text.split(), *f"{name} = {value}".split()])
    gone = without_key(edited, spelled)
    assert loads(gone) == {key: held for key, held in before.items() if not spelled(key)}
    assert "".join(edited[s.start : s.end] for s in statements(edited)) == edited


@given(documents())
def test_nothing_to_do_changes_nothing(text: str) -> None:
    assert without_key(text, lambda key: False) == text
