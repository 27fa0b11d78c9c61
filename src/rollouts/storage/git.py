"""How git is started: sealed (store writes: no user or system config, no hooks, no filters) or as the user (listing).

Each git process gets an environment without any inherited `GIT_*`: inside a hook those name the user's own repository.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from rollouts.process import Running, pass_on, run, start

# The store's info/attributes outranks every .gitattributes of a workspace: bytes go in and out as they are.
ATTRIBUTES = b"* -text -eol -crlf -filter -ident -working-tree-encoding -export-ignore -export-subst\n"

_SEAL = (
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.attributesFile=/dev/null"),
    *("-c", "core.excludesFile=/dev/null"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.fileMode=true"),
    *("-c", "core.symlinks=true"),
    *("-c", "core.ignoreCase=false"),
    *("-c", "core.precomposeUnicode=false"),
    *("-c", "core.protectNTFS=false"),  # `git~1` is a good name here; `.git` in any case stays refused
    *("-c", "core.bigFileThreshold=64m"),  # larger files are streamed, not mapped
    *("-c", "index.version=4"),
    *("-c", "gc.auto=0"),
)
_NOTHING: Mapping[str, str] = {}
# zlib takes 256 KB for each object; glibc would give them back to the kernel each time: half of a first capture's CPU.
_ALLOCATOR = {"MALLOC_TRIM_THRESHOLD_": "16777216", "MALLOC_TOP_PAD_": "1048576"}
_USER = ("--no-pager", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
_STREAMED = ("-c", "core.bigFileThreshold=1", "-c", "core.compression=1")  # all new blobs of one command into one pack


# A push or fetch is the user's, to a server that the user's settings know; what is sent and kept is ours to say.
_NETWORK = (
    *("--no-pager", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "gc.auto=0"),
    *("-c", "maintenance.auto=false", "-c", "push.gpgSign=false", "-c", "push.followTags=false"),
    *("-c", "push.recurseSubmodules=no", "-c", "push.pushOption=", "-c", "fetch.recurseSubmodules=false"),
    *("-c", "fetch.fsckObjects=false", "-c", "fetch.prune=false", "-c", "fetch.pruneTags=false"),
    *("-c", "color.ui=false", "-c", "color.push=false", "-c", "color.remote=false", "-c", "color.transport=false"),
    *("-c", "fetch.writeCommitGraph=false", "-c", "fetch.output=full", "-c", "transfer.credentialsInUrl=allow"),
)
_NETWORK_VARIABLES = frozenset(
    {
        *(
            "GIT_SSH",
            "GIT_SSH_COMMAND",
            "GIT_SSH_VARIANT",
            "GIT_ASKPASS",
            "GIT_PROXY_COMMAND",
            "GIT_PROTOCOL_FROM_USER",
        ),
        *("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_COUNT"),
    }
)
_PROTOCOLS = "file:git:http:https:ssh"


def _environment(**settings: str) -> dict[str, str]:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    return {**_ALLOCATOR, **inherited, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", **settings}


def _sealed_environment(store: str, work_tree: bytes | None, index: str | None, **settings: str) -> dict[str, str]:
    if work_tree is not None:
        settings["GIT_WORK_TREE"] = os.fsdecode(work_tree)
    if index is not None:
        settings["GIT_INDEX_FILE"] = index
    return _environment(
        GIT_DIR=store,
        GIT_CONFIG_NOSYSTEM="1",
        GIT_CONFIG_SYSTEM=os.devnull,
        GIT_CONFIG_GLOBAL=os.devnull,
        GIT_ATTR_NOSYSTEM="1",
        GIT_DEFAULT_HASH="sha1",
        GIT_DEFAULT_REF_FORMAT="files",
        **settings,
    )


def _sealed_command(args: tuple[str, ...], work_tree: bytes | None, streamed: bool) -> tuple[str | bytes, ...]:
    where = ("-C", work_tree) if work_tree is not None else ()
    return ("git", *where, *_SEAL, *(_STREAMED if streamed else ()), *args)


def start_sealed(
    store: str,
    *args: str,
    work_tree: bytes | None = None,
    index: str | None = None,
    stdin: bytes | None = None,
    group: bool = False,
) -> Running:
    """Starts a git command on a store, with nothing of the user's configuration.

    With `group` it has a process group of its own, and does not outlive its `with` block with what it started.
    """
    env = _sealed_environment(store, work_tree, index)
    return start(_sealed_command(args, work_tree, streamed=False), env, stdin, group=group)


def sealed(
    store: str,
    *args: str,
    work_tree: bytes | None = None,
    index: str | None = None,
    stdin: bytes | None = None,
    streamed: bool = False,
    settings: Mapping[str, str] = _NOTHING,
) -> bytes:
    """Runs a git command on a store, with nothing of the user's configuration.

    Args:
        store: the bare repository.
        args: the git command.
        work_tree: the directory that the command reads or writes files in.
        index: an index other than the store's own.
        stdin: what the command reads.
        streamed: blobs that the command adds go into one pack, instead of a loose object each.
        settings: further environment variables.

    Raises:
        CommandError: git ended with anything but 0.
    """
    command = _sealed_command(args, work_tree, streamed)
    return run(command, _sealed_environment(store, work_tree, index, **settings), stdin)


def sealed_from(store: str, *args: str, source: int) -> None:
    """Runs a git command on a store that reads an open file, from its beginning.

    Raises:
        CommandError: git ended with anything but 0.
    """
    with start(_sealed_command(args, None, streamed=False), _sealed_environment(store, None, None), source) as running:
        running.output()


def sealed_whatever(store: str, *args: str, source: int) -> None:
    """Runs a git command that does what it can with an open file, and fails for the rest of it."""
    with start(_sealed_command(args, None, streamed=False), _sealed_environment(store, None, None), source) as running:
        running.finish()


def print_sealed(store: str, *args: str, settings: Mapping[str, str] = _NOTHING, paged: bool = False) -> None:
    """Runs a git command on a store that prints to this process's stdout.

    Args:
        store: the bare repository.
        args: the git command.
        settings: further environment variables.
        paged: through the pager of the user's environment, which also has the user's locale.

    Raises:
        BrokenPipeError: the reader has had enough.
        CommandError: git ended with anything but 0.
    """
    env = _sealed_environment(store, None, None, **settings)
    if paged:
        kept = {name: os.environ[name] for name in ("GIT_PAGER", "LC_ALL") if name in os.environ}
        env = {name: value for name, value in env.items() if name != "LC_ALL"} | kept
    pager = "--paginate" if paged else "--no-pager"
    pass_on(_sealed_command((pager, *args), None, streamed=False), env)


def quoted(path: str) -> str:
    """A path as git reads it in a list of alternate object directories."""
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def with_objects_of(objects: str) -> dict[str, str]:
    """The setting that lets a command on one store read the objects of another `objects` directory as well."""
    return {"GIT_ALTERNATE_OBJECT_DIRECTORIES": quoted(objects)}


def _of_user(name: str) -> bool:
    """Whether a `GIT_*` variable says how the user reaches servers, and not where a repository is."""
    return name in _NETWORK_VARIABLES or name.startswith(
        ("GIT_SSL_", "GIT_HTTP_", "GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_")
    )


def start_network(repository: str, *args: str, stdin: bytes | None = None) -> Running:
    """Starts a git command on a repository of ours that speaks to a server: with the user's credentials and proxies.

    Only protocols that reach servers are spoken; nothing starts a program that a URL names. A terminal is there for
    git or ssh to ask for a password; without one they ask nobody. What was started ends with the `with` block.
    """
    env = _environment(GIT_DIR=repository, GIT_ALLOW_PROTOCOL=_PROTOCOLS)
    env |= {name: value for name, value in os.environ.items() if _of_user(name)}
    interactive = sys.stdin is not None and sys.stdin.isatty()
    if interactive:
        env["GIT_TERMINAL_PROMPT"] = os.environ.get("GIT_TERMINAL_PROMPT", "1")
    return start(("git", *_NETWORK, *args), env, stdin, group=not interactive)


def start_user(git_dir: bytes, work_tree: bytes, *args: str | bytes, stdin: bytes | None = None) -> Running:
    """Starts a reading git command on the user's repository, with the user's own configuration.

    The repository is named outright, so that git neither looks for another one nor asks who owns it; nothing that its
    configuration names is executed.
    """
    env = _environment(GIT_DIR=os.fsdecode(git_dir), GIT_WORK_TREE=os.fsdecode(work_tree))
    return start(("git", "-C", work_tree, *_USER, *args), env, stdin)


def user(git_dir: bytes, work_tree: bytes, *args: str | bytes, stdin: bytes | None = None) -> bytes:
    """Runs a reading git command on the user's repository.

    Raises:
        CommandError: git ended with anything but 0.
    """
    with start_user(git_dir, work_tree, *args, stdin=stdin) as running:
        return running.output()


def discover(path: bytes, *args: str) -> bytes:
    """`git rev-parse` from inside `path`, where git itself finds the repository.

    Raises:
        CommandError: there is none, or git refuses it.
    """
    return run(("git", "-C", path, *_USER, "rev-parse", *args), _environment())


def version() -> tuple[int, ...]:
    """The version of the git program, like (2, 39, 5)."""
    words = run(("git", "version"), _environment()).split()
    return tuple(int(part) for part in words[2].split(b".")[:3] if part.isdigit())
