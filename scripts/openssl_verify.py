"""Verifies a signature bundle with the openssl program and arithmetic of its own: no line of the daemon's code.

Signature over the envelope, certificate chain at the time of the log entry, identity and issuer, the log entry being of this
very signature, inclusion proof, checkpoint, signed entry timestamp. Certificates and checkpoints recur, so they are judged once.
"""
import base64, datetime, functools, hashlib, json, os, subprocess, tempfile


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


def verify_signature(key_pem, signature, message, what):
    with Files() as file:
        run = openssl("dgst", "-sha256", "-verify", file(key_pem), "-signature", file(signature), file(message))
    if run.returncode != 0:
        raise Unverifiable(f"{what}: the signature does not verify")


class Anchors:
    def __init__(self, trusted_root, identity, issuer):
        root = json.load(open(trusted_root))
        self.identity, self.issuer = identity, issuer
        self.logs = {b64(log["logId"]["keyId"]): pem("PUBLIC KEY", b64(log["publicKey"]["rawBytes"])) for log in root["tlogs"]}
        self.authorities = [[pem("CERTIFICATE", b64(c["rawBytes"])) for c in ca["certChain"]["certificates"]]
                            for ca in root["certificateAuthorities"]]

    @functools.lru_cache(maxsize=4096)
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

    @functools.lru_cache(maxsize=65536)
    def checkpoint(self, note, log):
        """Size and root that the log signed."""
        text, _, signatures = note.rpartition("\n\n")
        origin, size, root = text.split("\n")[:3]
        for line in signatures.strip().split("\n"):
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


def is_of(body, envelope, certificate, payload):
    """Rekor v1's `dsse`: the entry names this signature, this certificate and this payload."""
    spec = json.loads(body)["spec"]
    [signed] = spec["signatures"]
    same_key = b64(signed["verifier"]).decode().replace("\n", "") == pem("CERTIFICATE", certificate).replace("\n", "")
    return (signed["signature"] == envelope["signatures"][0]["sig"] and same_key
            and spec["payloadHash"]["value"] == hashlib.sha256(payload).hexdigest())


def verify(bundle, anchors):
    """Raises Unverifiable, with what does not hold, unless all of it does. For bundles over Rekor v1."""
    material, envelope = bundle["verificationMaterial"], bundle["dsseEnvelope"]
    certificate, payload = b64(material["certificate"]["rawBytes"]), b64(envelope["payload"])
    kind = envelope["payloadType"].encode()
    message = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    verify_signature(anchors.key_of(certificate), b64(envelope["signatures"][0]["sig"]), message, "envelope")
    for entry in material["tlogEntries"]:
        log, body, time = b64(entry["logId"]["keyId"]), b64(entry["canonicalizedBody"]), int(entry.get("integratedTime", 0))
        if log not in anchors.logs:
            raise Unverifiable("an entry of a log that nobody trusts")
        anchors.chain(certificate, time)
        if not is_of(body, envelope, certificate, payload):
            raise Unverifiable("the log entry is of another signature")
        promised = json.dumps({"body": entry["canonicalizedBody"], "integratedTime": time, "logID": log.hex(),
                               "logIndex": int(entry.get("logIndex", 0))}, separators=(",", ":"), sort_keys=True)
        verify_signature(anchors.logs[log], b64(entry["inclusionPromise"]["signedEntryTimestamp"]), promised, "signed entry timestamp")
        proof = entry["inclusionProof"]
        size, root = anchors.checkpoint(proof["checkpoint"]["envelope"], log)
        if size != int(proof["treeSize"]) or root_of(hashlib.sha256(b"\0" + body).digest(), int(proof.get("logIndex", 0)), size,
                                                     map(b64, proof.get("hashes", []))) != root:
            raise Unverifiable("the inclusion proof does not lead to the checkpoint's root")
