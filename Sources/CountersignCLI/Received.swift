import Countersign

/// An answer of the daemon: what this version reads of it, and all that came. `-o json` prints the latter, so that a script
/// finds what the daemon says, also where that is newer than the command.
@dynamicMemberLookup
struct Received<Answer: Decodable & Sendable>: Codable, Sendable {
    let answer: Answer
    private let document: CodableJSON

    init(from decoder: any Decoder) throws {
        answer = try Answer(from: decoder)
        document = try CodableJSON(from: decoder)
    }

    func encode(to encoder: any Encoder) throws { try document.encode(to: encoder) }

    subscript<Member>(dynamicMember path: KeyPath<Answer, Member>) -> Member { answer[keyPath: path] }
}
