"""SPDX tag-value, attested by cosign itself: what our own of that type is measured by.

The predicate is a text, and clients differ in whether they can read a statement whose predicate is no object. A client that
refuses cosign's own attestation of it can refuse ours; where it takes cosign's, it must take ours.
"""
import copy
from judging import Published, run, sigstore_go, sigstore_python
from plan import DOCUMENTS, TAG_VALUE
from publishing import Subject, push_image
from registry import Repository


def their_tag_value(stack, folder, python):
    """By column: None if the client takes cosign's own, else its last words."""
    stack = copy.copy(stack)  # the lab's services, whatever the stack's daemon uses
    stack.trusted_root = str(stack.folder / "lab" / "trusted_root.json")
    env, said = stack.env, {}
    # without --trusted-root, with which cosign would look at its work and refuse it; nor may it ask the public instance's TUF
    # repository for one: a proxy that is not there
    alone = {"HTTPS_PROXY": "http://127.0.0.1:9", "TUF_ROOT": str(folder / "tuf")}
    ways = {"cosign": ("theirs/bundle", [], ["--signing-config", env["SIGNING_CONFIG"]]),
            "cosign, old": ("theirs/legacy", ["--new-bundle-format=false"], [
                "--use-signing-config=false", "--fulcio-url", env["FULCIO_URL"], "--rekor-url", env["REKOR_URL"], "--oidc-issuer", stack.issuer])}
    for column, (name, form, services) in ways.items():
        digest, _ = push_image(Repository(stack.registry, name), "1.0")
        subject = Subject(stack, None, "theirs", name, digest)
        attested, _, errors = run(["cosign", "attest", "--yes", "--allow-http-registry", *form, *services, "--identity-token",
                                   str(stack.folder / "lab" / "token"), "--type", TAG_VALUE.cosign, "--predicate",
                                   str(DOCUMENTS / TAG_VALUE.file), subject.reference], **alone)
        assert attested, f"cosign attest {name}: {errors}"
        passed, _, errors = run(["cosign", "verify-attestation", "--allow-http-registry", "--trusted-root", stack.trusted_root, *form, "--type",
                                 TAG_VALUE.cosign, "--certificate-identity", stack.identity, "--certificate-oidc-issuer", stack.issuer,
                                 subject.reference])
        said[column] = None if passed else errors.strip().splitlines()[-1].removeprefix("error during command execution: ")
        for _, bundle in Published.read(subject, folder).bundles:
            passed, errors = sigstore_go(subject, bundle)
            said["sigstore-go"] = None if passed else errors
            job = {"bundle": str(bundle), "digest": digest, "identity": stack.identity, "issuer": stack.issuer}
            [said["sigstore-python"]] = sigstore_python(python, stack, [job])
    return said
