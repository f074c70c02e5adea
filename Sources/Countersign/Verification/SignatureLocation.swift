package import OCI

/// Where a registry has one signature or attestation of an artifact.
package struct SignatureLocation: Sendable, Hashable {
    /// The two ways in which signatures are kept.
    package enum Form: Sendable, Hashable {
        /// A referrer of the artifact, which holds a bundle.
        case referrer
        /// A layer of the manifest under one of cosign's older tags.
        case tag(String, LegacyKind)
    }

    /// The repository: the artifact's own, or the one where its signatures are kept.
    package let repository: Repository
    package let form: Form
    /// The referrer, or what the tag held when it was read; nil where the tag could not be read.
    package let manifest: Digest?
    /// The layer with the signature; nil where nothing was read so far.
    package let layer: Digest?

    package init(repository: Repository, form: Form, manifest: Digest?, layer: Digest? = nil) {
        self.repository = repository
        self.form = form
        self.manifest = manifest
        self.layer = layer
    }

    /// The format that is kept in this way.
    package var format: SignatureFormat {
        switch form {
        case .referrer: .bundle
        case .tag: .legacy
        }
    }

    /// The older tag; nil for a referrer.
    package var tag: String? { if case .tag(let tag, _) = form { tag } else { nil } }
}

extension SignatureLocation: CustomStringConvertible {
    /// `host/repository@referrer`, or `host/repository:tag layer digest`.
    package var description: String {
        switch form {
        case .referrer: "\(repository)" + (manifest.map { "@\($0)" } ?? "")
        case .tag(let tag, _): "\(repository):\(tag)" + (layer.map { " layer \($0)" } ?? "")
        }
    }
}

/// A signature that does not count, and why.
package struct SignatureRejection: Error, Sendable {
    package let location: SignatureLocation
    /// Stable, such as `verify.identity` or `manifest.malformed`.
    package let code: String
    package let observed: String
    /// What to do about it; nil where nobody but its author can.
    package let fix: String?
    /// Whether it may be as good as any: what is there could not be read, and whoever pushed it cannot be the cause.
    package let isUndetermined: Bool

    package init(
        _ location: SignatureLocation, code: String, observed: String, fix: String? = nil, isUndetermined: Bool = false
    ) {
        self.location = location
        self.code = code
        self.observed = observed.printable
        self.fix = fix
        self.isUndetermined = isUndetermined
    }

    /// What an answer about one that is listed says of that one.
    /// - Throws: the error, if it says something about the registry instead.
    init(_ location: SignatureLocation, _ error: OCIError) throws(OCIError) {
        switch error {
        // a proxy's 404 is an outage
        case .notFound(let answer) where answer.isRegistrysOwn:
            self.init(location, code: Self.missingCode, observed: "listed, but the registry does not have it")
        case .manifestMalformed, .tooLarge, .unsupportedMediaType, .legacyTagNotSignatures:
            self.init(location, code: error.code, observed: "\(error)")
        // a registry takes nothing under another digest than its own
        case .digestMismatch:
            self.init(location, code: error.code, observed: "\(error)", isUndetermined: true)
        default: throw error
        }
    }

    private static let missingCode = "verify.missing"

    /// Whether the registry says itself that it does not have what it lists.
    var isMissing: Bool { code == Self.missingCode }

    /// It is behind more than is read.
    static func unread(_ location: SignatureLocation, _ what: String) -> SignatureRejection {
        SignatureRejection(
            location, code: "verify.unread", observed: "not read: \(what)",
            fix: "delete what is attached there and not needed", isUndetermined: true)
    }
}
