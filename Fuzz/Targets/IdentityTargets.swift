#if DEBUG || FUZZING
    import OpenSSL
    @testable import Sigstore
    import StrictJSON

    extension FuzzTarget {
        /// Identity tokens: their claims decide as whom we sign, and the token must never be in an error.
        static let identity = [
            FuzzTarget(name: "identity-token") { bytes in
                let text = String(decoding: bytes, as: UTF8.self)
                do {
                    let token = try IdentityToken(text)
                    _ = token.proofSubject
                    promise(!token.claims.issuer.isEmpty, "a token that parsed has an issuer")
                } catch {
                    let signature =
                        text.split(separator: ".", omittingEmptySubsequences: false).last.map(String.init) ?? ""
                    promise(signature.utf8.count < 24 || !"\(error)".contains(signature), "no token in an error")
                }
            },
            // what a SPIFFE agent answers
            FuzzTarget(name: "workload-api") { bytes in
                if let message = try? UnaryCall.message(in: bytes) { _ = try? ProtobufMessage(parsing: message) }
                guard let message = try? ProtobufMessage(parsing: bytes) else { return }
                let again = try? ProtobufMessage(parsing: message.encoded)
                promise(
                    again?.fields.map(\.number) == message.fields.map(\.number)
                        && again?.fields.map(\.content) == message.fields.map(\.content),
                    "a message reads back as it was written")
            },
            // cosign's key files: the box and its costs, before the password is tried
            FuzzTarget(name: "encrypted-key") { bytes in
                _ = try? EncryptedKey(json: bytes)
            },
            // Fulcio's configuration, and the names that it makes of claims
            FuzzTarget(name: "fulcio-issuers") { bytes in
                guard let document = try? JSONField(document: "issuers", parsing: bytes),
                    let fields = try? document.optional("issuers")?.elements(atMost: 16)
                else { return }
                for issuer in fields.compactMap({ try? FulcioIssuer($0) }) {
                    if issuer.isWildcard {
                        _ = issuer.accepts(issuer: "https://oidc.eks.eu-west-1.amazonaws.com/id/A1B2")
                    }
                    promise(issuer.isWildcard || issuer.accepts(issuer: issuer.url), "an issuer accepts itself")
                }
            },
            // a verifier's expression in the first line, and a stranger's name in the rest
            FuzzTarget(name: "identity-pattern") { bytes in
                let parts = bytes.split(separator: 0x0A, maxSplits: 1, omittingEmptySubsequences: false)
                let (text, name) = (
                    String(decoding: parts[0].prefix(4096), as: UTF8.self),
                    String(decoding: (parts.count > 1 ? parts[1] : []).prefix(256), as: UTF8.self)
                )
                if !name.unicodeScalars.contains("E") {
                    let quoted = try? IdentityPattern(#"^\Q"# + name + #"\E$"#)
                    promise(quoted?.search(name).isFound == true, "a quoted name finds itself")
                }
                guard let pattern = try? IdentityPattern(text) else { return }
                promise(pattern.program.count <= IdentityPattern.maxInstructions, "a program has an end")
                let steps = pattern.search(name).steps
                promise(steps <= pattern.program.count * (name.unicodeScalars.count + 1), "nothing backtracks")
                _ = pattern.isAnchored
            },
            // what Fulcio answers: the chain, and the SCT beside it
            FuzzTarget(name: "fulcio-answer") { bytes in
                guard let certificate = try? FulcioClient.certificate(from: bytes) else { return }
                promise(!certificate.leaf.der.isEmpty, "an answer that was taken has a leaf")
            },
            // AWS answers in XML
            FuzzTarget(name: "xml-answer") { bytes in
                let text = String(decoding: bytes, as: UTF8.self)
                guard let content = XMLText.element("Message", in: text) else { return }
                promise(content.utf8.count <= text.utf8.count, "nothing is expanded")
            },
            // what a token service or program says when it refuses
            FuzzTarget(name: "refusal-text") { bytes in
                let secret = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzIn0.c2lnbmF0dXJl"
                let text = String(decoding: bytes.prefix(128), as: UTF8.self)
                promise(!scrubbed(text + " " + secret + " ").contains("c2lnbmF0dXJl"), "no token in a refusal")
            },
        ]
    }
#endif
