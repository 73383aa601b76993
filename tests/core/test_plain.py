"""Plain data without the standard decorator: it must be what `dataclasses` would have made."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from dataclasses import FrozenInstanceError
from typing import TYPE_CHECKING, Any

import pytest

from fastdl.core import plain, record
from fastdl.core.pattern import pattern
from fastdl.core.record import Record

MANY = plain.OFTEN + 2  # the compiled way is reached

if TYPE_CHECKING:
    from dataclasses import dataclass, field, replace
else:
    from fastdl.core.plain import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Fixed:
    """One that does not change."""

    left: int
    right: str = "r"
    secret: str = field(default="s", repr=False)
    parts: list[int] = field(default_factory=list)

    @property
    def double(self) -> int:
        return 2 * self.left


@dataclass(slots=True)
class Loose:
    """One that changes, and is checked."""

    left: int
    parts: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.left = abs(self.left)


@dataclass(slots=True)
class Longer(Loose):
    right: int = 7


@dataclass(frozen=True, slots=True)
class Empty:
    pass


def both(make: Any) -> list[Any]:
    """The first instance of a class and a later one, which another `__init__` has made."""
    return [make() for _ in range(MANY)]


def test_fields_begin_as_they_are_given() -> None:
    for one in both(lambda: Fixed(1)):
        assert (one.left, one.right, one.secret, one.parts, one.double) == (1, "r", "s", [], 2)
    for one in both(lambda: Fixed(right="x", left=2)):
        assert (one.left, one.right) == (2, "x")
    for one in both(lambda: Longer(-3, right=9)):
        assert (one.left, one.right, one.parts) == (3, 9, [])


def test_what_is_made_for_each_is_not_shared() -> None:
    first, *rest = both(lambda: Fixed(1))
    first.parts.append(1)
    assert all(one.parts == [] for one in rest)


@pytest.mark.parametrize(
    ("values", "named"), [((), {}), ((1, "a", "b", [], 2), {}), ((1,), {"left": 2}), ((1,), {"u": 2})]
)
def test_wrong_fields_are_refused(values: tuple[Any, ...], named: dict[str, Any]) -> None:
    for _ in range(MANY):
        with pytest.raises(TypeError):
            Fixed(*values, **named)


def test_fixed_ones_stay_as_they_are() -> None:
    one = Fixed(1)
    with pytest.raises(AttributeError):
        one.left = 2  # type: ignore[misc]
    with pytest.raises(AttributeError):
        del one.left
    loose = Loose(1)
    loose.left = 5
    assert loose.left == 5


def test_there_is_no_room_for_other_attributes() -> None:
    with pytest.raises(AttributeError):
        Loose(1).other = 2  # type: ignore[attr-defined]
    assert not hasattr(Fixed(1), "__dict__") and Longer.__slots__ == ("right",)


def test_equality_and_hash() -> None:
    assert Fixed(1) == Fixed(1) != Fixed(2)
    assert Loose(1) != Longer(1) and Fixed(1) != (1, "r", "s", [])
    assert Empty() == Empty() and hash(Empty()) == hash(Empty())
    with pytest.raises(TypeError, match="unhashable"):
        hash(Loose(1))
    with pytest.raises(TypeError, match="unhashable"):
        hash(Fixed(1))  # its list


def test_a_secret_is_not_shown() -> None:
    assert repr(Fixed(1, secret="word")) == "Fixed(left=1, right='r', parts=[])"


def test_some_fields_changed() -> None:
    assert replace(Fixed(1), left=2) == Fixed(2)
    with pytest.raises(TypeError):
        replace(Fixed(1), nothing=2)


def test_the_standard_module_knows_them() -> None:
    assert [each.name for each in dataclasses.fields(Fixed)] == ["left", "right", "secret", "parts"]
    assert dataclasses.replace(Fixed(1), right="x") == Fixed(1, "x")
    assert dataclasses.asdict(Longer(1)) == {"left": 1, "parts": [], "right": 7}


@pytest.mark.parametrize("one", [Fixed(1, "x", "y", [2]), Longer(1, [2], 3)])
def test_copies(one: Any) -> None:
    assert one == copy.copy(one) == copy.deepcopy(one)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(one, protocol)) == one


def test_patterns_of_a_class() -> None:
    match Fixed(1, "x"):
        case Fixed(left, right=right):
            assert (left, right) == (1, "x")
        case _:
            raise AssertionError


def test_a_class_without_slots_is_refused() -> None:
    with pytest.raises(TypeError):
        plain.dataclass(slots=False)


def test_the_standard_one_behaves_alike() -> None:
    """The same class by the standard decorator: what differs would be found where it is used instead."""
    standard = dataclasses.make_dataclass(
        "Fixed",
        [("left", int), ("right", str, "r"), ("secret", str, dataclasses.field(default="s", repr=False))],
        frozen=True,
        slots=True,
    )
    mine = dataclass(frozen=True, slots=True)(
        type(
            "Fixed",
            (),
            {
                "__annotations__": {"left": "int", "right": "str", "secret": "str"},
                "right": "r",
                "secret": field(default="s", repr=False),
            },
        )
    )
    for _ in range(MANY):
        assert repr(mine(1)) == repr(standard(1)) and hash(mine(1)) == hash(standard(1))
        assert mine.__match_args__ == standard.__match_args__
        assert mine.__slots__ == standard.__slots__
    assert issubclass(FrozenInstanceError, AttributeError)


# --- records and patterns ---------------------------------------------------------------------------------


class Pair(Record):
    left: int
    right: str = "r"


def test_records_that_are_made_often() -> None:
    for _ in range(record.OFTEN + 3):
        assert Pair(1) == (1, "r") and Pair(right="x", left=2) == (2, "x")
        assert pickle.loads(pickle.dumps(Pair(1))).right == "r"
        for values, named in [((), {}), ((1, "a", 2), {}), ((1,), {"left": 2})]:
            with pytest.raises(TypeError):
                Pair(*values, **named)


def test_patterns_are_compiled_when_they_are_used() -> None:
    late = pattern("(?i)a(b+)")
    assert "match" not in vars(late)
    found = late.fullmatch("ABB")
    assert found is not None and found[1] == "BB" and late.pattern == "(?i)a(b+)"
    with pytest.raises(AttributeError):
        late.nothing  # type: ignore[attr-defined]  # noqa: B018
