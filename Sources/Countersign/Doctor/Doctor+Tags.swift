import OCI
import OpenSSL

extension Doctor {
    /// Whether the tags that we rewrite can be: a scratch tag is put and replaced. Made only where it is asked for, because
    /// it leaves something behind where nothing may be deleted.
    /// - Parameter needsTags: whether anything of ours is under a tag there: without a referrers API, and in the legacy format.
    func tagFinding(
        _ client: RegistryClient, _ registry: RegistryConfiguration, _ name: String, _ repository: String,
        needsTags: Bool
    ) async -> DoctorFinding {
        await look("tags \(name)", fix: "give the daemon pull and push on this repository") {
            let nothing = Digest.sha256(of: SecureRandom.bytes(32))
            let probe = try await client.probeTagReplacement(repository, subject: nothing)
            let (rest, facts) = await remains(of: probe, registry, repository)
            let seen: String
            switch probe.isReplaced {
            case .success(true): return .good("the tag \(probe.tag) was put and replaced; \(rest)", facts: facts)
            case .success(false):
                seen = "a second manifest under the tag \(probe.tag) was taken, and the first is served"
            case .failure(let error) where error.saysImmutable:
                seen = "the tag \(probe.tag) was put, and is not replaced: \(error)"
            case .failure(let error):
                return .bad(
                    "the tag \(probe.tag) was put; then: \(error); \(rest)", code: error.code,
                    fix: "run doctor again", facts: facts)
            }
            let fix = "exempt the tags sha256-* of this repository from immutability"
            guard needsTags else {
                return .doubtful("\(seen); signatures are listed without tags here; \(rest)", fix: fix, facts: facts)
            }
            return .bad("\(seen); \(rest)", code: "registry.tag_immutable", fix: fix, facts: facts)
        }
    }

    /// Deletes what the probe left, where the configuration gives a credential for that, and tells of the rest.
    private func remains(
        of probe: TagProbe, _ registry: RegistryConfiguration, _ repository: String
    ) async -> (text: String, facts: [String: String]) {
        var left = probe.manifests
        var reason = "nothing may be deleted: the registry has no `deletion`"
        do {
            if let endpoint = try registry.deletionEndpoint {
                let deletion = ManifestDeletion(endpoint, http: http)
                for digest in probe.manifests {
                    _ = try await deletion.delete(repository, digest)
                    left.removeAll { $0 == digest }
                }
            }
        } catch {
            reason = "\(error)"
        }
        guard !left.isEmpty else { return ("both manifests were deleted again", ["tag": probe.tag]) }
        let digests = left.map(\.description).joined(separator: " ")
        return ("\(digests) stay there (\(reason))", ["tag": probe.tag, "left": digests])
    }
}

extension OCIError {
    /// A refusal of the write itself: registries answer to an immutable tag with 400, 403, 405, 409 or 412.
    fileprivate var saysImmutable: Bool {
        guard let status else { return false }
        return (400..<500).contains(status) && ![401, 404, 408, 429].contains(status)
    }
}
