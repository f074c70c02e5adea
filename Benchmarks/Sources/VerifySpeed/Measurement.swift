import FoundationEssentials
import Glibc
import OpenSSL
import Sigstore

/// Verifies everything that ``Material`` made, on the thread that it is called on.
struct Measurement {
    let directory: String
    private let root: TrustedRoot
    private let identity: CertificateIdentity
    private let clock = ProcessorTime()

    init(directory: String) throws {
        self.directory = directory
        root = try TrustedRoot(json: VerifySpeed.read("\(directory)/trusted_root.json"))
        identity = try CertificateIdentity(
            subjectAlternativeName: .regex("^https://kubernetes\\.io/.+$"),
            issuer: .exact(String(decoding: VerifySpeed.read("\(directory)/issuer"), as: UTF8.self)))
    }

    func run() throws {
        for (name, title) in [("plain", "without timestamps"), ("stamped", "with timestamps")] {
            let documents = try load(name)
            let verifier = Verifier(root: root)
            var certificates: Set<[UInt8]> = []
            let time = try clock.measure {
                for (index, bytes) in documents.enumerated() {
                    let verified = try verifier.verify(
                        UnverifiedBundle(json: bytes), artifact: Material.digest(index),
                        by: .certificate(identity), expecting: Statement.cosignSignPredicateType,
                        repositories: [Material.repository])
                    certificates.insert(verified.certificate?.der ?? [])
                }
            }
            let seconds = time / .seconds(1)
            print(
                "\(title): \(documents.count) distinct bundles over \(certificates.count) certificates in",
                "\(Int(seconds * 1000)) ms: \(Int(Double(documents.count) / seconds)) a second on one core")
        }
        try steps(load("stamped"))
    }

    private func load(_ name: String) throws -> [[UInt8]] {
        var documents: [[UInt8]] = []
        while FileManager.default.fileExists(atPath: "\(directory)/\(name)-\(documents.count).json") {
            documents.append(try VerifySpeed.read("\(directory)/\(name)-\(documents.count).json"))
        }
        guard !documents.isEmpty else { throw VerifySpeed.Unreadable(path: "\(directory)/\(name)-0.json") }
        return documents
    }

    /// What one bundle costs, step by step: the mean over all of them, each step run alone.
    private func steps(_ documents: [[UInt8]]) throws {
        let bundles = try documents.map { try UnverifiedBundle(json: $0) }
        let authority = root.timestampAuthorities[0]
        let signers = TimestampSigners(chain: authority.intermediates, roots: [authority.root])
        let ca = root.certificateAuthorities[0]
        let ctKey = root.ctLogs[0].key
        let logKey = root.tlogs.compactMap(\.key)[0]
        func mean(_ name: String, _ body: (Int, UnverifiedBundle) throws -> Void) rethrows {
            let time = try clock.measure { for (index, bundle) in bundles.enumerated() { try body(index, bundle) } }
            let microseconds = time / .microseconds(1) / Double(bundles.count)
            print("  \(name): \((microseconds * 10).rounded() / 10) µs")
        }
        try mean("read the bundle") { index, _ in _ = try UnverifiedBundle(json: documents[index]) }
        var leaves: [[UInt8]: Certificate] = [:]
        try mean("4.3 decode the certificate, once each") { _, bundle in
            guard case .certificate(let der) = bundle.material, leaves[der] == nil else { return }
            leaves[der] = try Certificate(der: der)
        }
        try mean("4.5 signature over the envelope") { _, bundle in
            guard case .envelope(let envelope) = bundle.content, case .certificate(let der) = bundle.material else {
                return
            }
            try leaves[der]?.publicKey.verify(envelope.signatures[0].sig, of: envelope.preAuthenticationEncoding)
        }
        try mean("4.5 statement") { _, bundle in
            if case .envelope(let envelope) = bundle.content { _ = try Statement(json: envelope.payload) }
        }
        try mean("4.2.1 timestamp") { _, bundle in
            _ = try TimestampResponse(der: bundle.timestamps[0]).verify(
                imprintOf: bundle.content.signature, by: signers)
        }
        let perCertificate = try clock.measure {
            for leaf in leaves.values {
                let chain = try CertificateChain.verify(
                    leaf, intermediates: ca.intermediates, roots: [ca.root], at: leaf.notBefore, purpose: .codeSigning)
                if let ctKey {
                    try leaf.signedCertificateTimestamps().first?.verify(for: leaf, issuer: chain[1], key: ctKey)
                }
            }
        }
        print(
            "  4.3 chain and certificate timestamp, once each:",
            "\((perCertificate / .microseconds(1) / Double(leaves.count)).rounded()) µs a certificate")
        try mean("4.4 checkpoint and its signature") { _, bundle in
            guard let proof = bundle.tlogEntries[0].inclusionProof else { return }
            let checkpoint = try Checkpoint(note: proof.checkpoint)
            try logKey.verify(checkpoint.signatures[0].signature, of: checkpoint.signedText)
        }
        try mean("4.4 inclusion proof") { _, bundle in
            guard let proof = bundle.tlogEntries[0].inclusionProof else { return }
            try Merkle.verifyInclusion(
                leafHash: Merkle.leafHash(bundle.tlogEntries[0].canonicalizedBody), index: UInt64(proof.logIndex),
                size: UInt64(proof.treeSize), path: proof.hashes, root: proof.rootHash)
        }
    }
}

/// Processor time of this process, so that what else the machine does is not counted.
private struct ProcessorTime {
    func measure(_ body: () throws -> Void) rethrows -> Duration {
        let start = now
        try body()
        return now - start
    }

    private var now: Duration {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }
}
