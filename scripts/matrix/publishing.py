"""Subjects and documents reach the stacks as they do in the field: a push to the registry, a document to the API."""
import json, pathlib, time, urllib.error, urllib.parse, uuid
from dataclasses import dataclass
from plan import SUBJECTS
from registry import INDEX, MANIFEST, Repository, call, sha256

PATIENCE = 600  # seconds for all of a stack to be signed


class Stack:
    """Where everything is, from the demo.env of scripts/stack."""

    def __init__(self, name, folder):
        env = dict(line.split("=", 1) for line in (folder / "demo.env").read_text().splitlines())
        self.name, self.folder = name, folder
        self.registry, self.api, self.trusted_root = env["REGISTRY"], env["COUNTERSIGN_API"], env["TRUSTED_ROOT"]
        self.identity, self.issuer = env["CERT_IDENTITY"], env["CERT_ISSUER"]
        self.env = env
        self.token = pathlib.Path(env["COUNTERSIGN_TOKEN_FILE"]).read_text().strip()

    def ask(self, method, path, body=None, **query):
        url = f"{self.api}{path}?{urllib.parse.urlencode(query)}"
        try:
            return json.loads(call(method, url, body, Authorization=f"Bearer {self.token}")[1])
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path} {query}: {error.code} {error.read().decode(errors='replace')}") from error


@dataclass(frozen=True)
class Subject:
    """One signed thing: an image, an index, one of its children, an artifact."""
    stack: Stack
    configuration: object
    kind: str
    repository: str
    digest: str

    @property
    def reference(self):
        return f"{self.stack.registry}/{self.repository}@{self.digest}"

    @property
    def attestations(self):
        return SUBJECTS[self.kind]

    @property
    def content(self):
        return Repository(self.stack.registry, self.repository)


def encoded(value):
    return json.dumps(value, separators=(",", ":")).encode()


def push_image(repository, tag=None, architecture="amd64"):
    layer = b"a layer of the interoperability matrix\n"
    config = encoded({"architecture": architecture, "os": "linux", "config": {}, "nonce": str(uuid.uuid4()),
                      "rootfs": {"type": "layers", "diff_ids": [sha256(layer)]}})
    return push(repository, tag, {
        "schemaVersion": 2, "mediaType": MANIFEST, "config": blob(repository, "application/vnd.oci.image.config.v1+json", config),
        "layers": [blob(repository, "application/vnd.oci.image.layer.v1.tar", layer)]})


def push_index(repository, tag):
    """The index, and one of its children."""
    children = []
    for architecture in ("amd64", "arm64"):
        digest, size = push_image(repository, architecture=architecture)
        children.append({"mediaType": MANIFEST, "digest": digest, "size": size, "platform": {"architecture": architecture, "os": "linux"}})
    return push(repository, tag, {"schemaVersion": 2, "mediaType": INDEX, "manifests": children})[0], children[0]["digest"]


def push_artifact(repository, tag):
    return push(repository, tag, {
        "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "application/vnd.example.sample.v1",
        "config": blob(repository, "application/vnd.oci.empty.v1+json", b"{}"),
        "layers": [blob(repository, "application/yaml", f"kind: Sample\nnonce: {uuid.uuid4()}\n".encode())]})


def blob(repository, media_type, raw):
    repository.push_blob(raw)
    return {"mediaType": media_type, "digest": sha256(raw), "size": len(raw)}


def push(repository, tag, manifest):
    raw = encoded(manifest)
    repository.push_manifest(tag or sha256(raw), manifest["mediaType"], raw)
    return sha256(raw), len(raw)


def publish(stack, configuration):
    """Everything of one configuration; the documents are sent at once, though nothing is signed yet."""
    def repository(name):
        return Repository(stack.registry, f"{configuration.folder}/{name}")
    digests = {}
    for about in ("", "tag-value "):
        folder = about.strip() or "all"
        index, child = push_index(repository(f"{folder}/index"), "1.0")
        digests |= {
            f"{about}image": (f"{folder}/image", push_image(repository(f"{folder}/image"), "1.0")[0]),
            f"{about}index": (f"{folder}/index", index), f"{about}child": (f"{folder}/index", child),
            f"{about}artifact": (f"{folder}/artifact", push_artifact(repository(f"{folder}/artifact"), "1.0")[0])}
    subjects = [Subject(stack, configuration, kind, f"{configuration.folder}/{name}", digest) for kind, (name, digest) in digests.items()]
    for subject in subjects:
        for one in subject.attestations:
            stack.ask("PUT", "/v1/attestations", one.document, ref=subject.reference, type=one.name)
    return subjects


def wait(subjects):
    """Until every subject is signed and every document attached. What ended otherwise is raised, with its own words."""
    end = time.monotonic() + PATIENCE
    for subject in subjects:
        # a child is refused as a push without a tag before it is signed through its index
        final = {"signed", "failed", "gone"} | (set() if subject.kind.endswith("child") else {"refused"})
        while (answer := subject.stack.ask("GET", "/v1/artifacts", ref=subject.reference, wait="10s"))["state"] not in final:
            assert time.monotonic() < end, f"{subject.reference} is not signed: {answer}"
            time.sleep(0.1)
        assert answer["state"] == "signed", f"{subject.reference}: {answer}"
        while True:
            listed = subject.stack.ask("GET", "/v1/attestations", ref=subject.reference)["attestations"]
            ended = [one for one in listed if one["state"] in ("failed", "refused", "gone", "cancelled")]
            assert not ended, f"{subject.reference}: {ended}"
            if [one["state"] for one in listed] == ["signed"] * len(subject.attestations):
                break
            assert time.monotonic() < end, f"{subject.reference}: {listed}"
            time.sleep(0.1)
