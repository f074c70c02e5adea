"""Every check of the matrix: one client's word on one subject, and what it must be."""
import base64, json, os, pathlib, ssl, subprocess
from dataclasses import dataclass
from plan import SIGNATURE, TAG_VALUE

COLUMNS = ["published", "cosign", "cosign, old", "countersign", "sigstore-go", "sigstore-python"]
IDENTITY, TYPE, DIGEST = r"CertificateIdentity|expected identities|verify\.identity|SAN", r"matched the predicate type|verify\.predicate_type", "digest|no such subject"
MALLORY, OTHER_TYPE = "https://example.com/mallory", "https://example.com/never-attested"
# what must come of a check; THEIRS: as with cosign's own attestation of that type, or better
PASS, REFUSE, THEIRS = "pass", "refuse", "as with cosign's own"


@dataclass
class Check:
    subject: object
    column: str
    what: str
    must: str
    run: object  # () -> (whether it passed, what it said)
    because: str = ""  # a refusal for another reason (a fault, no answer) is none


@dataclass
class Published:
    """What the registry serves beside a subject, read without any client."""
    bundles: list  # (predicate type, file)
    legacy: list  # predicate types under .att, SIGNATURE for each layer of .sig
    certificates: set  # of the signatures, PEM

    @classmethod
    def read(cls, subject, folder):
        repository, tag = subject.content, subject.digest.replace(":", "-")
        published = cls([], [], set())
        for position, one in enumerate((repository.manifest_if_there(tag) or {}).get("manifests", [])):
            manifest = json.loads(repository.manifest(one["digest"])[1])
            kind = manifest["annotations"]["dev.sigstore.bundle.predicateType"]
            raw = repository.blob(manifest["layers"][0]["digest"])
            file = folder / f"{subject.repository}-{subject.kind}-{position}.json".replace("/", "-").replace(" ", "-")
            file.write_bytes(raw)
            published.bundles.append((kind, file))
            if kind == SIGNATURE:
                leaf = base64.b64decode(json.loads(raw)["verificationMaterial"]["certificate"]["rawBytes"])
                published.certificates.add(ssl.DER_cert_to_PEM_cert(leaf).strip())
        for layer in (repository.manifest_if_there(f"{tag}.sig") or {}).get("layers", []):
            published.legacy.append(SIGNATURE)
            published.certificates.add(layer["annotations"]["dev.sigstore.cosign/certificate"].strip())
        for layer in (repository.manifest_if_there(f"{tag}.att") or {}).get("layers", []):
            published.legacy.append(layer["annotations"]["predicateType"])
        return published

    def is_all(self, subject):
        """Exactly what was asked for, in each format, one signing event's certificate."""
        wanted = sorted([SIGNATURE] + [one.uri for one in subject.attestations])
        bundles, formats = sorted(kind for kind, _ in self.bundles), subject.configuration.formats
        good = (bundles == (wanted if "bundle" in formats else []) and sorted(self.legacy) == (wanted if "legacy" in formats else [])
                and len(self.certificates) == 1)
        return good, f"bundles {bundles}, legacy {sorted(self.legacy)}, {len(self.certificates)} certificates"


def run(arguments, **environment):
    """(whether it exited with 0, standard output, standard error)."""
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, env={**os.environ, **environment})
        return done.returncode == 0, done.stdout, done.stderr
    except subprocess.TimeoutExpired:
        return False, "", "no answer within 60 s"


def said(passed, output, errors):
    return passed, errors or output


def must(subject, kind):
    """What must come of an attestation of this type."""
    return THEIRS if kind == TAG_VALUE.uri and subject.attestations == [TAG_VALUE] else PASS


def is_refused_too(subject):
    """Whether wrong identities, types and digests are tried on it: not again on those that only have one more type."""
    return subject.attestations != [TAG_VALUE]


def is_in(output, attestation):
    """Whether what verify-attestation printed has the document that was sent."""
    for line in output.splitlines():
        statement = json.loads(base64.b64decode(json.loads(line)["payload"]))
        if statement["predicateType"] == attestation.uri and attestation.is_predicate(statement["predicate"]):
            return True
    return False


def cosign_checks(subject, column):
    stack, options = subject.stack, []
    if column == "cosign, old":
        options.append("--new-bundle-format=false")
    if subject.configuration.stamped:
        options.append("--use-signed-timestamps")

    def cosign(command, *more, identity=stack.identity, attestation=None):
        def check():
            answer = run(["cosign", command, "--trusted-root", stack.trusted_root, "--allow-http-registry", *options, "--certificate-identity",
                          identity, "--certificate-oidc-issuer", stack.issuer, *more, subject.reference])
            if answer[0] and attestation and not is_in(answer[1], attestation):
                return False, "verified, but the document is not in what it prints"
            return said(*answer)
        return check

    yield Check(subject, column, "verify", PASS, cosign("verify"))
    for one in subject.attestations:
        yield Check(subject, column, f"verify-attestation {one.name}", must(subject, one.uri),
                    cosign("verify-attestation", "--type", one.cosign, attestation=one))
    if not is_refused_too(subject):
        return
    yield Check(subject, column, "verify, a wrong identity", REFUSE, cosign("verify", identity=MALLORY), IDENTITY)
    yield Check(subject, column, "verify-attestation, another type", REFUSE, cosign("verify-attestation", "--type", OTHER_TYPE), TYPE)
    yield Check(subject, column, "verify-attestation, a wrong identity", REFUSE,
                cosign("verify-attestation", "--type", subject.attestations[0].cosign, identity=MALLORY), IDENTITY)


