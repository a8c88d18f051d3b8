"""Answers as people read them on a terminal. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lockgate.controller.evidence.coverage import Day, HostDay


def key_history(answer: Mapping[str, Any]) -> str:
    """The history of a key, one fact a line."""
    return "\n".join(_key_lines(answer))


def _key_lines(answer: Mapping[str, Any]) -> Iterator[str]:
    for key in answer["keys"]:
        name = f" {key['name']}" if key.get("name") else ""
        kind = " (never found)"
        if key["incident"]:
            kind = f" ({key['class']}, {key['algorithm']}; first seen {key['first_seen_at']})"
        yield f"{key['fingerprint']}{name}{kind}"
    seen = answer["seen"]
    yield f"looked at: {answer['since']} until {answer['until']}"
    yield f"found in {seen['transfers']} transfers, from {seen['first']} to {seen['last']}"
    yield from _listed("where", (_place(place) for place in answer["places"]))
    files = answer["files"]
    yield from _listed(f"files ({files['count']} names)", map(_file, files["shown"]))
    readers = answer["readers"]
    yield from _listed(f"recorded readers ({readers['count']})", map(_reader, readers["shown"]))
    yield from _listed("not known", answer["not_known"])
    hosts = answer["hosts"]
    shown = f"times without evidence ({hosts['shown']} of {hosts['count']} hosts)"
    yield from _listed(shown, map(_hole, answer["without_evidence"]))


def _listed(title: str, lines: Iterable[str]) -> Iterator[str]:
    yield f"{title}:"
    shown = [f"  {line}" for line in lines]
    yield from shown or ["  none"]


def _place(place: Mapping[str, Any]) -> str:
    counts = ", ".join(f"{word} {count}" for word, count in place["verdicts"].items())
    return f"{place['host']} zone {place['zone']}: {place['first']} to {place['last']}; {counts}"


def _file(file: Mapping[str, Any]) -> str:
    paths = [*file["paths"], *(["(erased)"] if file["erased_paths"] else [])]
    return f"{file['sha256'] or 'not read'} {file['size']} bytes: {', '.join(paths)}"


def _reader(reader: Mapping[str, Any]) -> str:
    opener = reader["opener"]
    who = "erased" if reader["erased"] else "not recorded"
    if opener is not None:
        user = opener["login_user"] or opener["user"] or f"uid {opener['uid']}"
        who = f"{user}, {opener['executable'] or opener['command']} (pid {opener['pid']})"
    return f"{reader['time']} {reader['host']} {reader['path'] or '(erased)'}: {who}"


def _hole(hole: Mapping[str, Any]) -> str:
    place = f"{hole['host']} zone {hole['zone'] or '(any)'}"
    return f"{place}: {hole['from']} until {hole['until']}: {hole['why']}"


def coverage(days: Iterable[HostDay]) -> str:
    """A line for each host and day."""
    shown = list(days)
    width = max((len(day.host) for day in shown), default=0)
    lines = [f"{day.date}  {day.host:<{width}}  {_day(day)}" for day in shown]
    return "\n".join(lines)


def _day(day: HostDay) -> str:
    if day.day is not Day.PARTLY:
        return day.day.value
    rest = f"{day.not_enforcing_hours} h not, {day.unknown_hours} h unknown"
    return f"partly: {day.enforcing_hours} h enforcing, {rest}"
