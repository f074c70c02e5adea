public import FoundationEssentials
import StrictJSON

/// How a document becomes the predicate of a statement, part by part, so that tens of megabytes need not be held twice.
///
/// JSON is taken byte for byte as it was sent: what its author's tool wrote is what is signed.
public enum PredicateRendering: Sendable, Equatable {
    /// The document is the predicate.
    case verbatim
    /// The document is text; the predicate is a JSON string of it (SPDX tag-value, as cosign does).
    case string
    /// The document is text in cosign's custom predicate, with the time at which it was taken.
    case custom(at: Date)

    /// How cosign, too, renders a document of that format.
    /// - Parameter time: when the document was taken, to the second; only a custom predicate says so.
    public init(_ format: DocumentFormat, at time: Date) {
        self =
            switch format {
            case .spdxTagValue: .string
            case .custom: .custom(at: time)
            default: .verbatim
            }
    }

    /// What stands before the document.
    public var head: [UInt8] {
        switch self {
        case .verbatim: []
        case .string: Array("\"".utf8)
        case .custom: Array("{\"Data\":\"".utf8)
        }
    }

    /// What stands after it.
    public var tail: [UInt8] {
        switch self {
        case .verbatim: []
        case .string: Array("\"".utf8)
        case .custom(let time): Array("\",\"Timestamp\":\"\(time.formatted(.iso8601))\"}".utf8)
        }
    }

    /// Appends the next bytes of the document. They may be cut anywhere, also within a character.
    public func append(_ part: [UInt8], to out: inout [UInt8]) {
        switch self {
        case .verbatim: out += part
        case .string, .custom: JSONValue.escape(part, to: &out)
        }
    }
}

extension Statement {
    /// The bytes of ``encoded()`` before the predicate. What comes after it is ``tail``.
    ///
    /// For predicates that are not held as a value: `head`, the predicate's JSON, `tail` are the statement.
    public static func head(subjects: [Subject], predicateType: String) -> [UInt8] {
        let whole = Statement(subjects: subjects, predicateType: predicateType, predicate: .null).encoded()
        return Array(whole.dropLast("null}".utf8.count))
    }

    /// The bytes of a statement after its predicate, which is its last member.
    public static let tail = Array("}".utf8)
}
