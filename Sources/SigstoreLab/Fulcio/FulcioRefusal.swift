import HTTPTypes

/// What Fulcio 1.8 says no with. It keeps the reason of every token fault to itself: all are the same 400.
enum FulcioRefusal: Error {
    case token
    case publicKey
    case proof
    case csr
    /// The gateway could not read the body; its text is the parser's.
    case body(String)

    var answer: Answer { .gateway(3, message) }

    private var message: String {
        switch self {
        case .token: "There was an error processing the identity token"
        case .publicKey: "The public key supplied in the request could not be parsed"
        case .proof: "The signature supplied in the request could not be verified"
        case .csr: "The certificate signing request could not be parsed"
        case .body(let text): text
        }
    }
}
