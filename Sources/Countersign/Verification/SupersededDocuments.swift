import FoundationEssentials
import OpenSSL
import Sigstore
import StrictJSON

/// VEX says what is known *now*. A registry with a referrers API goes on listing what a newer document superseded, validly
/// signed as it is: what was signed last, by the same signer, is the one to read.
extension VerifyReference {
    /// Whose document it is, as far as a verifier knows.
    private enum Author: Hashable {
        case certificate(identity: String, issuer: String)
        case key([UInt8])

        init(_ signer: VerifiedSignature.Signer) {
            switch signer {
            case .certificate(let identity, let issuer, _): self = .certificate(identity: identity, issuer: issuer)
            case .publicKey(let key): self = .key(key.spki)
            }
        }
    }

    /// Marks each VEX document that another of the same signer and type came after, by the times of log or timestamp, unless
    /// that one says that it replaces nothing. The same document in both formats, or signed again, is one document.
    static func superseding(_ signatures: [Signature], _ predicateType: String) -> [Signature] {
        guard signatures.count > 1, let format = (try? PredicateType(predicateType))?.format,
            [.openVEX, .csafVEX, .cycloneDX].contains(format)
        else { return signatures }
        let documents = signatures.map { signature -> JSONValue? in
            guard let document = PolicyOutput.predicate(of: signature) else { return nil }
            return document.isVEX(format) ? document : nil
        }
        var newest: [Author: Int] = [:]
        for index in signatures.indices where documents[index] != nil && !signatures[index].verified.replacesNothing {
            let author = Author(signatures[index].verified.signer)
            if let known = newest[author], !signatures[known].verified.isEarlier(than: signatures[index].verified) {
                continue
            }
            newest[author] = index
        }
        return signatures.indices.map { index in
            var signature = signatures[index]
            guard let document = documents[index], let last = newest[Author(signature.verified.signer)],
                documents[last] != document, signature.verified.isEarlier(than: signatures[last].verified)
            else { return signature }
            signature.supersededBy = signatures[last].location
            return signature
        }
    }
}

extension VerifyReference.Report {
    /// Those that count now before those that a newer one superseded, each in the order in which they are listed.
    var currentFirst: [VerifyReference.Signature] {
        signatures.filter { $0.supersededBy == nil } + signatures.filter { $0.supersededBy != nil }
    }
}

extension VerifiedSignature {
    fileprivate var replacesNothing: Bool {
        statement?.subjects.contains {
            $0.annotations[Statement.replacesAnnotation] == Statement.replacesNothing
        } ?? false
    }

    /// By the times of those who saw them; within a second, by their order in one log, where that is proven. What nobody dated
    /// is neither.
    fileprivate func isEarlier(than other: VerifiedSignature) -> Bool {
        guard let time, let later = other.time else { return false }
        if time != later { return time < later }
        guard let entry = tlogEntry, let next = other.tlogEntry, entry.logID == next.logID,
            let index = entry.provenIndex, let nextIndex = next.provenIndex
        else { return false }
        return index < nextIndex
    }
}

extension JSONValue {
    /// Whether it is VEX of that format, as the intake tells it.
    fileprivate func isVEX(_ format: DocumentFormat) -> Bool {
        if format == .cycloneDX { return (try? format.check(encoded())).map(format.isVEX) ?? false }
        return format.isVEX("")
    }
}
