"""What a registry serves about one digest, judged for scripts/check: signatures in both forms, documents, withdrawals.

Own HTTP, nothing of the daemon's code. Findings are (kind, name, text).
"""
import base64, functools, hashlib, json, urllib.error, urllib.request

from openssl_verify import Unverifiable, verify, verify_legacy

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
SIGN = "https://sigstore.dev/cosign/sign/v1"
MANIFEST = "application/vnd.oci.image.manifest.v1+json,application/vnd.oci.image.index.v1+json"
# a state in which nothing more is to come, and whether it needs a reason
FINAL = {"signed": False, "cancelled": False, "revoked": False, "refused": True, "failed": True, "gone": True}


def get(url, accept=None):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept} if accept else {}), timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def served(base, digest, place="manifests"):
    status, raw = get(f"{base}/{place}/{digest}", MANIFEST if place == "manifests" else None)
    if status != 200 or "sha256:" + hashlib.sha256(raw).hexdigest() != digest:
        raise Unverifiable(f"{digest} is not what its digest says (HTTP {status})")
    return raw


@functools.lru_cache(maxsize=64)
def bundles(base, digest):
    """Our bundles that the registry lists for the digest: (predicate type, bundle)."""
    status, body = get(f"{base}/manifests/{digest.replace(':', '-')}", MANIFEST)
    found = []
    for entry in json.loads(body)["manifests"] if status == 200 else []:
        manifest = json.loads(served(base, entry["digest"]))
        layer = manifest["layers"][0]
        if layer["mediaType"] != BUNDLE:
            continue  # a document that stands beside the image
        if manifest["subject"]["digest"] != digest:
            raise Unverifiable(f"referrer {entry['digest']} is about {manifest['subject']['digest']}")
        found.append((manifest.get("annotations", {}).get("dev.sigstore.bundle.predicateType"), json.loads(served(base, layer["digest"], "blobs"))))
    return found


def beside(base, digest):
    """The digests of documents that the registry lists beside the image, as they are."""
    status, body = get(f"{base}/manifests/{digest.replace(':', '-')}", MANIFEST)
    layers = [json.loads(served(base, entry["digest"]))["layers"][0] for entry in json.loads(body)["manifests"]] if status == 200 else []
    return [layer["digest"] for layer in layers if layer["mediaType"] != BUNDLE and served(base, layer["digest"], "blobs")]


def signature_of(envelope):
    return base64.b64decode(envelope["signatures"][0]["sig"])


def judge_bundle(bundle, digest, anchors, predicate_type=SIGN):
    """The signature, once all of it holds."""
    statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    subjects = [one["digest"].get("sha256") for one in statement["subject"]]
    if digest.split(":")[1] not in subjects or statement["predicateType"] != predicate_type:
        raise Unverifiable(f"the statement is about {subjects}, of type {statement['predicateType']}")
    verify(bundle, anchors)
    return signature_of(bundle["dsseEnvelope"])


def layers(base, digest, kind="sig"):
    """What stands under a tag of cosign's older form: `sig` or `att`."""
    status, body = get(f"{base}/manifests/{digest.replace(':', '-')}.{kind}", MANIFEST)
    return [(served(base, one["digest"], "blobs"), one["annotations"]) for one in json.loads(body)["layers"]] if status == 200 else []


def judge_layer(layer, digest, anchors):
    payload, annotations = layer
    if json.loads(payload)["critical"]["image"]["docker-manifest-digest"] != digest:
        raise Unverifiable("the legacy payload is about another digest")
    verify_legacy(payload, annotations, anchors)
    return base64.b64decode(annotations["dev.cosignproject.cosign/signature"])


FORMS = {"bundle": (lambda base, digest: [bundle for kind, bundle in bundles(base, digest) if kind == SIGN], judge_bundle),
         "legacy": (layers, judge_layer)}


def judge_withdrawn(env, push):
    """Findings on a digest that is not to be signed any more."""
    name, base = f"{push['repository']}@{push['digest']}", f"http://{env['REGISTRY']}/v2/{push['repository']}"
    removal = env["REMOVALS"].get((push["repository"], push["digest"]))
    if removal is None:
        return [("lost", name, "the database says revoked, and no revocation is in force")]
    if push["target"]["state"] != "revoked":
        return [("stuck", name, f"its revocation is in force; the database says {push['target']['state']}")]
    if removal == "asked":
        return [("stuck", name, "its withdrawal has not ended")]
    if removal in ("none", "listed"):
        return []  # nobody asked for more, or the registry lists by itself, which is told
    listed = len(bundles(base, push["digest"])) + sum(len(layers(base, push["digest"], kind)) for kind in ("sig", "att"))
    return [("duplicate", name, f"withdrawn ({removal}), and {listed} of ours are listed")] if listed else []


