/// Where a target stands. The same nine words in the database, the API, the command line and the metrics.
///
/// `queued`, `signing` and `waiting` have a job; the others have one only while a signed target is looked at again.
package enum TargetState: String, Sendable, CaseIterable, Codable {
    case queued, signing, waiting
    case signed, failed, refused, gone, cancelled, revoked

    /// Whether nothing more happens by itself.
    package var isFinal: Bool {
        switch self {
        case .queued, .signing, .waiting: false
        case .signed, .failed, .refused, .gone, .cancelled, .revoked: true
        }
    }
}
