/// The keys of each section that has no file of its own, in the order of the example.
extension ConfigurationReading {
    func listeners(_ section: ConfigurationSection) -> ListenerConfiguration {
        var listeners = ListenerConfiguration()
        let form = "an address such as 127.0.0.1:8080 or [::1]:8080"
        section.read("webhooks", into: &listeners.webhooks, form) { ListenAddress($0) }
        section.read("api", into: &listeners.api, form) { ListenAddress($0) }
        section.read("operations", into: &listeners.operations, form) { ListenAddress($0) }
        section.read("read_timeout", into: &listeners.readTimeout)
        section.read("max_connections", into: &listeners.maxConnections)
        return listeners
    }

    func intake(_ section: ConfigurationSection) -> IntakeConfiguration {
        var intake = IntakeConfiguration()
        section.read("commit_events", into: &intake.commitEvents)
        section.read("max_waiting", into: &intake.maxWaiting)
        section.read("connection_wait", into: &intake.connectionWait)
        section.read("retry_after", into: &intake.retryAfter)
        return intake
    }

    func database(_ section: ConfigurationSection) -> DatabaseConfiguration {
        var database = DatabaseConfiguration(url: requiredSecret(section, "url", "the postgresql:// address"))
        database.password = secret(section, "password")
        database.intake = section.section("intake", databaseAccess)
        database.migrate = section.section("migrate", databaseAccess)
        database.direct = section.section("direct", databaseAccess)
        section.read("pooler", into: &database.pooler)
        section.read("worker_connections", into: &database.workerConnections)
        section.read("intake_connections", into: &database.intakeConnections)
        section.read("api_connections", into: &database.apiConnections)
        section.read("connect_timeout", into: &database.connectTimeout)
        section.read("statement_timeout", into: &database.statementTimeout)
        return database
    }

    private func databaseAccess(_ section: ConfigurationSection) -> DatabaseConfiguration.Access? {
        guard section.isPresent else {
            // the keys are known also where nothing is set
            _ = (secret(section, "url"), secret(section, "password"))
            return nil
        }
        return .init(
            url: requiredSecret(section, "url", "the postgresql:// address"), password: secret(section, "password"))
    }

    func sigstore(_ section: ConfigurationSection) -> SigstoreConfiguration {
        let trust = trust(section)
        var sigstore = SigstoreConfiguration(
            trust: trust,
            fulcio: service("fulcio", in: section, trust, "who issues our certificates"),
            timestampAuthority: section.section("timestamp_authority") { $0.isPresent ? upstream($0) : nil },
            rekor: nil,
            identity: section.section("identity", identity))
        sigstore.identities = section.sections("identities") { section in
            SigstoreConfiguration.NamedIdentity(
                name: section.required("name", "what rules call it by"), identity: identity(section))
        }
        logs(section, trust, into: &sigstore)
        section.section("upstreams") { transport($0, into: &sigstore.upstreams) }
        sigstore.window = section.section("window") { section in
            var window = WindowConfiguration()
            section.read("max_age", into: &window.maxAge)
            section.read("margin", into: &window.margin)
            section.read("max_signatures", into: &window.maxSignatures)
            return window
        }
        section.section("log_watch") { $0.read("interval", into: &sigstore.logWatchInterval) }
        section.read("public_log", into: &sigstore.publicLog)
        section.read("certificate_transparency", into: &sigstore.certificateTransparency)
        return sigstore
    }

    func upstream(_ section: ConfigurationSection) -> UpstreamConfiguration {
        var upstream = UpstreamConfiguration(url: section.required("url", "the address that is dialled"))
        transport(section, into: &upstream)
        return upstream
    }

    /// The keys that say how something is reached.
    func transport(_ section: ConfigurationSection, into upstream: inout UpstreamConfiguration) {
        section.read("connect_timeout", into: &upstream.connectTimeout)
        section.read("timeout", into: &upstream.timeout)
        if let file = section.string("ca_file").map(path) { upstream.caFile = file }
        section.read("proxy", into: &upstream.proxy, "environment, none or a URL") { text in
            switch text {
            case "environment": .environment
            case "none": UpstreamConfiguration.Proxy.none
            default: text.contains("://") ? .url(text) : nil
            }
        }
        section.read("private_network", into: &upstream.privateNetwork)
        section.read("plain_http", into: &upstream.plainHTTP)
    }