def judge_entry(env, row, say):
    """The log has the evidence's signature where the database says; of several logs it is the one that was read."""
    places = env["PLACES"].get(bytes.fromhex(row["signature"]), {})
    if not {row["log_index"], *row["further"]} & {index for indexes in places.values() for index in indexes}:
        say("unverifiable", f"entry {row['log_index']} of the log is not its ({row['format']}); it is at {list(places.values())}")


def judge_documents(env, push):
    """Findings on the documents about one digest."""
    base, found, explained = f"http://{env['REGISTRY']}/v2/{push['repository']}", [], set()
    documents = env["DOCUMENTS"].get((push["repository"], push["digest"]), [])
    there = [(kind, bundle) for kind, bundle in bundles(base, push["digest"]) if kind != SIGN]
    older = [signature_of(json.loads(payload)) for payload, _ in layers(base, push["digest"], "att")]
    for document in documents:
        name = f"{push['repository']}@{push['digest']} document {document['id']}"
        say = lambda kind, text: found.append((kind, name, text))
        if document["state"] not in FINAL or (FINAL[document["state"]] and not document["code"]):
            say("stuck", f"its target is {document['state']}, without an end or a reason")
        signed = {format: [bytes.fromhex(row["signature"]) for row in document["live"] if row["format"] == format] for format in FORMS}
        listed = [(kind, bundle) for kind, bundle in there if signature_of(bundle["dsseEnvelope"]) in signed["bundle"]]
        explained |= {signature for one in signed.values() for signature in one}
        if document["state"] != "signed" or document["superseded"]:
            if listed or set(older) & set(signed["legacy"]):
                say("duplicate", f"{document['state']}{', superseded' if document['superseded'] else ''}, and still listed")
            continue
        if document["is_beside"]:
            copies = beside(base, push["digest"]).count(document["document_digest"])
            if copies != 1:
                say("duplicate" if copies else "lost", f"the document itself is listed {copies} times")
        for format in env["FORMATS"]:
            count = len(listed) if format == "bundle" else sum(signature in signed["legacy"] for signature in older)
            if len(signed[format]) != 1:
                say("duplicate" if signed[format] else "lost", f"{len(signed[format])} live evidence rows ({format})")
            elif count != 1:
                say("duplicate" if count else "lost", f"listed {count} times ({format})")
        for kind, bundle in listed:
            try:
                judge_bundle(bundle, push["digest"], env["ANCHORS"], kind)
            except (Unverifiable, ValueError, KeyError) as error:
                say("unverifiable", str(error) or repr(error))
        for row in document["live"]:
            judge_entry(env, row, say)
    loose = [signature for signature in [signature_of(bundle["dsseEnvelope"]) for _, bundle in there] + older if signature not in explained]
    if loose:
        found.append(("duplicate", f"{push['repository']}@{push['digest']}", f"{len(loose)} attestations listed that no live evidence explains"))
    return found


def judge(env, push):
    """Findings on one pushed digest: (kind, name, text)."""
    try:
        return judge_pushed(env, push)
    except (Unverifiable, ValueError, KeyError) as error:
        return [("unverifiable", f"{push['repository']}@{push['digest']}", f"what is listed cannot be read: {error or repr(error)}")]


def judge_pushed(env, push):
    name, base = f"{push['repository']}@{push['digest']}", f"http://{env['REGISTRY']}/v2/{push['repository']}"
    target, found = push["target"], []
    say = lambda kind, text: found.append((kind, name, text))
    if target["state"] == "revoked" or (push["repository"], push["digest"]) in env["REMOVALS"]:
        return judge_withdrawn(env, push)
    if target["state"] == "refused" and target["code"] and not target["live"]:
        if bundles(base, push["digest"]) or layers(base, push["digest"]):
            say("duplicate", "refused, and a signature of ours beside it")
        return found
    if not push["told"] and env["TOLD"] == "all":
        say("lost", "no event tells of it")
    for format in env["FORMATS"]:
        list_all, judge_one = FORMS[format]
        try:
            there = list_all(base, push["digest"])
            if len(there) != 1:
                say("duplicate" if there else "lost", f"{len(there)} signatures ({format}) in the registry; the database says {target['state']}")
            for one in there[:1]:
                published = judge_one(one, push["digest"], env["ANCHORS"])
        except (Unverifiable, ValueError, KeyError) as error:
            say("unverifiable", f"{format}: {error or repr(error)}")
            continue
        live = [row for row in target["live"] if row["format"] == format]
        if len(live) != 1:
            say("duplicate" if live else "lost", f"{len(live)} live evidence rows ({format})")
        for row in live[:1]:
            judge_entry(env, row, say)
            if there and published != bytes.fromhex(row["signature"]):
                say("unverifiable", f"what is published is not the live evidence ({format})")
    if target["state"] != "signed":
        say("stuck", f"the database says {target['state']}")
    try:
        return found + judge_documents(env, push)
    except (Unverifiable, ValueError, KeyError) as error:
        say("unverifiable", f"its documents: {error or repr(error)}")
        return found
