"""What the engine misses, as measured: tokens by their form, passwords by where they stand.

A rule is tried only where its word stands, by one match of bounded length, so that no text costs more than its length.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from rollouts.record import Record
from rollouts.redact.span import SECRET, Span
from rollouts.redact.strength import is_mixed, is_stand_in


class Rule(Record):
    """One thing to find."""

    kind: str
    words: tuple[str, ...]
    """In lower case; one of them stands where the pattern matches."""
    pattern: re.Pattern[str]
    """The one of its groups that matches is the secret."""
    accepts: Callable[[str], bool] | None = None
    """Looks at the secret."""


_HEX = re.compile(r"[0-9a-f]{32,128}")


def _is_hex_or_mixed(text: str) -> bool:
    return is_mixed(text) or (_HEX.fullmatch(text) is not None and not is_stand_in(text))


def _is_no_stand_in(text: str) -> bool:
    return not is_stand_in(text)


def _token(kind: str, words: str, pattern: str) -> Rule:
    return Rule(kind, tuple(words.split()), re.compile(rf"(?<![A-Za-z0-9])({pattern})(?![A-Za-z0-9])"), _is_no_stand_in)


def _after(words: str, pattern: str, accepts: Callable[[str], bool] = is_mixed) -> Rule:
    return Rule(SECRET, tuple(words.split(",")), re.compile(pattern), accepts)


TOKENS = (
    _token("anthropic-api-key", "sk-ant-", r"sk-ant-[a-z]{2,8}\d\d-[\w-]{40,200}+"),
    _token("github-app-refresh-token", "ghr_", r"ghr_[A-Za-z0-9]{36,255}+"),
    _token("google-oauth-token", "ya29.", r"ya29\.[\w-]{30,2048}+"),
    _token("google-ai-key", "aq.ab", r"AQ\.Ab[\w-]{30,80}+"),
    Rule("age-secret-key", ("age-secret-key-1",), re.compile(r"(AGE-SECRET-KEY-1[A-Z0-9]{50,62}+)")),
    _token("pinecone-api-key", "pcsk_", r"pcsk_\w{50,80}+"),
    _token("square-access-token", "sq0", r"sq0[a-z]{3}-[\w-]{22,43}+"),
    _token("facebook-access-token", "eaacedeose0cba", r"EAACEdEose0cBA[A-Za-z0-9]{20,300}+"),
    _token("firecrawl-api-key", "fc-", r"fc-[0-9a-f]{32}"),
    _token("render-api-key", "rnd_", r"rnd_[A-Za-z0-9]{26,34}+"),
    _token("typeform-token", "tfp_", r"tfp_[\w-]{40,60}+"),
    Rule(
        "slack-webhook",
        ("hooks.slack.com/",),
        re.compile(r"hooks\.slack\.com/(?:services|workflows|triggers)/([A-Za-z0-9/_-]{20,150}+)"),
        _is_no_stand_in,
    ),
    Rule(
        "discord-webhook",
        ("/api/webhooks/",),
        re.compile(r"/api/webhooks/(\d{15,22}/[\w-]{40,90}+)"),
        _is_no_stand_in,
    ),
)
"""Live wherever they stand."""

_VALUE = r"([^\s\"'`<>(){}\[\],;\\&|]{8,256}+)"
_FREE = r"([^\s\"'`\\]{4,128}+)"
_WORDS = r"(?:\s{1,9}[^\s]{1,80}){0,6}?\s{1,9}"
"""A few words of a command."""
_NAMES = "passwd,password,passphrase,passcode,pwd,secret,token,api_key,api-key,apikey,access_key,accesskey,accountkey"
_NAMES += ",encryption_key,signing_key,private_key,secretkey,auth_key,authkey,pass=,pass:,pw=,pw:"
_ASSIGNED = r"[\w-]{2,40}+[\"'`\])]{0,3}+\s{0,3}(?:=>|:=|==?|:)\s{0,3}[bfru]{0,2}"
_ANYHOW = r"""(?:"([^"\s\\]{8,256}+)"|'([^'\s\\]{8,256}+)'|[\"'`]?""" + _VALUE + r"(?![(\[.]))"
_FLAG = r"--(?:[a-z]{1,12}-){0,3}(?:password|passwd|pass|passphrase|token|secret|api-?key|access-key)[= ][\"']?"
_SAID = r"[A-Za-z]{3,10}(?: [Kk]ey)?(?: is|:| =|) {1,3}[\"'`]?"
_NETRC = r"machine\s{1,9}\S{1,200}\s{1,9}login\s{1,9}\S{1,100}\s{1,9}password\s{1,9}"
_HTPASSWD = r"htpasswd\s{1,9}-\w{0,9}b\w{0,9}\s{1,9}\S{1,200}\s{1,9}\S{1,100}\s{1,9}[\"']?"
_SUDO = r"[\"']?\s{0,3}\|\s{0,3}sudo\s{1,9}(?:-\w{1,9}\s)?-S"
CONTEXTS = (
    Rule("twilio-api-key", ("sk",), re.compile(r"(?<![A-Za-z0-9_])(SK[0-9a-f]{32})(?![A-Za-z0-9])"), None),
    _after(_NAMES, _ASSIGNED + _ANYHOW, _is_hex_or_mixed),
    _after("--", _FLAG + _VALUE),
    _after("api key,access key,password,passphrase,token", _SAID + _VALUE),
    _after("<password>,<token>,<secret>,<apikey>", r"<\w{5,8}>([^\s<>]{4,128}+)</", _is_no_stand_in),
    _after("authorization", r"\w{13}[\"']?\s?[:=]\s?[\"']?([\w.=+/-]{24,512}+)(?! )"),
    _after("://", r"(?<=http|ttps)://([\w-]{20,256}+)@"),
    _after("://", r"://[^\s/@:\"'<>]{0,100}:([^\s/@:\"'<>]{8,256}+)@"),
    _after("machine ", _NETRC + _FREE, _is_no_stand_in),
    _after("curl ", r"curl(?:[^\n]{0,200}?\s)?(?:-u|--user)[ =]?[\"']?[^\s:\"']{1,100}:" + _FREE, _is_no_stand_in),
    _after("sshpass ", r"sshpass\s{1,9}-p\s?[\"']?" + _FREE, _is_no_stand_in),
    _after("mysql", rf"mysql(?:dump|admin|sh)?{_WORDS}-p[\"']?([^\s\"'`=-][^\s\"'`]{{3,127}}+)"),
    _after("docker login", rf"docker login{_WORDS}-p\s{{1,9}}[\"']?" + _FREE, _is_no_stand_in),
    _after("redis-cli", rf"redis-cli{_WORDS}-a\s{{1,9}}[\"']?" + _FREE, _is_no_stand_in),
    _after("htpasswd -", _HTPASSWD + _FREE),
    _after("echo ", r"echo\s{1,9}[\"']?" + _FREE + _SUDO, _is_no_stand_in),
    _after("sig=", r"(?<=[?&])sig=([A-Za-z0-9%+/]{40,100}+)"),
)
"""Secret because of where they stand."""
COOKIE = re.compile(r"(?i:(?:sess|sid|auth|token|jwt)[\w.-]{0,20})=([^\s;,\"'\\]{16,1024}+)")


