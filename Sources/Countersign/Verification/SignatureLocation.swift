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

    package init(_ location: SignatureLocation, code: String, observed: String, fix: String? = nil) {
        self.location = location
        self.code = code
        self.observed = observed
        self.fix = fix
    }
}
