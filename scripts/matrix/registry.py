"""A registry's repository over its HTTP API, as far as scripts need one: whole manifests and blobs, no retries."""
import hashlib, json, urllib.error, urllib.request

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
ANY = ",".join([MANIFEST, INDEX, "application/vnd.docker.distribution.manifest.v2+json",
                "application/vnd.docker.distribution.manifest.list.v2+json"])


def call(method, url, body=None, **headers):
    """The answer's headers and body. Anything but 2xx is raised."""
    request = urllib.request.Request(url, data=body, method=method, headers={k.replace("_", "-"): v for k, v in headers.items()})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.headers, answer.read()


def sha256(raw):
    return "sha256:" + hashlib.sha256(raw).hexdigest()


class Repository:
    def __init__(self, registry, name):
        self.base = f"http://{registry}/v2/{name}"

    def manifest(self, reference):
        headers, raw = call("GET", f"{self.base}/manifests/{reference}", Accept=ANY)
        return headers["Content-Type"], raw

    def manifest_if_there(self, reference):
        """Parsed; None only where the registry says that there is none."""
        try:
            return json.loads(self.manifest(reference)[1])
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return None

    def blob(self, digest):
        return call("GET", f"{self.base}/blobs/{digest}")[1]

    def push_blob(self, raw):
        headers, _ = call("POST", f"{self.base}/blobs/uploads/", b"")
        where = headers["Location"]
        call("PUT", where + ("&" if "?" in where else "?") + "digest=" + sha256(raw), raw, Content_Type="application/octet-stream")

    def push_manifest(self, reference, media_type, raw):
        call("PUT", f"{self.base}/manifests/{reference}", raw, Content_Type=media_type)
