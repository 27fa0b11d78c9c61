"""Repositories on GitHub, through its own program `gh` (https://cli.github.com), which only this module starts."""

from __future__ import annotations

import os
import re

from rollouts.contracts.archive_name import checked_name, checked_owner, checked_visibility
from rollouts.errors import RolloutsError
from rollouts.process import start
from rollouts.record import Record

_OPENNESS = ("private", "internal", "public")
_WRITERS = {"WRITE", "MAINTAIN", "ADMIN"}
_TOKENS = ("GH_TOKEN", "GITHUB_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN")
_UNWANTED = {"GH_DEBUG", "DEBUG", "GH_FORCE_TTY", "CLICOLOR_FORCE", "GH_REPO"}
"""They make gh say more than its answer, or colour that."""
_TOKEN = re.compile(r"\b(?:gh[a-z]_|github_pat_)\w+|(?<=//)[^/@\s]+(?=@)")
_URL = re.compile(r"https://(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*)(?P<port>:\d+)?/(?P<owner>[^/]+)/(?P<name>[^/]+)")
_UNREACHABLE = re.compile(r'^(?:Get|Post) "|error connecting to|proxyconnect|\bdial tcp\b', re.MULTILINE)
_NOT_LOGGED_IN = re.compile(
    r"gh auth login|HTTP 401|Bad credentials|requires authentication|to be authenticated|Authenticated requests get"
)
_FORBIDDEN = re.compile(
    r"HTTP 403|cannot create a repository|not accessible|permission|required scopes|gh auth refresh|admin rights"
)
# What a repository of somebody else may hold is told from ours by counting; no page of refs is read.
_QUERY = """query($owner: String!, $name: String!) { repository(owner: $owner, name: $name) {
  url visibility viewerPermission isArchived
  branches: refs(refPrefix: "refs/heads/", first: 1) { totalCount }
  tags: refs(refPrefix: "refs/tags/", first: 1) { totalCount }
  ours: refs(refPrefix: "refs/tags/rollouts/", first: 1) { totalCount } } }"""


class Wanted(Record):
    """A repository that shall be there."""

    owner: str
    name: str
    visibility: str
    """private, public or internal."""


class Hosted(Record):
    """A repository that is there."""

    url: str
    """For git, without credentials: https or ssh, whichever gh is set up for at that host."""
    made: bool
    """False: it was there before, empty or with nothing but snapshots in it, and is adopted."""


class _Found(Record):
    """A repository that was there before."""

    url: str
    visibility: str
    permission: str
    archived: bool
    foreign: int
    """Branches, and tags that are no snapshots."""


class _Answer(Record):
    code: int
    out: str
    said: str
    """What it said on stderr, without credentials."""

    @property
    def reason(self) -> str:
        """The line that tells most."""
        lines = [line.strip() for line in self.said.splitlines() if line.strip()]
        first = lines[0] if lines else f"exit status {self.code}"
        return first.removeprefix("gh: ").removeprefix("GraphQL: ").removesuffix(" (createRepository)").rstrip(".")


def _environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key not in _UNWANTED and not key.startswith("GIT_")}
    return kept | {"GH_PROMPT_DISABLED": "1", "GH_NO_UPDATE_NOTIFIER": "1", "NO_COLOR": "1"}


def _without_credentials(text: str) -> str:
    for secret in filter(None, map(os.environ.get, _TOKENS)):
        text = text.replace(secret, "***")
    return _TOKEN.sub("***", text)


def _gh(*args: str, seconds: float) -> _Answer:
    """Asks gh, which asks nobody.

    Raises:
        RolloutsError: gh is not there, or does not answer in time.
    """
    with start(("gh", *args), _environment(), group=True) as running:
        if not running.ends_within(seconds):
            raise RolloutsError(
                f"gh did not answer within {seconds:g} seconds; check the network (`gh auth status`) and try again"
            )
        code, out, said = running.finish()
    return _Answer(code, out.decode(errors="replace"), _without_credentials(said.decode(errors="replace")))


def require(seconds: float) -> None:
    """Sees to it that gh is there and starts.

    Raises:
        RolloutsError: it is not, or does not.
    """
    answer = _gh("--version", seconds=seconds)
    if answer.code:
        raise RolloutsError(f"gh does not work ({answer.reason}); install it again: https://cli.github.com")


def _login() -> str:
    host = os.environ.get("GH_HOST", "")
    return f"`gh auth login --hostname {host}`" if re.fullmatch(r"[\w.:-]+", host) else "`gh auth login`"


