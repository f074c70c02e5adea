import OCI
import Postgres
import Sigstore
import Support
import Testing

@testable import Countersign

/// Groups as a batch queues them, and what came of them.
extension SigningLine {
    static let groupKey = Batch.deliveryKey(1)

    /// Images that are queued as one group.
    func group(of count: Int) async throws -> [OCI.Digest] {
        let digests = try await images(count)
        try await queueGroup(digests)
        return digests
    }

    func images(_ count: Int) async throws -> [OCI.Digest] {
        var digests: [OCI.Digest] = []
        for number in 0..<count { digests.append(try await image(tag: "v\(number)").descriptor.digest) }
        return digests
    }

    func queueGroup(_ digests: [OCI.Digest], formats: Set<SignatureFormat>? = nil) async throws {
        try await queueGroup(digests.map { ($0, repository) }, formats: formats)
    }

    func queueGroup(
        _ members: [(digest: OCI.Digest, repository: Repository)], formats: Set<SignatureFormat>? = nil
    ) async throws {
        let requests = members.map { digest, repository in
            var request = EnqueueRequest(
                source: "batch", registry: repository.registry, repository: repository.name, digest: digest,
                lane: .bulk, verdict: .accepted(rule: "all", policyVersion: "v1"), delivery: nil,
                deliveryKey: Self.groupKey)
            request.formats = formats
            return request
        }
        try await database.pool.transaction { session in
            let items = try JobQueue.store(requests, in: session)
            try JobQueue.group(jobsOf: items.compactMap(\.targetID), under: Self.groupKey, in: session)
        }
    }

    /// The log's entries about any of these.
    func entries(about digests: [OCI.Digest]) async throws -> Set<String> {
        var found = Set<String>()
        for digest in digests { found.formUnion(try await logEntries(about: digest)) }
        return found
    }

    /// How many subjects the statement in a digest's one bundle has.
    func subjects(of digest: OCI.Digest) async throws -> Int? {
        guard let bundle = try await referrers(of: digest).first else { return nil }
        guard case .envelope(let envelope) = try UnverifiedBundle(json: bundle.bytes).content else { return nil }
        return try Statement(json: envelope.payload).subjects.count
    }

    /// Every one is signed once, by these many entries of the log together.
    func expectSignedOnce(
        _ digests: [OCI.Digest], entries: Int = 1, _ location: SourceLocation = #_sourceLocation
    ) async throws {
        for digest in digests { try await expectSignedOnce(digest, location) }
        #expect(try await self.entries(about: digests).count == entries, "log entries", sourceLocation: location)
    }

    /// Uploads of anything but the configuration that every referrer has. Only where no two members are published at once:
    /// each would upload that one.
    var bundleUploads: Int {
        registry.requests.count { $0.isBlobUpload } - 1
    }
}

extension SigningDaemon {
    /// One attempt at everything that is due, groups as groups.
    func attemptGroups(width: Int = 4) async throws {
        let held = HeldClaims()
        for work in ClaimedWork.sorted(try await queue.claim(limit: 100, cursor: ClaimCursor())) {
            switch work {
            case .one(let claim): await attempt(claim)
            case .group(let claims):
                #expect(await held.begin(claims, limit: 1))
                await GroupAttempt(attempt, held: held, width: width)(claims)
                await held.endGroup()
            }
        }
        #expect(await held.claims.isEmpty)
    }

    /// Attempts until no job is left, waits skipped.
    func workOffGroups(atMost rounds: Int = 10) async throws {
        for _ in 0..<rounds {
            try await database.makeDue()
            try await attemptGroups()
            if try await database.jobCount() == 0 { return }
        }
    }
}
