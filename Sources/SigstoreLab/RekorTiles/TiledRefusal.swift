import HTTPTypes

/// What Rekor v2 (rekor-tiles 2.3) says no with. It keeps the reason of every fault of an entry to itself.
enum TiledRefusal: Error {
    /// The body is not the protobuf message: 400 with the parser's text.
    case body(String)
    /// A message without a `hashedRekordRequestV002`.
    case type
    /// A field missing, a key that cannot be read, a signature that does not verify.
    case entry
    /// 409: the leaf is there already; only its index is told, in a header.
    case duplicate(index: Int)
    /// 405: this shard takes nothing any more. Text, not JSON: the gateway's own writer is bypassed there.
    case frozen

    var answer: Answer {
        switch self {
        case .body(let reason): .gateway(3, reason)
        case .type: .gateway(3, "invalid type, must be hashedrekord")
        case .entry: .gateway(3, "invalid hashedrekord request")
        case .duplicate(let index): duplicate(index)
        case .frozen:
            .text(
                "This log has been frozen, please switch to the latest log.\n", type: "text/plain; charset=utf-8",
                status: .methodNotAllowed)
        }
    }

    private func duplicate(_ index: Int) -> Answer {
        var answer = Answer.gateway(
            6, "an equivalent entry already exists in the transparency log with index \(index)", status: .conflict)
        answer.headers[.logIndex] = String(index)
        return answer
    }
}

extension HTTPField.Name {
    fileprivate static var logIndex: Self { HTTPField.Name("X-Log-Index") ?? .location }
}
