"""Settings from three places: the same value everywhere, the stronger place wins, complaints name the place."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastdl import config
from fastdl.config import check_files, check_urls, config_path, for_file, load, state_dir
from fastdl.errors import UsageError
from fastdl.options import OPTIONS
from fastdl.settings import Settings

SHA = "sha256:" + "0a" * 32

# option: text for command line and environment, the same as TOML, what Settings hold
SAMPLES: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "output": ("a.bin", '"a.bin"', {"output": "a.bin"}),
    "input-file": ("l.txt", '"l.txt"', {"input_file": "l.txt"}),
    "lock": ("l.lock", '"l.lock"', {"lock": "l.lock", "input_file": "l.txt"}),
    "cluster": ("tcp://h:1", '"tcp://h:1"', {"cluster": "tcp://h:1", "input_file": "l.txt"}),
    "from-curl": ("c.txt", '"c.txt"', {"from_curl": "c.txt"}),
    "dir": ("some/where", '"some/where"', {"dir": "some/where"}),
    "overwrite": (True, "true", {"overwrite": True}),
    "skip-existing": (True, "true", {"skip_existing": True}),
    "auto-rename": (True, "true", {"auto_rename": True}),
    "newer": (True, "true", {"newer": True}),
    "no-continue": (True, "true", {"resume": False}),
    "remote-time": (False, "false", {"remote_time": False}),
    "durable": (False, "false", {"durable": False}),
    "max-size": ("2k", '"2k"', {"max_size": 2048}),
    "mirror": (["http://m.example.org/f"], '["http://m.example.org/f"]', {"mirrors": ["http://m.example.org/f"]}),
    "checksum": (SHA, f'"{SHA}"', {"checksum": SHA}),
    "dry-run": (True, "true", {"dry_run": True}),
    "connections": ("12", "12", {"connections": 12}),
    "per-host": ("3", "3", {"per_host": 3}),
    "jobs": ("7", '"7"', {"jobs": 7}),
    "min-split": ("64k", "65536", {"min_split": 65536}),
    "limit-rate": ("1.5M", '"1.5M"', {"limit_rate": 1572864}),
    "timeout": ("2.5", "2.5", {"timeout": 2.5}),
    "connect-timeout": ("3", "3", {"connect_timeout": 3.0}),
    "max-time": ("60", '"60"', {"max_time": 60.0}),
    "retries": ("0", "0", {"retries": 0}),
    "header": (["X-A: b"], '["X-A: b"]', {"headers": [("X-A", "b")]}),
    "user-agent": ("me/1", '"me/1"', {"user_agent": "me/1"}),
    "referer": ("http://r.example.org/", '"http://r.example.org/"', {"referer": "http://r.example.org/"}),
    "user": ("me:pa:ss", '"me:pa:ss"', {"user": ("me", "pa:ss")}),
    "netrc": (True, "true", {"netrc": True}),
    "netrc-file": ("n", '"n"', {"netrc_file": "n"}),
    "bearer-env": ("TOKEN", '"TOKEN"', {"bearer_env": "TOKEN"}),
    "cookies": ("c.txt", '"c.txt"', {"cookies": "c.txt"}),
    "proxy": ("socks5h://p.example.org:1080", '"socks5h://p.example.org:1080"',
              {"proxy": "socks5h://p.example.org:1080"}),
    "no-proxy": (True, "true", {"use_proxy": False}),
    "cacert": ("ca.pem", '"ca.pem"', {"cacert": "ca.pem"}),
    "cert": ("cert.pem", '"cert.pem"', {"cert": "cert.pem"}),
    "key": ("key.pem", '"key.pem"', {"key": "key.pem", "cert": "cert.pem"}),
    "insecure": (True, "true", {"insecure": True}),
    "connect-to": (["A.example::[::1]:81"], '"A.example::[::1]:81"', {"connect_to": [("a.example", "", "::1", "81")]}),
    "ipv4": (True, "true", {"family": 4}),
    "ipv6": (True, "true", {"family": 6}),
    "interface": ("eth0", '"eth0"', {"interface": "eth0"}),
    "http": ("1.1", "1.1", {"http": "1.1"}),
    "cdn": ("prefer", '"prefer"', {"cdn": "prefer"}),
    "no-cdn": (True, "true", {"cdn": "off"}),
    "trust": ("official", '"official"', {"trust": "official"}),
    "region": ("DE", '"DE"', {"region": "DE"}),
    "extract": (True, "true", {"extract": True}),
    "on-complete": ("tell {path}", '"tell {path}"', {"on_complete": "tell {path}"}),
    "quiet": (True, "true", {"quiet": True}),
    "verbose": (True, "true", {"verbose": True}),
    "log": ("l.txt", '"l.txt"', {"log": "l.txt"}),
    "profile": ("p.json", '"p.json"', {"profile": "p.json"}),
    "metrics": ("m.prom", '"m.prom"', {"metrics": "m.prom"}),
    "progress": ("plain", '"plain"', {"progress": "plain"}),
    "json": (True, "true", {"json": True}),
}  # fmt: skip

BASE = {"TOKEN": "t0ken"}


def in_environment(text: Any) -> str:
    if isinstance(text, bool):
        return "yes" if text else "off"
    return "\n".join(text) if isinstance(text, list) else str(text)


def extra(name: str) -> dict[str, Any]:
    """What an option does not stand without."""
    if name in ("lock", "cluster"):
        return {"input_file": "l.txt"}
    return {"cert": "cert.pem"} if name == "key" else {}


def write(folder: Path, text: str) -> str:
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.fixture
def nowhere(tmp_path: Path) -> dict[str, str]:
    """An environment without any config file."""
    home = str(tmp_path / "home")
    return {**BASE, "HOME": home, "USERPROFILE": home}


def test_what_is_a_setting_alone(tmp_path: Path, nowhere: dict[str, str]) -> None:
    assert load({}, nowhere).history
    for toml in ("history = false", "no-history = true", 'history = "off"'):
        assert load({}, nowhere, write(tmp_path, toml)) == Settings(history=False)
    assert load({}, {**nowhere, "FASTDL_HISTORY": "0"}, write(tmp_path, "history = true")) == Settings(history=False)
    with pytest.raises(UsageError, match=r"line 1, key history: .*true or false"):
        load({}, nowhere, write(tmp_path, "history = 3"))
    with pytest.raises(UsageError, match=r"FASTDL_HISTORY: .*true or false"):
        load({}, {**nowhere, "FASTDL_HISTORY": "maybe"})


def test_the_writer_of_those_who_measure(nowhere: dict[str, str]) -> None:
    for text in ("auto", "mmap", "positional"):
        assert load({}, {**nowhere, "FASTDL_WRITER": text}).writer == text
    assert load({}, {**nowhere, "FASTDL_WRITER": ""}).writer == "auto"
    with pytest.raises(UsageError, match="FASTDL_WRITER: 'nmap' is none of auto, mmap, positional"):
        load({}, {**nowhere, "FASTDL_WRITER": "nmap"})


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_option_means_the_same_everywhere(option: Any, tmp_path: Path, nowhere: dict[str, str]) -> None:
    text, toml, expected = SAMPLES[option.name]
    wanted = Settings(**expected)
    assert wanted != Settings(), "the sample must differ from the default"
    more = extra(option.name)
    assert load({option.key: text, **more}, nowhere) == wanted
    assert load(more, {**nowhere, option.variable: in_environment(text)}) == wanted
    for key in {option.name, option.key}:
        assert load(more, nowhere, write(tmp_path, f"{key} = {toml}\n")) == wanted


def test_command_line_beats_environment_beats_file(tmp_path: Path, nowhere: dict[str, str]) -> None:
    path = write(tmp_path, 'jobs = 2\nretries = 2\ntimeout = 2\nheader = ["A: file"]')
    environ = {**nowhere, "FASTDL_RETRIES": "3", "FASTDL_TIMEOUT": "3"}
    settings = load({"timeout": "4", "header": ["A: line"]}, environ, path)
    assert (settings.jobs, settings.retries, settings.timeout) == (2, 3, 4.0)
    assert settings.headers == [("A", "line")]


def test_a_false_flag_takes_a_weaker_true_back(tmp_path: Path, nowhere: dict[str, str]) -> None:
    path = write(tmp_path, "quiet = true\noverwrite = true\n")
    settings = load({}, {**nowhere, "FASTDL_QUIET": "0", "FASTDL_OVERWRITE": "no"}, path)
    assert not settings.quiet
    assert not settings.overwrite


def test_an_empty_variable_is_not_set(nowhere: dict[str, str]) -> None:
    assert load({}, {**nowhere, "FASTDL_RETRIES": "", "FASTDL_CONFIG": ""}) == Settings()


def test_negated_names_are_names_too(tmp_path: Path, nowhere: dict[str, str]) -> None:
    path = write(tmp_path, "no-durable = true\nno_remote_time = false\n")
    assert load({}, nowhere, path) == Settings(durable=False)
    assert load({}, {**nowhere, "FASTDL_NO_REMOTE_TIME": "1"}, path) == Settings(durable=False, remote_time=False)
    assert load({"durable": True}, nowhere, path) == Settings()
    with pytest.raises(UsageError, match="set twice"):
        load({}, nowhere, write(tmp_path, "durable = true\nno-durable = true\n"))
    with pytest.raises(UsageError, match="FASTDL_NO_DURABLE"):
        load({}, {**nowhere, "FASTDL_DURABLE": "1", "FASTDL_NO_DURABLE": "0"})


def test_a_stronger_place_takes_what_it_excludes_away(tmp_path: Path, nowhere: dict[str, str]) -> None:
    path = write(tmp_path, 'overwrite = true\nipv4 = true\nproxy = "http://p.example.org:1"\n')
    settings = load({"skip_existing": True, "ipv6": True, "no_proxy": True}, nowhere, path)
    assert (settings.overwrite, settings.skip_existing, settings.family) == (False, True, 6)
    assert (settings.proxy, settings.use_proxy) == (None, False)


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({"ipv4": True, "ipv6": True}, ["--ipv4", "--ipv6"]),
        ({"overwrite": True, "auto_rename": True}, ["--overwrite", "--auto-rename"]),
        ({"skip_existing": True, "auto_rename": True}, ["--skip-existing", "--auto-rename"]),
        ({"proxy": "http://p.example.org", "no_proxy": True}, ["--proxy", "--no-proxy"]),
    ],
)
def test_options_that_exclude_each_other(values: dict[str, Any], names: list[str], nowhere: dict[str, str]) -> None:
    with pytest.raises(UsageError) as caught:
        load(values, nowhere)
    assert all(name in str(caught.value) for name in names)


def test_a_key_without_its_certificate_is_named_as_it_was_given(nowhere: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=r"^--key is given without"):
        load({"key": "x"}, nowhere)
    with pytest.raises(UsageError, match=r"^FASTDL_KEY is given without"):
        load({}, {**nowhere, "FASTDL_KEY": "x"})


def test_excluding_variables_are_named_as_variables(nowhere: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="FASTDL_IPV4 and FASTDL_IPV6 exclude"):
        load({}, {**nowhere, "FASTDL_IPV4": "1", "FASTDL_IPV6": "true"})


BAD = [
    ("connections", "0"), ("connections", "257"), ("connections", "x"), ("connections", "-1"), ("connections", "٣"),
    ("per-host", "auto"), ("jobs", "1.5"), ("retries", "-1"), ("retries", ""),
    ("min-split", "0"), ("min-split", "k"), ("max-size", "-1"), ("max-size", "10Q"), ("limit-rate", "fast"),
    ("timeout", "0"), ("timeout", "nan"), ("timeout", "inf"), ("connect-timeout", "-2"), ("max-time", "soon"),
    ("http", "3"), ("progress", "fancy"), ("checksum", "sha256:12"), ("checksum", "crc32:00"), ("mirror", ["x"]),
    ("mirror", ["ftp://example.org/a"]), ("header", ["no colon"]), ("header", ["A:"]), ("header", [": b"]),
    ("header", ["A b: c"]), ("header", ["A: b\nC: d"]), ("header", ["Range: bytes=0-"]),
    ("header", ["Transfer-Encoding: chunked"]), ("connect-to", ["a:b:c:d"]), ("connect-to", ["a:1:b"]),
    ("connect-to", ["a:1:b:70000"]), ("connect-to", ["::1:1:b:2"]), ("connect-to", ["[zz]:1:b:2"]),
    ("user", ":x"), ("user", ""), ("user", "a\nb:c"),
    ("proxy", "ftp://p.example.org"), ("proxy", "http://"), ("proxy", "http://p.example.org:99999"),
    ("user-agent", "a\r\nb"), ("referer", ""), ("output", ""), ("dir", ""), ("dir", "a\0b"), ("interface", "a b"),
    ("bearer-env", "A=B"), ("bearer-env", "NOT_SET_ANYWHERE"), ("key", "k.pem"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), BAD)
def test_bad_values_name_the_option(name: str, value: Any, nowhere: dict[str, str]) -> None:
    with pytest.raises(UsageError) as caught:
        load({name.replace("-", "_"): value}, nowhere)
    assert "--" + name in str(caught.value)


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, v in BAD if v and n not in ("key", "bearer-env")])
def test_bad_variables_are_named(name: str, value: Any, nowhere: dict[str, str]) -> None:
    text = value[0] if isinstance(value, list) else value
    if "\0" in text or (name == "header" and "\n" in text):
        return  # cannot stand in a variable, or is two headers there
    variable = "FASTDL_" + name.upper().replace("-", "_")
    with pytest.raises(UsageError) as caught:
        load({}, {**nowhere, variable: text})
    assert str(caught.value).startswith(variable + ":")


@pytest.mark.parametrize(
    ("text", "line", "key", "more"),
    [
        ("jobs = 1\nretires = 4\n", 2, "retires", "did you mean retries?"),
        ("jobs = 1\n\n[mirror]\nx = 1\n", 3, "mirror", ""),
        ('jobs = "many"\n', 1, "jobs", "a whole number"),
        ("# x\nquiet = 1\n", 2, "quiet", "true or false"),
        ('quiet = "maybe"\n', 1, "quiet", "true or false"),
        ("timeout = true\n", 1, "timeout", ""),
        ("header = [1]\n", 1, "header", "list of texts"),
        ("max-size = 1.5\n", 1, "max-size", ""),
        ('min-split = "1k"\nmin_split = "2k"\n', 2, "min_split", "set twice"),
        ("jobs = 1\njobs = 2\n", 2, "jobs", "TOML"),
        ("jobs = 1\ndir = ~/x\n", 2, "dir", "TOML"),
        ("jobs\n", 1, "", "TOML"),
        ('"http" = 3\n', 1, "http", "one of"),
        ("unknown.deep = 3\n", 1, "unknown", "no such setting"),
        ("# x\n[settings]\njobs = 3\n", 2, "settings", "settings stand in no table"),
        ("jobs = 1\njobs = 2\n", 2, "jobs", "remove one of the two"),
        ("quiet = yes\n", 1, "quiet", "Write quiet = true or quiet = false."),
        ("limit-rate = 500k\n", 1, "limit-rate", "Texts stand in quotes"),
        ("jobs: 8\n", 1, "", "written as connections = 8"),
        ("cdn = false\n", 1, "cdn", "'false' is not valid"),
        ('jobs = 1\nkey = "x.pem"\n', 2, "key", "without --cert"),
        ('\nbearer-env = "NOT_SET_ANYWHERE"\n[rules]\n', 2, "bearer-env", "it is not set"),
    ],
)
def test_a_bad_file_names_file_line_and_key(
    text: str, line: int, key: str, more: str, tmp_path: Path, nowhere: dict[str, str]
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        load({}, nowhere, path)
    message = str(caught.value)
    assert message.startswith(f"{path}, line {line}")
    assert not key or f"key {key}" in message
    assert more in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("user", ":hunter2"),
        ("header", ["Authorization hunter2"]),
        ("header", ["X y: hunter2"]),
        ("header", ["X: hunter2\x01"]),
        ("proxy", "gopher://me:hunter2@p.example.org/"),
        ("proxy", "http://me:hunter2@p.example.org:x/"),
        ("mirror", ["ftp://me:hunter2@m.example.org/f"]),
        ("mirror", ["https://m.example.org:x/f?token=hunter2"]),
    ],
)
def test_a_secret_is_never_repeated(name: str, value: Any, tmp_path: Path, nowhere: dict[str, str]) -> None:
    with pytest.raises(UsageError) as caught:
        load({name: value}, nowhere)
    assert "hunter2" not in str(caught.value)
    with pytest.raises(UsageError) as caught:
        load({}, {**nowhere, "FASTDL_" + name.upper(): value[0] if isinstance(value, list) else value})
    assert "hunter2" not in str(caught.value)


def test_a_config_file_that_is_named_must_be_there(tmp_path: Path, nowhere: dict[str, str]) -> None:
    missing = str(tmp_path / "missing.toml")
    with pytest.raises(UsageError, match="does not exist"):
        load({}, {**nowhere, "FASTDL_CONFIG": missing})
    with pytest.raises(UsageError, match="cannot be read"):
        load({}, {**nowhere, "FASTDL_CONFIG": str(tmp_path)})


def test_a_config_file_with_a_mark_at_its_beginning_and_windows_lines(tmp_path: Path, nowhere: dict[str, str]) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes(b"\xef\xbb\xbfjobs = 3\r\nretries = 1\r\n")
    settings = load({}, {**nowhere, "FASTDL_CONFIG": str(path)})
    assert (settings.jobs, settings.retries) == (3, 1)
    path.write_bytes(b'dir = "\xff"')
    with pytest.raises(UsageError, match="not UTF-8"):
        load({}, nowhere, str(path))


def test_where_the_files_are() -> None:
    unix = {"HOME": "/home/me"}
    assert config_path(unix, "linux") == "/home/me/.config/fastdl/config.toml"
    assert config_path({**unix, "XDG_CONFIG_HOME": "/x"}, "linux") == "/x/fastdl/config.toml"
    assert config_path({**unix, "XDG_CONFIG_HOME": "x"}, "linux") == "/home/me/.config/fastdl/config.toml"
    assert config_path(unix, "darwin") == "/home/me/Library/Application Support/fastdl/config.toml"
    assert config_path({"APPDATA": "C:\\A"}, "win32") == "C:\\A\\fastdl\\config.toml"
    assert config_path({"USERPROFILE": "C:\\U"}, "win32") == "C:\\U\\AppData\\Roaming\\fastdl\\config.toml"
    assert config_path({**unix, "FASTDL_CONFIG": "c"}, "linux") == "c"
    assert state_dir(unix, "linux") == "/home/me/.local/state/fastdl"
    assert state_dir({**unix, "XDG_STATE_HOME": "/s"}, "freebsd14") == "/s/fastdl"
    assert state_dir(unix, "darwin") == "/home/me/Library/Application Support/fastdl"
    assert state_dir({"LOCALAPPDATA": "C:\\L"}, "win32") == "C:\\L\\fastdl"
    assert state_dir({"FASTDL_STATE_DIR": "s"}, "linux") == "s"


def test_the_usual_place_is_read(tmp_path: Path) -> None:
    path = Path(config_path({"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}))
    path.parent.mkdir(parents=True)
    path.write_text("jobs = 9", encoding="utf-8")
    assert load({}, {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}).jobs == 9


def test_no_limit(nowhere: dict[str, str]) -> None:
    settings = load({"limit_rate": "0", "max_time": "0", "connections": "auto", "max_size": "0"}, nowhere)
    assert (settings.limit_rate, settings.max_time, settings.connections, settings.max_size) == (None, None, None, 0)
    assert load({"limit_rate": "auto"}, nowhere).limit_rate == "auto"


def test_headers(nowhere: dict[str, str]) -> None:
    given = ["A:b", "C:  d e\t", "Empty;", "U: ü"]
    assert load({"header": given}, nowhere).headers == [("A", "b"), ("C", "d e"), ("Empty", ""), ("U", "Ã¼")]


def test_several_values_in_one_variable(nowhere: dict[str, str]) -> None:
    environ = {
        **nowhere,
        "FASTDL_HEADER": "A: b c\nD: e",
        "FASTDL_MIRROR": "http://m.example.org/1 http://m.example.org/2",
        "FASTDL_CONNECT_TO": "a:1:b:2  ::c:",
    }
    settings = load({}, environ)
    assert settings.headers == [("A", "b c"), ("D", "e")]
    assert settings.mirrors == ["http://m.example.org/1", "http://m.example.org/2"]
    assert settings.connect_to == [("a", "1", "b", "2"), ("", "", "c", "")]


def test_a_password_is_asked_for(nowhere: dict[str, str]) -> None:
    prompts: list[str] = []

    def ask(prompt: str) -> str:
        prompts.append(prompt)
        return "typed"

    assert load({"user": "me"}, nowhere, ask=ask).user == ("me", "typed")
    assert len(prompts) == 1
    assert "me" in prompts[0]
    assert load({"user": "me:"}, nowhere, ask=ask).user == ("me", "")
    assert len(prompts) == 1
    with pytest.raises(UsageError, match="no password"):
        load({"user": "me"}, nowhere)


def test_home_is_expanded(nowhere: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert load({}, {**nowhere, "FASTDL_DIR": "~/x"}).dir == str(tmp_path) + "/x"


def test_a_proxy_without_a_scheme_speaks_http(nowhere: dict[str, str]) -> None:
    assert load({"proxy": "p.example.org:3128"}, nowhere).proxy == "http://p.example.org:3128"
    assert load({"proxy": "SOCKS5://u:p@[::1]:1"}, nowhere).proxy == "socks5://u:p@[::1]:1"


def test_stdout_belongs_to_one(nowhere: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="both write to stdout"):
        load({"output": "-", "json": True}, nowhere)
    assert load({"output": "-", "json": True, "dry_run": True}, nowhere).json


URL = "http://example.org/a"


@pytest.mark.parametrize(
    ("settings", "urls", "part"),
    [
        (Settings(), [], "no URL"),
        (Settings(), ["example.org/x"], "https://example.org/x"),
        (Settings(), [URL, "http://exa mple.org/"], "host"),
        (Settings(output="x"), [URL, URL + "b"], "--output"),
        (Settings(checksum=SHA), [URL, URL + "b"], "--checksum"),
        (Settings(mirrors=[URL]), [URL, URL + "b"], "--mirror"),
    ],
)
def test_urls_are_checked_first(settings: Settings, urls: list[str], part: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_urls(settings, urls)
    assert part in str(caught.value)


def test_named_files_must_be_there(tmp_path: Path) -> None:
    there = tmp_path / "a"
    there.write_text("x", encoding="utf-8")
    check_files(Settings(cacert=str(there), cookies=str(there)))
    check_files(Settings(cacert=str(tmp_path)))
    for name in ("netrc_file", "cookies", "cert", "key", "cacert"):
        with pytest.raises(UsageError, match="--" + name.replace("_", "-")):
            check_files(Settings(**{name: str(tmp_path / "missing")}))
    with pytest.raises(UsageError, match="folder"):
        check_files(Settings(cookies=str(tmp_path)))


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([o.variable for o in OPTIONS]), st.text(max_size=30)))
def test_any_environment_gives_settings_or_a_usage_error(environ: dict[str, str]) -> None:
    try:
        layer = config.from_environment(environ)
    except UsageError as error:
        assert str(error).startswith("FASTDL_")
    else:
        assert set(layer) <= {o.key for o in OPTIONS}


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_as_config_file_gives_settings_or_a_usage_error(tmp_path_factory: Any, text: str) -> None:
    path = os.path.join(tmp_path_factory.getbasetemp(), f"any-{os.getpid()}.toml")
    with open(path, "w", encoding="utf-8", errors="replace", newline="") as file:
        file.write(text)
    try:
        config.from_file(path, required=True)
    except UsageError as error:
        assert path in str(error)


def test_no_url_is_fine_with_a_list() -> None:
    check_urls(Settings(input_file="-"), [])
    with pytest.raises(UsageError, match="no URL is given"):
        check_urls(Settings(), [])


def test_settings_of_one_file_lie_over_those_of_the_run() -> None:
    run = Settings(overwrite=True, headers=[("A", "1")], cdn="off")
    one = for_file(run, {"auto_rename": True, "header": [("B", "2")], "no_continue": True})
    assert (one.overwrite, one.auto_rename, one.headers, one.resume, one.cdn) == (
        False,
        True,
        [("B", "2")],
        False,
        "off",
    )
    assert (run.overwrite, run.auto_rename, run.headers, run.resume) == (True, False, [("A", "1")], True)
    assert for_file(run, {"cdn": "prefer"}).cdn == "prefer"
    with pytest.raises(UsageError, match="no-cdn exclude each other"):
        for_file(run, {"cdn": "prefer", "no_cdn": True})
