"""Verifies signatures with OpenSSL (its library, its program for chains and timestamps) and arithmetic of its own: no line of the
daemon's code.

Bundles over Rekor v1 and v2, and layers in cosign's older form: the signature, the certificate chain at each time that is known
of it (the log's, the timestamp authority's; one there must be), identity and issuer, the timestamp being of this signature, the
log entry being of this very signature, inclusion proof, checkpoint, signed entry timestamp. Certificates and checkpoints recur,
so they are judged once. Not judged: the certificate's promise of a CT log.
"""
import base64, ctypes, ctypes.util, datetime, functools, hashlib, json, os, re, subprocess, tempfile


class Unverifiable(Exception):
    pass


def b64(text):
    return base64.b64decode(text)


def pem(kind, der):
    return f"-----BEGIN {kind}-----\n{base64.encodebytes(der).decode()}-----END {kind}-----\n"


class Files:
    """Small files for openssl's arguments, gone at the end of the block."""
    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    def __call__(self, content):
        path = os.path.join(self.folder.name, str(len(os.listdir(self.folder.name))))
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return path


def openssl(*arguments):
    return subprocess.run(["openssl", *arguments], capture_output=True)


# a process for each signature would be most of what a check of 30,000 images takes
crypto = ctypes.CDLL(ctypes.util.find_library("crypto"))
for name, result, arguments in [
    ("BIO_new_mem_buf", "p", "pi"), ("BIO_free", "i", "p"), ("PEM_read_bio_PUBKEY", "p", "pppp"), ("EVP_PKEY_get_id", "i", "p"),
    ("EVP_sha256", "p", ""), ("EVP_MD_CTX_new", "p", ""), ("EVP_MD_CTX_free", "n", "p"), ("EVP_DigestVerifyInit", "i", "ppppp"),
    ("EVP_DigestVerify", "i", "ppsps")]:
    types = {"p": ctypes.c_void_p, "i": ctypes.c_int, "s": ctypes.c_size_t, "n": None}
    getattr(crypto, name).restype, getattr(crypto, name).argtypes = types[result], [types[one] for one in arguments]
ED25519 = 1087  # NID_ED25519


@functools.lru_cache(maxsize=65536)
def public_key(key_pem):
    buffer = crypto.BIO_new_mem_buf(key_pem, len(key_pem))
    key = crypto.PEM_read_bio_PUBKEY(buffer, None, None, None)
    crypto.BIO_free(buffer)
    if not key:
        raise Unverifiable("a public key that cannot be read")
    return key


def verify_signature(key_pem, signature, message, what):
    """By ECDSA or RSA with SHA-256, or Ed25519."""
    encoded = lambda text: text.encode() if isinstance(text, str) else text
    key, message = public_key(encoded(key_pem)), encoded(message)
    digest = None if crypto.EVP_PKEY_get_id(key) == ED25519 else crypto.EVP_sha256()
    context = crypto.EVP_MD_CTX_new()
    try:
        holds = crypto.EVP_DigestVerifyInit(context, None, digest, None, key) == 1 and \
            crypto.EVP_DigestVerify(context, signature, len(signature), message, len(message)) == 1
    finally:
        crypto.EVP_MD_CTX_free(context)
    if not holds:
        raise Unverifiable(f"{what}: the signature does not verify")


