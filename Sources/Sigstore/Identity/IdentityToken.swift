public import FoundationEssentials
import OpenSSL
import StrictJSON

/// An OIDC identity token: the proof of who signs, which Fulcio turns into a certificate.
///
/// The signature is not checked here, Fulcio does that with the issuer's keys; the claims are read to say *why* a token
/// will not do, because Fulcio answers every token fault alike. The raw token is a bearer secret: it leaves this type
/// only through ``withBearer(_:)`` and no description shows it.
public struct IdentityToken: Sendable, CustomStringConvertible, CustomDebugStringConvertible {
    /// What an issuer asserts (OpenID Connect Core §2).
    public struct Claims: Sendable, Equatable {
        /// `iss`: the issuer's URL.
        public let issuer: String
        /// `sub`: the subject, in the issuer's own form.
        public let subject: String
        /// `aud`: for whom the token was made; one or several.
        public let audience: [String]
        /// `exp`: the first moment at which it is no longer valid.
        public let expires: Date
        /// `iat`, if present.
        public let issuedAt: Date?
        /// `nbf`, if present.
        public let notBefore: Date?
        /// `email`, if present.
        public let email: String?
        /// `email_verified`; false when absent.
        public let emailVerified: Bool
        /// `federated_claims.connector_id`: the issuer behind a Dex, which Fulcio may be told to put in the certificate.
        public let federatedIssuer: String?
        /// The account of a Kubernetes service-account token (`kubernetes.io`), if it is one.
        public let kubernetes: KubernetesAccount?
        /// All claims, for the names that Fulcio makes of them.
        let all: JSONValue

        /// A service account and its namespace.
        public struct KubernetesAccount: Sendable, Equatable {
            /// `kubernetes.io/namespace`.
            public let namespace: String
            /// `kubernetes.io/serviceaccount/name`.
            public let serviceAccount: String
        }
    }

    /// The longest token read, in bytes.
    public static let maxBytes = 64 << 10

    /// What the issuer asserts.
    public let claims: Claims
    private let compact: String

    /// Reads a compact JWS (RFC 7515 §3.1); white space around it is dropped, as files end in a newline.
    ///
    /// - Throws: ``SigstoreError/identity(_:)`` with ``IdentityFault/malformed(_:)``, which never quotes the token.
    public init(_ compact: String) throws(SigstoreError) {
        let trimmed = Self.trim(compact)
        guard trimmed.utf8.count <= Self.maxBytes else { throw Self.malformed("longer than \(Self.maxBytes) bytes") }
        let parts = trimmed.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3 else { throw Self.malformed("\(parts.count) parts, a compact JWT has three") }
        for part in parts where part.isEmpty { throw Self.malformed("one of its three parts is empty") }
        guard let header = Base64.decodeURLSafe(parts[0]), let payload = Base64.decodeURLSafe(parts[1]),
            Base64.decodeURLSafe(parts[2]) != nil
        else { throw Self.malformed("a part is not base64url") }
        guard let header = try? JSONValue(parsing: header), let algorithm = header["alg"]?.text else {
            throw Self.malformed("its header is not JSON with an alg")
        }
        guard algorithm.lowercased() != "none" else { throw Self.malformed("it is not signed (alg none)") }
        guard let payload = try? JSONValue(parsing: payload), case .object = payload else {
            throw Self.malformed("its payload is not a JSON object")
        }
        self.claims = try Claims(payload)
        self.compact = String(trimmed)
    }

    /// Says whether Fulcio can accept the token at `now`, and names the fault if not.
    ///
    /// `nbf` and `iat` may lie up to a minute ahead, so that two clocks need not agree to the second.
    /// - Parameter issuer: whom the certificate must name; nil where nobody knows yet.
    public func checkUsable(at now: Date, audience: String, issuer: String? = nil) throws(SigstoreError) {
        if let issuer, issuer != claims.issuer, issuer != claims.federatedIssuer {
            throw .identity(.issuer(expected: issuer, seen: claims.issuer))
        }
        guard claims.audience.contains(where: { $0.utf8.elementsEqual(audience.utf8) }) else {
            throw .identity(.audience(expected: audience, seen: claims.audience))
        }
        guard claims.expires > now else { throw .identity(.expired(at: claims.expires, now: now)) }
        let start = max(claims.notBefore ?? .distantPast, claims.issuedAt ?? .distantPast)
        guard start <= now.addingTimeInterval(60) else { throw .identity(.notYetValid(from: start, now: now)) }
    }

    /// The claim that Fulcio challenges, where it does not say so itself: a verified email where the token has one, else the
    /// subject.
    public var proofSubject: String {
        if let email = claims.email, claims.emailVerified { email } else { claims.subject }
    }

    /// Lends the raw token for one header; do not keep it.
    public func withBearer<Result>(_ body: (String) throws -> Result) rethrows -> Result { try body(compact) }

    /// The issuer and subject only.
    public var description: String {
        "identity token of \(printable(claims.subject, limit: 200)) from \(printable(claims.issuer, limit: 200))"
    }
    public var debugDescription: String { description }

    private static func malformed(_ detail: String) -> SigstoreError { .identity(.malformed(detail)) }

    private static func trim(_ text: String) -> Substring {
        var rest = text[...]
        while let first = rest.first, first.isWhitespace { rest = rest.dropFirst() }
        while let last = rest.last, last.isWhitespace { rest = rest.dropLast() }
        return rest
    }
}

extension IdentityToken.Claims {
    fileprivate init(_ payload: JSONValue) throws(SigstoreError) {
        func text(_ name: String) throws(SigstoreError) -> String {
            guard let text = payload[name]?.text, !text.isEmpty else {
                throw .identity(.malformed("the claim \(name) is missing or not text"))
            }
            return text
        }
        func time(_ name: String) throws(SigstoreError) -> Date? {
            guard let value = payload[name] else { return nil }
            // NumericDate of RFC 7519 §2 may carry a fraction
            guard case .number(let text) = value, let seconds = Double(text), seconds.magnitude < 1e11 else {
                throw .identity(.malformed("the claim \(name) is not a time"))
            }
            return Date(timeIntervalSince1970: seconds)
        }
        issuer = try text("iss")
        subject = try text("sub")
        switch payload["aud"] {
        case .string(let one): audience = [one]
        case .array(let several): audience = several.compactMap(\.text)
        default: throw .identity(.malformed("the claim aud is missing or not text"))
        }
        guard let expires = try time("exp") else { throw .identity(.malformed("the claim exp is missing")) }
        self.expires = expires
        issuedAt = try time("iat")
        notBefore = try time("nbf")
        email = payload["email"]?.text
        // some issuers write the boolean as text
        emailVerified = payload["email_verified"] == .bool(true) || payload["email_verified"] == .string("true")
        federatedIssuer = payload["federated_claims"]?["connector_id"]?.text
        let account = payload["kubernetes.io"]
        if let namespace = account?["namespace"]?.text, let name = account?["serviceaccount"]?["name"]?.text {
            kubernetes = KubernetesAccount(namespace: namespace, serviceAccount: name)
        } else {
            kubernetes = nil
        }
        all = payload
    }
}
