"""What brings a daemon to a step, for scripts/fail-points: a push, a batch, a document, a withdrawal, a sweep.

A line says in which repositories its images lie, what has to stand already before the fail point is set (`stands`), what the
first daemon is then asked for, and what must hold in the end.
"""
import dataclasses, json, pathlib, time, typing

seeds = pathlib.Path(__file__).resolve().parent.parent / "seeds/documents"
BOTH = "bundle,legacy"
# of targets in their newest generation, one column `state` each
SIGNED = "SELECT count(*) FILTER (WHERE state = 'signed'), count(*) FROM newest"
REPLACED = """SELECT count(*) FILTER (WHERE state = 'signed' AND (purpose = 'signature' OR number = 1) = (superseded_by IS NULL)), count(*)
              FROM (SELECT newest.*, a.superseded_by, row_number() OVER (PARTITION BY newest.digest, newest.repository_id, newest.purpose = 'signature'
                        ORDER BY a.id DESC) AS number
                    FROM newest LEFT JOIN attestation a ON a.target_id = newest.id) AS documents"""
REVOKED = """SELECT count(*) FILTER (WHERE state = 'revoked' AND EXISTS (SELECT FROM revocation v WHERE v.digest = newest.digest
                 AND v.repository_id = newest.repository_id AND v.removal IN ('removed', 'deleted'))), count(*)
             FROM newest WHERE purpose = 'signature'"""
ANEW = "SELECT count(*) FILTER (WHERE state = 'signed' AND generation = 1), count(*) FROM newest"


class Request(typing.NamedTuple):
    path: str
    body: bytes
    method: str = "POST"
    headers: dict = {}


def asking(path, document, **headers):
    return Request(path, json.dumps(document).encode(), headers={"Content-Type": "application/json", **headers})


def once():
    return {"Idempotency-Key": f'"{time.time_ns()}"'}


def batch(pushed, **settings):
    return [asking("/v1/batches", {"references": [one.by_digest for one in pushed], **settings}, **once())]


def tags(pushed):
    return [asking("/v1/sign", {"references": [one.by_tag for one in pushed]})]


def document(pushed, name, type):
    return [Request(f"/v1/attestations?ref={one.by_digest}&type={type}", (seeds / name).read_bytes(), "PUT") for one in pushed]


def bills(pushed):
    return document(pushed, "sbom.spdx.json", "spdxjson")


def exchanges(pushed):
    """The second VEX of each, which takes the first one's place."""
    text = json.loads((seeds / "openvex.json").read_text())
    newer = json.dumps({**text, "version": text.get("version", 1) + 1}).encode()
    return [one._replace(body=newer) for one in document(pushed, "openvex.json", "openvex")]


def large(pushed):
    """A document beyond what goes into the log: it stands beside the image, and its digest is signed."""
    text = json.dumps({"text": "x" * 200_000}).encode()
    return [Request(f"/v1/attestations?ref={one.by_digest}&type=https://example.com/large", text, "PUT") for one in pushed]


def withdrawals(pushed):
    return [asking("/v1/revoke", {"references": [one.by_digest for one in pushed], "reason": "a drill", "remove": True})]


def renewals(pushed):
    return [asking("/v1/resign", {"references": [one.by_digest for one in pushed], "reason": "a drill", "old": "remove"}, **once())]


def sweep(pushed):
    return [Request(f"/v1/reconcile?repository={name}", b"") for name in sorted({one.repository for one in pushed})]


@dataclasses.dataclass
class Line:
    """How a cell works its images."""
    prefix: str = "crash"                                    # repositories; webhooks come for crash/, not for held/
    formats: str = "bundle"
    asks: typing.Callable = lambda pushed: []                # of the daemon with the fail point, beside the push
    stands: bool = False                                     # the images are signed before the fail point is set
    documents: typing.Callable = lambda pushed: []           # as well, then
    ends: str = SIGNED
    counts: int = 1                                          # of what `ends` counts, for each image
    images: int | None = None                                # else what the run says
    patience: int = 60                                       # seconds until it must have settled

    @property
    def needs_the_first(self):
        """Only the daemon that was asked comes there."""
        return self.asks([]) != [] or self.stands or self.prefix == "held"


LINES = {
    "push": Line(),
    "legacy": Line("crash/legacy", BOTH),
    "batch": Line("held", asks=batch),
    "tag": Line("held", asks=tags),
    # a group's members wait a minute for the first of them, and a minute for whoever sends to the log
    "group": Line("held", asks=lambda pushed: batch(pushed, grouping={"max_subjects": 8}), images=6, patience=180),
    "attest": Line(stands=True, asks=bills, counts=2),
    "attest-both": Line("crash/legacy", BOTH, stands=True, asks=bills, counts=2),
    "reference": Line(stands=True, asks=large, counts=2, images=1),
    "replace": Line("crash/legacy", BOTH, stands=True, documents=lambda pushed: document(pushed, "openvex.json", "openvex"), asks=exchanges,
                    ends=REPLACED, counts=3),
    "withdraw": Line("crash/legacy", BOTH, stands=True, documents=bills, asks=withdrawals, ends=REVOKED),
    "resign": Line("crash/legacy", BOTH, stands=True, asks=renewals, ends=ANEW, images=1),
    # whoever has the turn is dead: another takes it when it runs out
    "sweep": Line("held", asks=sweep, patience=180),
}
# how a step is reached, where a push does not reach it
REACHED = {"batch-step": "batch", "resolve": "tag", "push-tag": "legacy", "group-gather": "group", "group-prepare": "group",
           "group-log": "group", "group-record-entry": "group", "group-member": "group", "store-document": "attest",
           "supersede": "replace", "record-removal": "withdraw", "sweep-page": "sweep"}
# further ways to steps that a push reaches too: the step, and which passage of it
FURTHER = {
    "attest": [(step, 1) for step in ("certificate", "sign", "timestamp", "prepare", "log", "verify", "record-entry", "publish", "turn",
                                      "push-blob", "push-manifest", "push-index", "read-back", "record-push", "settle")],
    "attest-both": [("push-tag", 1)],
    # the document is uploaded, then listed, then what is signed about it is published
    "reference": [("publish", 2), ("publish", 3), ("push-blob", 2), ("push-manifest", 2), ("push-index", 2)],
    "withdraw": [(step, 1) for step in ("publish", "turn", "push-index", "push-tag", "settle")],
    # first the new signature in both formats, then the old one taken out
    "resign": [("publish", 3), ("push-index", 2), ("push-tag", 2), ("record-removal", 1)],
}
