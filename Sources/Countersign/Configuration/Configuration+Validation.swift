extension Configuration {
    /// What cannot work or must not be, all of it at once; empty means the configuration may be used.
    ///
    /// Checked without a look at the network or the disk. The lab's trust root in production is refused at `serve`,
    /// where the file is read.
    package func validate() -> [ConfigurationProblem] {
        listenerProblems() + databaseProblems() + sigstoreProblems() + registryProblems() + endpointProblems()
            + policyProblems() + signingProblems() + attestations.problems() + workerProblems()
            + reconcile.problems() + retention.problems() + notifications.problems() + budgetProblems()
            + tenantProblems()
    }

    /// What a daemon is useless without, and other commands need not have: no problem, and worth a word.
    package func omissions() -> [ConfigurationProblem] {
        var omissions = Problems()
        omissions.check(!registries.isEmpty, "registries", "names none: no image is read, nothing is signed")
        omissions.check(
            !endpoints.isEmpty, "endpoints",
            "names none: no push is heard of; only what is asked for, or swept, is signed")
        omissions.check(
            policy.rules.contains { $0.effect == .sign }, "policy", "no rule signs anything: every artifact is refused")
        return omissions.found
    }

    private func listenerProblems() -> [ConfigurationProblem] {
        var problems = Problems()
        problems.positive("listeners.read_timeout", listeners.readTimeout)
        problems.positive("listeners.max_connections", listeners.maxConnections)
        problems.positive("intake.commit_events", intake.commitEvents)
        problems.positive("intake.max_waiting", intake.maxWaiting)
        problems.positive("intake.connection_wait", intake.connectionWait)
        problems.positive("api.max_waiters", api.maxWaiters)
        for (number, issuer) in api.oidc.enumerated() { problems.oidc("api.oidc[\(number)]", issuer) }
        return problems.found
    }

    private func databaseProblems() -> [ConfigurationProblem] {
        var problems = Problems()
        let accesses = [
            ("database.url", database.url), ("database.intake.url", database.intake?.url),
            ("database.migrate.url", database.migrate?.url), ("database.direct.url", database.direct?.url),
        ]
        for (path, url) in accesses {
            guard let url = url?.exposed else { continue }
            problems.check(
                url.hasPrefix("postgresql://") || url.hasPrefix("postgres://"), path, "must begin with postgresql://")
        }
        problems.check(
            !database.pooler || database.direct != nil, "database.direct",
            "is needed with a pooler: LISTEN works on a connection of its own only")
        problems.positive("database.worker_connections", database.workerConnections)
        problems.positive("database.intake_connections", database.intakeConnections)
        problems.positive("database.api_connections", database.apiConnections)
        problems.positive("database.connect_timeout", database.connectTimeout)
        problems.positive("database.statement_timeout", database.statementTimeout)
        return problems.found
    }

    private func sigstoreProblems() -> [ConfigurationProblem] {
        var problems = Problems()
        problems.trust(sigstore.trust)
        problems.identity("sigstore.identity", sigstore.identity)
        problems.positive("sigstore.upstreams.connect_timeout", sigstore.upstreams.connectTimeout)
        problems.positive("sigstore.upstreams.timeout", sigstore.upstreams.timeout)
        for (key, upstream) in [
            ("fulcio", sigstore.fulcio), ("timestamp_authority", sigstore.timestampAuthority),
        ] {
            if let upstream { problems.upstream("sigstore.\(key)", upstream) }
        }
        problems.logs(sigstore)
        problems.positive("sigstore.window.max_age", sigstore.window.maxAge)
        problems.positive("sigstore.window.max_signatures", sigstore.window.maxSignatures)
        problems.check(
            sigstore.window.margin >= .seconds(10), "sigstore.window.margin",
            "leave at least 10s: a certificate must outlive the log entry made with it")
        // what a signing configuration names is looked at when it is read
        let logs = sigstore.logs.enumerated().map { ("logs[\($0)]", Optional($1.upstream)) }
        for (key, upstream) in [("fulcio", sigstore.fulcio), ("rekor", sigstore.rekor)] + logs
        where sigstore.publicLog == .unacknowledged {
            guard let upstream, upstream.isPublicInstance else { continue }
            problems.add(
                "sigstore.\(key).url",
                "\(upstream.host ?? "") writes to a public log: names of repositories and identities become public for "
                    + "ever. Set 'sigstore.public_log: acknowledged' if that is meant")
        }
        return problems.found
    }

    private func registryProblems() -> [ConfigurationProblem] {
        var problems = Problems()
        var seen: [String: String] = [:]
        for (position, registry) in registries.enumerated() {
            let path = "registries[\(position)]"
            problems.upstream(path, registry.upstream)
            problems.check(
                registry.deletion != registry.credentials, "\(path).deletion",
                "is the ordinary credential: the right to delete belongs to one of its own, which nothing else is done with"
            )
            for (key, name) in [("name", registry.name)] + registry.aliases.map({ ("aliases", $0) }) {
                problems.check(
                    name.isRegistryName, "\(path).\(key)",
                    "'\(name)' is not a registry name: lower-case host[:port], without scheme or path")
                if let other = seen.updateValue("\(path).\(key)", forKey: name) {
                    problems.add("\(path).\(key)", "'\(name)' is already taken by \(other)")
                }
            }
        }
        return problems.found
    }

    private func endpointProblems() -> [ConfigurationProblem] {
        var problems = Problems()
        var seen: Set<String> = []
        for (position, endpoint) in endpoints.enumerated() {
            let path = "endpoints[\(position)]"
            problems.check(
                endpoint.name.isLabel(extra: "-"), "\(path).name",
                "'\(endpoint.name)' must be lower-case letters, digits and '-', at most 63")
            problems.check(seen.insert(endpoint.name).inserted, "\(path).name", "'\(endpoint.name)' is used twice")
            problems.check(
                registries.contains { $0.name == endpoint.registry }, "\(path).registry",
                "'\(endpoint.registry)' is not the name of a configured registry")
            problems.check(
                (1...2).contains(endpoint.secrets.count), "\(path).secret", "one secret, or two while it is rotated")
            for secret in endpoint.secrets {
                problems.check(
                    secret.exposed.utf8.count >= 16 || environment == .development, "\(path).secret",
                    "shorter than 16 bytes: a guessable secret is none")
            }
            problems.check(
                !endpoint.repositories.isEmpty, "\(path).repositories",
                "names no repository: every event would be refused")
            problems.positive("\(path).max_events", endpoint.maxEvents)
            problems.check(
                (1024...(64 << 20)).contains(endpoint.maxBodyBytes), "\(path).max_body",
                "must be between 1KiB and 64MiB")
        }
        return problems.found
    }

    private func policyProblems() -> [ConfigurationProblem] {
        var problems = Problems()
        var seen: Set<String> = []
        for (position, rule) in policy.rules.enumerated() {
            let path = "policy.rules[\(position)]"
            problems.check(
                rule.name.isLabel(extra: "-._"), "\(path).name",
                "'\(rule.name)' must be lower-case letters, digits, '.', '_' and '-', at most 63")
            problems.check(seen.insert(rule.name).inserted, "\(path).name", "'\(rule.name)' is used twice")
            problems.check(!rule.repositories.isEmpty, "\(path).repositories", "matches nothing")
        }
        return problems.found
    }

    private func workerProblems() -> [ConfigurationProblem] {
        var problems = Problems()
        problems.positive("worker.concurrency", worker.concurrency)
        problems.positive("worker.group_concurrency", worker.groupConcurrency)
        problems.check(worker.liveSlots >= 0, "worker.live_slots", "must not be negative")
        problems.positive("worker.poll", worker.poll)
        problems.positive("worker.rescue", worker.rescue)
        problems.positive("worker.retry_base", worker.retryBase)
        problems.positive("worker.permanent_attempts", worker.permanentAttempts)
        problems.check(
            (.seconds(1) ... .seconds(86_400)).contains(worker.missingManifestPatience),
            "worker.missing_manifest_patience", "must be 1s to 1d")
        problems.positive("worker.crashes_before_alone", worker.crashesBeforeAlone)
        problems.positive("worker.crashes_alone", worker.crashesAlone)
        problems.positive("worker.subject_lease", worker.subjectLease)
        problems.check(
            worker.heartbeat > .zero && worker.heartbeat * 3 <= worker.lease, "worker.heartbeat",
            "must be above 0 and at most a third of worker.lease: two beats may be lost")
        problems.check(
            worker.retryCeiling >= worker.retryBase, "worker.retry_ceiling", "must not be below worker.retry_base")
        return problems.found
    }
}

