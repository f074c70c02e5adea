/// What a job asks for. A new kind is a case here and one file with its handler: the table takes any name, and a daemon
/// claims only the kinds it lists, so that a newer daemon's jobs wait for it instead of failing here.
package enum JobKind: String, Sendable, CaseIterable, Codable {
    /// Sign one target, or look again at one that is signed.
    case sign
    /// Ask the registry what a tag points at; its answer becomes targets.
    case resolve
    /// Sign a document about a target that is signed, and attach it.
    case attest
    /// Take what was published of a revoked artifact out of what the registry lists.
    case withdraw
}
