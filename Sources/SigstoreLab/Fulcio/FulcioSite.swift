import FoundationEssentials
import HTTPTypes
import OpenSSL

/// Fulcio as version 1.8 answers: `/api/v2/*`, `/api/v1/*`, `/healthz`, and the CT log under `/ct`.
struct FulcioSite: LabSite {
    let service = LabService.fulcio
    let authorities: Lineage<CertificateAuthority>
    let tokens: IdentityTokens
    let audience: String
    let log: CertificateLogSite
    let start: LabStart

    func isSigningCall(_ path: String) -> Bool { path.hasSuffix("/signingCert") }

    func answer(_ request: LabRequest) async throws -> Answer {
        if request.path.hasPrefix("/ct/") { return try await log.answer(request) }
        switch (request.method, request.path) {
        case (.post, "/api/v2/signingCert"): return try await signV2(request)
        case (.post, "/api/v1/signingCert"): return try await signV1(request)
        case (.get, "/api/v2/trustBundle"):
            // every root still trusted, the newest first
            return .json([
                "chains": authorities.all.reversed().map { ["certificates": $0.member.chain.map(\.pem)] }
            ])
        case (.get, "/api/v2/configuration"): return try await configuration()
        case (.get, "/api/v1/rootCert"):
            return .text(authorities.current.chain.map(\.pem).joined(), type: "application/pem-certificate-chain")
        case (.get, "/healthz"): return .json(["status": "SERVING"])
        case (_, "/api/v2/signingCert"), (_, "/api/v1/signingCert"), (_, "/api/v2/trustBundle"):
            return .text(
                #"{"code":12, "message":"Method Not Allowed", "details":[]}"#, type: "application/json",
                status: .notImplemented)
        default:
            return .text(
                #"{"code":5, "message":"Not Found", "details":[]}"#, type: "application/json", status: .notFound)
        }
    }

    private func signV2(_ request: LabRequest) async throws -> Answer {
        do {
            let principal = try await principal(of: request, fallback: try FulcioRequest.token(in: request.body))
            let chain = try await issue(try FulcioRequest(v2: request.body), to: principal, request)
            // Without the newline that ends the last line of each PEM text, as protobuf strings come from Fulcio.
            let texts = chain.map { $0.pem.trimmingSuffix(while: \.isNewline) }
            return .json(["signedCertificateEmbeddedSct": ["chain": ["certificates": texts.map(String.init)]]])
        } catch let refusal as FulcioRefusal {
            return refusal.answer
        }
    }

    private func signV1(_ request: LabRequest) async throws -> Answer {
        do {
            let principal = try await principal(of: request, fallback: nil)
            let chain = try await issue(try FulcioRequest(v1: request.body), to: principal, request)
            return .text(chain.map(\.pem).joined(), type: "application/pem-certificate-chain", status: .created)
        } catch let refusal as FulcioRefusal {
            return refusal.answer
        }
    }

    private func principal(of request: LabRequest, fallback: String?) async throws -> Principal {
        let field = request.headers[.authorization] ?? ""
        let bearer = field.hasPrefix("Bearer ") ? String(field.dropFirst(7)) : nil
        guard !request.refusesToken, let token = bearer ?? fallback,
            let principal = Principal(
                token: token, issuers: try await start.issuers, tokens: tokens, audience: audience, now: request.now)
        else { throw FulcioRefusal.token }
        return principal
    }

    private func issue(
        _ asked: FulcioRequest, to principal: Principal, _ request: LabRequest
    ) async throws -> [Certificate] {
        if case .signature(let signature) = asked.proof {
            do {
                try asked.key.verify(signature, of: Array(principal.challenge.utf8))
            } catch {
                throw FulcioRefusal.proof
            }
        }
        let authority = authorities.current
        let leaf = try await authority.issue(
            to: asked.key, for: principal, log: log.logs.current, now: request.now, distortions: request.distortions)
        return [leaf] + authority.chain
    }

    private func configuration() async throws -> Answer {
        let issuers = try await start.issuers.map { issuer in
            ConfiguredIssuer(
                issuerUrl: issuer.url, audience: audience, challengeClaim: issuer.kind.challengeClaim,
                issuerType: issuer.kind.configuredType, subjectDomain: issuer.kind == .uri ? issuer.origin : "",
                spiffeTrustDomain: issuer.kind == .spiffe ? IssuerKind.spiffeTrustDomain : "")
        }
        return .json(["issuers": issuers])
    }

    private struct ConfiguredIssuer: Encodable {
        let issuerUrl: String
        let audience: String
        let challengeClaim: String
        let issuerType: String
        let subjectDomain: String
        let spiffeTrustDomain: String
        let skipEmailVerification = false
    }
}

extension String {
    fileprivate func trimmingSuffix(while predicate: (Character) -> Bool) -> Substring {
        var text = self[...]
        while let last = text.last, predicate(last) { text.removeLast() }
        return text
    }
}
