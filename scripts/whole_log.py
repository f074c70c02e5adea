"""Reads a transparency log from its first entry to its last and proves that this is all of it: the entries' hashes must lead to
the root that the log states. Rekor v1 by index, Rekor v2 from its tiles (scripts/tiles). No line of the daemon's code.
"""
import base64, concurrent.futures, hashlib, json, pathlib, subprocess, urllib.request
from dataclasses import dataclass


@dataclass(frozen=True)
class Signed:
    """One signature of an entry: the raw bytes, and who made it: a certificate or a key, PEM."""
    signature: bytes
    verifier: str


@dataclass(frozen=True)
class Entry:
    index: int
    body: bytes
    signed: tuple
    subject: str  # the hash that was signed: of the payload (v1), of the envelope's encoding (v2), hexadecimal

    @property
    def leaf(self):
        return hashlib.sha256(b"\0" + self.body).digest()


def b64(text):
    return base64.b64decode(text)


def pem_certificate(der):
    return f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(der).decode()}-----END CERTIFICATE-----\n"


def read(index, body):
    """An entry of one of the four kinds that are known here. Any other one is an error: it could be anybody's."""
    document = json.loads(body)
    kind, spec = f"{document['kind']}/{document['apiVersion']}", document["spec"]
    if kind == "dsse/0.0.1":
        signed = [Signed(b64(one["signature"]), b64(one["verifier"]).decode()) for one in spec["signatures"]]
        return Entry(index, body, tuple(signed), spec["payloadHash"]["value"])
    if kind == "hashedrekord/0.0.1":
        one = spec["signature"]
        return Entry(index, body, (Signed(b64(one["content"]), b64(one["publicKey"]["content"]).decode()),), spec["data"]["hash"]["value"])
    if kind == "intoto/0.0.2":
        signed = [Signed(b64(b64(one["sig"])), b64(one["publicKey"]).decode()) for one in spec["content"]["envelope"]["signatures"]]
        return Entry(index, body, tuple(signed), spec["content"]["payloadHash"]["value"])
    if kind == "hashedrekord/0.0.2":
        record = spec["hashedRekordV002"]
        verifier = record["signature"]["verifier"]
        pem = pem_certificate(b64(verifier["x509Certificate"]["rawBytes"])) if "x509Certificate" in verifier else ""
        return Entry(index, body, (Signed(b64(record["signature"]["content"]), pem),), b64(record["data"]["digest"]).hex())
    raise ValueError(f"entry {index} is of a kind that is not known here: {kind}")


def root(hashes):
    """RFC 6962 §2.1: an unpaired node rises as it is."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    while len(hashes) > 1:
        pairs = [hashlib.sha256(b"\1" + a + b).digest() for a, b in zip(hashes[::2], hashes[1::2])]
        hashes = pairs + hashes[len(pairs) * 2:]
    return hashes[0]


def ask(url, body=None):
    fields = {"Content-Type": "application/json"} if body is not None else {}
    with urllib.request.urlopen(urllib.request.Request(url, data=body, headers=fields), timeout=60) as answer:
        return json.loads(answer.read())


def rekor_v1(url):
    """Every entry of all shards. Ten at a time, which is what the log gives."""
    head = ask(f"{url}/api/v1/log")
    shards = (head.get("inactiveShards") or []) + [head]
    total = sum(int(shard["treeSize"]) for shard in shards)

    def some(first):
        wanted = list(range(first, min(first + 10, total)))
        answer = ask(f"{url}/api/v1/log/entries/retrieve", json.dumps({"logIndexes": wanted}).encode())
        found = {entry["logIndex"]: b64(entry["body"]) for one in answer for entry in one.values()}
        if sorted(found) != wanted:
            raise ValueError(f"the log was asked for the entries {wanted[0]} to {wanted[-1]} and gave {sorted(found)}")
        return [read(index, found[index]) for index in wanted]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        entries = [entry for found in pool.map(some, range(0, total, 10)) for entry in found]
    first = 0
    for shard in shards:
        size = int(shard["treeSize"])
        if root([entry.leaf for entry in entries[first:first + size]]).hex() != shard["rootHash"]:
            raise ValueError(f"the entries {first} to {first + size - 1} do not lead to the root that the log states")
        first += size
    return entries


def rekor_v2(url):
    """Every entry of the tiles; scripts/tiles proves them against the checkpoint."""
    script = pathlib.Path(__file__).with_name("tiles")
    lines = subprocess.run([script, url, "--entries"], check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    return [read(int(line.split(" ")[0]), b64(line.rsplit(" ", 1)[1])) for line in lines]
