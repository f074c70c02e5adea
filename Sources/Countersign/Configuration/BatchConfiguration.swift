/// What requests for many references at once need before they run.
package struct BatchConfiguration: Sendable, Equatable {
    /// Which of them wait until a second person agrees. Default none.
    package var approval: Approval = .none

    package init() {}

    package enum Approval: String, Sendable, CaseIterable {
        /// An operator's token is enough.
        case none
        /// Campaigns that sign anew need another token's word.
        case resign
        /// Every batch does; what is asked for one by one, pushed or swept is signed by policy as ever.
        case all

        func isNeeded(for action: Batch.Action) -> Bool {
            switch self {
            case .none: false
            case .resign: action != .sign
            case .all: true
            }
        }
    }
}
