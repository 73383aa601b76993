"""What stands in a copied command comes out as it went in, whatever shell it was copied for."""

from __future__ import annotations

import shlex
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curl import quoting
from fastdl.core.curl.words import commands_of
from fastdl.errors import UsageError

PRINTABLE = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
# Control characters do not survive a clipboard for cmd.exe, and a backslash before a quote is not one browser's word.
ON_WINDOWS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\\"), max_size=20
)
ARGUMENTS = st.lists(PRINTABLE, min_size=1, max_size=6)


def words(text: str) -> list[str]:
    (command,) = commands_of(text)
    return command.words


@settings(deadline=None)
@given(ARGUMENTS)
@example(["\r\n"])
def test_what_a_shell_quotes(arguments: list[str]) -> None:
    """A line of a copy may end as on Windows, and within quotes the two cannot be told apart."""
    assert words("curl " + shlex.join(arguments)) == [each.replace("\r\n", "\n") for each in arguments]


@pytest.mark.parametrize("quote", [quoting.chrome_bash, quoting.firefox_bash])
@pytest.mark.parametrize("joint", [" ", " \\\n  ", " \\\r\n  ", "   \\\n"])
@settings(deadline=None)
@given(arguments=ARGUMENTS)
def test_what_browsers_quote_for_bash(quote: Callable[[str], str], joint: str, arguments: list[str]) -> None:
    if quote is quoting.firefox_bash:  # its two digits are bytes to bash: what curl would send is sent
        arguments = ["".join(char for char in each if not 0x80 <= ord(char) <= 0xFF) for each in arguments]
    assert words("curl " + joint.join(map(quote, ["http://h/", *arguments]))) == ["http://h/", *arguments]


@pytest.mark.parametrize(("name", "quote"), [("curl", quoting.chrome_cmd), ("curl.exe", quoting.firefox_cmd)])
@pytest.mark.parametrize("joint", [" ", " ^\n  ", " ^\r\n  "])
@settings(deadline=None)
@given(arguments=st.lists(ON_WINDOWS, min_size=1, max_size=6))
def test_what_browsers_quote_for_cmd(name: str, quote: Callable[[str], str], joint: str, arguments: list[str]) -> None:
    assert words(f"{name} " + joint.join(map(quote, ["http://h/", *arguments]))) == ["http://h/", *arguments]


@settings(deadline=None)
@given(arguments=st.lists(PRINTABLE.map(lambda text: text.replace("\n", "").replace("\r", "")), min_size=1, max_size=6))
def test_chrome_doubles_backslashes_for_cmd(arguments: list[str]) -> None:
    assert words("curl " + " ^\n  ".join(map(quoting.chrome_cmd, ["http://h/", *arguments])))[1:] == arguments


