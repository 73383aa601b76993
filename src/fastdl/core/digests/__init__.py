"""Finding the digest that a file's publisher gives, from what its servers answered. Pure: io/lookup.py asks them.

    for step in steps_of(look):                  the places, in order
        question = question_for(step)            what to ask
        reading = Reading(step, size)            the body, piece by piece
        reading.feed(...); reading.finish(head)  -> Found, or the Step that comes next; DigestNotFound otherwise

Header fields of any response are read by fields.py, whole Metalinks by metalink.py; those and the other readers are
imported when they are needed. Only bytes of the origin over verified TLS are worth reading here; that is the caller's
matter.
"""

from __future__ import annotations

from fastdl.core.digests.base import DigestNotFound, Found, ListedMirror, Look, Pieces, Step, step_of, strongest
from fastdl.core.digests.reading import Question, Reading, next_step, question_for, steps_of

__all__ = [
    "DigestNotFound",
    "Found",
    "ListedMirror",
    "Look",
    "Pieces",
    "Question",
    "Reading",
    "Step",
    "next_step",
    "question_for",
    "step_of",
    "steps_of",
    "strongest",
]
