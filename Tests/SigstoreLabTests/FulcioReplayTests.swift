import Curl
import FoundationEssentials
import OpenSSL
import Testing

@testable import SigstoreLab

/// Fulcio's recorded requests are bound to foreign keys and long expired tokens: what each did is found out and done
/// again with a key and a token of the lab.
@Suite struct FulcioReplayTests {
    @Test func `Fulcio answers every recorded request with the recorded status and shape`() async throws {
        let exchanges = try RecordedExchange.fixture("fulcio")
        try await RunningLab.run { lab, endpoints, client in
            for exchange in exchanges {
                let what: Comment = "\(exchange.path) \(exchange.requestBody?.text?.prefix(90) ?? "")"
                let response = try await Self.replay(exchange, lab, endpoints, client)
                #expect(response.status == exchange.status, what)
                #expect(response.headers["Content-Type"] == exchange.responseHeader("Content-Type"), what)
                guard let shape = JSONShape(exchange.responseBody?.bytes ?? []) else {
                    #expect(response.body.starts(with: Array("-----BEGIN CERTIFICATE-----".utf8)), what)
                    continue
                }
                #expect(shape.difference(from: try #require(JSONShape(response.body), what)) == nil, what)
            }
        }
    }

    @Test func `a leaf has the recorded profile and a promise that the log's key signed`() async throws {
        let recorded = try Self.leaf(try #require(try RecordedExchange.fixture("fulcio").first?.responseBody?.bytes))
        try await RunningLab.run { lab, endpoints, client in
            let key = try PrivateKey.generate(.ecdsaP256)
            let chain = try await Self.certificates(for: key, lab, endpoints, client)
            let leaf = chain[0]
            #expect(chain.count == 3)
            #expect(leaf.publicKey == key.publicKey)
            #expect(leaf.notAfter.timeIntervalSince(leaf.notBefore) == 600)
            #expect(leaf.subjectAlternativeNames == recorded.subjectAlternativeNames)
            #expect(leaf.extendedKeyUsages == recorded.extendedKeyUsages)
            #expect(leaf.keyUsage == recorded.keyUsage)
            #expect(leaf.isCritical(extension: "2.5.29.17"))
            #expect(leaf.subject == recorded.subject)
            #expect(leaf.extensionValue("1.3.6.1.4.1.57264.1.24") == recorded.extensionValue("1.3.6.1.4.1.57264.1.24"))
            #expect(leaf.extensionValue("1.3.6.1.4.1.57264.1.1") == Array(endpoints.issuer.utf8))
            #expect(leaf.extensionValue("1.3.6.1.4.1.57264.1.8") == DER.utf8String(endpoints.issuer))
            #expect(chain[2].subject.contains("NOT FOR PRODUCTION"))
            let trusted = try JSONDecoder().decode(TrustedLogs.self, from: Data(try await lab.trustedRootJSON))
            let ctKey = try PublicKey(spki: try #require([UInt8](base64: trusted.ctlogs[0].publicKey.rawBytes)))
            let promise = try #require(try leaf.signedCertificateTimestamps().first)
            try promise.verify(for: leaf, issuer: chain[1], key: ctKey)
            _ = try CertificateChain.verify(
                leaf, intermediates: [chain[1]], roots: [chain[2]], at: leaf.notBefore, purpose: .codeSigning)
            #expect(lab.certificatesIssued == 1)
        }
    }

    private struct TrustedLogs: Decodable {
        struct Log: Decodable {
            struct Key: Decodable { let rawBytes: String }
            let publicKey: Key
        }
        let ctlogs: [Log]
    }

    private struct Signed: Decodable {
        struct Embedded: Decodable {
            struct Chain: Decodable { let certificates: [String] }
            let chain: Chain
        }
        let signedCertificateEmbeddedSct: Embedded
    }

    private static func leaf(_ json: [UInt8]) throws -> Certificate { try certificates(json)[0] }

    static func certificates(_ json: [UInt8]) throws -> [Certificate] {
        let signed = try JSONDecoder().decode(Signed.self, from: Data(json))
        return try signed.signedCertificateEmbeddedSct.chain.certificates.map { try Certificate(pem: $0) }
    }

    static func certificates(
        for key: PrivateKey, _ lab: Lab, _ endpoints: LabEndpoints, _ client: HTTPClient
    ) async throws -> [Certificate] {
        let response = try await client.post(
            "\(endpoints.fulcio)/api/v2/signingCert", try request(for: key, over: "system:serviceaccount:ci:signer"),
            bearer: try await lab.token())
        try #require(response.status == 200)
        return try certificates(response.body)
    }

    static func request(for key: PrivateKey, over challenge: String) throws -> [UInt8] {
        struct Body: Encodable {
            struct Request: Encodable {
                let publicKey: [String: String]
                let proofOfPossession: String
            }
            let publicKeyRequest: Request
        }
        return try canonicalJSON(
            Body(
                publicKeyRequest: .init(
                    publicKey: ["content": key.publicKey.pem],
                    proofOfPossession: try key.sign(Array(challenge.utf8)).base64)))
    }

    // MARK: Doing a recorded request again

    private static func replay(
        _ exchange: RecordedExchange, _ lab: Lab, _ endpoints: LabEndpoints, _ client: HTTPClient
    ) async throws -> HTTPResponse {
        let url = endpoints.fulcio + exchange.path
        guard exchange.method == "POST" else { return try await client.get(url) }
        var text = exchange.requestBody?.text ?? ""
        let field = exchange.requestHeader("Authorization").map { String($0.dropFirst("Bearer ".count)) }
        let inBody = try? JSONDecoder().decode(Recorded.self, from: Data(text.utf8))
        let token = field ?? inBody?.credentials?.oidcIdentityToken
        let claims = token.flatMap(claims)
        let fresh = try await reissue(token, claims, recordedAt: exchange.start, lab)
        text = try resign(text, claims: claims)
        if let old = inBody?.credentials?.oidcIdentityToken, let fresh { text = swap(text, old, fresh) }
        return try await client.post(url, Array(text.utf8), bearer: field == nil ? nil : fresh)
    }

    private struct Recorded: Decodable {
        struct Credentials: Decodable { let oidcIdentityToken: String }
        let credentials: Credentials?
    }

    private static func claims(_ token: String) -> Claims? {
        let parts = token.split(separator: ".")
        guard parts.count == 3, let payload = [UInt8](base64URL: parts[1]) else { return nil }
        return try? JSONDecoder().decode(Claims.self, from: Data(payload))
    }

    /// A token of the lab with the same claims; garbage and unknown issuers stay what they are.
    private static func reissue(_ token: String?, _ claims: Claims?, recordedAt: Double, _ lab: Lab) async throws
        -> String?
    {
        guard let claims, let kind = IssuerKind.allCases.first(where: { claims.iss.hasSuffix("/\($0.pathComponent)") })
        else { return token }
        return try await lab.token(
            subject: claims.email ?? claims.sub, audience: claims.aud.values.first,
            lifetime: .seconds(Double(claims.exp) - recordedAt), issuer: kind)
    }

    /// Puts a fresh key of the same algorithm into the body, and a proof over whatever the recorded one was over.
    private static func resign(_ text: String, claims: Claims?) throws -> String {
        let json = try? JSONDecoder.snakeCase.decode(RecordedKey.self, from: Data(text.utf8))
        if let csr = json?.certificateSigningRequest {
            let key = try PrivateKey.generate(.ecdsaP256)
            let fresh = try CertificateRequest.create(key: key, subject: DistinguishedName(commonName: "x"))
            return swap(text, csr, Array(fresh.pem.utf8).base64)
        }
        guard let content = json?.keyContent, let proof = json?.proof, let old = publicKey(content) else { return text }
        let key = try PrivateKey.generate(old.algorithm)
        let signature = try [UInt8](base64: proof).flatMap { try sameProof($0, by: old, claims, with: key) }
        let isPEM = content.hasPrefix("-----")
        let fresh = isPEM ? key.publicKey.pem : key.publicKey.spki.base64
        return swap(swap(text, escaped(content), escaped(fresh)), proof, signature?.base64 ?? proof)
    }

    private static func sameProof(_ proof: [UInt8], by old: PublicKey, _ claims: Claims?, with key: PrivateKey) throws
        -> [UInt8]?
    {
        let account = (claims?.sub ?? "").split(separator: ":").suffix(2)
        let name = "https://kubernetes.io/namespaces/\(account.first ?? "")/serviceaccounts/\(account.last ?? "")"
        for message in [claims?.sub, claims?.email, name].compactMap({ $0 }) {
            for scheme in [nil, SignatureScheme.ecdsa(.sha256)] {
                if (try? old.verify(proof, of: Array(message.utf8), scheme)) != nil {
                    return try key.sign(Array(message.utf8), scheme)
                }
            }
        }
        return nil
    }

    private static func publicKey(_ content: String) -> PublicKey? {
        (try? PublicKey(pem: content)) ?? [UInt8](base64: content).flatMap { try? PublicKey(spki: $0) }
    }

    private static func escaped(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\\n")
    }

    private static func swap(_ text: String, _ old: String, _ new: String) -> String {
        text.split(separator: old, omittingEmptySubsequences: false).joined(separator: new)
    }
}

/// The parts of a recorded request, of either version.
private struct RecordedKey: Decodable {
    struct Key: Decodable { let content: String? }
    struct Request: Decodable {
        let publicKey: Key?
        let proofOfPossession: String?
    }
    let publicKeyRequest: Request?
    let publicKey: Key?
    let signedEmailAddress: String?
    let certificateSigningRequest: String?

    var keyContent: String? { (publicKeyRequest?.publicKey ?? publicKey)?.content }
    var proof: String? { publicKeyRequest?.proofOfPossession ?? signedEmailAddress }
}
