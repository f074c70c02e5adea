extension ConfigurationSection {
    /// What one reading found; shared by all its sections.
    final class ProblemLog {
        var problems: [ConfigurationProblem] = []
        /// Every key that was asked for, list positions left out (`endpoints[].name`): the test of the example compares with it.
        var keys: Set<String> = []
        /// The line of each key and list item that the file has, by its path.
        var lines: [String: Int] = [:]

        /// The problems of the reading and those of its result, in the order of the file; what has no line stands last.
        ///
        /// A key that could not be read keeps its default, and nobody wrote that: what is found about such a key, what is in it,
        /// the section around it, or by means of it, only follows from what was told already.
        func problems(with judged: [ConfigurationProblem]) -> [ConfigurationProblem] {
            let own = judged.filter { problem in
                let read = [problem.path] + Self.keys(judging: problem.path)
                return !problems.contains { unread in read.contains { unread.path.touches($0) } }
            }
            let all = problems + own.map { .init($0.path, $0.message, line: line(of: $0.path)) }
            return all.enumerated().sorted { left, right in
                let (first, second) = (left.element.line ?? .max, right.element.line ?? .max)
                return first == second ? left.offset < right.offset : first < second
            }.map(\.element)
        }

        /// The line of a key, or of the section where it is missing.
        private func line(of path: String) -> Int? {
            var place = path[...]
            while !place.isEmpty {
                if let line = lines[String(place)] { return line }
                guard let end = place.lastIndex(where: { $0 == "." || $0 == "[" }) else { return nil }
                place = place[..<end]
            }
            return nil
        }

        // MARK: What is judged by what

        /// The other keys by whose values a key is judged.
        static func keys(judging path: String) -> [String] {
            let section = path.lastIndex(of: ".").map { String(path[..<$0]) } ?? ""
            let isAddress = [".url", ".tiles_url", ".targets_url", ".issuer"].contains { path.hasSuffix($0) }
            let others = (judgedBy[path.withoutPositions] ?? []) + (isAddress ? [".plain_http"] : [])
            return others.map { $0.hasPrefix(".") ? section + $0 : $0 }
        }

        /// A key that begins with a dot is one of the same section; `registries[].name` is that of any registry.
        static let judgedBy: [String: [String]] = [
            "database.direct": ["database.pooler"],
            "sigstore.trusted_root": ["sigstore.client_trust_config", "sigstore.tuf"],
            "sigstore.timestamp_authority": [
                "sigstore.logs[].version", "sigstore.trusted_root", "sigstore.client_trust_config", "sigstore.tuf",
            ],
            "sigstore.fulcio.url": ["sigstore.public_log"], "sigstore.rekor.url": ["sigstore.public_log"],
            "sigstore.logs[].url": ["sigstore.public_log"],
            "sigstore.logs[].timeout": [".version"], "sigstore.logs[].tiles_url": [".version"],
            "sigstore.logs[].witnesses": [".version"],
            "sigstore.logs[].witnesses.quorum": [".keys"], "sigstore.witnesses[].quorum": [".keys"],
            "registries[].signature_repository": ["registries[].name"],
            "endpoints[].registry": ["registries[].name"],
            "endpoints[].secret": ["environment", ".previous_secret"],
            "policy.rules[].identity": ["sigstore.identities[].name"], "policy.rules[].log": ["sigstore.logs[].name"],
            "policy.rules[].formats": ["sigstore.logs[].version"],
            "attestations.memory": ["attestations.max_document"],
            "worker.heartbeat": ["worker.lease"], "worker.retry_ceiling": ["worker.retry_base"],
            "budgets.breaker.ceiling": ["budgets.breaker.open"],
            "budgets.upstreams[].name": ["registries[].name", ".upstream"],
            "tenants[].repositories": [".endpoints"],
            "api.oidc[].roles[].predicate_types": [".role", ".repositories", ".tenants"],
            "api.oidc[].roles[].repositories": [".role", ".tenants", ".predicate_types"],
            "notifications.sinks[].secret": [".previous_secret"],
            "notifications.sinks[].retry_ceiling": [".retry_base"],
        ]
    }
}

extension String {
    /// `endpoints[3].name` → `endpoints[].name`
    var withoutPositions: String {
        var result = ""
        var inside = false
        for character in self {
            if character == "]" { inside = false }
            if !inside { result.append(character) }
            if character == "[" { inside = true }
        }
        return result
    }

    /// Whether an unreadable key is that of the other path, lies in its section, or has it in its own section or list.
    fileprivate func touches(_ other: String) -> Bool {
        let path = other.contains("[]") ? withoutPositions : self
        return path.isEmpty || path == other || path.hasPrefix("\(other).") || other.hasPrefix("\(path).")
            || other.hasPrefix("\(path)[")
    }
}
