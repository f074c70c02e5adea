#if DEBUG || FUZZING
    import Sigstore

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
            }
        ]
    }
#endif
