import FoundationEssentials
import OCI
import Postgres
import Sigstore
import Support
import Testing

@testable import Countersign

/// A signature that the log did not take before its certificate ended (queue protocol, "replay after certificate
/// expiry"). The end is moved in the table: no clock is turned.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct ExpiryTests {
    @Test func `the log is asked first: an entry that was taken in time counts`() async throws {
        let (line, daemon, digest) = try await prepared(.answerLost)
        try await line.endCertificates(ago: .seconds(600))
        let sent = line.submissions
        try await daemon.workOff()
        try await line.expectSignedOnce(digest)
        #expect(line.submissions == sent, "nothing was submitted again")
    }

    @Test func `in the last seconds of a certificate nothing is submitted`() async throws {
        let (line, daemon, digest) = try await prepared(.lost)
        try await line.endCertificates(ago: .seconds(-5))
        let sent = line.submissions
        try await daemon.attemptAll()
        #expect(line.submissions == sent)
        let failure = try await line.failure(digest)
        #expect(failure?.code == "signing.certificate_expired", "\(String(describing: failure))")
    }

    @Test func `a late entry is waited for before the signature is given up`() async throws {
        let (line, daemon, digest) = try await prepared(.lost)
        try await line.endCertificates(ago: .seconds(30))
        try await daemon.attemptAll()
        #expect(try await line.state(digest) == "waiting")
        let failure = try await line.failure(digest)
        #expect(failure?.code == "signing.certificate_expired", "\(String(describing: failure))")
        #expect(try await line.evidenceRows(of: digest) == (1, 0))
        let wait = try await line.database.number(
            "SELECT round(extract(epoch FROM run_at - now()))::bigint FROM countersign.job")
        #expect((110...136).contains(wait), "looked for again when the log has settled, spread over 15 s")

        // now it turns up
        let request = try #require(try await line.storedRequest())
        _ = try await daemon.signer.services.logs[0].client.submit(request)
        try await daemon.workOff()
        try await line.expectSignedOnce(digest)
    }

    @Test func `what the log never took is put aside with a reason, and signed anew once`() async throws {
        let (line, daemon, digest) = try await prepared(.lost)
        try await line.endCertificates(ago: .seconds(600))
        try await daemon.attemptAll()
        #expect(try await line.evidenceRows(of: digest) == (1, 0), "one look is not enough, however late")

        try await line.letLogSettle()
        try await line.database.makeDue()
        try await daemon.attemptAll()
        #expect(try await line.evidenceRows(of: digest) == (0, 1))
        #expect(try await line.state(digest) == "waiting")
        try await line.expectNothingPublic(digest)

        try await daemon.workOff()
        try await line.expectSignedOnce(digest, abandoned: 1)
    }

    /// A push whose evidence is committed, and whose submission had this accident.
    private func prepared(_ accident: FaultRelay.Accident) async throws -> (SigningLine, SigningDaemon, Digest) {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        line.rekor.next(accident) { $0.method == "POST" }
        let daemon = try await line.daemon()
        try await daemon.attemptAll()
        #expect(try await line.evidenceRows(of: digest) == (1, 0))
        #expect(try await line.failure(digest)?.code == "rekor.unavailable")
        try await line.database.makeDue()
        return (line, daemon, digest)
    }
}

extension SigningLine {
    /// How often an entry was submitted.
    fileprivate var submissions: Int {
        rekor.requests.count { $0.method == "POST" && $0.path == "/api/v1/log/entries" }
    }

    func endCertificates(ago span: Duration) async throws {
        try await database.pool.execute(
            "UPDATE countersign.evidence SET certificate_not_after = now() - \(span)::interval WHERE logged_at IS NULL")
    }

    func letLogSettle() async throws {
        for table: Query in ["evidence", "further_entry"] {
            try await database.pool.execute(
                "UPDATE countersign.\(table) SET first_missed_at = first_missed_at - interval '121 seconds'")
        }
    }

    fileprivate func storedRequest() async throws -> [UInt8]? {
        try await database.pool.query("SELECT log_request FROM countersign.evidence").first?.decode(0)
    }
}
