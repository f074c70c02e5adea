package import OCI
import OpenSSL
package import Sigstore

/// Whether logs hold, now, what the signatures of an artifact bring as their entries: each signature by itself, in both
/// formats. Whose they are is not asked.
///
/// Anybody who may push can attach a signature with an entry that no log ever took, or of a log that nobody asks. Such an
/// entry is told of and says nothing about the log: only what the log vouched for counts against it.
package struct VerifyLogEntries: Sendable {
    /// What came of one entry.
    package enum Outcome: String, Encodable, Sendable {
        /// The log holds it under its newest checkpoint, and tells the history that it told before.
        case verified
        /// The log vouched for it, and does not hold it or contradicts itself.
        case refused
        /// What came with the signature does not verify by itself: it is not the log's word, or of a certificate that no
        /// trusted authority issued.
        case unproven
        /// It is in a log that was not asked.
        case elsewhere
        /// The signature brings no entry.
        case unlogged
        /// The signature cannot be read: it is missing, malformed or too large.
        case unreadable
        /// The signature was not read, and may be as good as any: so much is attached, or the registry gave something else.
        case unread
    }

    /// One entry, and what came of it.
    package struct Finding: Encodable, Sendable {
        package struct Failure: Encodable, Sendable {
            package let code: String
            package let observed: String
        }
        /// Where the signature is; nil for an entry that was named by itself.
        package let signature: String?
        package let outcome: Outcome
        package var verified: Bool { outcome == .verified }
        /// The log that was asked.
        package let log: String?
        package let logIndex: Int64?
        /// Those that passed; empty if one failed.
        package let checks: [LogCheck]
        package let failure: Failure?

        private enum CodingKeys: CodingKey {
            case signature, outcome, verified, log, logIndex, checks, failure
        }

        package func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encodeIfPresent(signature, forKey: .signature)
            try container.encode(outcome, forKey: .outcome)
            try container.encode(verified, forKey: .verified)
            try container.encodeIfPresent(log, forKey: .log)
            try container.encodeIfPresent(logIndex, forKey: .logIndex)
            try container.encode(checks, forKey: .checks)
            try container.encodeIfPresent(failure, forKey: .failure)
        }
    }

    private let registry: RegistryClient
    private let place: SignaturePlace?
    private let logs: LogSites
    private let store: any CheckpointStore
    private let allowance: Int

    /// - Parameters:
    ///   - place: where signatures are kept, if not beside their images.
    ///   - store: what the logs said before.
    ///   - allowance: the most bytes of signatures that are read beyond those of one.
    package init(
        registry: RegistryClient, signatures place: SignaturePlace? = nil, in logs: LogSites,
        remembering store: any CheckpointStore, allowance: Int = AttachedSignatures.allowance
    ) {
        (self.registry, self.place, self.logs, self.store) = (registry, place, logs, store)
        self.allowance = allowance
    }

    /// A finding for each entry of each signature and attestation, in the registry's order; what was not or cannot be read last.
    /// - Throws: ``OCIError`` when the registry cannot be asked, ``SigstoreError`` when a log cannot, and what reading the
    ///   remembered checkpoints throws.
    package func verify(_ reference: Reference) async throws -> (digest: Digest, findings: [Finding]) {
        let digest = try await registry.subject(of: reference).descriptor.digest
        let place = place ?? SignaturePlace(registry: registry, repository: reference.repository)
        let attached = try await place.attached(to: digest)
        var findings: [Int: [Finding]] = [:]
        var rejected = attached.unreadable
        var reading = SignatureReading(place, limit: AttachedSignatures.attestationLimit, allowance: allowance)
        for index in attached.signatures.readingOrder {
            switch try await reading.fetch(attached.signatures[index]) {
            case .failure(let rejection): rejected.append(rejection)
            case .success(let fetched): findings[index] = try await look(at: fetched)
            }
        }
        return (
            digest,
            attached.signatures.indices.flatMap { findings[$0] ?? [] }
                + rejected.map {
                    Finding(
                        $0.location.description, $0.isUndetermined ? .unread : .unreadable, code: $0.code, $0.observed)
                }
        )
    }

    /// An entry that is named by itself, as the log serves it.
    /// - Throws: as ``verify(_:)``.
    package static func look(
        at site: LogSite, index: Int64? = nil, remembering store: any CheckpointStore,
        _ fetch: () async throws -> TlogEntry
    ) async throws -> Finding {
        try await judge(nil, site, index) {
            let entry = try await fetch()
            return (entry.logIndex, try await site.verify(entry, remembering: store))
        }
    }

    private func look(at signature: FetchedSignature) async throws -> [Finding] {
        let location = signature.attached.location.description
        var findings: [Finding] = []
        for entry in signature.form.entries { findings.append(try await look(at: entry, of: location)) }
        guard findings.isEmpty else { return findings }
        return [Finding(location, .unlogged, code: "log.no_entry", "the signature brings no log entry")]
    }

    private func look(at entry: TlogEntry, of location: String) async throws -> Finding {
        let known: LogSite?
        do throws(SigstoreError) { known = try logs.site(of: entry) } catch {
            return Finding(location, .unproven, index: entry.logIndex, code: error.code, error.observed)
        }
        guard let site = known else {
            return Finding(
                location, .elsewhere, index: entry.logIndex, code: "log.not_asked",
                "in the log with id \(Hex.encode(entry.logID)), which was not asked")
        }
        do throws(VerificationError) {
            _ = try logs.verifier.verify(entry)
        } catch {
            return Finding(
                location, .unproven, log: site.url, index: entry.logIndex, code: error.code, error.observed)
        }
        return try await Self.judge(location, site, entry.provenIndex) {
            // an index that nobody signed for may be any: the body's hash names the entry
            let present =
                entry.provesIndex
                ? try await site.entry(index: entry.logIndex)
                : try await site.entry(uuid: Hex.encode(Merkle.leafHash(entry.canonicalizedBody)))
            guard present.logID == entry.logID else {
                throw TransparencyError.otherEntry(
                    log: site.url, asked: entry.name,
                    detail: "it is in the log with id \(Hex.encode(present.logID))")
            }
            return (present.logIndex, try await site.verify(present, known: entry, remembering: store))
        }
    }

    /// What the log says no to is a finding; what could not be found out is thrown.
    private static func judge(
        _ location: String?, _ site: LogSite, _ index: Int64?,
        _ check: () async throws -> (index: Int64, checks: [LogCheck])
    ) async throws -> Finding {
        func refused(_ code: String, _ observed: String, _ outcome: Outcome = .refused) -> Finding {
            Finding(location, outcome, log: site.url, index: index, code: code, observed)
        }
        do {
            let (found, checks) = try await check()
            return Finding(location, site.url, found, checks)
        } catch let error as VerificationError {
            return refused(error.code, error.observed, error.check.isOfCertificate ? .unproven : .refused)
        } catch let error as TransparencyError where error.saysNo {
            return refused(error.code, error.observed)
        } catch let error as SigstoreError where OnlineCheck.saysNo(error) {
            return refused(error.code, error.observed)
        }
    }
}

