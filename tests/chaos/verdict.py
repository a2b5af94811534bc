"""What the judge saw beside what the gateway said: figures and violations."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import httpx

from tests.chaos.faults import FAULTS, Strike
from tests.chaos.hosts import World
from tests.chaos.traffic import Talk

#: How long after a fault a message that left its phone may still be its victim.
AFTER = 3.0
BEFORE = 3.0
#: How long after Redis was emptied readers may be told again what they were told before.
AGAIN = 30.0
#: How long a send may be under way when everything is quiet.
CONCLUDED = 120.0
PENDING = {"accepted", "queued", "sending"}
OVER = {"failed", "expired", "unknown", "cancelled"}
OUT = {"sent", "delivered", "read", "played"}


@dataclass
class Record:
    """Everything that the judge and the gateway know at the end."""

    links: list[dict[str, Any]]
    overlaps: list[dict[str, Any]]
    arrivals: list[dict[str, Any]]
    departures: list[dict[str, Any]]
    rows: dict[str, dict[str, Any]]


@dataclass
class Verdict:
    """The result."""

    figures: dict[str, Any] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    def blame(self, kind: str, cases: list[str]) -> None:
        """Note violations of one kind."""
        self.figures[kind] = len(cases)
        self.violations += [f"{kind}: {case}" for case in cases[:20]]


async def collect(world: World, talk: Talk) -> Record:
    """Ask the gateway, when it has come to an end with every send, then the judge."""
    rows = await _concluded(world, talk)
    links, arrivals, departures = [
        await _all(world, talk.tenant, what)
        for what in ("judge.connections", "judge.arrived", "judge.sent")
    ]
    overlaps = await world.judge.call("judge.overlaps", tenant=talk.tenant)
    return Record(links, overlaps, arrivals, departures, rows)


async def _concluded(world: World, talk: Talk) -> dict[str, dict[str, Any]]:
    """All rows, once no send is under way (an engine may wait 90 s for an answer)."""
    end = time.monotonic() + CONCLUDED
    while True:
        rows = await _rows(world, talk)
        waiting = sum(row["status"] in PENDING for row in rows.values())
        if not waiting or time.monotonic() > end:
            return rows
        await asyncio.sleep(5)


async def _all(world: World, tenant: str, method: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        after = found[-1]["number"] if found else 0
        page = await world.judge.call(method, tenant=tenant, after=after, limit=10_000)
        found += page
        if len(page) < 10_000:
            return found


async def _rows(world: World, talk: Talk) -> dict[str, dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    headers = {"Authorization": f"Bearer {talk.credential}"}
    async with httpx.AsyncClient(headers=headers, trust_env=False, timeout=30) as client:
        for line in talk.lines:
            before = None
            while True:
                query = {"limit": 200} | ({"before": before} if before else {})
                url = f"{world.a.url}/v1/sessions/{line.session}/messages"
                page = (await client.get(url, params=query)).raise_for_status().json()
                rows |= {item["id"]: item for item in page["items"]}
                before = page["next"]
                if before is None:
                    break
    return rows


def judge(record: Record, talk: Talk, strikes: list[Strike]) -> Verdict:
    """Compare everything."""
    verdict = Verdict()
    _connections(verdict, record, talk, strikes)
    _sends(verdict, record, talk)
    _inbound(verdict, record, talk, strikes)
    _times(verdict, record, talk, strikes)
    verdict.figures["http_answers"] = dict(talk.sender.answers)
    verdict.figures["reader_closes"] = dict(talk.reader.closes)
    verdict.figures["reader_notices"] = dict(talk.reader.notices)
    verdict.blame("wrong_answers", talk.sender.wrong)
    return verdict


def _connections(verdict: Verdict, record: Record, talk: Talk, strikes: list[Strike]) -> None:
    """Check 1. An overlap is a login while an older connection of the device was open at the
    judge. It counts, except where the older one's host was cut off from the network itself, so
    that no packet could say that it had closed, and not one frame came over it afterwards.
    """
    cut = [strike for strike in strikes if strike.cut_off]
    session = {line.phone: line.session for line in talk.lines}
    wrong, excused = [], 0
    for overlap in record.overlaps:
        # A login made by the same engine after its own socket broke is one owner all the same,
        # but is counted too: the judge cannot tell.
        silent = overlap["frames_after"] == 0 and any(
            strike.at <= overlap["at_mono"] <= strike.until + 30
            and session.get(overlap["phone"]) in strike.victims
            for strike in cut
        )
        if silent:
            excused += 1
        else:
            near = max((s for s in strikes if s.at <= overlap["at_mono"]),
                       key=lambda s: s.at, default=None)  # fmt: skip
            where = f"after {near.kind} +{overlap['at_mono'] - near.at:.1f} s" if near else ""
            wrong.append(
                f"{session.get(overlap['phone'])} silent {overlap['old_silent_seconds']} s, "
                f"frames after {overlap['frames_after']}, {where}"
            )
    verdict.figures["logins"] = len(record.links)
    verdict.figures["silent_overlaps_of_cut_off_hosts"] = excused
    verdict.blame("double_connections", wrong)


def _sends(verdict: Verdict, record: Record, talk: Talk) -> None:
    """Check 2: what was accepted is at the network exactly once, or reported."""
    arrived = _arrived(record)
    statuses: Counter[str] = Counter()
    wrong: dict[str, list[str]] = defaultdict(list)
    for one in talk.sender.sent:
        row = record.rows.get(one.id) if one.id else None
        seen = arrived.get(f"out {one.number}", set())
        if row is not None and row.get("wa_id") in arrived[""]:
            seen = seen | {row["wa_id"]}
        status = row["status"] if row else ("missing" if one.id else "never accepted")
        statuses[status] += 1
        if fault := _send_fault(status, len(seen)):
            where = f"out {one.number} {one.id} {one.line.session}"
            wrong[fault].append(f"{where} is {status}, arrived {len(seen)}x")
    verdict.figures["sends_accepted"] = sum(bool(one.id) for one in talk.sender.sent)
    verdict.figures["sends_by_status"] = dict(statuses)
    verdict.figures["repeats_of_one_id"] = sum(a["kind"] == "repeat" for a in record.arrivals)
    for fault in ("sends_lost", "sends_doubled", "sends_reported_wrongly"):
        verdict.blame(fault, wrong[fault])


def _arrived(record: Record) -> dict[str, set[str]]:
    """WhatsApp's message ids by text; under "" all of them, read or not."""
    found: dict[str, set[str]] = defaultdict(set)
    for arrival in record.arrivals:
        if arrival["kind"] != "retry":
            found[""].add(arrival["id"])
            if arrival["text"]:
                found[arrival["text"]].add(arrival["id"])
    return found