/// Collects problems by path.
struct Problems {
    var found: [ConfigurationProblem] = []

    mutating func add(_ path: String, _ message: String) { found.append(.init(path, message)) }

    mutating func check(_ holds: Bool, _ path: String, _ message: @autoclosure () -> String) {
        if !holds { add(path, message()) }
    }

    mutating func positive(_ path: String, _ value: Int) { check(value > 0, path, "must be above 0") }
    mutating func positive(_ path: String, _ value: Duration) { check(value > .zero, path, "must be above 0") }

    /// - Parameter key: what the address stands under.
    mutating func upstream(_ path: String, _ upstream: UpstreamConfiguration, key: String = "url") {
        positive("\(path).connect_timeout", upstream.connectTimeout)
        positive("\(path).timeout", upstream.timeout)
        guard upstream.host != nil else {
            return add("\(path).\(key)", "'\(upstream.url)' is not an http(s) URL without user, query and fragment")
        }
        check(
            upstream.url.hasPrefix("https://") || upstream.plainHTTP, "\(path).\(key)",
            "http:// sends everything in clear; set 'plain_http: true' if that is meant")
    }
}

extension UpstreamConfiguration {
    /// The host of the URL without its port; nil if it is not a plain http(s) URL.
    var host: String? {
        guard let scheme = ["https://", "http://"].first(where: { url.hasPrefix($0) }) else { return nil }
        guard !url.contains(where: { "@?# ".contains($0) }) else { return nil }
        let authority = url.dropFirst(scheme.count).prefix { $0 != "/" }
        let host =
            authority.hasPrefix("[") ? authority.prefix { $0 != "]" }.dropFirst() : authority.prefix { $0 != ":" }
        return host.isEmpty ? nil : host.lowercased()
    }
}

extension String {
    /// Lower-case letters, digits and some more, 1 to 63.
    func isLabel(extra: String) -> Bool {
        (1...63).contains(utf8.count)
            && allSatisfy { ($0.isASCII && ($0.isLowercase || $0.isNumber)) || extra.contains($0) }
    }

    /// `host[:port]`, lower case.
    fileprivate var isRegistryName: Bool {
        guard let colon = lastIndex(of: ":") else { return isHostName }
        return String(self[..<colon]).isHostName && UInt16(self[index(after: colon)...]) != nil
    }

    private var isHostName: Bool {
        !isEmpty && utf8.count <= 253 && !hasPrefix(".") && !hasPrefix("-")
            && allSatisfy { ($0.isASCII && ($0.isLowercase || $0.isNumber)) || "-._".contains($0) }
    }
}
