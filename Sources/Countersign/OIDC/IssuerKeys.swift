import Curl
import FoundationEssentials
import OpenSSL
import StrictJSON

/// The signing keys of one OpenID Connect issuer, looked up at the issuer and kept.
///
/// They are fetched anew when they are an hour old, so that a withdrawn key ends, and when a token names one that is not
/// among them, so that a rotation is followed; that at most once a minute, because anybody can name a key.
actor IssuerKeys {
    /// The algorithms that tokens are accepted in (RFC 7518 §3.1).
    enum Algorithm: String, Sendable { case rs256 = "RS256", es256 = "ES256" }

    private struct Kept {
        let keys: [String: (algorithm: Algorithm, key: PublicKey)]
        let at: ContinuousClock.Instant
    }

    private static let freshness: Duration = .seconds(3600)
    /// While the issuer is away its keys are good for so long.
    private static let patience: Duration = .seconds(86_400)
    private static let betweenLooks: Duration = .seconds(60)
    private static let afterFailure: Duration = .seconds(5)
    private static let maxBytes = 256 << 10
    private static let maxKeys = 100

    private let issuer: String
    private let get: @Sendable (String) async throws -> HTTPResponse
    private let now: @Sendable () -> ContinuousClock.Instant
    private var kept: Kept?
    /// No look before that.
    private var nextLook: ContinuousClock.Instant?
    private var look: Task<[String: (algorithm: Algorithm, key: PublicKey)], any Error>?
    private var lastFault = OIDCFault.unavailable("not asked yet")

    /// - Parameters:
    ///   - get: asks for one document.
    init(
        issuer: String, now: @escaping @Sendable () -> ContinuousClock.Instant = { .now },
        get: @escaping @Sendable (String) async throws -> HTTPResponse
    ) {
        (self.issuer, self.now, self.get) = (issuer, now, get)
    }

    init(_ configuration: OIDCConfiguration, http: HTTPClient) {
        var bounded = configuration.issuer.route
        bounded.maxResponseBytes = Self.maxBytes
        let route = bounded
        self.init(issuer: configuration.issuer.url) { url in
            try await http.send(HTTPRequest(.get, url, headers: ["Accept": "application/json"], route: route))
        }
    }

    /// The key of that name.
    /// - Throws: `.signature` if the issuer has none of that name for that algorithm, `.unavailable` if it cannot be asked.
    func key(_ id: String, for algorithm: Algorithm) async throws(OIDCFault) -> PublicKey {
        let age = kept.map { now() - $0.at }
        if let age, age < Self.freshness, let known = kept?.keys[id] { return try Self.fit(known, algorithm) }
        if nextLook.map({ now() >= $0 }) ?? true { await renew() }
        guard let kept, now() - kept.at < Self.patience else { throw lastFault }
        guard let known = kept.keys[id] else { throw .signature("it names a key that the issuer does not have") }
        return try Self.fit(known, algorithm)
    }

    private static func fit(
        _ known: (algorithm: Algorithm, key: PublicKey), _ algorithm: Algorithm
    ) throws(OIDCFault) -> PublicKey {
        guard known.algorithm == algorithm else { throw .signature("its key is for another algorithm") }
        return known.key
    }

    /// One look for all who wait for it.
    private func renew() async {
        let running: Task<[String: (algorithm: Algorithm, key: PublicKey)], any Error>
        if let look {
            running = look
        } else {
            let (issuer, get) = (issuer, get)
            running = Task { try await Self.fetch(issuer, get) }
            look = running
        }
        do {
            let keys = try await running.value
            guard look == running else { return }
            kept = Kept(keys: keys, at: now())
            nextLook = now() + Self.betweenLooks
        } catch {
            guard look == running else { return }
            lastFault = error as? OIDCFault ?? .unavailable("\(error)")
            nextLook = now() + Self.afterFailure
        }
        look = nil
    }

    /// OpenID Connect Discovery 1.0 §4, then the key set (RFC 7517 §5), which must be at the issuer too: what a document
    /// says is not allowed to send us elsewhere.
    private static func fetch(
        _ issuer: String, _ get: @Sendable (String) async throws -> HTTPResponse
    ) async throws -> [String: (algorithm: Algorithm, key: PublicKey)] {
        let bare = issuer.hasSuffix("/") ? String(issuer.dropLast()) : issuer
        let discovery = try body(of: try await get(bare + "/.well-known/openid-configuration"), "discovery")
        let address = try keysAddress(discovery: discovery, of: issuer)
        return try keys(in: try body(of: try await get(address), "key set"))
    }

    /// Where a discovery document says that the issuer's keys are.
    static func keysAddress(discovery body: [UInt8], of issuer: String) throws(OIDCFault) -> String {
        let discovery = try document(body, "discovery")
        guard let named = discovery["issuer"]?.text, named.utf8.elementsEqual(issuer.utf8) else {
            throw .unavailable("its discovery document is another issuer's")
        }
        guard let address = discovery["jwks_uri"]?.text, origin(of: address) == origin(of: issuer) else {
            throw .unavailable("its keys are not at the issuer itself")
        }
        return address
    }

    /// The keys of a key set that we can use, by their names.
    static func keys(in body: [UInt8]) throws(OIDCFault) -> [String: (algorithm: Algorithm, key: PublicKey)] {
        guard case .array(let keys)? = try document(body, "key set")["keys"], keys.count <= maxKeys else {
            throw .unavailable("its key set has no list of at most \(maxKeys) keys")
        }
        return Dictionary(keys.compactMap(usable)) { first, _ in first }
    }

    private static func body(of answer: HTTPResponse, _ what: String) throws(OIDCFault) -> [UInt8] {
        guard answer.status == 200 else { throw .unavailable("its \(what) answers \(answer.status)") }
        return answer.body
    }

    private static func document(_ body: [UInt8], _ what: String) throws(OIDCFault) -> JSONValue {
        guard let value = try? JSONValue(parsing: body) else { throw .unavailable("its \(what) is not JSON") }
        return value
    }

    /// `https://host:port` of an address.
    private static func origin(of address: String) -> Substring {
        let parts = address.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count >= 3, parts[1].isEmpty else { return "" }
        return address[..<parts[2].endIndex]
    }

    /// A key that we can use; others are left out.
    private static func usable(_ jwk: JSONValue) -> (String, (algorithm: Algorithm, key: PublicKey))? {
        func bytes(_ name: String) -> [UInt8]? { jwk[name]?.text.flatMap { Base64.decodeURLSafe($0) } }
        guard let id = jwk["kid"]?.text, jwk["use"]?.text ?? "sig" == "sig" else { return nil }
        switch (jwk["kty"]?.text, jwk["alg"]?.text) {
        case ("RSA", nil), ("RSA", "RS256"):
            guard let modulus = bytes("n"), let exponent = bytes("e"),
                let key = try? PublicKey(rsaModulus: modulus, exponent: exponent)
            else { return nil }
            return (id, (.rs256, key))
        case ("EC", nil), ("EC", "ES256"):
            guard jwk["crv"]?.text == "P-256", let x = bytes("x"), let y = bytes("y"),
                let key = try? PublicKey(.ecdsaP256, x: x, y: y)
            else { return nil }
            return (id, (.es256, key))
        default: return nil
        }
    }
}
