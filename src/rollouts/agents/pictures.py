"""Pictures in messages, in each form that agents write them down in: what kind, and where to get it.

The forms are those of the models' interfaces: a `source` of Anthropic's Messages, an `image_url` of OpenAI's, a `url`
beside its `mime` of OpenCode's.
"""

from __future__ import annotations

import re

from rollouts.agents.drafting import fields, word
from rollouts.agents.session import Fields, Part
from rollouts.record import Record

_DATA = re.compile(r"data:(?P<media>[\w.+-]+/[\w.+-]+)[^,]*;base64,(?P<data>.*)", re.DOTALL)
_BY_SUFFIX = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp"}


class Picture(Record):
    """Where a picture is."""

    media_type: str
    url: str
    """Of a picture that stands in the record itself a `data:` URL."""

    @property
    def base64(self) -> str | None:
        """The picture itself; None when it is elsewhere."""
        found = _DATA.fullmatch(self.url)
        return found["data"] if found else None


def _of_source(source: Fields) -> Picture | None:
    media, data, url = word(source.get("media_type")), word(source.get("data")), word(source.get("url"))
    if media and data:
        return Picture(media, f"data:{media};base64,{data}")
    return _of_url(url, media)


def _of_url(url: str | None, media: str | None = None) -> Picture | None:
    """A picture by its URL; None when it does not say of what kind it is."""
    if url is None:
        return None
    found = _DATA.match(url)
    suffix = url.partition("?")[0].rpartition(".")[2].lower()
    kind = media or (found["media"] if found else None) or _BY_SUFFIX.get(suffix)
    return Picture(kind, url) if kind else None


def picture(part: Part) -> Picture | None:
    """The picture that a part of a message is; None for all else, and for one of which nothing is known."""
    if part.kind != "image" or part.raw is None:
        return None
    raw = part.raw
    if fields(raw.get("source")):
        return _of_source(fields(raw.get("source")))
    linked = raw.get("image_url")
    return _of_url(word(linked) or word(fields(linked).get("url")) or word(raw.get("url")), word(raw.get("mime")))