class Anchors:
    def __init__(self, trusted_root, identity, issuer):
        root = json.load(open(trusted_root))
        self.identity, self.issuer = identity, issuer
        self.logs = {b64(log["logId"]["keyId"]): pem("PUBLIC KEY", b64(log["publicKey"]["rawBytes"])) for log in root["tlogs"]}
        self.authorities = [[pem("CERTIFICATE", b64(c["rawBytes"])) for c in ca["certChain"]["certificates"]]
                            for ca in root["certificateAuthorities"]]
        self.clocks = [[pem("CERTIFICATE", b64(c["rawBytes"])) for c in tsa["certChain"]["certificates"]]
                       for tsa in root.get("timestampAuthorities", [])]

    @functools.lru_cache(maxsize=65536)
    def key_of(self, der):
        """The certificate's key, once it names the expected signer."""
        with Files() as file:
            path = file(pem("CERTIFICATE", der))
            names = openssl("x509", "-in", path, "-noout", "-ext", "subjectAltName").stdout.decode()
            text = openssl("x509", "-in", path, "-noout", "-text").stdout.decode()
            key = openssl("x509", "-in", path, "-noout", "-pubkey").stdout
        if self.identity not in names.replace("URI:", " ").replace("email:", " ").split():
            raise Unverifiable(f"the certificate is for {names.strip()!r}")
        if self.issuer not in text:
            raise Unverifiable("the certificate is of another issuer")
        return key

    @functools.lru_cache(maxsize=65536)
    def chain(self, der, at):
        """The certificate chains to an authority of the trusted root at that second."""
        said = ""
        for *intermediates, root in self.authorities:
            with Files() as file:
                run = openssl("verify", "-no-CApath", "-no-CAstore", "-attime", str(at), "-purpose", "any", "-CAfile", file(root),
                              "-untrusted", file("".join(intermediates)), file(pem("CERTIFICATE", der)))
            if run.returncode == 0:
                return
            said = run.stderr.decode().strip()
        raise Unverifiable(f"the certificate does not chain at {datetime.datetime.fromtimestamp(at, datetime.UTC)}: {said}")

    def is_signer(self, certificate_pem):
        """Whether a certificate (PEM) is for the expected signer, whoever issued it."""
        with Files() as file:
            der = openssl("x509", "-in", file(certificate_pem), "-outform", "DER").stdout
        try:
            return bool(der) and bool(self.key_of(der))
        except Unverifiable:
            return False

    def time_of(self, token, signature):
        """When an authority of the trusted root saw this signature."""
        with Files() as file:
            answer, data = file(token), file(signature)
            text = openssl("ts", "-reply", "-in", answer, "-text").stdout.decode(errors="replace")
            stamped = re.search(r"Time stamp: (\w+ +\d+ [\d:]+)(?:\.\d+)? (\d+) GMT", text)
            if not stamped:
                raise Unverifiable("a timestamp that cannot be read")
            at = datetime.datetime.strptime(" ".join(stamped.groups()), "%b %d %H:%M:%S %Y").replace(tzinfo=datetime.UTC)
            said = "no timestamp authority is trusted"
            for chain in self.clocks:
                run = openssl("ts", "-verify", "-attime", str(int(at.timestamp())), "-data", data, "-in", answer, "-CAfile", file(chain[-1]),
                              "-untrusted", file("".join(chain)))
                if run.returncode == 0:
                    return int(at.timestamp())
                said = run.stderr.decode().strip()
        raise Unverifiable(f"the timestamp does not verify: {said}")

    @functools.lru_cache(maxsize=65536)
    def checkpoint(self, note, log):
        """Size and root that the log signed."""
        text, _, signatures = note.rpartition("\n\n")
        origin, size, root = text.split("\n")[:3]
        for line in signatures.strip().split("\n"):
            if line.split(" ")[1] != origin.split(" ")[0]:
                continue  # a witness
            raw = b64(line.split(" ")[2])[4:]
            try:
                verify_signature(self.logs[log], raw, text + "\n", f"checkpoint of {origin}")
                return int(size), b64(root)
            except Unverifiable:
                continue
        raise Unverifiable(f"checkpoint of {origin}: not signed by the log")


def root_of(leaf, index, size, path):
    """RFC 6962 §2.1.1: the root that the audit path leads to."""
    node, last, path = leaf, size - 1, list(path)
    while last > 0:
        if not path:
            raise Unverifiable("the inclusion proof is too short")
        if index % 2 == 1 or index == last:
            node = hashlib.sha256(b"\x01" + path.pop(0) + node).digest()
            while index % 2 == 0 and index:
                index, last = index // 2, last // 2
        else:
            node = hashlib.sha256(b"\x01" + node + path.pop(0)).digest()
        index, last = index // 2, last // 2
    if path:
        raise Unverifiable("the inclusion proof is too long")
    return node


