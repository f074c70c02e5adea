import FoundationEssentials
import HTTPTypes
import OpenSSL

/// The timestamp authority as version 2.1 of sigstore/timestamp-authority answers.
struct TimestampSite: LabSite {
    let service = LabService.tsa
    let authorities: Lineage<TimestampAuthority>
    private var authority: TimestampAuthority { authorities.current }

    func isSigningCall(_ path: String) -> Bool { path == "/api/v1/timestamp" }

    func answer(_ request: LabRequest) async throws -> Answer {
        switch (request.method, request.path) {
        case (.post, "/api/v1/timestamp"): return stamp(request)
        case (.get, "/api/v1/timestamp/certchain"):
            return .text(authority.chain.map(\.pem).joined(), type: "application/pem-certificate-chain")
        case (.get, "/ping"): return .text(".", type: "text/plain")
        default: return .json(Refusal(code: 404, message: "path \(request.path) was not found"), status: .notFound)
        }
    }

    private func stamp(_ request: LabRequest) -> Answer {
        let query: TimestampRequest
        do {
            switch request.contentType {
            case "application/timestamp-query": query = try TimestampRequest(der: request.body)
            case "application/json": query = try TimestampRequest(der: try JSONQuery.der(of: request.body))
            default:
                let accepted = "only [application/timestamp-query application/json] are allowed"
                return .json(
                    Refusal(code: 415, message: "unsupported media type \"\(request.contentType)\", \(accepted)"),
                    status: .unsupportedMediaType)
            }
        } catch CryptoError.unsupported(let what) where what.contains("SHA-1") {
            return refusal("Weak hash algorithm in timestamp request")
        } catch {
            return refusal("Error generating timestamp response")
        }
        guard query.policy ?? TimestampAuthority.policy == TimestampAuthority.policy else {
            return refusal("unaccepted policy: requested TSA policy is not supported by the TSA")
        }
        do {
            let isDistorted = request.distortions.contains(.wrongImprint)
            let reply = try authority.issue(isDistorted ? query.ofOtherBytes : query, now: request.now)
            return Answer(.ok, headers: [.contentType: "application/timestamp-reply"], body: reply)
        } catch {
            return refusal("Error generating timestamp response")
        }
    }

    /// Errors, too, come with the media type of a reply.
    private func refusal(_ message: String) -> Answer {
        var answer = Answer.json(Refusal(code: 400, message: message), status: .badRequest, newline: true)
        answer.headers[.contentType] = "application/timestamp-reply"
        return answer
    }

    private struct Refusal: Encodable {
        let code: Int
        let message: String
    }
}

extension TimestampRequest {
    /// The same question about something else.
    fileprivate var ofOtherBytes: TimestampRequest {
        TimestampRequest(imprintOf: imprint, nonce: nonce, requestsCertificates: requestsCertificates)
    }
}

/// The JSON spelling of a timestamp request, which Sigstore's authority takes beside the DER of RFC 3161.
private struct JSONQuery: Decodable {
    let artifactHash: String
    let hashAlgorithm: String
    let certificates: Bool?
    let nonce: UInt64?
    let tsaPolicyOID: String?

    /// The same request as DER, so that there is one reader for both.
    static func der(of json: [UInt8]) throws -> [UInt8] {
        let query = try JSONDecoder().decode(JSONQuery.self, from: Data(json))
        let algorithms = [
            "sha1": "1.3.14.3.2.26", "sha256": "2.16.840.1.101.3.4.2.1", "sha384": "2.16.840.1.101.3.4.2.2",
            "sha512": "2.16.840.1.101.3.4.2.3",
        ]
        guard let oid = algorithms[query.hashAlgorithm.lowercased()], let digest = [UInt8](base64: query.artifactHash)
        else {
            throw CryptoError.unsupported("hash algorithm \(query.hashAlgorithm)")
        }
        let imprint = DER.sequence(DER.sequence(try DER.objectIdentifier(oid), DER.null), DER.octetString(digest))
        return DER.sequence(
            DER.integer(1), imprint, try query.tsaPolicyOID.map(DER.objectIdentifier) ?? [],
            query.nonce.map { DER.integer($0) } ?? [], query.certificates == true ? DER.boolean(true) : [])
    }
}
