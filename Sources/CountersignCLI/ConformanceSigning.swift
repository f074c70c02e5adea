import ArgumentParser
import Countersign
import Curl
import FoundationEssentials
import OpenSSL
import Sigstore

/// `sign-bundle`: signs a file, or the in-toto statement that it is, and writes the bundle.
struct ConformanceSigning: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "sign-bundle")

    @OptionGroup var trust: ConformanceTrust
    @Flag(help: "The file is an in-toto statement.") var inToto = false
    @Option(help: "The identity token.") var identityToken: String
    @Option(help: "Where to write the bundle.") var bundle: String
    @Option(help: "signing_config.json of the instance.") var signingConfig: String?
    @Argument(help: "The file to sign.") var file: String

    func run() async throws {
        guard let signingConfig else {
            throw CommandFailure(
                code: "trust.missing", observed: "no signing configuration is given, and none is built in",
                fix: "give --signing-config and --trusted-root of the instance", status: 2)
        }
        let services = try SigningConfig(json: ConformanceFile.bytes(signingConfig))
        let root = try trust.root()
        let http = HTTPClient(userAgent: "countersign/\(BuildVersion.current)")
        defer { http.shutdown() }
        let signed = try await sign(ConformanceFile.bytes(file), services, root, http)
        let json = try signed.json()
        guard FileManager.default.createFile(atPath: bundle, contents: Data(json)) else {
            throw CommandFailure(code: "file.unwritable", observed: "cannot write \(bundle)")
        }
    }

    /// Client specification, section 2: authenticate, key, certificate, sign, timestamp, log, verify.
    private func sign(
        _ bytes: [UInt8], _ services: SigningConfig, _ root: TrustedRoot, _ http: HTTPClient
    ) async throws -> UnverifiedBundle {
        let now = Date()
        let token = try IdentityToken(identityToken)
        let key = try PrivateKey.generate(.ecdsaP256)
        let authority = try services.certificateAuthority(at: now)
        let certificate = try await FulcioClient(url: authority.url, http: http, route: Self.route(authority.url))
            .issue(key: key, token: token)
        let content = try content(of: bytes, by: key)
        var timestamps: [[UInt8]] = []
        for service in try services.authorities(at: now) {
            timestamps.append(
                try await TimestampClient(url: service.url, http: http, route: Self.route(service.url))
                    .timestamp(content.signature))
        }
        let digest = try ArtifactDigest(algorithm: "sha256", hex: Hex.encode(Hash.sha256(bytes)))
        let submission = LogSubmission(
            content.submission(digest: digest.bytes), by: .certificate(certificate.leaf))
        var entries: [TlogEntry] = []
        for service in try services.logs(at: now) {
            let log = try Self.log(service, root, http)
            entries.append(try await log.submit(log.request(for: submission)))
        }
        let bundle = UnverifiedBundle(content, .certificate(certificate.leaf.der), entries, timestamps: timestamps)
        // nothing is handed out that would not verify
        _ = try Verifier(root: root).verify(
            bundle, artifact: try content.artifact(or: digest),
            identity: CertificateIdentity(
                subjectAlternativeName: .exact(certificate.identity), issuer: .exact(certificate.issuer)))
        return bundle
    }

    private func content(of bytes: [UInt8], by key: PrivateKey) throws -> UnverifiedBundle.Content {
        guard inToto else {
            return .messageSignature(
                digestAlgorithm: "SHA2_256", digest: Hash.sha256(bytes), signature: try key.sign(bytes))
        }
        let encoding = Envelope.preAuthenticationEncoding(type: Statement.payloadType, payload: bytes)
        return .envelope(
            Envelope(
                payload: bytes, payloadType: Statement.payloadType, signatures: [.init(sig: try key.sign(encoding))]))
    }

    private static func log(
        _ service: SigningConfig.Service, _ root: TrustedRoot, _ http: HTTPClient
    ) throws(SigstoreError) -> any TransparencyLog {
        try RekorAPI(version: service.majorApiVersion).client(
            at: .init(url: service.url, route: route(service.url)), verifier: CheckpointVerifier(logs: { root.tlogs }),
            http: http)
    }

    /// Private addresses and plain HTTP only for an instance on this machine.
    private static func route(_ url: String) -> HTTPRoute {
        var route = HTTPRoute()
        guard url.hasPrefix("http://127.0.0.1:") || url.hasPrefix("http://localhost:") else { return route }
        route.allowPlainHTTP = true
        route.addresses = .privateAllowed
        return route
    }
}

extension UnverifiedBundle.Content {
    fileprivate func submission(digest: [UInt8]) -> LogSubmission.Content {
        switch self {
        case .envelope(let envelope): .envelope(envelope)
        case .messageSignature(_, _, let signature): .message(digest: digest, signature: signature)
        }
    }

    /// What it is about: a subject of the statement, or the file.
    fileprivate func artifact(or file: ArtifactDigest) throws -> ArtifactDigest {
        guard case .envelope(let envelope) = self,
            let subject = try Statement(json: envelope.payload).subjects.first
        else { return file }
        for algorithm in ["sha256", "sha384", "sha512"] {
            if let hex = subject.digest[algorithm] { return try ArtifactDigest(algorithm: algorithm, hex: hex) }
        }
        throw CommandFailure(code: "statement.digest", observed: "its first subject has no SHA-2 digest", status: 1)
    }
}
