"""Where settings come from: which place is stronger, and that an option means the same in each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fastdl.combinations import check_urls
from fastdl.config import config_path, for_file, load, state_dir
from fastdl.errors import UsageError
from fastdl.options import OPTIONS
from fastdl.settings import Settings
from layers import SHA, write
from layers import nowhere as nowhere

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


def in_environment(text: Any) -> str:
    if isinstance(text, bool):
        return "yes" if text else "off"
    return "\n".join(text) if isinstance(text, list) else str(text)


def extra(name: str) -> dict[str, Any]:
    """What an option does not stand without."""
    if name in ("lock", "cluster"):
        return {"input_file": "l.txt"}
    return {"cert": "cert.pem"} if name == "key" else {}


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
