import Sigstore

/// How a document goes into what is signed.
enum AttestationForm: Sendable, Equatable {
    /// Whole, read part by part: its log learns a digest.
    case streamed
    /// Whole, in memory.
    case inline
    /// Beside the image: what is signed has its digest.
    case reference

    /// What an earlier attempt signed as a bundle.
    enum Begun: Sendable {
        /// A complete statement.
        case whole
        /// The head of one whose document is elsewhere.
        case head

        init(_ payload: [UInt8]) {
            let statement = try? Statement(json: payload, limits: UnverifiedBundle.attestationLimits)
            self = statement == nil ? .head : .whole
        }
    }

    /// What was begun is finished as it was begun, whatever limit and further format are set by now.
    /// - Parameters:
    ///   - route: how it was begun, as it is recorded.
    ///   - size: of the document.
    ///   - limit: the most that is held for it.
    ///   - formats: in which it is signed.
    ///   - isTaken: whether it would go into its log by its digest. Asked only where it matters, as what follows.
    ///   - isReadable: whether verifiers would read a bundle with all of it.
    init(
        begun: Begun?, route: AttestationRecord.Route?, size: Int, limit: Int, formats: [SignatureFormat],
        isTaken: () throws -> Bool, isReadable: () async throws -> Bool
    ) async throws {
        let isStreamed =
            switch begun {
            case nil: try size > limit && isTaken()
            case .head?: formats.contains(.bundle)
            case .whole?: false
            }
        let isWhole: Bool
        if let route {
            isWhole = route == .inline
        } else if isStreamed {
            isWhole = try await isReadable()
        } else {
            isWhole = size <= limit || begun == .whole
        }
        self =
            switch (isWhole, isStreamed) {
            case (true, true): .streamed
            case (true, false): .inline
            case (false, _): .reference
            }
    }

    /// As it is recorded.
    var route: AttestationRecord.Route { self == .reference ? .reference : .inline }
}
