public import FoundationEssentials
public import OpenSSL

/// A key and the certificate for it: what one signature is made with.
public struct SigningCredential: Sendable {
    /// The ephemeral key; it exists in memory only.
    public let key: PrivateKey
    /// Its certificate.
    public let certificate: SigningCertificate
}

/// One certificate for many signatures, renewed ahead of time.
///
/// A Fulcio certificate lives ten minutes and costs a round trip and an entry in a public log; a registry under load
/// would ask for one a hundred times a second. The window is closed long before the certificate ends, so that what was
/// signed with it can still be timestamped and logged while it is valid.
public actor CertificateWindow {
    /// When a certificate stops being used for new signatures: whichever comes first.
    public struct Limits: Sendable, Equatable {
        /// Longest use of one certificate.
        public var maxAge: Duration
        /// Distance kept from the certificate's own end.
        public var margin: Duration
        /// Most signatures under one certificate: what one stolen key could have made.
        public var maxSignatures: Int
        /// The share of the window after which a successor is fetched in the background.
        public var refreshAt: Double
        /// Pause after a background refresh that failed.
        public var refreshPause: Duration

        /// Limits; the defaults suit Fulcio's ten-minute certificates.
        public init(
            maxAge: Duration = .seconds(300), margin: Duration = .seconds(120), maxSignatures: Int = 1000,
            refreshAt: Double = 0.6, refreshPause: Duration = .seconds(5)
        ) {
            self.maxAge = maxAge
            self.margin = margin
            self.maxSignatures = maxSignatures
            self.refreshAt = refreshAt
            self.refreshPause = refreshPause
        }
    }

    private struct Open {
        let credential: SigningCredential
        let opened: Date
        let closes: Date
        var signatures = 0
    }

    private let authority: Authority
    private let source: any IdentityTokenSource
    private let audience: String
    private let issuer: String?
    private let limits: Limits
    private let now: @Sendable () -> Date

    private var current: Open?
    private var flight: Task<Result<SigningCredential, SigstoreError>, Never>?
    private var noRefreshBefore: Date = .distantPast
    private var noFlightBefore: Date = .distantPast

    /// Certificates obtained since the start.
    public private(set) var issuedCount = 0
    /// The failure of the last background refresh, while its predecessor is still in use; for health and metrics.
    public private(set) var refreshFailure: SigstoreError?

    /// Who is asked for the next certificate: an instance's Fulcio may move while we run.
    public typealias Authority = @Sendable () throws(SigstoreError) -> FulcioClient

    /// A window over `fulcio` with tokens from `source` made for `audience` by `issuer` (nil: by any that Fulcio accepts).
    public init(
        fulcio: FulcioClient, source: any IdentityTokenSource, audience: String, issuer: String? = nil,
        limits: Limits = .init(),
        now: @escaping @Sendable () -> Date = { Date() }
    ) {
        self.init(
            authority: { () throws(SigstoreError) in fulcio }, source: source, audience: audience, issuer: issuer,
            limits: limits, now: now)
    }

    /// As the other, over whatever `authority` names when a certificate is asked for.
    public init(
        authority: @escaping Authority, source: any IdentityTokenSource, audience: String, issuer: String? = nil,
        limits: Limits = .init(),
        now: @escaping @Sendable () -> Date = { Date() }
    ) {
        self.authority = authority
        self.source = source
        self.audience = audience
        self.issuer = issuer
        self.limits = limits
        self.now = now
    }

    /// The credential for one signature. Callers that find no open window wait for one common request to Fulcio.
    ///
    /// - Throws: ``SigstoreError`` only when no window is open: a failed renewal does not fail those whom the present
    ///   certificate still serves.
    public func credential() async throws(SigstoreError) -> SigningCredential {
        // a second turn only if more callers waited than one certificate may serve
        for _ in 0..<8 {
            if let credential = take() { return credential }
            _ = try await (flight ?? startFlight()).value.get()
        }
        throw .unavailable(.fulcio, detail: "more signers than certificates", retryAfter: nil, answerMayBeLost: false)
    }

    /// Forgets a certificate that turned out to be of no use, if it is the present one: the next signature is made with a
    /// new one, asked for after a pause, so that a standing fault does not cost a certificate for every attempt.
    public func close(_ certificate: SigningCertificate) {
        guard current?.credential.certificate.leaf == certificate.leaf else { return }
        current = nil
        noFlightBefore = now().adding(limits.refreshPause)
    }

    private func take() -> SigningCredential? {
        let time = now()
        guard var open = current, open.opened <= time, time < open.closes, open.signatures < limits.maxSignatures else {
            return nil
        }
        open.signatures += 1
        current = open
        if isDueForRefresh(open, at: time), flight == nil, time >= noRefreshBefore { _ = startFlight() }
        return open.credential
    }

    private func isDueForRefresh(_ open: Open, at time: Date) -> Bool {
        time.timeIntervalSince(open.opened) >= limits.refreshAt * open.closes.timeIntervalSince(open.opened)
            || Double(open.signatures) >= limits.refreshAt * Double(limits.maxSignatures)
    }

    /// The request is a task of its own: the caller that started it may be cancelled, the others still want the answer.
    private func startFlight() -> Task<Result<SigningCredential, SigstoreError>, Never> {
        let pause = noFlightBefore.timeIntervalSince(now())
        let task = Task {
            if pause > 0 { try? await Task.sleep(for: .seconds(min(pause, 60))) }
            let result: Result<SigningCredential, SigstoreError>
            do throws(SigstoreError) {
                result = .success(try await request())
            } catch {
                result = .failure(error)
            }
            return land(result)
        }
        flight = task
        return task
    }

    /// Token first, then key: a token that will not do must not cost a key or a request.
    private nonisolated func request() async throws(SigstoreError) -> SigningCredential {
        let token = try await source.token(usableAt: now(), audience: audience, issuer: issuer)
        let key: PrivateKey
        do throws(CryptoError) {
            key = try PrivateKey.generate(.ecdsaP256)
        } catch {
            throw .crypto("ephemeral key", error)
        }
        return SigningCredential(key: key, certificate: try await authority().issue(key: key, token: token))
    }

    private func land(_ result: Result<SigningCredential, SigstoreError>) -> Result<SigningCredential, SigstoreError> {
        flight = nil
        switch result {
        case .success(let credential):
            issuedCount += 1
            refreshFailure = nil
            let time = now()
            let certificate = credential.certificate
            let closes = min(certificate.notAfter.adding(.zero - limits.margin), time.adding(limits.maxAge))
            guard time < closes else {
                return .failure(
                    .clock(notBefore: certificate.leaf.notBefore, notAfter: certificate.notAfter, now: time))
            }
            current = Open(credential: credential, opened: time, closes: closes)
            return result
        case .failure(let error):
            refreshFailure = error
            noRefreshBefore = now().adding(max(limits.refreshPause, error.retryAfter ?? .zero))
            return result
        }
    }
}
