"""sigstore-python's verifier over many bundles, in one process: what `sigstore verify identity --offline` does with each.

    PYTHON sigstore_python.py TRUSTED_ROOT <JOBS >ANSWERS

A job: {"bundle": file, "digest": "sha256:…", "identity": SAN, "issuer": URL}. An answer, in their order: {"error": text or null}.
"""
import json, pathlib, sys
from sigstore.dsse import Statement
from sigstore.models import Bundle, TrustedRoot
from sigstore.verify import Verifier
from sigstore.verify.policy import Identity

verifier = Verifier(trusted_root=TrustedRoot.from_file(sys.argv[1]))


def verify(job):
    bundle = Bundle.from_json(pathlib.Path(job["bundle"]).read_text())
    payload_type, payload = verifier.verify_dsse(bundle, Identity(identity=job["identity"], issuer=job["issuer"]))
    if payload_type != "application/vnd.in-toto+json":
        raise ValueError(f"payload type {payload_type}")
    Statement(payload)  # refuses what is no statement by its own model
    digests = [subject["digest"].get("sha256") for subject in json.loads(payload)["subject"]]
    if job["digest"].removeprefix("sha256:") not in digests:
        raise ValueError("the statement has no such subject")


for line in sys.stdin:
    try:
        verify(json.loads(line))
        print(json.dumps({"error": None}))
    except Exception as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"[:500]}))
