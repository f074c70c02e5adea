extension Certificate {
    /// How the issuer signed the certificate; nil for a scheme that this module does not sign or verify with.
    public var signatureScheme: SignatureScheme? {
        try? SignatureScheme(algorithmIdentifier: fields.signatureAlgorithm[...])
    }
}
