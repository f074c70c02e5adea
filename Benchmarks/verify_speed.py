"""The same bundles by sigstore-python, in one process, the trusted root parsed once: verify_speed.py DIRECTORY [COUNT]"""
import pathlib, sys, time
from sigstore.models import Bundle, TrustedRoot
from sigstore.verify import Verifier
from sigstore.verify.policy import OIDCIssuer

folder = pathlib.Path(sys.argv[1])
count = int(sys.argv[2]) if len(sys.argv) > 2 else 200
root = TrustedRoot.from_file(str(folder / "trusted_root.json"))
verifier = Verifier(trusted_root=root)
policy = OIDCIssuer((folder / "issuer").read_text())
for name in ("plain", "stamped"):
    texts = [(folder / f"{name}-{i}.json").read_text() for i in range(count)]
    start = time.process_time()
    for text in texts:
        verifier.verify_dsse(Bundle.from_json(text), policy)
    seconds = time.process_time() - start
    print(f"sigstore-python, {name}: {count} bundles in {seconds * 1000:.0f} ms: {count / seconds:.0f} a second on one core")
