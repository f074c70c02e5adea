import OCI
import OpenSSL
import Sigstore
import StrictJSON

/// What `cosign verify` and `cosign verify-attestation` print, byte for byte, for scripts that read it.
package enum CosignOutput {
    /// `cosign verify --output json`: one array in a line of its own, after an empty line.
    ///
    /// For a bundle the newer shape, in which the reference is the one asked for and `optional` holds the annotations; for an
    /// older signature its own document, with certificate and log entry in `optional` (cosign's `PrintVerification`).
    package static func signatures(_ report: VerifyReference.Report) -> [UInt8] {
        let array = report.signatures.map { signature in
            switch signature.verified.source {
            case .bundle: bundle(signature.verified, report)
            case .legacy(let legacy): older(signature, legacy)
            }
        }
        return Array("\n".utf8) + goText(array) + Array("\n".utf8)
    }

    /// `cosign verify-attestation`: the envelope of each attestation in a line.
    package static func attestations(_ report: VerifyReference.Report) -> [UInt8] {
        report.signatures.reduce(into: []) { lines, signature in
            switch signature.verified.source {
            case .bundle(let bundle):
                guard case .envelope(let envelope) = bundle.content else { return }
                lines += envelope.encoded()
            case .legacy(let legacy): lines += legacy.layer
            }
            lines.append(0x0A)
        }
    }

    private static func bundle(_ verified: VerifiedSignature, _ report: VerifyReference.Report) -> JSONValue {
        .object([
            "critical": .object([
                "identity": .object(["docker-reference": .string(report.reference.description)]),
                "image": .object(["docker-manifest-digest": .string(report.digest.description)]),
                "type": .string(Statement.cosignSignPredicateType),
            ]),
            "optional": .object(
                JSONObject(verified.annotations.map { JSONObject.Member($0.key, .string($0.value)) })),
        ])
    }

    private static func older(_ signature: VerifyReference.Signature, _ legacy: LegacySignature) -> JSONValue {
        guard let payload = signature.verified.payload else { return .null }
        // the signer's own members, also those that are no text
        var optional: JSONObject?
        if case .payload(let bytes, _) = legacy.content,
            case .object(let object)? = (try? JSONValue(parsing: bytes))?["optional"]
        {
            optional = object
        }
        var added: JSONObject = [:]
        if let certificate = signature.verified.certificate { addCertificate(certificate, to: &added) }
        let annotations = legacy.annotations
        for (member, annotation) in [
            ("Bundle", "dev.sigstore.cosign/bundle"), ("RFC3161Timestamp", "dev.sigstore.cosign/rfc3161timestamp"),
        ] {
            guard let text = annotations[annotation], let value = try? JSONValue(parsing: Array(text.utf8)) else {
                continue
            }
            added[member] = value
        }
        for member in added.members {
            if optional == nil { optional = [:] }
            optional?[member.name] = member.value
        }
        return .object([
            "critical": .object([
                "identity": .object(["docker-reference": .string(payload.dockerReference)]),
                "image": .object(["docker-manifest-digest": .string(payload.manifestDigest.description)]),
                "type": .string(payload.type),
            ]),
            "optional": optional.map { .object($0) } ?? .null,
        ])
    }

    /// cosign's names for the first six of Fulcio's extensions; each is written under its number, too.
    private static let names: [FulcioExtension.Kind: String] = [
        .gitHubWorkflowTrigger: "githubWorkflowTrigger", .gitHubWorkflowSHA: "githubWorkflowSha",
        .gitHubWorkflowName: "githubWorkflowName", .gitHubWorkflowRepository: "githubWorkflowRepository",
        .gitHubWorkflowRef: "githubWorkflowRef",
    ]

    private static func addCertificate(_ certificate: Certificate, to optional: inout JSONObject) {
        let extensions = (try? FulcioExtension.all(of: certificate)) ?? []
        optional["Subject"] = .string((try? certificate.signerIdentity()) ?? "")
        if let issuer = try? certificate.signerIssuer() {
            optional["Issuer"] = .string(issuer)
            optional[FulcioExtension.Kind.issuer.oid] = .string(issuer)
        }
        for field in extensions {
            guard let name = names[field.kind], !field.value.isEmpty else { continue }
            optional[name] = .string(field.value)
            optional[field.kind.oid] = .string(field.value)
        }
    }

    /// As Go's `encoding/json` writes structs with a map in them: the members of `optional` sorted by their bytes, and what
    /// HTML could take for markup escaped.
    static func goText(_ elements: [JSONValue]) -> [UInt8] {
        let sorted = elements.map { element -> JSONValue in
            guard case .object(var object) = element, case .object(let optional)? = object["optional"] else {
                return element
            }
            object["optional"] = .object(
                JSONObject(optional.members.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }))
            return .object(object)
        }
        return JSONValue.array(sorted).encoded().goEscaped
    }
}

extension [UInt8] {
    /// `<`, `>` and `&` as `\u003c`, `\u003e`, `\u0026`, and the two line separators of JavaScript: they stand only in
    /// strings of JSON.
    fileprivate var goEscaped: [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(count)
        var index = startIndex
        while index < endIndex {
            switch self[index] {
            case UInt8(ascii: "<"): out += "\\u003c".utf8
            case UInt8(ascii: ">"): out += "\\u003e".utf8
            case UInt8(ascii: "&"): out += "\\u0026".utf8
            case 0xE2 where self[index...].starts(with: [0xE2, 0x80, 0xA8]):
                out += "\\u2028".utf8
                index += 2
            case 0xE2 where self[index...].starts(with: [0xE2, 0x80, 0xA9]):
                out += "\\u2029".utf8
                index += 2
            case let byte: out.append(byte)
            }
            index += 1
        }
        return out
    }
}
