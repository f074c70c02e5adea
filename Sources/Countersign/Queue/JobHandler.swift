import Postgres

/// Works on the jobs of one kind.
///
/// A new kind is one file: its name (``JobKind``), its handler, the statement that queues such a job, and an end of its own
/// where it has one (``JobEnd``). It is listed in ``JobKind/handlers``; whatever else differs by kind is asked of it here.
protocol JobHandler: Sendable {
    static var kind: JobKind { get }

    /// Whether a job of this kind can be about `subject`. One that cannot is given up as soon as it is claimed: of another
    /// kind, it would sign an attestation's target as an image.
    static func takes(_ subject: Claim.Subject) -> Bool

    /// Whether a job about a target that is signed looks back at what was published: what it finds broken raises an alert
    /// (``SignatureAlarm``).
    static var looksBack: Bool { get }

    /// Whether its jobs work on a digest that is revoked; whoever else holds one is stopped at the next commit.
    static var worksOnRevoked: Bool { get }

    /// Whose token may cancel its jobs, an operator's at least; more than that only without a scope.
    static var cancelledBy: APITokens.Role { get }

    /// Codes of refusals that are said before the signature was looked at: one that is there stands.
    static var saidBefore: Set<String> { get }

    /// What else a failure with which a job is put back changes, in the transaction that puts it back.
    /// - Throws: what the session throws; then the job is not put back either.
    static func putBack(_ claim: Claim, after failure: Failure, in session: Session) throws

    /// What else a cancellation changes, in its transaction.
    static func cancelled(_ target: Int64?, in session: Session) throws

    init(_ parts: JobParts)

    /// One attempt.
    /// - Throws: whatever keeps it from an end. ``AttemptFailure`` says what that means for the job.
    func callAsFunction(_ claim: Claim, _ trace: AttemptTrace) async throws -> Outcome

    /// What follows once the outcome is stored. It may be lost with the process that should have done it.
    /// - Throws: what kept it from being done; the outcome stands.
    func settled(_ claim: Claim, as outcome: Outcome) async throws
}

extension JobHandler {
    static var looksBack: Bool { false }
    static var worksOnRevoked: Bool { false }
    static var cancelledBy: APITokens.Role { .operator }
    static var saidBefore: Set<String> { [] }
    static func putBack(_ claim: Claim, after failure: Failure, in session: Session) throws {}
    static func cancelled(_ target: Int64?, in session: Session) throws {}
    func settled(_ claim: Claim, as outcome: Outcome) async throws {}
}