def is_of(body, signature, certificate, payload, message):
    """The entry (one of `dsse` and `hashedrekord` of Rekor v1, `hashedrekord` of v2) names this signature, certificate and content."""
    document = json.loads(body)
    kind, spec = f"{document['kind']}/{document['apiVersion']}", document["spec"]
    flat = lambda text: text.replace("\n", "")
    named = flat(pem("CERTIFICATE", certificate))
    if kind == "dsse/0.0.1":
        [signed] = spec["signatures"]
        return (b64(signed["signature"]) == signature and flat(b64(signed["verifier"]).decode()) == named
                and spec["payloadHash"]["value"] == hashlib.sha256(payload).hexdigest())
    if kind == "hashedrekord/0.0.1":
        signed = spec["signature"]
        return (b64(signed["content"]) == signature and flat(b64(signed["publicKey"]["content"]).decode()) == named
                and spec["data"]["hash"] == {"algorithm": "sha256", "value": hashlib.sha256(message).hexdigest()})
    record = spec["hashedRekordV002"]
    return (kind == "hashedrekord/0.0.2" and b64(record["signature"]["content"]) == signature
            and b64(record["signature"]["verifier"]["x509Certificate"]["rawBytes"]) == certificate
            and b64(record["data"]["digest"]) == hashlib.sha256(message).digest())


def verify_promise(body, time, log, index, promise, anchors):
    """Rekor v1's signed entry timestamp."""
    if log not in anchors.logs:
        raise Unverifiable("an entry of a log that nobody trusts")
    promised = json.dumps({"body": body, "integratedTime": time, "logID": log.hex(), "logIndex": index}, separators=(",", ":"), sort_keys=True)
    verify_signature(anchors.logs[log], b64(promise), promised, "signed entry timestamp")


def verify(bundle, anchors):
    """Raises Unverifiable, with what does not hold, unless all of it does."""
    material, envelope = bundle["verificationMaterial"], bundle["dsseEnvelope"]
    certificate, payload = b64(material["certificate"]["rawBytes"]), b64(envelope["payload"])
    [signature] = [b64(one["sig"]) for one in envelope["signatures"]]
    kind = envelope["payloadType"].encode()
    message = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    verify_signature(anchors.key_of(certificate), signature, message, "envelope")
    stamps = (material.get("timestampVerificationData") or {}).get("rfc3161Timestamps") or []
    times = [anchors.time_of(b64(one["signedTimestamp"]), signature) for one in stamps]
    if not material["tlogEntries"]:
        raise Unverifiable("no log entry")
    for entry in material["tlogEntries"]:
        log, body, index = b64(entry["logId"]["keyId"]), b64(entry["canonicalizedBody"]), int(entry.get("logIndex", 0))
        if log not in anchors.logs:
            raise Unverifiable("an entry of a log that nobody trusts")
        if not is_of(body, signature, certificate, payload, message):
            raise Unverifiable("the log entry is of another signature")
        if entry["kindVersion"]["version"] == "0.0.1":
            times.append(int(entry["integratedTime"]))
            verify_promise(entry["canonicalizedBody"], times[-1], log, index, entry["inclusionPromise"]["signedEntryTimestamp"], anchors)
        proof = entry["inclusionProof"]
        size, root = anchors.checkpoint(proof["checkpoint"]["envelope"], log)
        if size != int(proof["treeSize"]) or root_of(hashlib.sha256(b"\0" + body).digest(), int(proof.get("logIndex", 0)), size,
                                                     map(b64, proof.get("hashes", []))) != root:
            raise Unverifiable("the inclusion proof does not lead to the checkpoint's root")
    if not times:
        raise Unverifiable("nobody says when it was signed")
    for time in times:
        anchors.chain(certificate, time)


def verify_legacy(payload, annotations, anchors):
    """A layer in cosign's older form, over Rekor v1. That its entry is in the log it does not prove: the caller looks there."""
    certificate_pem = annotations["dev.sigstore.cosign/certificate"]
    certificate = b64("".join(line for line in certificate_pem.splitlines() if "-----" not in line))
    signature = b64(annotations["dev.cosignproject.cosign/signature"])
    verify_signature(anchors.key_of(certificate), signature, payload, "layer")
    logged = json.loads(annotations["dev.sigstore.cosign/bundle"])
    entry = logged["Payload"]
    if not is_of(b64(entry["body"]), signature, certificate, payload, payload):
        raise Unverifiable("the log entry is of another signature")
    verify_promise(entry["body"], entry["integratedTime"], bytes.fromhex(entry["logID"]), entry["logIndex"], logged["SignedEntryTimestamp"], anchors)
    times = [entry["integratedTime"]]
    if stamp := annotations.get("dev.sigstore.cosign/rfc3161timestamp"):
        times.append(anchors.time_of(b64(json.loads(stamp)["SignedRFC3161Timestamp"]), signature))
    for time in times:
        anchors.chain(certificate, time)
