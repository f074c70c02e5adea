import OpenSSL
package import Sigstore
import StrictJSON

/// Judges a bundle in a file, of a blob or of an image, without any registry.
package struct VerifyBundleFile: Sendable {
    /// What the bundle must be of.
    package enum Subject: Sendable {
        /// A file, which is hashed.
        case file(String)
        case digest(ArtifactDigest)
    }

    private let verifier: Verifier
    private let signer: Verifier.ExpectedSigner
    private let predicateType: String?
    private let demands: Verifier.Demands?
    private let online: OnlineCheck?

    /// - Parameters:
    ///   - predicateType: the only kind of statement that counts; nil for any, and for a signature over the artifact.
    ///   - demands: nil: the verifier's.
    package init(
        verifier: Verifier, by signer: Verifier.ExpectedSigner, expecting predicateType: String? = nil,
        demanding demands: Verifier.Demands? = nil, online: OnlineCheck? = nil
    ) {
        self.verifier = verifier
        self.signer = signer
        self.predicateType = predicateType
        self.demands = demands
        self.online = online
    }

    /// - Throws: ``VerificationError`` or ``SigstoreError`` if it does not count or is no bundle; ``BundleFileError`` if a
    ///   file cannot be read.
    package func verify(
        _ path: String, of subject: Subject
    ) async throws -> (verified: VerifiedSignature, confirmations: [LogConfirmation]) {
        let limits = UnverifiedBundle.attestationLimits
        let bundle = try UnverifiedBundle(
            json: try NamedFile(path: path).contents(atMost: limits.maxBytes), limits: limits)
        let (artifact, contents) = try artifact(subject, bundle)
        let verified = try verify(bundle, artifact, contents)
        let confirmations = try await online?.confirm(verified) { entries in
            _ = try verify(
                UnverifiedBundle(bundle.content, bundle.material, entries, timestamps: bundle.timestamps), artifact,
                contents)
        }
        return (verified, confirmations ?? [])
    }

    private func verify(
        _ bundle: UnverifiedBundle, _ artifact: ArtifactDigest, _ contents: [UInt8]?
    ) throws(VerificationError) -> VerifiedSignature {
        try verifier.verify(
            bundle, over: contents, artifact: artifact, by: signer, expecting: predicateType, demanding: demands)
    }

    /// The digest that was signed, and of a file the bytes where the signature is over them.
    private func artifact(
        _ subject: Subject, _ bundle: UnverifiedBundle
    ) throws -> (digest: ArtifactDigest, contents: [UInt8]?) {
        switch subject {
        case .digest(let digest): return (digest, nil)
        case .file(let path):
            let file = NamedFile(path: path)
            let algorithm = bundle.subjectAlgorithm
            let isOverBytes = bundle.isOverBytes(by: signer)
            guard isOverBytes || algorithm != .sha256 else {
                return (try ArtifactDigest(algorithm: "sha256", hex: Hex.encode(try file.sha256())), nil)
            }
            let contents = try file.contents(atMost: NamedFile.heldLimit)
            let digest = try ArtifactDigest(
                algorithm: algorithm.rawValue, hex: Hex.encode(Hash.digest(algorithm, contents)))
            return (digest, isOverBytes ? contents : nil)
        }
    }
}

extension UnverifiedBundle {
    /// What a file is to be digested with: SHA-256, unless the signer says that it was another.
    fileprivate var subjectAlgorithm: DigestAlgorithm {
        switch content {
        case .messageSignature(let named, _, _):
            return named.flatMap { ["SHA2_384": .sha384, "SHA2_512": .sha512][$0] } ?? .sha256
        case .envelope(let envelope):
            let statement = try? Statement(json: envelope.payload, limits: Self.attestationLimits)
            let used = Set(statement?.subjects.flatMap(\.digest.keys) ?? [])
            return [.sha256, .sha384, .sha512].first { used.contains($0.rawValue) } ?? .sha256
        }
    }
}

/// A file that was named and cannot be read.
package struct BundleFileError: Error, Sendable {
    package let path: String
    /// The most bytes that are read, where it has more.
    package var limit: Int?

    package var code: String { limit == nil ? "file.unreadable" : "file.too_large" }
    package var why: String {
        limit.map { "more than \($0) bytes" } ?? "it is not there, or not readable for this user"
    }
    package var observed: String { "cannot read \(path): \(why)" }
    package var fix: String { limit == nil ? "name a file that this user may read" : "see that it is the right file" }
}

/// What became of a bundle, as scripts read it, and as people do.
package struct BundleAnswer: Encodable {
    package let bundle: String
    package let verified: Bool
    /// The digest that it was verified for.
    package let artifact: String?
    /// Present if it verified.
    package let signature: Signed?
    package let online: [LogConfirmation]
    /// Present if it did not: the check, what was seen, what to do.
    package let code: String?
    package let observed: String?
    package let fix: String?
    /// Which role of the trust material had expired; absent if none had.
    package var trustExpiry: TrustExpiry?

    package var text: String {
        var lines = [(verified ? "verified" : "NOT VERIFIED") + "  \(bundle)"]
        if let artifact { lines.append("  digest    \(artifact)") }
        lines += signature?.lines ?? []
        lines += online.map { "  online    \($0.line)" }
        if let observed, let code { lines.append("  rejected  \(observed) [\(code)]") }
        if let fix { lines.append("            fix: \(fix)") }
        return lines.map(\.printable).joined(separator: "\n") + "\n"
    }
}

extension VerifyBundleFile {
    /// The same with a refusal as an answer.
    /// - Throws: what says that it could not be found out.
    package func answer(_ path: String, of subject: Subject) async throws -> BundleAnswer {
        func refused(_ code: String, _ observed: String, _ fix: String) -> BundleAnswer {
            BundleAnswer(
                bundle: path, verified: false, artifact: nil, signature: nil, online: [], code: code,
                observed: observed, fix: fix)
        }
        do {
            let (verified, confirmations) = try await verify(path, of: subject)
            return BundleAnswer(
                bundle: path, verified: true, artifact: verified.artifact.description, signature: Signed(verified),
                online: confirmations, code: nil, observed: nil, fix: nil)
        } catch let error as VerificationError {
            return refused(error.code, "step \(error.clause): \(error.observed)", error.fix)
        } catch let error as SigstoreError where error.isNo {
            return refused(error.code, error.observed, error.fix)
        }
    }
}

extension SigstoreError {
    /// Whether it is a "no" about the bundle: of a log, or because the bundle is none.
    fileprivate var isNo: Bool {
        if case .unsupported = self { true } else { OnlineCheck.saysNo(self) }
    }
}
