import FoundationEssentials
import Synchronization

/// The certificates of one timestamp authority, and which of its signers were found to chain to its roots.
///
/// A path that holds is a fact about certificates; only whether all of it is valid depends on the moment. So the paths
/// are remembered and their intervals are compared again for every timestamp.
public final class TimestampSigners: Sendable {
    /// An authority has one signer at a time; more than that come from roots that pin none.
    private static let limit = 16

    let chain: [Certificate]
    let roots: [Certificate]
    /// The leaves of ``chain``: when there are any, nobody else may sign.
    let pinned: [Certificate]
    private let paths = Mutex<[[Certificate]]>([])
    /// Timestamps that verified, by response and message. One is met at least twice: before the log gets the signature and
    /// when all of it is verified; a group's, once more for each of its members.
    private let stamped = RecentlyUsed<Date>(capacity: 256)

    /// The authority's certificates, in any order, and the roots its signers must chain to; see
    /// ``TimestampResponse/verify(imprintOf:chain:roots:)``.
    public init(chain: [Certificate], roots: [Certificate]) {
        self.chain = chain
        self.roots = roots
        pinned = chain.filter { !$0.isCertificateAuthority }
    }

    /// When `response` was found to have stamped `message`; nil if that is not known.
    func time(of response: TimestampResponse, over message: [UInt8]) -> Date? {
        stamped.value(for: response.der + Hash.sha256(message))
    }

    func remember(_ time: Date, of response: TimestampResponse, over message: [UInt8]) {
        stamped.remember(time, for: response.der + Hash.sha256(message))
    }

    /// Whether a path of this signer is remembered that is valid at `time`.
    func isKnown(_ signer: Certificate, at time: Date) -> Bool {
        paths.withLock { paths in
            paths.contains { path in path.first == signer && path.allSatisfy { $0.isValid(at: time) } }
        }
    }

    /// Throws as ``CertificateChain/verify(_:intermediates:roots:at:purpose:)``. Failures are not remembered.
    func verifyChain(of signer: Certificate, others: [Certificate], at time: Date) throws(CryptoError) {
        guard !isKnown(signer, at: time) else { return }
        let path = try CertificateChain.verify(
            signer, intermediates: others.filter { $0 != signer }, roots: roots, at: time, purpose: .timeStamping)
        paths.withLock { paths in
            if paths.count == Self.limit { paths.removeFirst() }
            paths.append(path)
        }
    }
}
