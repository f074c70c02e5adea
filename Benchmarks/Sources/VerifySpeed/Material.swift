import Curl
import FoundationEssentials
import OpenSSL
import Sigstore

/// Bundles to measure with, made as any client makes them: Fulcio, timestamp authority and Rekor v1 of a lab.
enum Material {
    static let signaturesPerCertificate = 20

    static func make(lab: String, in directory: String, count: Int) async throws {
        let services = try SigningConfig(json: VerifySpeed.read("\(lab)/signing_config.json"))
        let token = try String(decoding: VerifySpeed.read("\(lab)/token"), as: UTF8.self)
        let http = HTTPClient()
        defer { http.shutdown() }
        var route = HTTPRoute()
        (route.allowPlainHTTP, route.addresses) = (true, .privateAllowed)
        let now = Date()
        let fulcio = FulcioClient(url: try services.certificateAuthority(at: now).url, http: http, route: route)
        guard let authority = try services.authorities(at: now).first, let log = try services.logs(at: now).first else {
            throw VerifySpeed.Misuse()
        }
        let timestamps = TimestampClient(url: authority.url, http: http, route: route)
        let rekor = RekorV1(url: log.url, http: http, route: route)
        for start in stride(from: 0, to: count, by: signaturesPerCertificate) {
            let key = try PrivateKey.generate(.ecdsaP256)
            let certificate = try await fulcio.issue(
                key: key, token: IdentityToken(String(token.prefix { !$0.isWhitespace })))
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in start..<min(start + signaturesPerCertificate, count) {
                    group.addTask {
                        let statement = Statement.approval(
                            of: try digest(index), in: "registry.example/team/app", rule: "default")
                        let payload = statement.encoded()
                        let encoding = Envelope.preAuthenticationEncoding(type: Statement.payloadType, payload: payload)
                        let envelope = Envelope(
                            payload: payload, payloadType: Statement.payloadType,
                            signatures: [.init(sig: try key.sign(encoding))])
                        let stamp = try await timestamps.timestamp(envelope.signatures[0].sig)
                        let entry = try await rekor.submit(
                            rekor.request(for: LogSubmission(.envelope(envelope), by: .certificate(certificate.leaf))))
                        for (name, stamps) in [("stamped", [stamp]), ("plain", [])] {
                            let bundle = UnverifiedBundle(
                                .envelope(envelope), .certificate(certificate.leaf.der), [entry], timestamps: stamps)
                            let path = "\(directory)/\(name)-\(index).json"
                            guard FileManager.default.createFile(atPath: path, contents: Data(try bundle.json())) else {
                                throw VerifySpeed.Unreadable(path: path)
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
        let identity = try IdentityToken(String(token.prefix { !$0.isWhitespace })).claims.issuer
        _ = FileManager.default.createFile(atPath: "\(directory)/issuer", contents: Data(identity.utf8))
        _ = FileManager.default.createFile(
            atPath: "\(directory)/trusted_root.json", contents: Data(try VerifySpeed.read("\(lab)/trusted_root.json")))
    }

    /// The artifact of that number.
    static func digest(_ index: Int) throws -> ArtifactDigest {
        try ArtifactDigest(algorithm: "sha256", hex: Hex.encode(Hash.sha256(Array("\(index)".utf8))))
    }
}