def _send_fault(status: str, arrived: int) -> str:
    if arrived > 1:
        return "sends_doubled"
    if status in OUT and not arrived:
        return "sends_lost"
    if status == "never accepted":  # no answer reached the client, so it was promised nothing
        return ""
    if status not in OUT | OVER:
        return "sends_lost"
    if status in OVER - {"unknown"} and arrived:
        return "sends_reported_wrongly"
    return ""


def _inbound(verdict: Verdict, record: Record, talk: Talk, strikes: list[Strike]) -> None:
    """Check 3: what phones sent is at the reader once and in order, but for counted losses."""
    line_of = {line.friend: line for line in talk.lines}
    seen: Counter[tuple[str, str]] = Counter()
    last: dict[tuple[str, str], int] = {}
    disorder, again = [], []
    for got in talk.reader.received:
        name, _, number = got.text.rpartition(" ")
        seen[got.session, got.text] += 1
        if seen[got.session, got.text] > 1:
            again.append(got)
            continue
        before = last.get((got.session, name), 0)
        if int(number) < before:
            disorder.append(f"{got.session}: {got.text} after {before}")
        last[got.session, name] = max(before, int(number))
    per_strike: Counter[int] = Counter()
    lost, by_load = [], Counter[str]()
    for sent in record.departures:
        line = line_of.get(sent["phone"])
        if line is None or seen[line.session, sent["text"]]:
            continue
        by_load[sent["text"].rpartition(" ")[0]] += 1
        cause = _cause(line.session, sent["at_mono"], strikes)
        if cause is None:
            near = max((s for s in strikes if s.at <= sent["at_mono"] + BEFORE),
                       key=lambda s: s.at, default=None)  # fmt: skip
            where = f"near {near.kind} {sent['at_mono'] - near.at:+.1f} s" if near else ""
            row = any(r.get("wa_id") == sent["id"] for r in record.rows.values())
            lost.append(f"{line.session}: {sent['text']}, {where}, row {row}")
        else:
            per_strike[cause] += 1
    kills = [i for i, strike in enumerate(strikes) if FAULTS[strike.kind].may_lose]
    losses: dict[str, list[int]] = defaultdict(list)
    for index in kills:
        losses[strikes[index].kind].append(per_strike[index])
    verdict.figures["inbound_sent"] = len(record.departures)
    verdict.figures["inbound_received"] = len(seen)
    verdict.figures["inbound_lost_per_fault"] = dict(losses)
    verdict.figures["inbound_lost_by_load"] = dict(by_load)
    verdict.blame("inbound_lost_without_cause", lost)
    emptied = [strike for strike in strikes if strike.emptied]
    twice = [got for got in again if any(s.at <= got.at <= s.until + AGAIN for s in emptied)]
    verdict.figures["inbound_told_again_after_emptying"] = len(twice)
    doubles = [f"{got.session}: {got.text}" for got in again if got not in twice]
    verdict.blame("inbound_doubled", doubles)
    verdict.blame("inbound_disordered", disorder)
    verdict.blame("cursors_disordered", talk.reader.out_of_order)
    holes = [
        f"at {at:.0f}"
        for at in talk.reader.gone
        if not any(strike.at - 1 < at < strike.at + 60 for strike in emptied)
    ]
    verdict.figures["gaps_told"] = len(talk.reader.gone)
    verdict.blame("gaps_without_cause", holes)


