import ArgumentParser
import Countersign
import FoundationEssentials
import OpenSSL
import Sigstore

/// Who must have signed: a name that an issuer vouched for, or the holder of a key. The names are cosign's.
struct IdentityOptions: ParsableArguments {
    @Option(help: "The certificate's subject alternative name, exactly.") var certificateIdentity: String?
    @Option(help: "The same as a regular expression; anchor it.") var certificateIdentityRegexp: String?
    @Option(help: "The certificate's OIDC issuer, exactly.") var certificateOidcIssuer: String?
    @Option(help: "The same as a regular expression; anchor it.") var certificateOidcIssuerRegexp: String?
    @Option(help: "The certificate's GitHub workflow trigger, such as push.") var certificateGithubWorkflowTrigger:
        String?
    @Option(help: "Its commit.") var certificateGithubWorkflowSha: String?
    @Option(help: "Its name.") var certificateGithubWorkflowName: String?
    @Option(help: "Its repository, owner/name.") var certificateGithubWorkflowRepository: String?
    @Option(help: "Its git ref.") var certificateGithubWorkflowRef: String?
    @Option(
        help: ArgumentHelp(
            "Another of Fulcio's fields, by the name that `--output json` has under extensions.",
            valueName: "name=value"))
    var certificateExtension: [String] = []
    @Option(help: "PEM public key of the signer, in place of an identity.") var key: String?
    @Flag(help: "A signature by --key need not be in a log: nothing then shows that it is public, or when it was made.")
    var insecureIgnoreTlog = false
    @Flag(help: "Certificates need no certificate transparency timestamp: for instances without such a log.")
    var insecureIgnoreSct = false

    func validate() throws {
        let names = [certificateIdentity, certificateIdentityRegexp].compactMap(\.self).count
        let issuers = [certificateOidcIssuer, certificateOidcIssuerRegexp].compactMap(\.self).count
        if key != nil {
            guard names + issuers == 0, fields.isEmpty, certificateExtension.isEmpty else {
                throw ValidationError("A key has no identity: give --key alone.")
            }
        } else {
            guard names == 1, issuers == 1 else {
                throw ValidationError(
                    "Say who must have signed: --certificate-identity and --certificate-oidc-issuer (or one of the -regexp "
                        + "forms each), or --key. Without, anybody's signature would do.")
            }
            guard !insecureIgnoreTlog else {
                throw ValidationError("Only a key's signature may be without log: a certificate lives for minutes.")
            }
        }
        _ = try extensions()
    }

    private var fields: [(FulcioExtension.Kind, String)] {
        let given: [(FulcioExtension.Kind, String?)] = [
            (.gitHubWorkflowTrigger, certificateGithubWorkflowTrigger),
            (.gitHubWorkflowSHA, certificateGithubWorkflowSha), (.gitHubWorkflowName, certificateGithubWorkflowName),
            (.gitHubWorkflowRepository, certificateGithubWorkflowRepository),
            (.gitHubWorkflowRef, certificateGithubWorkflowRef),
        ]
        return given.compactMap { kind, value in value.map { (kind, $0) } }
    }

    private func extensions() throws -> [FulcioExtension.Kind: CertificateIdentity.Pattern] {
        var extensions: [FulcioExtension.Kind: String] = [:]
        // of two expectations one would not be checked
        func expect(_ value: String, of kind: FulcioExtension.Kind) throws {
            guard extensions[kind] == nil || extensions[kind] == value else {
                throw ValidationError("Two values are expected of \(kind.key): \(extensions[kind] ?? "") and \(value).")
            }
            extensions[kind] = value
        }
        for (kind, value) in fields { try expect(value, of: kind) }
        for text in certificateExtension {
            let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2, let kind = FulcioExtension.Kind.allCases.first(where: { $0.key == parts[0] }) else {
                let names = FulcioExtension.Kind.allCases.map(\.key).joined(separator: ", ")
                throw ValidationError("--certificate-extension takes name=value, the name one of \(names).")
            }
            try expect(parts[1], of: kind)
        }
        return extensions.mapValues { .exact($0) }
    }

    /// What a signature must bring beside being right.
    /// - Parameter trust: what the trust material's configuration demands: a flag waives more, and demands nothing.
    func demands(beside trust: Verifier.Demands) -> Verifier.Demands {
        trust.waiving(unloggedKeys: insecureIgnoreTlog, untransparentCertificates: insecureIgnoreSct)
    }

    /// The signer, as ``validate()`` allowed it to be named.
    func signer() throws -> Verifier.ExpectedSigner {
        if let key { return .publicKey(try PublicKey(file: key)) }
        func pattern(_ exact: String?, _ regexp: String?) -> CertificateIdentity.Pattern {
            if let exact { .exact(exact) } else { .regex(regexp ?? "") }
        }
        do {
            return .certificate(
                try CertificateIdentity(
                    subjectAlternativeName: pattern(certificateIdentity, certificateIdentityRegexp),
                    issuer: pattern(certificateOidcIssuer, certificateOidcIssuerRegexp), extensions: try extensions()))
        } catch let error as SigstoreError {
            throw CommandFailure(code: error.code, observed: error.observed, fix: error.fix, status: 2)
        }
    }
}

extension PublicKey {
    /// The key in a PEM file that the command line names.
    /// - Throws: ``CommandFailure`` with exit status 2: misuse.
    convenience init(file path: String) throws {
        guard let bytes = try? NamedFile(path: path).contents(atMost: 64 << 10) else {
            throw CommandFailure(
                code: "key.unreadable", observed: "cannot read \(path)", fix: "give the PEM file of a public key",
                status: 2)
        }
        do throws(CryptoError) {
            try self.init(pem: String(decoding: bytes, as: UTF8.self))
        } catch {
            throw CommandFailure(
                code: "key.unreadable", observed: "\(path): \(error)",
                fix: "give a public key in PEM: `cosign public-key --key …` writes one", status: 2)
        }
    }
}

extension Verifier.Demands {
    /// The same with what a flag waives waived, too.
    func waiving(unloggedKeys: Bool = false, untransparentCertificates: Bool) -> Self {
        var demands = self
        demands.acceptsUnloggedKeySignatures = acceptsUnloggedKeySignatures || unloggedKeys
        demands.acceptsUntransparentCertificates = acceptsUntransparentCertificates || untransparentCertificates
        return demands
    }
}
