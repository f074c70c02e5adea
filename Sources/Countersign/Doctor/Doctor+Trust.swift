import FoundationEssentials
import OpenSSL
import Sigstore

extension Doctor {
    /// Under this a warning is due: somebody has to renew what ends.
    private static let notice: TimeInterval = 30 * 86400
    /// TUF's timestamp role lives for days; a day before its end somebody should have noticed.
    private static let roleNotice: TimeInterval = 86400

    /// That the trust material can be read, is no lab's, and will last.
    func trustFindings(_ trust: Result<TrustKeeper, any Error>) async -> [DoctorFinding] {
        let fix =
            "give one of sigstore.trusted_root, client_trust_config and tuf that belongs to your Sigstore instance"
        let material = await look("trust material", fix: fix) {
            let trust = try trust.get().current
            let root = trust.trustedRoot
            return .good(
                "\(trust.origin): "
                    + [
                        Self.count(
                            root.certificateAuthorities.count, "certificate authority", "certificate authorities"),
                        Self.count(root.ctLogs.count, "CT log"), Self.count(root.tlogs.count, "transparency log"),
                        Self.count(root.timestampAuthorities.count, "timestamp authority", "timestamp authorities"),
                    ].joined(separator: ", ") + (root.isLab ? " (a lab's: worth nothing)" : ""),
                facts: ["origin": trust.origin])
        }
        guard let current = try? trust.get().current else { return [material] }
        return [material, freshness(of: current)]
    }

    /// So many of something, in words.
    static func count(_ number: Int, _ one: String, _ several: String? = nil) -> String {
        "\(number) \(number == 1 ? one : several ?? one + "s")"
    }

    private func freshness(of trust: Trust) -> DoctorFinding {
        let now = Date()
        if let role = trust.firstToExpire {
            let text = "\(role.name) (version \(role.version)) holds until \(role.expires.formatted(.iso8601))"
            return DoctorFinding(
                "trust freshness",
                role.expires.timeIntervalSince(now) < Self.roleNotice
                    ? .doubtful(
                        text, fix: "see that the TUF repository is still being signed, and that it is reachable")
                    : .good(text))
        }
        let root = trust.trustedRoot
        let authorities = root.certificateAuthorities + root.timestampAuthorities
        let ends =
            authorities.filter { $0.validity.contains(now) }.map { authority in
                ([authority.root] + authority.intermediates).map(\.notAfter).min() ?? .distantFuture
            } + (root.tlogs + root.ctLogs).filter { $0.validity.contains(now) }.compactMap(\.validity.end)
        guard let first = ends.min() else {
            return DoctorFinding(
                "trust freshness",
                .bad(
                    "nothing in \(trust.origin) is valid now", code: "trust.expired",
                    fix: "fetch the instance's present trusted root, and see that this machine's clock is right"))
        }
        let text = "files do not expire; the first key or certificate in use ends at \(first.formatted(.iso8601))"
        return DoctorFinding(
            "trust freshness",
            first.timeIntervalSince(now) < Self.notice
                ? .doubtful(
                    text, fix: "ask the instance's operator for its next trusted root, or follow its TUF repository")
                : .good(text))
    }
}