def countersign_checks(subject):
    """Ours, every format that is there: each must verify, and print what cosign would print."""
    stack, formats = subject.stack, subject.configuration.formats

    def countersign(command, *more, identity=stack.identity, attestation=None):
        def check():
            answer = run([os.environ["COUNTERSIGN_BIN"], command, "--trusted-root", stack.trusted_root, "--plain-http", "--private-network",
                          "--output", "cosign", "--certificate-identity", identity, "--certificate-oidc-issuer", stack.issuer, *more,
                          subject.reference])
            if not answer[0]:
                return said(*answer)
            verified = json.loads(answer[1]) if command == "verify" else answer[1].splitlines()
            if len(verified) != len(formats) or attestation and not is_in(answer[1], attestation):
                return False, f"{len(verified)} verified of {len(formats)}, or the document is not in what it prints"
            return said(*answer)
        return check

    yield Check(subject, "countersign", "verify", PASS, countersign("verify"))
    for one in subject.attestations:
        yield Check(subject, "countersign", f"verify-attestation {one.name}", PASS,
                    countersign("verify-attestation", "--type", one.name, attestation=one))
    if not is_refused_too(subject):
        return
    yield Check(subject, "countersign", "verify, a wrong identity", REFUSE, countersign("verify", identity=MALLORY), IDENTITY)
    yield Check(subject, "countersign", "verify-attestation, another type", REFUSE, countersign("verify-attestation", "--type", OTHER_TYPE), TYPE)
    yield Check(subject, "countersign", "verify-attestation, a wrong identity", REFUSE,
                countersign("verify-attestation", "--type", subject.attestations[0].name, identity=MALLORY), IDENTITY)


def sigstore_go(subject, bundle, identity=None, digest=None):
    return said(*run([
        "sigstore-go-verification", "-trustedrootJSONpath", subject.stack.trusted_root, "-expectedIssuer", subject.stack.issuer, "-expectedSAN",
        identity or subject.stack.identity, "-artifact-digest", (digest or subject.digest).removeprefix("sha256:"), str(bundle)]))


def sigstore_go_checks(subject, published):
    def check(what, must, bundle, because="", **options):
        return Check(subject, "sigstore-go", what, must, lambda: sigstore_go(subject, bundle, **options), because)

    for kind, bundle in published.bundles:
        yield check(kind, must(subject, kind), bundle)
    for kind, bundle in published.bundles[:1] if is_refused_too(subject) else []:
        yield check(f"{kind}, a wrong identity", REFUSE, bundle, IDENTITY, identity=MALLORY)
        yield check(f"{kind}, another digest", REFUSE, bundle, DIGEST, digest="0" * 64)


def sigstore_python(python, stack, jobs):
    """What it says of each job: None, or why not. One process: its start takes longer than a hundred bundles."""
    worker = pathlib.Path(__file__).with_name("sigstore_python.py")
    answered = subprocess.run([python, worker, stack.trusted_root], input="".join(json.dumps(job) + "\n" for job in jobs),
                              capture_output=True, text=True, timeout=600)
    said = [json.loads(line)["error"] for line in answered.stdout.splitlines()]
    return said + [f"no answer: {answered.stderr[-400:]}"] * (len(jobs) - len(said))


def sigstore_python_checks(stack, everything, python):
    plans = []
    for subject, published in everything:
        job = {"digest": subject.digest, "identity": stack.identity, "issuer": stack.issuer}
        for kind, bundle in published.bundles:
            plans.append((subject, kind, must(subject, kind), "", {**job, "bundle": str(bundle)}))
        for kind, bundle in published.bundles[:1] if is_refused_too(subject) else []:
            plans.append((subject, f"{kind}, a wrong identity", REFUSE, IDENTITY, {**job, "bundle": str(bundle), "identity": MALLORY}))
            plans.append((subject, f"{kind}, another digest", REFUSE, DIGEST, {**job, "bundle": str(bundle), "digest": "sha256:" + "0" * 64}))
    for (subject, what, verdict, because, _), error in zip(plans, sigstore_python(python, stack, [job for *_, job in plans])):
        yield Check(subject, "sigstore-python", what, verdict, lambda error=error: (error is None, error or ""), because)


def checks(subject, published):
    """All but sigstore-python's."""
    yield Check(subject, "published", "what the registry serves", PASS, lambda: published.is_all(subject))
    yield from cosign_checks(subject, "cosign")  # without a bundle it looks for the legacy tags by itself
    if "legacy" in subject.configuration.formats:
        yield from cosign_checks(subject, "cosign, old")
    yield from countersign_checks(subject)
    yield from sigstore_go_checks(subject, published)
