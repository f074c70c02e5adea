package import Postgres
package import Sigstore

/// `countersign audit verify`: the chain from its first row on, and every signed head against it.
package struct AuditVerification: Sendable {
    private let chain: AuditChain
    private let anchors: AuditAnchors
    /// Where the trust material of a TUF repository is kept, too.
    let pool: ConnectionPool
    /// How long a row may wait for a signed head while daemons are at work: one is due every day, and log and authority may be
    /// away for another. The alert waits as long (docs/operations.md).
    private static let patience: Duration = .seconds(172_800)

    package init(pool: ConnectionPool) {
        chain = AuditChain(pool: pool)
        anchors = AuditAnchors(pool: pool)
        self.pool = pool
    }

    package struct Report: Sendable {
        /// Rows that hold together.
        package let entries: Int64
        package let head: [UInt8]
        /// Signed heads that verify and that the chain agrees with.
        package let anchors: Int
        /// Up to where a signed head vouches for the chain; 0 without one.
        package let anchoredPosition: Int64
        package let faults: [AuditChain.Fault]
    }

    /// - Parameters:
    ///   - signers: who may have signed heads: the identities of the configuration.
    package func report(
        by signers: [Verifier.ExpectedSigner], _ verifier: Verifier
    ) async throws(QueueError) -> Report {
        let logged = try await anchors.logged()
        let walk = try await chain.walk(noting: Set(logged.map(\.position)))
        var faults = walk.fault.map { [$0] } ?? []
        var (good, position) = (0, Int64(0))
        for anchor in logged {
            if let fault = fault(of: anchor, in: walk, by: signers, verifier) {
                faults.append(fault)
            } else {
                good += 1
                position = max(position, anchor.position)
            }
        }
        for hidden in try await anchors.hidden() {
            faults.append(
                AuditChain.Fault(
                    position: hidden, observed: "its signed head was put aside after a log had taken it"))
        }
        if let row = try await anchors.row(after: position), row.age > Self.patience {
            let hours = Int(row.age / .seconds(3600))
            faults.append(
                AuditChain.Fault(
                    position: row.position,
                    observed: "no signed head vouches for it, and work went on for \(hours) hours after it"))
        }
        return Report(
            entries: walk.entries, head: walk.head, anchors: good, anchoredPosition: position, faults: faults)
    }

    private func fault(
        of anchor: AuditAnchors.Anchor, in walk: AuditChain.Walk, by signers: [Verifier.ExpectedSigner],
        _ verifier: Verifier
    ) -> AuditChain.Fault? {
        let head = AuditHead(position: anchor.position, hash: anchor.head)
        let failures = signers.map { signer -> String? in
            do {
                try head.verify(anchor.bundle ?? [], by: signer, verifier)
                return nil
            } catch {
                return "\(error)"
            }
        }
        if !failures.contains(where: { $0 == nil }) {
            let why = failures.compactMap { $0 }.first ?? "no identity is configured"
            return AuditChain.Fault(position: anchor.position, observed: "its anchor does not verify: \(why)")
        }
        guard let hash = walk.hashes[anchor.position] else {
            return AuditChain.Fault(
                position: anchor.position, observed: "a signed head vouches for a row that the chain does not reach")
        }
        guard hash == anchor.head else {
            return AuditChain.Fault(
                position: anchor.position, observed: "the chain was rewritten: a signed head says otherwise")
        }
        return nil
    }
}
