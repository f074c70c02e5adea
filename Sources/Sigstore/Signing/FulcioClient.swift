public import Curl
public import FoundationEssentials
public import OpenSSL
import StrictJSON
import Synchronization

/// Fulcio's API v2: an identity token and proof of a key against a short-lived certificate.
public final class FulcioClient: Sendable {
    private let upstream: Upstream
    private let audience: String
    private let now: @Sendable () -> Date
    private let knownIssuers = Mutex<(readAt: Date, issuers: [FulcioIssuer])>((.distantPast, []))

    /// How long what Fulcio said about its issuers is believed: for what to sign, and in the words of a refusal.
    private static let issuersLife = (challenge: 3600.0, refusal: 60.0)

    /// A client of the Fulcio at `url`; `audience` is what its configuration demands of tokens.
    public init(
        url: String, http: HTTPClient, route: HTTPRoute = .init(), audience: String = "sigstore",
        now: @escaping @Sendable () -> Date = { Date() }
    ) {
        upstream = Upstream(.fulcio, url: url, http: http, route: route)
        self.audience = audience
        self.now = now
    }

    /// Obtains a certificate for `key`: `POST /api/v2/signingCert`.
    ///
    /// The proof of possession is a signature over the claim Fulcio challenges. Fulcio answers every token fault with one
    /// 400, so the token's own claims are examined to name it.
    /// - Throws: ``SigstoreError``; `identity.…` where the token explains the refusal.
    public func issue(key: PrivateKey, token: IdentityToken) async throws(SigstoreError) -> SigningCertificate {
        let body = try Self.request(key: key, challenge: await challenge(for: token))
        let response = try await upstream.post(
            "/api/v2/signingCert", body, type: "application/json", authorization: token.withBearer { "Bearer \($0)" })
        guard response.status == 200 || response.status == 201 else { throw await refusal(response, of: token) }
        let certificate = try Self.certificate(from: response.body)
        guard certificate.leaf.publicKey == key.publicKey else {
            throw .badAnswer(.fulcio, detail: "the certificate is for another key", answerMayBeLost: false)
        }
        return certificate
    }

    /// The issuers this Fulcio accepts: `GET /api/v2/configuration`.
    public func issuers() async throws(SigstoreError) -> [FulcioIssuer] {
        let response = try await upstream.get("/api/v2/configuration")
        guard response.status == 200 else { throw upstream.failure(response, posted: false) }
        let issuers: [FulcioIssuer]
        do throws(SigstoreError) {
            let document = try JSONField(document: "Fulcio's configuration", parsing: response.body)
            issuers = try document.optional("issuers")?.elements(atMost: 1024).map(FulcioIssuer.init) ?? []
        } catch {
            throw .badAnswer(.fulcio, detail: error.observed, answerMayBeLost: false)
        }
        knownIssuers.withLock { $0 = (now(), issuers) }
        return issuers
    }

    /// What to sign as proof of possession. Only an e-mail address leaves a choice: Fulcio is then asked which claim it
    /// wants of this issuer, once an hour; if it does not say, the token's own looks decide.
    private func challenge(for token: IdentityToken) async -> String {
        guard token.claims.email != nil else { return token.proofSubject }
        let issuers = await issuers(youngerThan: Self.issuersLife.challenge)
        return FulcioIssuer.accepting(token.claims.issuer, among: issuers)?.challenge(of: token.claims)
            ?? token.proofSubject
    }

    /// What Fulcio said lately, or says now; empty if it does not say.
    private func issuers(youngerThan age: TimeInterval) async -> [FulcioIssuer] {
        let known = knownIssuers.withLock { $0 }
        if abs(now().timeIntervalSince(known.readAt)) < age { return known.issuers }
        return (try? await issuers()) ?? []
    }

    private static func request(key: PrivateKey, challenge: String) throws(SigstoreError) -> [UInt8] {
        let proof: [UInt8]
        do throws(CryptoError) {
            proof = try key.sign(Array(challenge.utf8))
        } catch {
            throw .crypto("proof of possession", error)
        }
        // Fulcio goes by the PEM; the name is informative
        let algorithm =
            switch key.algorithm {
            case .rsa: "RSA_PSS"
            case .ed25519: "ED25519"
            default: "ECDSA"
            }
        return JSONValue.object([
            "publicKeyRequest": .object([
                "publicKey": .object(["algorithm": .string(algorithm), "content": .string(key.publicKey.pem)]),
                "proofOfPossession": .string(Base64.encode(proof)),
            ])
        ]).encoded()
    }

    /// The certificate in an answer, whichever of its two forms it has.
    static func certificate(from body: [UInt8]) throws(SigstoreError) -> SigningCertificate {
        let answer: JSONField
        do throws(SigstoreError) {
            answer = try JSONField(document: "Fulcio's answer", parsing: body)
            // with a certificate transparency log the SCT is inside the certificate, without one beside it and empty. One
            // that is really beside it is of no use: no form of a signature carries it to those who verify
            let detached = try answer.optional("signedCertificateDetachedSct")
            guard let signed = try answer.optional("signedCertificateEmbeddedSct") ?? detached else {
                throw answer.malformed("neither signedCertificateEmbeddedSct nor signedCertificateDetachedSct")
            }
            var chain: [Certificate] = []
            for field in try signed.required("chain").required("certificates").elements(atMost: 10) {
                let pem = try field.string()
                do throws(CryptoError) {
                    chain.append(try Certificate(pem: pem))
                } catch {
                    throw field.malformed("\(error)")
                }
            }
            return try SigningCertificate(chain: chain)
        } catch {
            throw .badAnswer(.fulcio, detail: error.observed, answerMayBeLost: false)
        }
    }

    private func refusal(_ response: HTTPResponse, of token: IdentityToken) async -> SigstoreError {
        guard [400, 401, 403].contains(response.status) else { return upstream.failure(response, posted: false) }
        do throws(SigstoreError) {
            try token.checkUsable(at: now(), audience: audience)
        } catch {
            return error
        }
        return .refused(
            .fulcio, status: response.status,
            message:
                "\(upstream.message(response)) (the token is of \(token.claims.subject) from \(token.claims.issuer), "
                + "expires \(token.claims.expires.rfc3339); our clock says \(now().rfc3339))"
                + (await objection(to: token.claims).map { "; " + $0 } ?? ""))
    }

    /// What Fulcio's own configuration says against a token that looks well; nil if nothing, or if it does not say.
    private func objection(to claims: IdentityToken.Claims) async -> String? {
        let issuers = await issuers(youngerThan: Self.issuersLife.refusal)
        guard !issuers.isEmpty else { return nil }
        guard let issuer = FulcioIssuer.accepting(claims.issuer, among: issuers) else {
            return "its configuration has \(issuers.count) issuers, and this is none of them"
        }
        if !issuer.audience.isEmpty, !claims.audience.contains(issuer.audience) {
            return "it wants audience \"\(issuer.audience)\" of this issuer"
        }
        guard case .refused(let reason) = issuer.name(for: claims) else { return nil }
        return "of tokens of kind \(issuer.kind) it refuses this one: \(reason)"
    }
}
