import FoundationEssentials
import OpenSSL

/// An entry as a client proposes it, checked and brought into the form that is logged.
struct ProposedEntry: Sendable {
    /// RFC 8785 JSON: the leaf of the tree.
    let canonicalBody: [UInt8]
    /// What `index/retrieve` finds it by.
    let searchKeys: [String]

    init(canonicalBody: [UInt8], searchKeys: [String]) {
        self.canonicalBody = canonicalBody
        self.searchKeys = searchKeys.map { $0.lowercased() }
    }

    /// Reads `{"apiVersion":…,"kind":…,"spec":{…}}`.
    init(json: [UInt8]) throws(RekorRefusal) {
        let head = try Self.decode(Head.self, json)
        guard let kind = head.kind else { throw .invalid(code: 602, "kind in body is required") }
        do {
            switch (kind, head.apiVersion) {
            case ("hashedrekord", "0.0.1"?): self = try HashedRekord(json: json).entry()
            case ("dsse", "0.0.1"?): self = try LoggedEnvelope(json: json).entry()
            case ("intoto", "0.0.2"?): self = try LoggedAttestation(json: json).entry()
            case ("hashedrekord", _), ("dsse", _), ("intoto", _):
                throw RekorRefusal.entry("entry kind '\(kind)' does not support version '\(head.apiVersion ?? "")'")
            default: throw RekorRefusal.invalid(code: 422, "invalid kind value: \"\(kind)\"")
            }
        } catch let refusal as RekorRefusal {
            throw refusal
        } catch {
            throw .entry("\(error)")
        }
    }

    static func decode<T: Decodable>(_ type: T.Type, _ json: [UInt8]) throws(RekorRefusal) -> T {
        do {
            return try JSONDecoder().decode(type, from: Data(json))
        } catch DecodingError.dataCorrupted {
            throw .broken("unexpected EOF")
        } catch {
            throw .entry("unmarshalling entry: a field is missing or has the wrong type")
        }
    }

    /// The leaf written with sorted keys.
    static func canonical(kind: String, version: String, spec: some Encodable) throws -> [UInt8] {
        try canonicalJSON(Canonical(apiVersion: version, kind: kind, spec: spec))
    }

    private struct Head: Decodable {
        let apiVersion: String?
        let kind: String?
    }

    private struct Canonical<Spec: Encodable>: Encodable {
        let apiVersion: String
        let kind: String
        let spec: Spec
    }
}

/// `{"algorithm":…,"value":hex}`, in proposals and in canonical bodies.
struct LoggedHash: Codable {
    let algorithm: String
    let value: String

    init(sha256 bytes: [UInt8]) {
        algorithm = "sha256"
        value = Hash.sha256(bytes).hex
    }

    var searchKey: String { "\(algorithm):\(value)" }
}

/// The digests of an in-toto statement's subjects: by these an image finds its attestations in the index.
enum StatementSubjects {
    private struct Statement: Decodable {
        struct Subject: Decodable { let digest: [String: String]? }
        let subject: [Subject]?
    }

    static func searchKeys(payload: [UInt8], type: String) -> [String] {
        guard type == "application/vnd.in-toto+json",
            let statement = try? JSONDecoder().decode(Statement.self, from: Data(payload))
        else { return [] }
        return (statement.subject ?? []).flatMap { ($0.digest ?? [:]).map { "\($0.key):\($0.value)" } }
    }
}
