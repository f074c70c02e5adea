"""What brings a daemon to a step, for scripts/fail-points: a push, a batch, a document, a withdrawal, a sweep, a loss.

A line says in which repositories its images lie, what has to stand already before the fail point is set (`stands`), what happens
meanwhile (`befalls`), what the first daemon is then asked for, and what must hold in the end.
"""
import dataclasses, json, pathlib, subprocess, time, typing, urllib.error, urllib.request

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
TOLD = """SELECT count(*) FILTER (WHERE state = 'signed' AND NOT EXISTS (SELECT FROM outbox)), count(*) FROM newest"""
# the head of the audit log, since make_anchor_due; and every entry of ours read, each once
ANCHORED = """SELECT count(*) FILTER (WHERE state = 'signed' AND (SELECT every(e.logged_at IS NOT NULL) AND max(a.begun_at) > now() - interval '1 day'
                  FROM audit_anchor a JOIN evidence e ON e.id = a.evidence_id WHERE e.abandoned_at IS NULL)), count(*) FROM newest"""
READ = """SELECT count(*) FILTER (WHERE state = 'signed' AND NOT EXISTS (SELECT FROM suspected_entry)
              AND (SELECT next_index > (SELECT max(log_index) FROM evidence) AND entries = next_index - began_at FROM followed_log)), count(*) FROM newest"""
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


def releases(pushed):
    """Withdrawn, and lifted again."""
    return withdrawals(pushed) + [asking("/v1/revoke/release", {"references": [one.by_digest for one in pushed], "reason": "it was a drill"})]


def again(pushed):
    return [asking("/v1/sign", {"references": [one.by_digest for one in pushed]})]


def renewals(pushed):
    return [asking("/v1/resign", {"references": [one.by_digest for one in pushed], "reason": "a drill", "old": "remove"}, **once())]


def sweep(pushed):
    return [Request(f"/v1/reconcile?repository={name}", b"") for name in sorted({one.repository for one in pushed})]


def lose_records(cell):
    """The rows of the signatures are lost; what they were published as is not."""
    cell.stack.query(f"""
        WITH lost AS (DELETE FROM attachment a USING target t WHERE t.id = a.target_id AND t.digest IN ({cell.digests()}) RETURNING a.evidence_id),
             uncovered AS (DELETE FROM evidence_target WHERE evidence_id IN (SELECT evidence_id FROM lost) RETURNING evidence_id)
        DELETE FROM evidence WHERE id IN (SELECT evidence_id FROM uncovered)""")


def lose_referrers(cell):
    """Somebody deletes in the registry what was published of the images."""
    for one in cell.pushed:
        base, tag = f"http://{one.registry}/v2/{one.name}/manifests", one.digest.replace(":", "-")
        listed = registry(f"{base}/{tag}")
        for digest in [entry["digest"] for entry in json.loads(listed.body)["manifests"]] + [listed.digest, registry(f"{base}/{tag}.sig").digest]:
            registry(f"{base}/{digest}", "DELETE")


class Served(typing.NamedTuple):
    body: bytes
    digest: str


def registry(url, method="GET"):
    accept = "application/vnd.oci.image.manifest.v1+json,application/vnd.oci.image.index.v1+json"
    with urllib.request.urlopen(urllib.request.Request(url, method=method, headers={"Accept": accept}), timeout=30) as answer:
        return Served(answer.read(), answer.headers.get("Docker-Content-Digest"))


def make_anchor_due(cell):
    """The day of the last signed head is over, and something was written since. What a cell before left half done is put aside."""
    [[aside]] = cell.stack.query("""
        WITH aside AS (UPDATE evidence SET abandoned_at = now(), abandon_reason = 'another cell'
            WHERE logged_at IS NULL AND abandoned_at IS NULL AND id IN (SELECT evidence_id FROM audit_anchor) RETURNING 1)
        SELECT count(*) FROM aside""")
    cell.aside += int(aside)
    cell.stack.query("UPDATE audit_anchor SET begun_at = begun_at - interval '2 days'")
    subprocess.run([cell.stack.binary, "token", "create", "--config", cell.folder / "countersign.yaml", "--role", "viewer", "--name",
                    f"cell-{time.time_ns()}"], check=True, stdout=subprocess.DEVNULL)


@dataclasses.dataclass
class Line:
    """How a cell works its images."""
    prefix: str = "crash"                                    # repositories; webhooks come for crash/, not for held/
    formats: str = "bundle"
    asks: typing.Callable = lambda pushed: []                # of the daemon with the fail point, beside the push
    stands: bool = False                                     # the images are signed before the fail point is set
    documents: typing.Callable = lambda pushed: []           # as well, then
    befalls: typing.Callable = lambda cell: None             # while the first daemon is down, before the fail point is set
    turn: str | None = None                                  # whose work takes it: it is free for the first daemon, and again for who comes after
    looks_at_start: bool = False                             # and then not for minutes
    ends: str = SIGNED
    counts: int = 1                                          # of what `ends` counts, for each image
    images: int | None = None                                # else what the run says
    patience: int = 60                                       # seconds until it must have settled
    log: int = 1                                             # of which version it wants one: LAB_LOG

    @property
    def needs_the_first(self):
        """Only the daemon that was asked comes there."""
        return self.asks([]) != [] or self.stands or self.prefix == "held" or self.turn is not None


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
    "sweep": Line("held", asks=sweep, turn="sweep:%"),
    "adopt": Line("crash/legacy", BOTH, stands=True, befalls=lose_records, asks=again),
    "restore": Line("crash/legacy", BOTH, stands=True, befalls=lose_referrers, asks=again),
    "release": Line("crash/legacy", BOTH, stands=True, asks=releases),
    "notify": Line(ends=TOLD),
    "anchor": Line(befalls=make_anchor_due, turn="audit_anchor", looks_at_start=True, ends=ANCHORED),
    "monitor": Line(turn="log:%", ends=READ),
    # a log that learns nothing but a digest gets large documents whole: it answers after one to two seconds
    "streamed": Line(stands=True, asks=large, counts=2, images=1, patience=120, log=2),
}
# how a step is reached, where a push does not reach it
REACHED = {"batch-step": "batch", "resolve": "tag", "push-tag": "legacy", "group-gather": "group", "group-prepare": "group",
           "group-log": "group", "group-record-entry": "group", "group-member": "group", "store-document": "attest",
           "supersede": "replace", "record-removal": "withdraw", "sweep-page": "sweep", "record-adoption": "adopt",
           "record-missing": "restore", "release": "release", "notify": "notify", "record-notification": "notify",
           "anchor-prepare": "anchor", "anchor-log": "anchor", "anchor-record-entry": "anchor", "monitor-page": "monitor"}
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
    # the bundle, then the older form
    "adopt": [("adopt", 1), ("record-adoption", 2), ("read-back", 1), ("settle", 1)],
    # what is looked at and not there, then what is put back
    "restore": [("record-missing", 2), ("publish", 1), ("push-manifest", 1), ("push-index", 1), ("push-tag", 1), ("read-back", 2),
                ("record-push", 1), ("settle", 1)],
    # the digest is computed, then the evidence is stored; the blob is uploaded, then listed
    "streamed": [("prepare", 1), ("prepare", 2), ("log", 1), ("verify", 1), ("record-entry", 1), ("publish", 1), ("publish", 2), ("push-blob", 1),
                 ("push-index", 1), ("read-back", 1), ("record-push", 1)],
}