def _failure(wanted: Wanted, answer: _Answer) -> RolloutsError:
    """What went wrong, and what to do next."""
    reason = answer.reason
    if _NOT_LOGGED_IN.search(answer.said):
        return RolloutsError(f"gh is not logged in to GitHub ({reason}); run {_login()} and try again")
    if "rate limit" in answer.said.lower() or "HTTP 429" in answer.said:
        return RolloutsError(f"GitHub's rate limit is reached ({reason}); try again later")
    if _FORBIDDEN.search(answer.said):
        return RolloutsError(
            f"you may not create {wanted.owner}/{wanted.name} on GitHub ({reason}); choose another owner with"
            " `rollouts remote defaults set`, or give gh more rights with `gh auth refresh -s repo`"
        )
    if "HTTP 404" in answer.said:
        return RolloutsError(
            f"GitHub knows no user or organisation {wanted.owner}; choose another with `rollouts remote defaults set`"
        )
    if _UNREACHABLE.search(answer.said):
        return RolloutsError(f"GitHub cannot be reached ({reason}); check the network and try again")
    advice = "try again, or set an archive with `rollouts remote set --url URL`"
    if wanted.visibility == "internal":  # GitHub's own words do not say so: https://github.com/cli/cli/issues/2101
        advice = "`internal` is for organisations of an enterprise only"
    return RolloutsError(f"GitHub did not take {wanted.owner}/{wanted.name} ({reason}); {advice}")


def _address(wanted: Wanted, url: str, seconds: float) -> str:
    """The URL for git of a repository that gh names by the URL of its page.

    Raises:
        RolloutsError: that is not the page of the wanted one.
    """
    page = _URL.fullmatch(url)
    if not page or (page["owner"].lower(), page["name"].lower()) != (wanted.owner.lower(), wanted.name.lower()):
        raise RolloutsError(
            f"gh answered with another address than that of {wanted.owner}/{wanted.name}"
            f" ({_without_credentials(url)!r}); look there, and set the archive with `rollouts remote set --url URL`"
        )
    host = page["host"] + (page["port"] or "")
    protocol = _gh("config", "get", "git_protocol", "-h", host, seconds=seconds)
    if protocol.code == 0 and protocol.out.strip() == "ssh":
        return f"git@{page['host']}:{page['owner']}/{page['name']}.git"  # ssh has a port of its own
    return f"{url}.git"


def _found(answer: str) -> _Found:
    """A repository in what GitHub answers to the query.

    Raises:
        RolloutsError: the answer has another shape.
    """
    import json  # noqa: PLC0415 - only where a repository was there before

    try:
        fields = json.loads(answer)["data"]["repository"]
        branches, tags, ours = (int(fields[name]["totalCount"]) for name in ("branches", "tags", "ours"))
        return _Found(
            str(fields["url"]),
            str(fields["visibility"]).lower(),
            str(fields["viewerPermission"]),
            fields["isArchived"] is not False,
            branches + tags - ours,
        )
    except (ValueError, TypeError, KeyError) as error:
        raise RolloutsError("GitHub answered in a way that is not understood; upgrade gh and try again") from error


def _objection(wanted: Wanted, found: _Found) -> str | None:
    """Why a repository that was there before cannot become the archive."""
    if found.foreign:
        return "holds something else than snapshots"
    if found.permission not in _WRITERS:
        return "you may not push to it"
    if found.archived:
        return "is archived on GitHub, which takes no pushes then"
    allowed = _OPENNESS[: _OPENNESS.index(wanted.visibility) + 1]
    return None if found.visibility in allowed else f"is {found.visibility}, while {wanted.visibility} was asked for"


def _adopted(wanted: Wanted, seconds: float) -> str:
    """The URL of the page of a repository that was there before.

    Raises:
        RolloutsError: it is somebody else's, or cannot be used.
    """
    full_name = f"{wanted.owner}/{wanted.name}"
    fields = ("-f", f"query={_QUERY}", "-f", f"owner={wanted.owner}", "-f", f"name={wanted.name}")
    answer = _gh("api", "graphql", *fields, seconds=seconds)
    if answer.code and "Could not resolve to a Repository" not in answer.said:
        raise _failure(wanted, answer)
    found = None if answer.code else _found(answer.out)
    objection = _objection(wanted, found) if found else "you may not see it"
    if found and not objection:
        return found.url
    raise RolloutsError(
        f"{full_name} exists already on GitHub and {objection}; choose another prefix with"
        " `rollouts remote defaults set`, or an archive with `rollouts remote set --url URL`"
    )


def created(wanted: Wanted, seconds: float) -> Hosted:
    """Creates a repository, or adopts one that is there: empty, or with nothing but snapshots in it.

    A repository that was made when the answer got lost is adopted so by the next run.

    Args:
        wanted: which; checked here, whoever wrote it down.
        seconds: how long each call of gh may take.

    Raises:
        RolloutsError: it cannot be made nor adopted.
    """
    wanted = Wanted(checked_owner(wanted.owner), checked_name(wanted.name), checked_visibility(wanted.visibility))
    options = (f"--{wanted.visibility}", "--disable-issues", "--disable-wiki")
    answer = _gh("repo", "create", f"{wanted.owner}/{wanted.name}", *options, seconds=seconds)
    if answer.code == 0:
        return Hosted(_address(wanted, answer.out.strip(), seconds), made=True)
    if "already exists" not in answer.said:
        raise _failure(wanted, answer)
    return Hosted(_address(wanted, _adopted(wanted, seconds), seconds), made=False)
