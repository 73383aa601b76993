"""Named tuples that cost next to nothing to define.

The rules need a dozen record types before the first look-up of every run. A dataclass takes half a millisecond to
define, a typing.NamedTuple a quarter, because both write and compile source; together that is more than all the rest of
a look-up. To the type checker a Record is a NamedTuple, at run time it is a tuple whose fields are found once. Only the
`__new__` of a type that turns out to be made often is compiled. What has defaults made for each instance, or fields
that change, is a dataclass of core/plain.py.
"""

from __future__ import annotations

from fastdl.core.hints import TYPE_CHECKING

__all__ = ["Record"]

OFTEN = 16
"""So many are made before `__new__` is compiled."""

if TYPE_CHECKING:
    from typing import NamedTuple as Record
else:
    try:
        from _collections import _tuplegetter  # what namedtuple takes: half the time of a property
    except ImportError:
        from operator import itemgetter

        def _tuplegetter(place, text):
            return property(itemgetter(place))

    _new = tuple.__new__

    class Record(tuple):
        """Base of record types: annotated fields in their order, those with a value are optional."""

        __slots__ = ()
        _fields = ()
        _defaults = None
        _made = 0

        def __init_subclass__(cls) -> None:
            cls._fields = tuple(cls.__annotations__)
            cls._defaults = {name: cls.__dict__[name] for name in cls._fields if name in cls.__dict__}
            for place, name in enumerate(cls._fields):
                setattr(cls, name, _tuplegetter(place, None))

        def __new__(cls, *values, **named):
            cls._made += 1
            if cls._made > OFTEN:
                cls.__new__ = staticmethod(_compiled(cls))
            rest = cls._fields[len(values) :]
            if len(values) > len(cls._fields) or not named.keys() <= set(rest):
                raise TypeError(f"{cls.__name__} has the fields {', '.join(cls._fields)}")
            if rest:
                defaults = cls._defaults
                try:
                    values += tuple([named[name] if name in named else defaults[name] for name in rest])
                except KeyError as error:
                    raise TypeError(f"{cls.__name__} needs {error}") from None
            return _new(cls, values)

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

    def _compiled(cls):
        """The `__new__` that a person would write."""
        space = {"_new": _new, **{f"_default_{name}": value for name, value in cls._defaults.items()}}
        head = ", ".join(f"{name}=_default_{name}" if name in cls._defaults else name for name in cls._fields)
        values = "".join(f"{name}, " for name in cls._fields)
        exec(f"def __new__(cls, {head}):\n return _new(cls, ({values}))", space)
        return space["__new__"]
