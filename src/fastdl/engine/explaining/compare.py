"""What samples of one file say about each other: who has the right bytes, who lies, who has another version."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fastdl.core.plain import dataclass
from fastdl.core.verify import Digest, new_hasher
from fastdl.engine.explaining.measure import Sample
from fastdl.io.store import Report


@dataclass(frozen=True, slots=True)
class Finding:
    """What a sample comes to. `agrees`: it has the origin's bytes, or those of the digest (None: that cannot be said);
    `lied`: it has others, at the right size; `why`: in words; `validator`: whether its validators fit the origin's."""

    sample: Sample
    usable: bool
    agrees: bool | None
    lied: bool
    why: str
    validator: bool | None = None


def compared(samples: Sequence[Sample], proof: Digest | None) -> list[Finding]:
    """What each sample comes to, in their order; the first one is the origin's. `proof`: the strong digest that is
    known of the file; without one another name of the operator needs one of the origin's validators, as in a download.
    """
    origin = samples[0]
    truth = bytes(origin.data) if origin.usable else None
    proved = _proved(origin, proof)
    if proved is False:
        truth = None  # nothing can be said of the others by what does not fit its own digest
    return [
        _origin(origin, proved),
        *(_beside(sample, origin if origin.usable else None, truth, proof) for sample in samples[1:]),
    ]


def _proved(sample: Sample, proof: Digest | None) -> bool | None:
    """Whether a sample that is the whole file has the digest; None where that cannot be said."""
    if proof is None or not sample.usable or not sample.whole:
        return None
    hasher = new_hasher(proof.algorithm)
    hasher.update(sample.data)
    return hasher.digest() == proof.value


def _origin(sample: Sample, proved: bool | None) -> Finding:
    if sample.error:
        return Finding(sample, False, None, False, sample.error)
    if proved is False:
        return Finding(sample, False, False, False, "its bytes do not have the digest that is known of the file")
    return Finding(sample, True, proved, False, "its bytes have the known digest" if proved else "the origin itself")


def _beside(sample: Sample, origin: Sample | None, truth: bytes | None, proof: Digest | None) -> Finding:
    if sample.error:
        return Finding(sample, False, None, False, sample.error)
    fits = _fits(sample, origin)
    if origin is not None and sample.size is not None and origin.size is not None and sample.size != origin.size:
        return Finding(sample, False, False, False, f"it has a file of another size ({sample.size} bytes)", fits)
    proved = _proved(sample, proof)
    if proved:
        return Finding(sample, True, True, False, "its bytes have the known digest", fits)
    if truth is None:
        lied = proved is False
        why = "its bytes do not have the known digest" if lied else "nothing to compare its bytes with"
        return Finding(sample, not lied, proved, lied, why, fits)
    both = min(len(truth), len(sample.data))
    if proved is False or truth[:both] != sample.data[:both]:
        return Finding(sample, False, False, True, "it sends other bytes than the origin", fits)
    if not both:
        return Finding(sample, sample.size == 0, None, False, "it sent no byte", fits)
    if sample.place.trust == "alias" and proof is None and not fits:
        return Finding(sample, False, True, False, "no digest proves it, and its validators are not the origin's", fits)
    return Finding(sample, True, True, False, "the same bytes as the origin, as far as they were compared", fits)


def _fits(sample: Sample, origin: Sample | None) -> bool | None:
    """Whether a validator that both have is the same; None where they have none in common."""
    if origin is None or origin.validators is None or sample.validators is None:
        return None
    one, other = origin.validators, sample.validators
    if one.contradicts(other):
        return False
    common = (one.etag and other.etag) or (one.last_modified and other.last_modified)
    return True if common else None


def reports(found: Iterable[Finding], limited: bool) -> list[Report]:
    """What the next download should know of the hosts. `limited`: a rate limit was in force, so no rate was seen."""
    return [
        Report(
            finding.sample.place.given.netloc,
            bytes=len(finding.sample.data),
            rate=None if limited else finding.sample.rate,
            latency=finding.sample.first_byte,
            connections=1 if finding.sample.usable else 0,
            busy=int(finding.sample.busy),
            ranges=finding.sample.ranges,
            errors=int(bool(finding.sample.error) and not finding.sample.busy),
            failed=bool(finding.sample.error),
        )
        for finding in found
    ]
