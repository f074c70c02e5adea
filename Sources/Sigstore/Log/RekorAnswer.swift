import OpenSSL
import StrictJSON

/// Rekor v1's JSON for entries: a map from uuid to entry, with hex where bundles have base64.
enum RekorAnswer {
    /// The only entry of a 201 or 200.
    static func entry(in body: [UInt8]) throws(SigstoreError) -> TlogEntry {
        let entries = try entries(of: JSONField(document: "Rekor's answer", parsing: body))
        guard entries.count == 1, let entry = entries.first else {
            throw .malformed("Rekor's answer", "\(entries.count) entries instead of one")
        }
        return entry
    }

    /// All entries of a `retrieve`: an array of such maps.
    static func entries(in body: [UInt8]) throws(SigstoreError) -> [TlogEntry] {
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue(parsing: body)
        } catch {
            throw .malformed("Rekor's answer", error.description)
        }
        var found: [TlogEntry] = []
        for field in try JSONField(value, path: "Rekor's answer").elements(atMost: 64) {
            found += try entries(of: field)
        }
        return found
    }

    private static func entries(of map: JSONField) throws(SigstoreError) -> [TlogEntry] {
        guard case .object(let object) = map.value else { throw map.malformed("not an object") }
        var entries: [TlogEntry] = []
        for member in object.members {
            entries.append(try entry(uuid: member.name, JSONField(member.value, path: "\(map.path).entry")))
        }
        return entries
    }

    private static func entry(uuid: String, _ field: JSONField) throws(SigstoreError) -> TlogEntry {
        guard let name = Hex.decode(uuid), name.count == 32 || name.count == 40 else {
            throw field.malformed("its uuid is not 64 or 80 hex digits")
        }
        let body = try field.required("body").bytes()
        guard Array(name.suffix(32)) == Merkle.leafHash(body) else {
            throw field.malformed("its uuid is not the hash of its body")
        }
        let type = try JSONField(document: "tlog entry body", parsing: body)
        let verification = try field.required("verification")
        let proof = try verification.optional("inclusionProof")
        return TlogEntry(
            logIndex: try field.required("logIndex").count(), logID: try field.required("logID").hex(),
            kind: try type.required("kind").string(), version: try type.required("apiVersion").string(),
            integratedTime: try field.required("integratedTime").count(),
            inclusionPromise: try verification.optional("signedEntryTimestamp")?.bytes(),
            inclusionProof: try proof.map { (proof) throws(SigstoreError) in try inclusionProof(proof) },
            canonicalizedBody: body, uuid: uuid)
    }

    private static func inclusionProof(_ field: JSONField) throws(SigstoreError) -> TlogEntry.InclusionProof {
        var hashes: [[UInt8]] = []
        for hash in try field.optional("hashes")?.elements(atMost: 64) ?? [] { hashes.append(try hash.hex()) }
        return TlogEntry.InclusionProof(
            logIndex: try field.required("logIndex").count(), rootHash: try field.required("rootHash").hex(),
            treeSize: try field.required("treeSize").count(), hashes: hashes,
            checkpoint: try field.optional("checkpoint")?.string() ?? "")
    }
}
