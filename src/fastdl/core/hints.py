"""The words of `typing` that this program uses, without its import.

Annotations are text that nobody evaluates; what is left of `typing` when the program runs is a dozen names, and 3 ms to
import it. To the type checker each name here is typing's own. `TYPE_CHECKING` is known to it by its name.
"""

from __future__ import annotations

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any as Any
    from typing import BinaryIO as BinaryIO
    from typing import Literal as Literal
    from typing import NewType as NewType
    from typing import NoReturn as NoReturn
    from typing import Protocol as Protocol
    from typing import TextIO as TextIO
    from typing import TypeGuard as TypeGuard
    from typing import TypeVar as TypeVar
    from typing import cast as cast
else:
    Any = BinaryIO = NoReturn = Protocol = TextIO = object

    class Literal:
        """Stands where an alias names a few words: `Kind = Literal["a", "b"]`."""

        def __class_getitem__(cls, words):
            return cls

    TypeGuard = Literal

    def NewType(name, base):
        """The type itself: a name of a file is a string."""
        return base

    def TypeVar(name, *constraints, bound=None):
        """Only named in annotations."""
        return name

    def cast(kind, value):
        """The value."""
        return value