@pytest.mark.parametrize("joint", [" ", " `\n  ", " `\r\n  "])
@settings(deadline=None)
@given(arguments=st.lists(ON_WINDOWS.filter(lambda text: not set(text) & set("\u2018\u2019\u201a\u201b")), max_size=6))
def test_what_is_quoted_for_powershell(joint: str, arguments: list[str]) -> None:
    assert words("curl.exe " + joint.join(map(quoting.powershell, ["http://h/", *arguments]))) == [
        "http://h/",
        *arguments,
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("curl http://h/", ["http://h/"]),
        ("  $ curl   http://h/ \t -k  # comment 'open", ["http://h/", "-k"]),
        ('/usr/bin/curl -H "a: \\"b\\" \\$c" http://h/', ["-H", 'a: "b" $c', "http://h/"]),
        ("curl 'it'\\''s' a\\ b \"\" c''d", ["it's", "a b", "", "cd"]),
        ("curl $'\\x41\\102\\u0043\\U00000044\\e\\cA\\?\\z'", ["ABCD\x1b\x01?\\z"]),
        ("curl $'caf\\xc3\\xa9' $'\\ud83d\\ude00' $'\\xe9'", ["café", "\U0001f600", "\udce9"]),
        ("curl 'http://h/' \\ \n  -k \\\n\t-L", ["http://h/", "-k", "-L"]),
        ("curl 'http://h/'\\\n -k", ["http://h/", "-k"]),
        ("curl 'a\nb' -k", ["a\nb", "-k"]),
        ("curl 'http://h/' \\", ["http://h/"]),
        ("curl.exe 'http://h/' `\n -k `", ["http://h/", "-k"]),
        ('curl ^"http://h/^" ^', ["http://h/"]),
        ("curl\xa0'http://h/\xa0'\xa0-k", ["http://h/\xa0", "-k"]),
        ("curl http://h/#part a#b", ["http://h/#part", "a#b"]),
        ('curl "cost: $ 5 50%"', ["cost: $ 5 50%"]),
        ('curl.exe "http://h/?a=1&b=2" -H "a: \\"b\\""', ["http://h/?a=1&b=2", "-H", 'a: "b"']),
        ('C:\\Users\\me>curl "http://h/" ^\n  -H "a: b"', ["http://h/", "-H", "a: b"]),
        ('curl ^"http://h/?a=1^&b=^%^2520^" ^\n -k', ["http://h/?a=1&b=%2520", "-k"]),
        ('curl "http://h/" ^\n  -H "sec-ch-ua: ^\\^"Not A^\\^";v=^\\^"8^\\^"" ^\n -k',
         ["http://h/", "-H", 'sec-ch-ua: "Not A";v="8"', "-k"]),
        ('curl "http://h/" -H "a: ""b"" 50"%"" ^\n  -k', ["http://h/", "-H", 'a: "b" 50%', "-k"]),
        ("curl.exe 'http://h/' -H '''$' -H 'b: $''c'", ["http://h/", "-H", "'$", "-H", "b: $'c"]),
        ("curl.exe 'http://h/' -H $'a: it\\'s'", ["http://h/", "-H", "a: it's"]),
        ("curl.exe 'http://h/' -H 'a: it'\\''s'", ["http://h/", "-H", "a: it's"]),
        ("& curl.exe 'http://h/' `\n  -H 'a: it''s' -H \"b: `\"c`\" 5`$\"",
         ["http://h/", "-H", "a: it's", "-H", 'b: "c" 5$']),
    ],
)  # fmt: skip
def test_shapes(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize("joint", ["\n", " ;\n", " && ", " & ", "\n\n# and\n"])
def test_several_commands(joint: str) -> None:
    found = commands_of(f"curl 'http://h/1' \\\n  -k{joint}curl 'http://h/2' \\\n  -H 'a: ;&'")
    assert [command.words for command in found] == [["http://h/1", "-k"], ["http://h/2", "-H", "a: ;&"]]
    assert found[0].line == 1


@pytest.mark.parametrize(
    "prompt",
    ["$ ", "  $ ", "% ", "me@host:~$ ", "root@box:/srv/a-b# ", "[me@box dir]$ ", "C:\\>", "C:\\Program Files\\x> ",
     "PS> ", "PS C:\\Users\\me> ", "PS /home/me> "],
)  # fmt: skip
@pytest.mark.parametrize(
    ("command", "rest"),
    [
        ("curl 'http://h/{}' \\\n -k", ["-k"]),
        ("curl http://h/{} -k", ["-k"]),
        ('curl "http://h/{}" ^\n -k', ["-k"]),
        ("curl.exe 'http://h/{}' `\n -k", ["-k"]),
        ("curl.exe 'http://h/{}' -k", ["-k"]),
    ],
)
def test_a_prompt_before_each_command(prompt: str, command: str, rest: list[str]) -> None:
    text = "".join(f"{prompt}{command.format(number)}\n\n" for number in range(2))
    assert [each.words for each in commands_of(text)] == [["http://h/0", *rest], ["http://h/1", *rest]]


def test_a_path_with_an_arrow_behind_it_is_no_prompt() -> None:
    assert words('C:\\tools\\curl.exe "http://h/" ^\n -H "a: b>c"') == ["http://h/", "-H", "a: b>c"]


LONG = 1_000_000


@pytest.mark.parametrize(
    "text",
    ["curl '{}'", 'curl "{}"', "curl $'{}'", "curl {}", "curl.exe '{}'", 'curl.exe "{}"', 'curl ^"{}^" ^\n'],
)
def test_a_long_word(text: str) -> None:
    """Each time through all of it for each of its letters would be hours."""
    (word,) = words(text.format("a" * LONG))
    assert len(word) == LONG


def test_long_rows_of_the_same_sign() -> None:
    assert words('curl ^"' + "\\" * (LONG // 2) + '^" ^\n') == ["\\" * (LONG // 4)]
    assert words("curl " + "''" * (LONG // 5)) == [""]
    assert words('curl ^"^"' + " ^" * (LONG // 10) + "\n -k")[-1] == "-k"


def test_what_is_no_command_ends_it_at_once() -> None:
    taken = commands_of("curl http://h/\n" * 1000)
    assert [taken[-1].line, taken[-1].words] == [1000, ["http://h/"]]
    with pytest.raises(UsageError, match="line 2: this is no curl command"):
        commands_of("curl http://h/\nwget http://h/\ncurl 'no end")


def test_several_commands_for_cmd() -> None:
    text = 'curl ^"http://h/1^" ^\r\n  -H ^"a: 1^&2^" &\r\ncurl ^"http://h/2^" ^\r\n  -k\r\n'
    assert [command.words for command in commands_of(text)] == [["http://h/1", "-H", "a: 1&2"], ["http://h/2", "-k"]]
    assert [command.line for command in commands_of(text)] == [1, 3]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no curl command"),
        ("\n# nothing\n", "no curl command"),
        ("wget http://h/?token=s3cret", "no curl command"),
        ("curl 'http://h/s3cret", "line 1: a quote is not closed"),
        ("curl http://h/ \\\n -H \"a: s3cret", "line 2: a quote is not closed"),
        ("curl $'s3cret", "not closed"),
        ('curl ^"http://h/s3cret', "not closed"),
        ("curl.exe 'http://h/s3cret", "not closed"),
        ("curl http://h/ | tar xz", "'|' is for the shell"),
        ("curl http://h/ > s3cret", "'>' is for the shell"),
        ('curl ^"http://h/^" > s3cret', "'>' is for the shell"),
        ("curl http://h/ -H \"a: $TOKEN\"", "a variable of the shell"),
        ("curl http://h/$(s3cret)", "a variable"),
        ("curl `s3cret`", "a command within a command"),
        ("curl http://h/?a=1&b=s3cret", "no curl command"),
        ("curl.exe 'http://h/' -H $s3cret", "'$' is for the shell"),
        ("Invoke-WebRequest -Uri 'http://h/' `\n -Headers @{ 'a' = 's3cret' }", "in another language"),
        ("fetch('https://h/', {s3cret})", "in another language"),
    ],
)  # fmt: skip
def test_what_is_refused(text: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        commands_of(text)
    assert told in str(caught.value)
    assert "s3cret" not in str(caught.value)


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_words_or_an_error(text: str) -> None:
    for start in ("", "curl ", "curl.exe ", 'curl ^"h^" ^\n', "curl `\n"):
        try:
            found = commands_of(start + text)
        except UsageError:
            continue
        assert all(isinstance(word, str) for command in found for word in command.words)
