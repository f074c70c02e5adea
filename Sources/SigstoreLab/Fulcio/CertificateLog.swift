import FoundationEssentials
import OpenSSL

/// The certificate transparency log behind the lab's Fulcio (RFC 6962), P-256.
struct CertificateLog: Sendable {
    private let log: DurableLog
    private let key: PrivateKey
    /// SHA-256 of the log's SPKI (RFC 6962 §3.2).
    let logID: [UInt8]
    var publicKey: PublicKey { key.publicKey }
    var size: Int { log.size }

    init(path: String, key: PrivateKey) throws {
        log = try DurableLog(path: path, label: "lab.ct")
        self.key = key
        logID = Hash.sha256(key.publicKey.spki)
    }

    /// A promise to have logged, as `add-pre-chain` answers it.
    struct Promise: Sendable {
        let milliseconds: UInt64
        /// `digitally-signed` struct of RFC 5246 §4.7: hash and signature algorithm, length, DER signature.
        let signature: [UInt8]
    }

    /// Logs a precertificate or certificate and signs the promise.
    ///
    /// - Parameter chain: DER; first what is logged, then its issuer, up to the root.
    func add(_ chain: [[UInt8]], isPrecertificate: Bool, now: Date) async throws -> Promise {
        let milliseconds = UInt64(max(0, now.timeIntervalSince1970 * 1000))
        let leaf = try Self.leaf(of: chain, isPrecertificate: isPrecertificate, milliseconds: milliseconds)
        let extra = Self.extraData(of: chain, isPrecertificate: isPrecertificate)
        _ = try await log.append(.init(time: Int64(milliseconds), leaf: leaf, extra: extra))
        // A promise is signed over the very bytes of the leaf: both begin with version 0 and type 0 (RFC 6962 §3.2, §3.4).
        return Promise(milliseconds: milliseconds, signature: try digitallySigned(leaf))
    }

    /// The head of the tree now, signed (RFC 6962 §3.5).
    func signedTreeHead(now: Date) throws -> (size: Int, milliseconds: UInt64, root: [UInt8], signature: [UInt8]) {
        let (size, root) = log.withTree { ($0.count, $0.root(size: $0.count)) }
        let milliseconds = UInt64(max(0, now.timeIntervalSince1970 * 1000))
        let signed = [0, 1] + Self.bigEndian(milliseconds, 8) + Self.bigEndian(UInt64(size), 8) + root
        return (size, milliseconds, root, try digitallySigned(signed))
    }

    func entry(at index: Int) async throws -> DurableLog.Entry? { try await log.entry(at: index) }

    func inclusionProof(leafHash: [UInt8], size: Int) -> (index: Int, hashes: [[UInt8]])? {
        guard let index = log.index(of: leafHash) else { return nil }
        return log.withTree { tree in
            guard index < size, size <= tree.count else { return nil }
            return (index, tree.inclusionProof(index: index, size: size))
        }
    }

    func consistencyProof(first: Int, second: Int) -> [[UInt8]]? {
        log.withTree { tree in
            guard first > 0, first <= second, second <= tree.count else { return nil }
            return tree.consistencyProof(first: first, second: second)
        }
    }

    private func digitallySigned(_ bytes: [UInt8]) throws -> [UInt8] {
        let signature = try key.sign(bytes)
        return [4, 3] + Self.bigEndian(UInt64(signature.count), 2) + signature  // sha256, ecdsa
    }

    /// `MerkleTreeLeaf` (RFC 6962 §3.4) of the first certificate of a chain.
    static func leaf(of chain: [[UInt8]], isPrecertificate: Bool, milliseconds: UInt64) throws -> [UInt8] {
        guard let first = chain.first else { throw LabError.token("empty chain") }
        let head: [UInt8] = [0, 0] + bigEndian(milliseconds, 8) + bigEndian(isPrecertificate ? 1 : 0, 2)
        let noExtensions = bigEndian(0, 2)
        guard isPrecertificate else { return head + opaque(try Certificate(der: first).der) + noExtensions }
        guard chain.count > 1 else { throw LabError.token("chain without an issuer") }
        let issuer = try Certificate(der: chain[1])
        return head + Hash.sha256(issuer.publicKey.spki) + opaque(try Precertificate(der: first).tbs) + noExtensions
    }

    /// `PrecertChainEntry`, or `certificate_chain` for a final certificate (RFC 6962 §4.6).
    static func extraData(of chain: [[UInt8]], isPrecertificate: Bool) -> [UInt8] {
        let issuers = opaque(chain.dropFirst().flatMap(opaque))
        return isPrecertificate ? opaque(chain.first ?? []) + issuers : issuers
    }

    /// `opaque<1..2^24-1>`.
    private static func opaque(_ bytes: [UInt8]) -> [UInt8] { bigEndian(UInt64(bytes.count), 3) + bytes }

    private static func bigEndian(_ value: UInt64, _ width: Int) -> [UInt8] {
        (0..<width).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * (width - 1 - $0))) }
    }
}

extension CertificateLog.Promise {
    /// `SerializedSCT` of RFC 6962 §3.3: version, log id, timestamp, no extensions, signature.
    func serialized(logID: [UInt8]) -> [UInt8] {
        let time = (0..<8).map { UInt8(truncatingIfNeeded: milliseconds >> UInt64(56 - 8 * $0)) }
        return [0] + logID + time + [0, 0] + signature
    }
}
