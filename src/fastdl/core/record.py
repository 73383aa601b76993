"""Named tuples that cost next to nothing to define.

The rules need a dozen record types before the first look-up of every run. A dataclass takes half a millisecond to
define, a typing.NamedTuple a quarter, because both write and compile source; together that is more than all the rest of
a look-up. To the type checker a Record is a NamedTuple, at run time it is a tuple whose fields are found once.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

__all__ = ["Record"]

if TYPE_CHECKING:
    from typing import NamedTuple as Record
else:

    class Record(tuple):
        """Base of record types: annotated fields in their order, those with a value are optional."""

        _fields = ()
        _defaults = None

        def __init_subclass__(cls) -> None:
            cls._fields = tuple(cls.__annotations__)
            cls._defaults = {name: cls.__dict__[name] for name in cls._fields if name in cls.__dict__}
            for place, name in enumerate(cls._fields):
                setattr(cls, name, property(itemgetter(place)))

        def __new__(cls, *values, **named):
            rest = cls._fields[len(values) :]
            if len(values) > len(cls._fields) or not named.keys() <= set(rest):
                raise TypeError(f"{cls.__name__} has the fields {', '.join(cls._fields)}")
            if rest:
                defaults = cls._defaults
                try:
                    values += tuple([named[name] if name in named else defaults[name] for name in rest])
                except KeyError as error:
                    raise TypeError(f"{cls.__name__} needs {error}") from None
            return tuple.__new__(cls, values)

        def __getnewargs__(self):
            return tuple(self)

        def __repr__(self) -> str:
            pairs = zip(self._fields, self, strict=True)
            return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in pairs)})"

        def _replace(self, **named):
            """The same with some fields changed."""
            return type(self)(**{**dict(zip(self._fields, self, strict=True)), **named})

        def _asdict(self):
            return dict(zip(self._fields, self, strict=True))
