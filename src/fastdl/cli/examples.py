"""Examples of every command: a command line that works as it stands, and what it does.

They appear in `--help`, in the man page and in the options reference. A test reads each with the real parser.
"""

from __future__ import annotations

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "get": (
        ("fastdl get https://example.org/disk.iso", "One file, into this folder."),
        ("fastdl get -d isos -o new.iso https://example.org/disk.iso", "Choose the folder and the name."),
        (
            "fastdl get --checksum sha256:" + "0123456789abcdef" * 4 + " https://example.org/disk.iso",
            "Check it by a digest that you know.",
        ),
        ("fastdl get -m https://mirror.example.com/disk.iso https://example.org/disk.iso", "Take two sources at once."),
        ("fastdl get -i list.txt -j 8 -r 2M", "A list of files, eight at once, 2 MiB a second together."),
        ("fastdl get --from-curl request.txt", "What a browser copied as cURL, with its cookies."),
        ("fastdl get -o - https://example.org/data.tar | tar -x", "Write the bytes to a program."),
        ("fastdl get --extract -d tools https://example.org/tool.zip", "Unpack the archive once it is checked."),
        ("fastdl get --on-complete 'clamscan {path}' https://example.org/disk.iso", "Run a command after each file."),
        ("fastdl get --dry-run https://example.org/disk.iso", "Ask the servers, say the plan, make no file."),
    ),
    "resume": (
        ("fastdl resume", "Finish everything that is unfinished in this folder."),
        ("fastdl resume --list isos", "Say what is unfinished in another one."),
    ),
    "verify": (
        ("fastdl verify -c SHA256SUMS", "Check every file of a list."),
        ("fastdl verify --from https://example.org/disk.iso disk.iso", "Check by what the publisher says."),
        ("fastdl verify --from https://example.org/disk.iso --repair disk.iso", "Fetch only what is wrong."),
    ),
    "explain": (
        ("fastdl explain https://example.org/disk.iso", "Which sources would be used, and why."),
        ("fastdl explain --offline --json https://example.org/disk.iso", "The same from the rules alone, as JSON."),
    ),
    "mirrors": (
        ("fastdl mirrors", "Every rule and mirror in force."),
        ("fastdl mirrors test https://example.org/disk.iso", "Measure the sources of one URL."),
    ),
    "stats": (
        ("fastdl stats", "What was learned of servers, how the caches did."),
        ("fastdl stats --json", "The same for a program."),
        ("fastdl stats --html stats.html", "A page with charts, to open in a browser."),
        ("fastdl stats --check rules.toml", "For cron: exit 1 where a threshold is passed."),
    ),
    "history": (
        ("fastdl history -n 5", "The last five downloads."),
        ("fastdl history clear --yes", "Remove them all, without a question."),
    ),
    "cache": (
        ("fastdl cache info", "What is remembered, and where."),
        ("fastdl cache clear", "Forget servers, lies and ETags; the history stays."),
    ),
    "config": (
        ("fastdl config show", "Every setting, its value and where it came from."),
        ("fastdl config set connections 8", "Change one in the config file."),
        ("fastdl config unset connections", "Back to the default."),
        ("fastdl config edit", "The file in your editor; it is checked afterwards."),
    ),
    "doctor": (
        ("fastdl doctor", "This machine, its settings, and the way to the internet."),
        ("fastdl doctor https://example.org/disk.iso", "The way to one server, step by step."),
        ("fastdl doctor --json", "The same for a program."),
    ),
    "upgrade": (
        ("fastdl upgrade --check", "Say whether there is a newer version, and how to get it."),
        ("fastdl upgrade", "Replace an unpacked archive; name the package manager's command otherwise."),
    ),
    "demo": (("fastdl demo", "About ten seconds, no internet needed."),),
    "bench": (
        ("fastdl bench", "A file from a server on this machine."),
        ("fastdl bench --runs 5 https://example.org/disk.iso", "A file of yours, five times each."),
    ),
}
