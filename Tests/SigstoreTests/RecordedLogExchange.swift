import OpenSSL
import StrictJSON
import Testing

@testable import Sigstore

/// One recorded `POST` of an entry to a real Rekor, version 1 or 2.
struct RecordedLogExchange: Sendable, CustomTestStringConvertible {
    let scenario: String
    let number: Int
    let path: String
    let request: [UInt8]
    let status: Int
    let headers: [String]
    let answer: String

    var testDescription: String { "\(scenario) \(number)" }
    var isV2: Bool { path.hasPrefix("/api/v2/") }

    static let all: [RecordedLogExchange] = {
        let lines = (try? Fixture.bytes("log_exchanges.jsonl").split(separator: 0x0A)) ?? []
        return lines.compactMap { line in
            guard let json = try? JSONValue(parsing: Array(line)), case .object(let headers) = json["headers"] else {
                return nil
            }
            return RecordedLogExchange(
                scenario: json["scenario"]?.text ?? "", number: json["seq"]?.integer ?? 0,
                path: json["path"]?.text ?? "", request: Array((json["request"]?.text ?? "").utf8),
                status: json["status"]?.integer ?? 0,
                headers: headers.members.map { "\($0.name): \($0.value.text ?? "")" },
                answer: json["answer"]?.text ?? "")
        }
    }()

    static func scenario(_ name: String) throws -> RecordedLogExchange {
        guard let found = all.first(where: { $0.scenario == name }) else { throw Fixture.Missing(path: name) }
        return found
    }

    /// What was submitted, read back from the request.
    func submission() throws -> LogSubmission {
        let json = try JSONValue(parsing: request)
        if isV2 {
            let hashed = json["hashedRekordRequestV002"]
            let verifier = hashed?["signature"]?["verifier"]
            let signer: LogSubmission.Signer =
                if let der = Self.bytes(verifier?["x509Certificate"]?["rawBytes"]) {
                    .certificate(try Certificate(der: der))
                } else {
                    .publicKey(try PublicKey(spki: Self.bytes(verifier?["publicKey"]?["rawBytes"]) ?? []))
                }
            return LogSubmission(
                .message(
                    digest: Self.bytes(hashed?["digest"]) ?? [],
                    signature: Self.bytes(hashed?["signature"]?["content"]) ?? []), by: signer)
        }
        let spec = json["spec"]
        if let proposed = spec?["proposedContent"] {
            let envelope = try Envelope(json: Array((proposed["envelope"]?.text ?? "").utf8))
            guard case .array(let verifiers) = proposed["verifiers"] else { throw Fixture.Missing(path: "verifiers") }
            return LogSubmission(.envelope(envelope), by: try Self.signer(pem: verifiers.first))
        }
        return LogSubmission(
            .message(
                digest: Hex.decode(spec?["data"]?["hash"]?["value"]?.text ?? "") ?? [],
                signature: Self.bytes(spec?["signature"]?["content"]) ?? []),
            by: try Self.signer(pem: spec?["signature"]?["publicKey"]?["content"]))
    }

    private static func bytes(_ value: JSONValue?) -> [UInt8]? { (value?.text).flatMap { Base64.decode($0) } }

    private static func signer(pem: JSONValue?) throws -> LogSubmission.Signer {
        let text = String(decoding: bytes(pem) ?? [], as: UTF8.self)
        return text.contains("BEGIN CERTIFICATE")
            ? .certificate(try Certificate(pem: text)) : .publicKey(try PublicKey(pem: text))
    }
}
