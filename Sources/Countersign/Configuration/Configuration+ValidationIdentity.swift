import Sigstore

extension Problems {
    /// One way to prove who we are, and with tokens whom the certificates must name.
    mutating func identity(_ path: String, _ identity: IdentityConfiguration) {
        switch identity.proof {
        case .key(let key):
            check(!key.file.isEmpty, "\(path).key.file", "must name the file of the signing key")
        case .token(let source):
            token("\(path).token", source)
            check(
                !identity.subjectAlternativeName.isEmpty, "\(path).subject_alternative_name",
                "must be set: our own output is compared with it before it is published")
            check(!identity.issuer.isEmpty, "\(path).issuer", "must be set, with the subject alternative name")
            check(!identity.audience.isEmpty, "\(path).audience", "must not be empty")
        }
    }

    private mutating func token(_ path: String, _ source: IdentityConfiguration.TokenSource) {
        switch source {
        case .file, .namedFile, .environment, .auto: break
        case .kubernetes(let account, let server):
            upstream("\(path).kubernetes", server)
            check(account.life >= .seconds(600), "\(path).kubernetes.life", "the API server gives no less than 10m")
        case .githubActions(let service): optional("\(path).github_actions", service)
        case .buildkite(let service): optional("\(path).buildkite", service)
        case .google(_, let impersonate, let service):
            upstream("\(path).google", service)
            check(
                impersonate?.contains("@") ?? true, "\(path).google.impersonate",
                "must be the e-mail address of a service account")
        case .azure(_, let service): optional("\(path).azure", service)
        case .aws(let request, let service):
            optional("\(path).aws", service)
            check(
                (Duration.seconds(60)...Duration.seconds(3600)).contains(request.life), "\(path).aws.life",
                "must be between 1m and 1h")
        case .spiffe(let socket, let id, let timeout):
            positive("\(path).spiffe.timeout", timeout)
            check(
                socket.map { $0.hasPrefix("/") || $0.hasPrefix("unix:") } ?? true, "\(path).spiffe.socket",
                "must be the path of a Unix socket")
            check(id?.hasPrefix("spiffe://") ?? true, "\(path).spiffe.id", "must begin with spiffe://")
        case .clientCredentials(let oauth): client("\(path).client_credentials", oauth)
        case .tokenExchange(let oauth, _, let subject, _):
            client("\(path).token_exchange", oauth)
            token("\(path).token_exchange.subject_token", subject)
        case .exec(let program):
            positive("\(path).exec.timeout", program.timeout)
            check(
                (1...(1 << 20)).contains(program.maxOutputBytes), "\(path).exec.max_output",
                "must be between 1 byte and 1MiB")
        }
    }

    /// A service whose address the environment tells where the configuration does not.
    private mutating func optional(_ path: String, _ service: UpstreamConfiguration) {
        if !service.url.isEmpty { upstream(path, service) }
    }

    private mutating func client(_ path: String, _ oauth: OAuthConfiguration) {
        upstream(path, oauth.endpoint)
        check(
            oauth.clientSecret == nil || oauth.clientID != nil, "\(path).client_id",
            "is missing beside the client's secret")
    }
}
