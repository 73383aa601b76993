"""Dataclasses that cost next to nothing to define.

One download meets some seventy classes of plain data, most of which it makes once or never. The standard decorator
imports `inspect` (10 ms) and compiles the source of half a dozen methods for each class (0.5-0.8 ms); together that was
half of the time of a small download. Here a class costs 20 microseconds: its methods are shared, and only the
`__init__` of a class that turns out to be made often is compiled, into what the standard one would be.

To the type checker these *are* dataclasses; `dataclasses.replace` and `fields` work too. Left out is what nobody here
uses: order, keyword-only fields, InitVar, classes without slots. As with the standard decorator, the class that comes
out is another one than went in, so methods write `super(Name, self)`.
"""

from __future__ import annotations

from operator import attrgetter

from fastdl.core.hints import TYPE_CHECKING

__all__ = ["dataclass", "field", "replace"]

OFTEN = 16
"""So many instances are made before `__init__` is compiled: below, the compiler would cost more than it saves."""

if TYPE_CHECKING:
    from dataclasses import dataclass, field, replace
else:
    _NONE = object()
    _set = object.__setattr__

    class Field:
        """How a field begins, and whether it is shown."""

        __slots__ = ("default", "factory", "repr")

        def __init__(self, default=_NONE, factory=_NONE, repr=True) -> None:
            self.default = default
            self.factory = factory
            self.repr = repr

    def field(*, default=_NONE, default_factory=_NONE, repr=True):
        """A field with a value made for each instance, or one that is not shown (a secret, a long text)."""
        return Field(default, default_factory, repr)

    def replace(instance, /, **changes):
        """The same with some fields changed."""
        values = {name: getattr(instance, name) for name in instance.__match_args__}
        return type(instance)(**{**values, **changes})

    def dataclass(*, slots, frozen=False, repr=True, eq=True):
        """The class with slots for its annotated fields and the methods of plain data. `slots` is always true."""
        if slots is not True:
            raise TypeError("plain data has slots")

        def make(cls):
            return _made(cls, frozen, repr, eq)

        return make

    def _made(cls, frozen, repr, eq):
        fields = {}
        for base in reversed(cls.__mro__[1:]):
            fields.update(base.__dict__.get("_fields_", {}))
        inherited = set(fields)
        space = {name: value for name, value in cls.__dict__.items() if name not in ("__dict__", "__weakref__")}
        for name, text in cls.__annotations__.items():
            if not text.startswith("ClassVar"):
                value = space.pop(name, _NONE)
                fields[name] = value if isinstance(value, Field) else Field(value)
        space["__slots__"] = tuple(name for name in fields if name not in inherited)
        space["__match_args__"] = tuple(fields)
        space["_fields_"] = fields
        space["__dataclass_fields__"] = _Described()
        space.update(_compared(tuple(fields), frozen) if eq else {})
        space.update(_FROZEN if frozen else {})
        for name, method in _PICKLED.items():  # which protocols 0 and 1 of pickle cannot do without, where slots are
            space.setdefault(name, method)
        if repr:
            space.setdefault("__repr__", _repr)
        made = type(cls)(cls.__name__, cls.__bases__, space)
        made.__init__ = _first_init(made, frozen)
        return made

    def _first_init(cls, frozen):
        """An `__init__` that goes through the fields, and gives way to a compiled one when it is called often."""
        fields = cls._fields_
        names = tuple(fields)
        after = getattr(cls, "__post_init__", None)
        made = 0

        def __init__(self, *values, **named) -> None:
            nonlocal made
            made += 1
            if made > OFTEN:
                cls.__init__ = _compiled(cls, frozen)
                return cls.__init__(self, *values, **named)
            if len(values) > len(names):
                raise TypeError(f"{cls.__name__} has the fields {', '.join(names)}")
            for name, value in zip(names, values):  # noqa: B905 - the others follow
                _set(self, name, value)
            for name in names[len(values) :]:
                if name in named:
                    value = named.pop(name)
                else:
                    value = fields[name].default
                    if value is _NONE:
                        factory = fields[name].factory
                        if factory is _NONE:
                            raise TypeError(f"{cls.__name__} needs '{name}'")
                        value = factory()
                _set(self, name, value)
            if named:
                raise TypeError(f"{cls.__name__} has no other field '{next(iter(named))}'")
            if after is not None:
                after(self)

        return __init__

    def _compiled(cls, frozen):
        """The `__init__` that a person would write."""
        space = {"_set": _set, "_NONE": _NONE}
        head, body = [], []
        for name, its in cls._fields_.items():
            value = name
            if its.factory is not _NONE:
                space[f"_make_{name}"] = its.factory
                value = f"_make_{name}() if {name} is _NONE else {name}"
                head.append(f"{name}=_NONE")
            elif its.default is not _NONE:
                space[f"_default_{name}"] = its.default
                head.append(f"{name}=_default_{name}")
            else:
                head.append(name)
            body.append(f"_set(self, '{name}', {value})" if frozen else f"self.{name} = {value}")
        if hasattr(cls, "__post_init__"):
            body.append("self.__post_init__()")
        exec(f"def __init__(self, {', '.join(head)}):\n " + "\n ".join(body or ["pass"]), space)
        return space["__init__"]

    def _repr(self) -> str:
        shown = [name for name, its in self._fields_.items() if its.repr]
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    def _compared(names, frozen):
        """`__eq__`, and `__hash__` where that is safe."""
        get = attrgetter(*names) if names else lambda instance: ()

        def __eq__(self, other):
            return get(self) == get(other) if other.__class__ is self.__class__ else NotImplemented

        def __hash__(self) -> int:
            return hash(get(self))

        return {"__eq__": __eq__, "__hash__": __hash__ if frozen else None}

    def _fixed(self, name, *value) -> None:
        raise AttributeError(f"cannot assign to field '{name}'")

    def _getstate(self):
        return [getattr(self, name) for name in self.__match_args__]

    def _setstate(self, values) -> None:
        for name, value in zip(self.__match_args__, values, strict=True):
            _set(self, name, value)

    _FROZEN = {"__setattr__": _fixed, "__delattr__": _fixed}
    _PICKLED = {"__getstate__": _getstate, "__setstate__": _setstate}

    class _Described:
        """The fields as the standard module describes them, for whoever asks: a debugger, a test."""

        def __get__(self, instance, owner):
            from dataclasses import field as described
            from dataclasses import make_dataclass

            rows = []
            for name, its in owner._fields_.items():
                known = {"default": its.default, "default_factory": its.factory}
                known = {key: value for key, value in known.items() if value is not _NONE}
                rows.append((name, object, described(repr=its.repr, **known)))
            return make_dataclass(owner.__name__, rows).__dataclass_fields__
