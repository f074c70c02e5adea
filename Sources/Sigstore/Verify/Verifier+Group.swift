/// A statement about many artifacts: what concerns the signature is checked once, what is said of each artifact for each.
extension Verifier {
    /// One artifact that a group statement is to cover, and where it is looked at.
    public struct Member: Sendable, Equatable {
        /// Its digest.
        public let artifact: ArtifactDigest
        /// The names (`host/path`) under which it is looked at.
        public let repositories: [String]

        /// One artifact in its repositories.
        public init(_ artifact: ArtifactDigest, in repositories: [String]) {
            self.artifact = artifact
            self.repositories = repositories
        }
    }

    /// Verifies one bundle for each of these artifacts, as ``verify(_:artifact:by:expecting:repositories:demanding:)``
    /// would one after the other.
    /// - Returns: in the order of the members.
    /// - Throws: if it does not hold for one of them; what holds for the others is then not said.
    public func verify(
        _ bundle: UnverifiedBundle, members: [Member], by signer: ExpectedSigner, expecting predicateType: String
    ) throws(VerificationError) -> [VerifiedSignature] {
        guard let first = members.first else { return [] }
        var claims: [VerifiedSignature.Claim] = []
        let one = try verify(PresentedSignature(bundle, first.artifact), of: first.artifact, by: signer, demands) {
            (steps) throws(VerificationError) in
            claims = try verifyMembers(bundle, members, expecting: predicateType, &steps)
            return claims[0]
        }
        return zip(members, claims).map { member, claim in
            VerifiedSignature(
                source: one.source, artifact: member.artifact, claim: claim, signer: one.signer,
                tlogEntries: one.tlogEntries, times: one.times, steps: one.steps, warnings: one.warnings)
        }
    }

    /// The same for a bundle without its log entry: all that is known before it is public.
    public func verifyBeforeLogging(
        _ bundle: UnverifiedBundle, members: [Member], by signer: ExpectedSigner, expecting predicateType: String,
        datedByLog: Bool
    ) throws(VerificationError) {
        guard let first = members.first else { return }
        try verifyBeforeLogging(PresentedSignature(bundle, first.artifact), by: signer, datedByLog, demands) {
            (steps) throws(VerificationError) in
            try verifyMembers(bundle, members, expecting: predicateType, &steps)[0]
        }
    }

    /// (4.5) for each member, in their order. The steps are those of the first, and one that counts the others.
    private func verifyMembers(
        _ bundle: UnverifiedBundle, _ members: [Member], expecting predicateType: String,
        _ steps: inout [VerificationStep]
    ) throws(VerificationError) -> [VerifiedSignature.Claim] {
        guard case .envelope(let envelope) = bundle.content else {
            throw .init(.statement, "no statement, one about \(members.count) artifacts was expected")
        }
        let statement = try statement(of: envelope)
        let subjects = Dictionary(
            grouping: statement.subjects.flatMap { subject in
                subject.digest.map { (key: "\($0.key):\($0.value)", subject: subject) }
            }, by: \.key)
        var claims: [VerifiedSignature.Claim] = []
        for (position, member) in members.enumerated() {
            var own: [VerificationStep] = []
            let subject = try verifyClaim(
                of: statement, subjects["\(member.artifact)"]?.map(\.subject) ?? [], member.artifact,
                expecting: predicateType, member.repositories, &own)
            claims.append(.statement(statement, about: subject))
            if position == 0 { steps += own }
        }
        steps.append(.init(.subject, "\(members.count) artifacts", against: "\(statement.subjects.count) subjects"))
        return claims
    }
}
