/// What a job asks for: a value of `job.kind`. The table takes any name, and a daemon claims only the kinds that it lists, so
/// that a newer daemon's jobs wait for it instead of failing here. Each kind is named in the file of its handler.
package struct JobKind: RawRepresentable, Hashable, Sendable {
    package let rawValue: String
    package init(rawValue: String) { self.rawValue = rawValue }
}

extension JobKind {
    /// Who works on the jobs of each kind. A new kind is a line here, and its file (``JobHandler``).
    static let handlers: [any JobHandler.Type] = [
        SignArtifact.self,
        SignAttestation.self,
        ResolveTag.self,
        WithdrawArtifact.self,
    ]

    /// The same by kind.
    static let known: [JobKind: any JobHandler.Type] = Dictionary(handlers.map { ($0.kind, $0) }) { first, _ in first }

    /// Those whose jobs work on what is revoked.
    static let workingOnRevoked = handlers.filter { $0.worksOnRevoked }.map { $0.kind.rawValue }

    var worksOnRevoked: Bool { Self.known[self]?.worksOnRevoked ?? false }

    /// Of a kind that only a newer daemon knows: whoever may do most.
    var cancelledBy: APITokens.Role { Self.known[self]?.cancelledBy ?? .admin }
}