extension VerifyLogEntries.Finding {
    init(
        _ signature: String?, _ outcome: VerifyLogEntries.Outcome, log: String? = nil, index: Int64? = nil,
        code: String, _ observed: String
    ) {
        (self.signature, self.outcome, self.log, logIndex) = (signature, outcome, log, index)
        (checks, failure) = ([], Failure(code: code, observed: observed))
    }

    init(_ signature: String?, _ log: String, _ index: Int64, _ checks: [LogCheck]) {
        (self.signature, outcome, self.log, logIndex) = (signature, .verified, log, index)
        (self.checks, failure) = (checks, nil)
    }
}

extension VerificationError.Check {
    /// Whether it is of a signer's certificate: a log takes what anybody signed.
    var isOfCertificate: Bool {
        switch self {
        case .chain, .certificateValidity, .certificateTimestamp, .identity: true
        default: false
        }
    }
}

extension [VerifyLogEntries.Finding] {
    /// Whether there is an entry that its log holds, and none that its log vouched for and does not; nil if what was not read
    /// may say otherwise.
    package var holds: Bool? {
        if contains(where: { $0.outcome == .refused }) { return false }
        return contains { $0.outcome == .unread } ? nil : contains { $0.outcome == .verified }
    }

    /// How many came to what, in one line.
    package var summary: String {
        func count(
            _ outcome: VerifyLogEntries.Outcome, _ words: String, where isMeant: (String?) -> Bool = { _ in true }
        ) -> String? {
            let number = filter { $0.outcome == outcome && isMeant($0.failure?.code) }.count
            return number == 0 ? nil : "\(number) \(words)"
        }
        // of what a daemon recorded
        let (waiting, unknown) = ("log.checkpoint_waiting", "log.checkpoint_unknown")
        let parts = [
            count(.verified, "held by their logs"), count(.refused, "NOT held as their logs promised"),
            count(.unproven, "whose checkpoints are not proven yet") { $0 == waiting },
            count(.unproven, "whose checkpoints are not kept") { $0 == unknown },
            count(.unproven, "that do not verify by themselves") { $0 != waiting && $0 != unknown },
            count(.elsewhere, "in logs that were not asked"),
            count(.unlogged, "without a log entry"), count(.unreadable, "that cannot be read"),
            count(.unread, "that were not read"),
        ].compactMap(\.self)
        return "Of \(self.count) entries and signatures: \(parts.joined(separator: ", "))."
    }
}
