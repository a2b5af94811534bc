"""What is asked of the workshop, and what it answers."""

from __future__ import annotations

import msgspec

from wa_api.domain.media import Facts


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """`task`: `inspect`, `page`, or what to convert into: `image`, `avatar`, `video`, `audio`, `voice`,
    `sticker`."""

    task: str
    path: str
    mimetype: str
    out: str = ""
    seconds: int = 60  #: of processor time


class Page(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a web page says of itself; `picture` is a URL, maybe a relative one."""

    title: str = ""
    description: str = ""
    picture: str = ""


class Result(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was found or made; with `problem` (a code) it could not be done."""

    mimetype: str = ""
    facts: Facts = Facts()
    page: Page = Page()
    problem: str | None = None
    detail: str | None = None


class Refused(Exception):
    """The file cannot be used: a code and a sentence."""

    def __init__(self, problem: str, detail: str) -> None:
        super().__init__(detail)
        self.problem, self.detail = problem, detail
