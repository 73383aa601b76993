"""The arithmetic of emulated links."""

from __future__ import annotations

import pytest

from benches.wan.link import Count, Link, ideal, ideal_after_loss, parse_counts


def test_a_link_in_the_emulators_units() -> None:
    assert Link(100, rtt=0.08, loss=0.01, queue=0.04).words() == ["40000", "12500000", "10000", "40000"]
    assert Link(0.5, rtt=0.001).words() == ["500", "62500", "0", "40000"]


def test_headers_are_no_payload() -> None:
    assert Link(100).payload == pytest.approx(12_066_667, abs=1)


@pytest.mark.parametrize(
    "link",
    [(0, 0.08, 0.0, 0.04), (-1, 0.08, 0.0, 0.04), (1, -0.1, 0.0, 0.04), (1, 0.08, 1.0, 0.04), (1, 0.08, 0.0, 0.0)],
)
def test_no_such_link(link: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="no such link"):
        Link(*link)


def test_counts_of_two_links() -> None:
    counts, late = parse_counts("1 2 3 4 5 6 7 10 20 30 40 50 60 70 1500\n", 2)
    assert counts == [Count(1, 2, 3, 4, 5, 6, 7), Count(10, 20, 30, 40, 50, 60, 70)]
    assert late == pytest.approx(0.0015)


@pytest.mark.parametrize("line", ["", "1 2 3", "1 2 3 4 5 6 7 8 9", "ready 3 5", "a b c d e f g h"])
def test_what_is_no_count(line: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_counts(line, 1)


def test_the_ideal_is_the_sum_of_the_links_after_two_round_trips() -> None:
    links = [Link(200), Link(50, rtt=0.2)]
    payload = links[0].payload + links[1].payload
    assert ideal(links, round(payload)) == pytest.approx(1.16)


def test_a_link_that_is_lost_at_the_end_costs_nothing() -> None:
    links = [Link(50), Link(50)]
    size = 10_000_000
    assert ideal_after_loss(links, size, 1, size // 2) == pytest.approx(ideal(links, size))


def test_a_link_that_never_carries_anything_leaves_all_to_the_other() -> None:
    links = [Link(50), Link(50)]
    assert ideal_after_loss(links, 10_000_000, 1, 0) == pytest.approx(ideal(links[:1], 10_000_000))


def test_a_link_that_is_lost_half_way() -> None:
    links = [Link(50), Link(50)]
    payload = links[0].payload
    size = round(4 * payload)  # two seconds together; after one, the half is left for one link
    assert ideal_after_loss(links, size, 1, round(payload)) == pytest.approx(0.16 + 1 + 2)
