/// As whom we sign: what proves it, and what the certificate made from that proof must say.
package struct IdentityConfiguration: Sendable, Equatable {
    /// What we prove it with.
    package var proof: Proof
    /// The audience an identity token must name. Default `sigstore`. Not used with a key.
    package var audience = "sigstore"
    /// The subject alternative name our certificates must carry, exactly. Compared before anything is published and never
    /// derived from the token just used: a token of somebody else's is noticed, not obeyed. Empty with a key, which names
    /// nobody.
    package var subjectAlternativeName: String
    /// The OIDC issuer our certificates must carry, exactly. Empty with a key.
    package var issuer: String

    package init(proof: Proof, subjectAlternativeName: String = "", issuer: String = "") {
        self.proof = proof
        self.subjectAlternativeName = subjectAlternativeName
        self.issuer = issuer
    }

    /// An identity whose certificates Fulcio issues for tokens of `token`.
    package init(token: TokenSource, subjectAlternativeName: String, issuer: String) {
        self.init(proof: .token(token), subjectAlternativeName: subjectAlternativeName, issuer: issuer)
    }

    package enum Proof: Sendable, Equatable {
        /// Identity tokens, asked for anew for every certificate.
        case token(TokenSource)
        /// A key of our own, without certificates: verifiers need its public half.
        case key(ManagedKeyConfiguration)
    }

    /// The token source, unless a key proves who we are.
    package var token: TokenSource? {
        if case .token(let source) = proof { source } else { nil }
    }

    /// The key, unless tokens prove who we are.
    package var key: ManagedKeyConfiguration? {
        if case .key(let key) = proof { key } else { nil }
    }
}

/// A signing key in a file, for those who have no OIDC issuer.
package struct ManagedKeyConfiguration: Sendable, Equatable {
    /// PEM: PKCS #8, EC, RSA, or cosign's encrypted form. Read at the start.
    package var file: String
    /// The password of an encrypted key. Default none.
    package var password: Secret?

    package init(file: String, password: Secret? = nil) {
        self.file = file
        self.password = password
    }
}
