"""Rules are run only where their fixed bytes stand, and find what they find everywhere."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate import formats
from lockgate.scan import native
from lockgate.scan import rules as rules_module
from lockgate.scan.literals import LEAST_LITERAL, LONGEST_MATCH, Literals
from lockgate.scan.rule_strings import is_for_the_start, literals_of, split_rules
from lockgate.scan.rules import RuleError, RulePack

SOURCES = {form.name: form.rule_source for form in formats.ALL}
LITERALS = sorted(
    {x for s in SOURCES.values() for r in split_rules(s) for x in literals_of(r) or ()}
)
GATE = Literals(LITERALS)


def rule(strings: str, condition: str = "any of them") -> str:
    """The text of one rule."""
    return f"rule x\n{{\n  strings:\n    {strings}\n  condition:\n    {condition}\n}}\n"


@pytest.fixture(scope="module")
def pack():
    """All rules of all formats."""
    return RulePack(SOURCES, "")


def matches(pack, data):
    """What the rules find, in one order."""
    return sorted((m.namespace, m.rule, m.string, m.start) for m in pack.matches(data, 20))


def both_ways(pack, data):
    """The matches with the loop in C, and without it."""
    found = matches(pack, memoryview(data))
    with native.off():
        return found, matches(pack, memoryview(data))


@pytest.mark.parametrize(
    ("strings", "expected"),
    [
        ('$a = "needle" ascii', [b"needle"]),
        ('$a = "ab\\x01\\"c"', [b'ab\x01"c']),
        ('$a = "key" ascii wide', [b"key", b"k\0e\0y"]),
        ("$a = /xox[bp]-[0-9]{9}/", [b"xoxb-", b"xoxp-"]),
        ("$a = /a{2,3}longer{1,4}tal/", [b"longer"]),
        ("$a = /(one|two)!/", [b"one!", b"two!"]),
        ("$a = { 01 02 ( 03 | 04 05 ) ?? 06 }", [b"\1\2\3", b"\1\2\4\5"]),
        ("$a = { ?? 0A 0B 0C [2-4] 0D }", [b"\x0a\x0b\x0c"]),
        ('$a = "BEGIN " base64', [b"QkVHSU4g", b"JFR0lOI", b"CRUdJTi"]),
    ],
)
def test_every_match_contains_one_of_the_literals(strings, expected):
    """The longest or rarest fixed run of each kind of string."""
    assert literals_of(rule(strings)) == expected


@pytest.mark.parametrize(
    ("strings", "condition"),
    [
        ("$a = { 00 00 00 01 }", "any of them"),
        ('$a = "ab"', "any of them"),
        ("$a = /[a-z]{20}/", "any of them"),
        ("$a = /unbounded.*/", "any of them"),
        ("$a = /long[a-z]{3000}/", "any of them"),
        ('$a = "needle" xor', "any of them"),
        ('$a = "needle"', "$a at 0"),
        ('$a = "needle"', "filesize < 9 and $a"),
        ('$a = "needle" $b = { ?? 01 ?? }', "any of them"),
    ],
)
def test_what_is_not_told_by_fixed_bytes_is_run_everywhere(strings, condition):
    """Common bytes, no end, other modifiers, conditions on places: nothing is promised."""
    assert literals_of(rule(strings, condition)) is None


def test_rules_of_a_source_are_told_apart():
    """Nothing of a source is lost when it is split."""
    source = "// note\n" + rule('$a = "one"') + "\n// more\n" + rule("$b = { 01 }")
    first, second = split_rules(source)
    assert "one" in first
    assert "{ 01 }" in second


@pytest.mark.parametrize("more", ['import "pe"\n', "private rule y { condition: true }\n", " "])
def test_a_source_with_more_than_rules_is_kept_whole(more):
    """What is not understood is not lost."""
    source = more + rule('$a = "one"')
    if more == " ":
        source = source.replace("\n", " ")
    assert split_rules(source) == [source]


def test_rules_about_the_first_byte_are_run_there():
    """A match at the start is found, the same bytes elsewhere are not."""
    small = RulePack({"x": rule("$a = { 05 02 00 07 }", "$a at 0")}, "")
    here = b"\5\2\0\7" + bytes(90_000)
    assert matches(small, memoryview(here)) == [("x", "x", "$a", 0)]
    assert matches(small, memoryview(bytes(5000) + here)) == []


def test_an_error_in_one_part_does_not_hide_the_others(monkeypatch):
    """All parts are looked at before the error is told."""
    small = RulePack({"x": rule('$a = "needle"')}, "")
    data = memoryview(b"needle" + bytes(90_000) + b"needle" + bytes(9000))
    calls = []

    def match(rules, part, offset, seconds):
        calls.append(offset)
        yield from ()
        raise RuleError("no answer")

    monkeypatch.setattr(rules_module, "_matches", match)
    with pytest.raises(RuleError):
        list(small.matches(data, 5))
    assert len(calls) >= (3 if native.is_loaded() else 1)


def test_most_rules_are_run_over_parts_only():
    """Speed depends on it: few rules may look at every byte."""
    rules = [r for source in SOURCES.values() for r in split_rules(source)]
    everywhere = [r for r in rules if not is_for_the_start(r) and literals_of(r) is None]
    assert len(everywhere) <= 2


def test_the_vectors_give_the_same_matches_with_and_without_the_loop(pack):
    """All vectors of all formats, amid noise."""
    draw = random.Random(5)
    for path in sorted(Path(formats.__path__[0]).glob("*/vectors/*.bin")):
        data = draw.randbytes(3000) + path.read_bytes() + draw.randbytes(70_000)
        quick, plain = both_ways(pack, data)
        assert quick == plain


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_planted_literals_are_found_at_any_place(pack, data):
    """At the first and last byte, across pages, side by side."""
    literals = LITERALS
    size = data.draw(st.integers(0, 3000))
    buffer = bytearray(data.draw(st.sampled_from([b"\0", b"e", b"0\0"])) * size)
    for _ in range(data.draw(st.integers(1, 4))):
        literal = data.draw(st.sampled_from(literals))
        at = data.draw(st.integers(0, size))
        buffer[at : at + len(literal)] = literal
    parts = GATE.parts(memoryview(bytes(buffer)))

    for literal in literals:
        at = bytes(buffer).find(literal)
        assert at < 0 or any(a <= max(0, at - LONGEST_MATCH) and at < b for a, b in parts)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=40), st.integers(0, 12))
def test_the_loop_reads_inside_the_data_only(noise, cut):
    """Data shorter than a word, and literals cut by its end, are no match and no fault."""
    gate = Literals([b"needle", b"abc"])
    text = noise + b"needle"[: max(0, 6 - cut)]
    assert bool(gate.parts(memoryview(text))) == (b"needle" in text or b"abc" in text) or (
        not native.is_loaded()
    )


def test_literals_are_long_enough_for_the_loop():
    """The loop looks for three bytes at a time."""
    assert min(map(len, LITERALS)) >= LEAST_LITERAL