def _lowered(text: str) -> str:
    return text.replace("\u0130", "i").lower()  # the one letter that is longer in lower case


def _by_word(rules: Iterable[Rule]) -> tuple[tuple[str, Rule], ...]:
    return tuple((word, rule) for rule in rules for word in rule.words)


_TOKENS = _by_word(TOKENS)
_ALL = _by_word(TOKENS + CONTEXTS)


def _matches(word: str, rule: Rule, text: str, lowered: str) -> Iterator[Span]:
    at = lowered.find(word)
    while at >= 0:
        match = rule.pattern.match(text, at)
        group = match.lastindex if match else None
        at += len(word)
        if match and group and (rule.accepts is None or rule.accepts(match[group])):
            yield Span(*match.span(group), rule.kind)
            at = match.end(group)
        at = lowered.find(word, at)


def tokens(text: str) -> Iterator[Span]:
    """Tokens that are such by their own form."""
    lowered = _lowered(text)
    for word, rule in _TOKENS:
        if word in lowered:
            yield from _matches(word, rule, text, lowered)


def spans(text: str) -> Iterator[Span]:
    """All that the rules find."""
    lowered = _lowered(text)
    for word, rule in _ALL:
        if word in lowered:
            yield from _matches(word, rule, text, lowered)
    if "cookie" in lowered:
        for match in COOKIE.finditer(text):
            if is_mixed(match[1]):
                yield Span(*match.span(1), SECRET)
