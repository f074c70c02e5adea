internal import COpenSSL
public import FoundationEssentials

/// Why a cryptographic operation did not succeed. Closed: every failure of this module is one of these.
public enum CryptoError: Error, Sendable, Equatable {
    /// The bytes are not what they should be: `what` names the structure, `detail` the fault.
    case malformed(what: String, detail: String)
    /// Well formed, but deliberately not accepted (a curve, a digest, an encoding); the text names it.
    case unsupported(String)
    /// A signature does not belong to this key and message.
    case signatureInvalid
    /// No acceptable path from the certificate to a root; `depth` 0 is the leaf, `certificate` the subject at that depth.
    case chain(depth: Int, certificate: String, reason: String)
    /// A certificate of the path is not valid at the instant asked for (RFC 5280 §6.1.3 (a)(2)).
    case outsideValidity(certificate: String, notBefore: Date, notAfter: Date, at: Date)
    /// A signed certificate timestamp does not vouch for this certificate (RFC 6962 §3.2).
    case certificateTimestamp(String)
    /// A timestamp token does not vouch for this message (RFC 3161 §2.4.2); the text names the failed check.
    case timestamp(String)
    /// OpenSSL refused an operation that ought to work; `reason` is its own text.
    case failed(operation: String, reason: String)

    /// Stable identifier for logs, tables and API answers.
    public var code: String {
        switch self {
        case .malformed: "crypto.malformed"
        case .unsupported: "crypto.unsupported"
        case .signatureInvalid: "crypto.signature_invalid"
        case .chain: "crypto.chain"
        case .outsideValidity: "crypto.outside_validity"
        case .certificateTimestamp: "crypto.sct"
        case .timestamp: "crypto.timestamp"
        case .failed: "crypto.failed"
        }
    }

    /// What an operator can do about it.
    public var fix: String {
        switch self {
        case .malformed, .unsupported: "give another: the text above says what this one is, or is not"
        case .signatureInvalid: "treat it as altered, and get it again from whoever made it"
        case .chain, .certificateTimestamp, .timestamp: "see that the trust material is the right one, and up to date"
        case .outsideValidity: "compare this machine's clock; if it is right, the certificate must be renewed"
        case .failed: "see memory and entropy of this machine"
        }
    }
}

extension CryptoError: CustomStringConvertible {
    /// One line saying what was seen.
    public var description: String {
        switch self {
        case .malformed(let what, let detail): "malformed \(what): \(detail)"
        case .unsupported(let what): "unsupported: \(what)"
        case .signatureInvalid: "the signature does not verify"
        case .chain(let depth, let certificate, let reason):
            "certificate chain refused at depth \(depth) (\(certificate)): \(reason)"
        case .outsideValidity(let certificate, let notBefore, let notAfter, let time):
            """
            certificate (\(certificate)) is valid from \(notBefore.ISO8601Format()) to \(notAfter.ISO8601Format()), \
            not at \(time.ISO8601Format())
            """
        case .certificateTimestamp(let reason): "signed certificate timestamp refused: \(reason)"
        case .timestamp(let reason): "timestamp refused: \(reason)"
        case .failed(let operation, let reason): "\(operation) failed: \(reason)"
        }
    }
}

extension CryptoError {
    /// Takes OpenSSL's reasons off this thread's error queue. It must be emptied after every failure, also an expected
    /// one: what is left there is reported as the cause of the next failure.
    static func takeReasons() -> String {
        var reasons: [String] = []
        while case let packed = ERR_get_error(), packed != 0 {
            if let text = ERR_reason_error_string(packed) {
                reasons.append(String(cString: text))
            } else {
                reasons.append("error \(String(packed, radix: 16))")
            }
        }
        return reasons.isEmpty ? "OpenSSL gave no reason" : reasons.joined(separator: ", ")
    }

    static func failure(of operation: String) -> CryptoError {
        .failed(operation: operation, reason: takeReasons())
    }

    static func malformedBySSL(_ what: String) -> CryptoError {
        .malformed(what: what, detail: takeReasons())
    }
}