    func registry(_ section: ConfigurationSection) -> RegistryConfiguration {
        var registry = RegistryConfiguration(
            name: section.required("name", "the canonical external name, host[:port]"), upstream: upstream(section))
        registry.aliases = section.strings("aliases")
        registry.credentials = section.section("credentials", credentials)
        registry.deletion = section.section("deletion", deletion)
        if section.has("token_realms") { registry.tokenRealms = section.strings("token_realms") }
        registry.signatureRepository = section.string("signature_repository")
        return registry
    }

    private func credentials(_ section: ConfigurationSection) -> RegistryConfiguration.Credentials {
        let dockerConfig = section.string("docker_config").map(path)
        let username = section.string("username")
        let password = secret(section, "password")
        switch (dockerConfig, username, password) {
        case (nil, nil, nil): return .anonymous
        case (let file?, nil, nil): return .dockerConfig(path: file)
        case (nil, let username?, let password?): return .basic(username: username, password: password)
        default:
            section.complain("username", "give either 'docker_config', or 'username' with 'password', or nothing")
            return .anonymous
        }
    }

    private func deletion(_ section: ConfigurationSection) -> RegistryConfiguration.Credentials? {
        let credentials = credentials(section)
        guard section.isPresent else { return nil }
        if credentials == .anonymous {
            section.complain("username", "give 'docker_config', or 'username' with 'password'")
        }
        return credentials
    }

    func endpoint(_ section: ConfigurationSection) -> EndpointConfiguration {
        var endpoint = EndpointConfiguration(
            name: section.required("name", "the last segment of /webhooks/{name}"),
            registry: section.required("registry", "the canonical name of the registry it speaks for"),
            secrets: [])
        let kinds = WebhookDialects.all.map(\.name).joined(separator: ", ")
        section.read("kind", into: &endpoint.kind, "one of \(kinds)") { WebhookDialects.named($0) }
        endpoint.secrets.append(requiredSecret(section, "secret", endpoint.kind.proof.secretMeaning))
        if let previous = secret(section, "previous_secret") { endpoint.secrets.append(previous) }
        endpoint.repositories = section.globs("repositories")
        section.read("trust_host", into: &endpoint.trustHost)
        endpoint.ignoredUserAgents = section.globs("ignored_user_agents")
        endpoint.ignoredActors = section.strings("ignored_actors")
        section.readSize("max_body", into: &endpoint.maxBodyBytes)
        section.read("max_events", into: &endpoint.maxEvents)
        return endpoint
    }

    func rule(_ section: ConfigurationSection) -> PolicyConfiguration.Rule {
        var rule = PolicyConfiguration.Rule(
            name: section.required("name", "how records call this rule"), repositories: section.globs("repositories"))
        section.read("effect", into: &rule.effect)
        section.read("untagged", into: &rule.untagged)
        section.read("index", into: &rule.index)
        signing(section, into: &rule)
        return rule
    }

    func worker(_ section: ConfigurationSection) -> WorkerConfiguration {
        var worker = WorkerConfiguration()
        section.read("concurrency", into: &worker.concurrency)
        section.read("group_concurrency", into: &worker.groupConcurrency)
        section.read("live_slots", into: &worker.liveSlots)
        section.read("lease", into: &worker.lease)
        section.read("heartbeat", into: &worker.heartbeat)
        section.read("poll", into: &worker.poll)
        section.read("rescue", into: &worker.rescue)
        section.read("retry_base", into: &worker.retryBase)
        section.read("retry_ceiling", into: &worker.retryCeiling)
        section.read("retry_after_ceiling", into: &worker.retryAfterCeiling)
        section.read("permanent_attempts", into: &worker.permanentAttempts)
        section.read("crashes_before_alone", into: &worker.crashesBeforeAlone)
        section.read("crashes_alone", into: &worker.crashesAlone)
        section.read("subject_lease", into: &worker.subjectLease)
        section.read("missing_manifest_patience", into: &worker.missingManifestPatience)
        section.read("shutdown_grace", into: &worker.shutdownGrace)
        return worker
    }

    func api(_ section: ConfigurationSection, _ tenants: [TenantConfiguration]) -> APIConfiguration {
        var api = APIConfiguration()
        section.read("anonymous_read", into: &api.anonymousRead)
        section.read("max_wait", into: &api.maxWait)
        section.read("max_waiters", into: &api.maxWaiters)
        api.oidc = section.sections("oidc") { oidc($0, tenants) }
        return api
    }

    func log(_ section: ConfigurationSection) -> LogConfiguration {
        var log = LogConfiguration()
        section.read("level", into: &log.level)
        section.read("format", into: &log.format)
        return log
    }
}
