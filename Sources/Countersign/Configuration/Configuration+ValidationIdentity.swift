extension Problems {
    /// One way to prove who we are, and with tokens whom the certificates must name.
    mutating func identity(_ path: String, _ identity: IdentityConfiguration) {
        switch identity.proof {
        case .key(let key):
            check(!key.file.isEmpty, "\(path).key.file", "must name the file of the signing key")
        case .token(let source):
            found += source.problems(at: "\(path).token")
            check(
                !identity.subjectAlternativeName.isEmpty, "\(path).subject_alternative_name",
                "must be set: our own output is compared with it before it is published")
            check(!identity.issuer.isEmpty, "\(path).issuer", "must be set, with the subject alternative name")
            check(!identity.audience.isEmpty, "\(path).audience", "must not be empty")
        }
    }
}
