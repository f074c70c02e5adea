"""What is published, and under which rule: the rows of the matrix.

A configuration is one rule of the policy of one stack. Stacks: `stamped` (the lab's Rekor v1 and v2, and its timestamp
authority), `plain` (Rekor v1 alone) and `real` (the real Rekor v2 and timestamp authority; the lab is Fulcio, and Rekor v1 for
what is legacy). Every type of attestation stands on every kind of subject.
"""
import json, os, pathlib
from dataclasses import dataclass

DOCUMENTS = pathlib.Path(__file__).resolve().parents[2] / "seeds" / "documents"
SIGNATURE = "https://sigstore.dev/cosign/sign/v1"


@dataclass(frozen=True)
class Configuration:
    name: str
    stack: str
    formats: tuple
    log: str

    @property
    def stamped(self):
        return self.stack != "plain"

    @property
    def folder(self):
        """Under which its repositories stand."""
        return f"interop/{self.name}"

    def rule(self):
        return (f'- {{name: {self.name}, repositories: ["*/{self.folder}/**"], index: both, '
                f'formats: [{", ".join(self.formats)}], log: {self.log}}}')


BUNDLE, LEGACY = ("bundle",), ("legacy",)
BOTH = BUNDLE + LEGACY

CONFIGURATIONS = [
    Configuration("bundle-v1", "plain", BUNDLE, "rekor"),
    Configuration("bundle-v1-tsa", "stamped", BUNDLE, "rekor"),
    Configuration("bundle-v2-tsa", "stamped", BUNDLE, "tiles"),
    Configuration("bundle-v2-tsa-real", "real", BUNDLE, "tiles"),
    Configuration("legacy-v1", "plain", LEGACY, "rekor"),
    Configuration("legacy-v1-tsa", "stamped", LEGACY, "rekor"),
    Configuration("both-v1", "plain", BOTH, "rekor"),
    Configuration("both-v1-tsa", "stamped", BOTH, "rekor"),
    # the bundle in Rekor v2; the legacy format has no room for such an entry and takes the first Rekor v1
    Configuration("both-v2-v1-tsa", "stamped", BOTH, "tiles"),
    Configuration("both-v2-v1-tsa-real", "real", BOTH, "tiles"),
]
if only := os.environ.get("ONLY", "").split():
    CONFIGURATIONS = [one for one in CONFIGURATIONS if one.name in only]


@dataclass(frozen=True)
class Attestation:
    """One type of document: `name` for our API, `cosign` for its --type."""
    name: str
    cosign: str
    uri: str
    file: str

    @property
    def document(self):
        return (DOCUMENTS / self.file).read_bytes()

    def is_predicate(self, predicate):
        """Whether a statement's predicate is this document."""
        text = self.document
        if self.name == "spdx":
            return predicate == text.decode()
        if self.name == "custom":
            return predicate["Data"] == text.decode()
        return predicate == json.loads(text)


def of(name, uri, file, cosign=None):
    return Attestation(name, cosign or name, uri, file)


TAG_VALUE = of("spdx", "https://spdx.dev/Document", "sbom.spdx")
SPDX_JSON = of("spdxjson", "https://spdx.dev/Document", "sbom.spdx.json")
OPEN_VEX = of("openvex", "https://openvex.dev/ns", "openvex.json")
CSAF, TEST_RESULT, REVIEW = ("https://docs.oasis-open.org/csaf/csaf/v2.0/csaf_json_schema.json",
                             "https://in-toto.io/attestation/test-result/v0.1", "https://example.com/review/v1")
EVERY_TYPE = [
    SPDX_JSON,
    of("cyclonedx", "https://cyclonedx.org/bom", "sbom.cyclonedx.json"),
    OPEN_VEX,
    of("csaf", CSAF, "csaf.json", cosign=CSAF),
    of("slsaprovenance", "https://slsa.dev/provenance/v0.2", "provenance-v0.2.json"),
    of("slsaprovenance1", "https://slsa.dev/provenance/v1", "provenance-v1.json"),
    of("vuln", "https://cosign.sigstore.dev/attestation/vuln/v1", "vulnerability-scan.json"),
    of("test-result", TEST_RESULT, "test-result.json", cosign=TEST_RESULT),
    of("link", "https://in-toto.io/Link/v1", "link.json"),
    of("custom", "https://cosign.sigstore.dev/attestation/v1", "release-notes.txt"),
    of(REVIEW, REVIEW, "review.json"),
]
# VEX by its other name
BY_OTHER_NAMES = [of("vex", OPEN_VEX.uri, OPEN_VEX.file, cosign="openvex") if one is OPEN_VEX else one for one in EVERY_TYPE]

# What is attested of each kind of subject. SPDX tag-value has subjects of its own: it has SPDX JSON's predicate type, so that
# a client which cannot read the one would be content with the other beside it.
KINDS = ["image", "index", "child", "artifact"]
SUBJECTS = {kind: BY_OTHER_NAMES if kind == "index" else EVERY_TYPE for kind in KINDS} | {f"tag-value {kind}": [TAG_VALUE] for kind in KINDS}


def rules(stack):
    """The lines for the policy of a stack, in the template's indentation."""
    return "\n    ".join(one.rule() for one in CONFIGURATIONS if one.stack == stack)
