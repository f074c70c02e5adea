import OpenSSL

/// A checkpoint that a trusted log signed and enough witnesses cosigned.
public struct VerifiedCheckpoint: Sendable {
    /// The checkpoint.
    public let checkpoint: Checkpoint
    /// The log whose signature it carries.
    public let log: TrustedLog
    /// The API whose logs sign as it did.
    package let api: RekorAPI
    /// The known witnesses that cosigned it.
    public let cosignatures: [Cosignature]
}

/// Whose checkpoints count: the logs of the trusted root, and for a log with witnesses a quorum of them.
public struct CheckpointVerifier: Sendable {
    /// The logs, asked anew each time: the trusted root changes while we run.
    private let logs: @Sendable () -> [TrustedLog]
    /// Witnesses that are known. Signatures of others are ignored, as a note's reader must.
    public let witnesses: [Witness]
    /// How many of them must have cosigned; 0 for none.
    public let quorum: Int

    /// A verifier of checkpoints.
    public init(logs: @escaping @Sendable () -> [TrustedLog], witnesses: [Witness] = [], quorum: Int = 0) {
        self.logs = logs
        self.witnesses = witnesses
        self.quorum = quorum
    }

    /// Checks the log's signature and counts the witnesses'.
    /// - Throws: ``SigstoreError/malformed(_:_:)`` for a note that no trusted log signed, ``SigstoreError/unwitnessed(have:need:)``
    ///   for one with too few cosignatures.
    public func verify(_ checkpoint: Checkpoint) throws(SigstoreError) -> VerifiedCheckpoint {
        let (log, api) = try signer(of: checkpoint)
        var cosignatures: [Cosignature] = []
        for witness in witnesses {
            guard let time = witness.cosignedAt(checkpoint) else { continue }
            cosignatures.append(Cosignature(witness: witness.name, time: time))
        }
        guard cosignatures.count >= quorum else { throw .unwitnessed(have: cosignatures.count, need: quorum) }
        return VerifiedCheckpoint(checkpoint: checkpoint, log: log, api: api, cosignatures: cosignatures)
    }

    private func signer(of checkpoint: Checkpoint) throws(SigstoreError) -> (TrustedLog, RekorAPI) {
        var named = false
        for log in logs() {
            for line in checkpoint.signatures {
                guard let api = log.api(of: line, origin: checkpoint.origin) else { continue }
                named = true
                if let key = log.key, (try? key.verify(line.signature, of: checkpoint.signedText)) != nil {
                    return (log, api)
                }
            }
        }
        let origin = "\"\(printable(checkpoint.origin, limit: 200))\""
        throw .malformed(
            "checkpoint",
            named
                ? "the signature in the name of \(origin) is not the log's"
                : "no log of the trusted root signed it as \(origin)")
    }
}