def _cause(session: str, at: float, strikes: list[Strike]) -> int | None:
    """The fault that may have lost a message of that session at that time."""
    for index, strike in enumerate(strikes):
        may = FAULTS[strike.kind].may_lose
        if may and session in strike.victims and strike.at - BEFORE <= at <= strike.until + AFTER:
            return index
    return None


def _times(verdict: Verdict, record: Record, talk: Talk, strikes: list[Strike]) -> None:
    """Check 4: how long sessions were without a connection."""
    phone = {line.session: line.phone for line in talk.lines}
    links: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for link in record.links:
        links[link["phone"]].append(link)
    found: dict[str, list[float]] = defaultdict(list)
    last: dict[str, list[float]] = defaultdict(list)
    for strike in strikes:
        measure = FAULTS[strike.kind].measures
        if not measure:
            continue
        gaps = [_gap(links[phone[session]], strike, measure) for session in strike.victims]
        known = [gap for gap in gaps if gap is not None]
        found[measure] += known
        if known:
            last[measure].append(max(known))
    verdict.figures["seconds"] = {
        measure: {"sessions": _spread(gaps), "all_of_a_fault": _spread(last[measure])}
        for measure, gaps in found.items()
    }


def _gap(links: list[dict[str, Any]], strike: Strike, measure: str) -> float | None:
    """Takeover: from the fault to the next login. Hand-over: from the close to the next login."""
    end = (strike.recovered or strike.until) + 1
    for before, after in pairwise(links):
        if strike.at <= after["opened_mono"] <= end:
            if measure == "handover":
                closed = before["closed_mono"]
                return max(0.0, after["opened_mono"] - closed) if closed else 0.0
            return float(after["opened_mono"] - strike.at)
    return None


def _spread(values: list[float]) -> dict[str, Any]:
    if not values:
        return {"n": 0}
    cuts = statistics.quantiles(values, n=20, method="inclusive") if len(values) > 1 else values
    return {
        "n": len(values),
        "p50": round(statistics.median(values), 2),
        "p95": round(cuts[-1], 2),
        "max": round(max(values), 2),
    }
