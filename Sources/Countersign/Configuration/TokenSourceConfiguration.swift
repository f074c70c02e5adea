extension IdentityConfiguration {
    /// Where identity tokens come from.
    package enum TokenSource: Sendable, Equatable {
        /// A file that rotates, such as a projected Kubernetes service-account token.
        case file(String)
        /// An environment variable: cannot rotate, so only for runs shorter than the token.
        case environment(String)
    }
}
