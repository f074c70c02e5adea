import Sigstore

extension ConfigurationReading {
    private typealias Source = IdentityConfiguration.TokenSource

    /// Exactly one key names the kind of source; its value is what that kind needs, `{}` where it needs nothing.
    func tokenSource(_ section: ConfigurationSection, isRequired: Bool) -> IdentityConfiguration.TokenSource {
        var found: [Source] = []
        if let path = section.string("file").map(path) { found.append(.file(path)) }
        if let variable = section.string("env") { found.append(.environment(variable)) }
        let kinds: [(String, (ConfigurationSection) -> Source)] = [
            ("kubernetes", kubernetes), ("github_actions", { .githubActions(service($0)) }),
            ("gitlab", { variable($0, "SIGSTORE_ID_TOKEN") }), ("circleci", { variable($0, "CIRCLE_OIDC_TOKEN_V2") }),
            ("buildkite", { .buildkite(service($0)) }), ("google", google), ("azure", azure),
            ("azure_federated_token", { _ in .namedFile(variable: "AZURE_FEDERATED_TOKEN_FILE") }), ("aws", aws),
            ("aws_irsa", { _ in .namedFile(variable: "AWS_WEB_IDENTITY_TOKEN_FILE") }), ("spiffe", spiffe),
            ("client_credentials", { .clientCredentials(oauth($0)) }), ("token_exchange", tokenExchange),
            ("exec", exec), ("auto", { _ in .auto }),
        ]
        for (key, read) in kinds where section.has(key) { found.append(section.section(key, read)) }
        guard let source = found.first, found.count == 1 else {
            if isRequired || found.count > 1 {
                let names = (["file", "env"] + kinds.map(\.0)).joined(separator: ", ")
                section.complain("file", "give exactly one source of identity tokens: \(names)")
            }
            return .file("")
        }
        return source
    }

    private func variable(_ section: ConfigurationSection, _ usual: String) -> Source {
        .environment(section.string("variable") ?? usual)
    }

    private func kubernetes(_ section: ConfigurationSection) -> Source {
        var account = KubernetesTokenSource.Account()
        account.namespace = section.string("namespace")
        account.name = section.string("service_account")
        if let file = section.string("token_file").map(path) { account.tokenFile = file }
        section.read("life", into: &account.life)
        // the API server is inside, and its certificate is the cluster's own
        var server = UpstreamConfiguration(url: "https://kubernetes.default.svc")
        server.caFile = KubernetesTokenSource.folder + "/ca.crt"
        server.privateNetwork = true
        server.proxy = .none
        return .kubernetes(account, server: service(section, server))
    }

    private func google(_ section: ConfigurationSection) -> Source {
        .google(
            account: section.string("account") ?? "default", impersonate: section.string("impersonate"),
            service: service(section, UpstreamConfiguration(url: "https://iamcredentials.googleapis.com")))
    }

    private func azure(_ section: ConfigurationSection) -> Source {
        var application = AzureTokenSource.Application()
        application.tenant = section.string("tenant")
        application.client = section.string("client_id")
        application.tokenFile = section.string("token_file").map(path)
        application.authority = section.string("url")
        application.scope = section.string("scope")
        return .azure(application, service(section))
    }

    private func aws(_ section: ConfigurationSection) -> Source {
        var request = AWSTokenSource.Request()
        request.region = section.string("region")
        section.read("algorithm", into: &request.algorithm, "RS256 or ES384") {
            ["RS256", "ES384"].contains($0) ? $0 : nil
        }
        section.read("life", into: &request.life)
        request.endpoint = section.string("url")
        return .aws(request, service(section))
    }

    private func spiffe(_ section: ConfigurationSection) -> Source {
        var timeout = Duration.seconds(10)
        section.read("timeout", into: &timeout)
        return .spiffe(socket: section.string("socket"), id: section.string("id"), timeout: timeout)
    }

    private func oauth(_ section: ConfigurationSection) -> OAuthConfiguration {
        var oauth = OAuthConfiguration(endpoint: upstream(section))
        oauth.clientID = section.string("client_id")
        oauth.clientSecret = secret(section, "client_secret")
        section.read("secret_in_body", into: &oauth.secretInBody)
        oauth.scope = section.string("scope")
        section.read("send_audience", into: &oauth.sendsAudience)
        section.read("answer", into: &oauth.answer)
        return oauth
    }

    private func tokenExchange(_ section: ConfigurationSection) -> Source {
        var exchange = TokenExchangeTokenSource.Exchange()
        section.read("subject_token_type", into: &exchange.subjectTokenType, "text") { $0 }
        if let type = section.string("requested_token_type") { exchange.requestedTokenType = type }
        exchange.resource = section.string("resource")
        let subject = section.section("subject_token") { tokenSource($0, isRequired: true) }
        var oauth = OAuthConfiguration(endpoint: upstream(section))
        oauth.clientID = section.string("client_id")
        oauth.clientSecret = secret(section, "client_secret")
        section.read("secret_in_body", into: &oauth.secretInBody)
        exchange.scope = section.string("scope")
        return .tokenExchange(
            oauth, exchange, subject: subject, subjectAudience: section.string("subject_audience") ?? "")
    }

    private func exec(_ section: ConfigurationSection) -> Source {
        var program = ExecTokenSource.Program(command: section.strings("command"))
        if program.command.first.map({ $0.isEmpty }) ?? true {
            section.complain("command", "is missing: the program and its arguments, as a list; no shell reads it")
        }
        program.environment = section.strings("environment")
        section.read("timeout", into: &program.timeout)
        section.readSize("max_output", into: &program.maxOutputBytes)
        return .exec(program)
    }

    /// How a service is reached whose address is known: the keys of an upstream, the address among them, all optional.
    private func service(
        _ section: ConfigurationSection, _ usual: UpstreamConfiguration = UpstreamConfiguration(url: "")
    ) -> UpstreamConfiguration {
        var service = usual
        if let url = section.string("url") { service.url = url }
        transport(section, into: &service)
        return service
    }
}
