import FoundationEssentials
import OpenSSL

extension Verifier {
    /// (4.4) Every entry holds, and there are entries in as many logs as demanded.
    func verifyEntries(
        of presented: PresentedSignature, _ material: VerificationMaterial, _ times: [VerifiedSignature.ObservedTime],
        _ demands: Demands, _ steps: inout [VerificationStep]
    ) throws(VerificationError) {
        if presented.entries.isEmpty, case .publicKey = material, demands.acceptsUnloggedKeySignatures {
            steps.append(.init(.tlogEntry, "no entry, and none was asked for"))
            return
        }
        guard !presented.entries.isEmpty else { throw .noEntry }
        // one entry twice is no second word, whoever counts them
        for (position, entry) in presented.entries.enumerated()
        where presented.entries[..<position].contains(where: entry.isSame(as:)) {
            throw .init(
                .tlogEntry, "one entry of one log twice: \(entry.name)",
                fix:
                    "sign the artifact again (countersign resign, with --old remove if verifiers should not meet this one), "
                    + "or send the attestation's document in a newer version, with --replace: Countersign made such before "
                    + "where two URLs named one log; any other was altered")
        }
        // entries in one log count once (client specification 4.6, "Threshold verification")
        let logs = Set(presented.entries.map(\.logID)).count
        guard logs >= demands.logs else { throw .init(.tlogEntry, "in \(logs) logs, \(demands.logs) are demanded") }
        for entry in presented.entries { try verifyEntry(entry, of: presented, material, times, &steps) }
    }

    /// One log entry: of this signature, in the log, under a signed root, while the certificate was valid.
    private func verifyEntry(
        _ entry: TlogEntry, of presented: PresentedSignature, _ material: VerificationMaterial,
        _ times: [VerifiedSignature.ObservedTime], _ steps: inout [VerificationStep]
    ) throws(VerificationError) {
        let claimed = entry.integratedTime > 0 ? Date(unixSeconds: entry.integratedTime) : nil
        // the log signed the time that it promised; without a promise it is anybody's word, and what was proven decides
        let isClaimEnough = entry.api?.datesEntries != false && times.isEmpty
        let decisive = entry.provenTime ?? (isClaimEnough ? claimed : nil)
        let (log, key) = try trustedLog(of: entry, at: decisive.map { [$0] } ?? times.map(\.time))

        do throws(SigstoreError) {
            try TlogBody(entry).check(against: presented, material)
        } catch {
            throw .init(.tlogBody, error.observed)
        }
        steps.append(
            .init(
                .tlogBody, "\(entry.kind) \(entry.version) of this signature and signer",
                against: entry.provenIndex.map { "index \($0) of \(log.baseURL)" } ?? log.baseURL))

        // a promise was held against the log's key with the times (4.2.2)
        try verifyInclusion(of: entry, in: log, key, isPromised: entry.inclusionPromise != nil, &steps)
        if case .certificate(let certificate) = material, let time = claimed {
            guard certificate.notBefore <= time, time <= certificate.notAfter else {
                throw .noValidCertificate(certificate, "the signature was logged at \(time.rfc3339)")
            }
        }
    }

    /// The entry is under a root that the log signed; one that brings no proof rests on the promise alone, as version 0.1 bundles
    /// and the older format do (later bundles without one are refused when read).
    func verifyInclusion(
        of entry: TlogEntry, in log: TrustedLog, _ key: PublicKey, isPromised: Bool, _ steps: inout [VerificationStep]
    ) throws(VerificationError) {
        guard let proof = entry.inclusionProof else {
            guard isPromised else { throw .init(.inclusionProof, "neither proof nor promise") }
            steps.append(.init(.inclusionProof, "promised", against: "the key of \(log.baseURL)"))
            return
        }
        // a tiled log has one tree, and nothing else authenticates its entry's index
        guard entry.api?.isTiled != true || entry.logIndex == proof.logIndex else {
            throw .init(.inclusionProof, "entry \(entry.logIndex) with a proof of \(proof.logIndex)")
        }
        let checkpoint = try verifyCheckpoint(proof, of: log, key)
        try verifyInclusion(entry, proof, checkpoint)
        steps.append(
            .init(
                .inclusionProof, "leaf \(proof.logIndex) of \(checkpoint.size)",
                against: "a checkpoint signed by \(log.baseURL)"))
    }

    /// The root is under a note that the log signed. Size and root of the proof must be the note's: alone they prove nothing.
    func verifyCheckpoint(
        _ proof: TlogEntry.InclusionProof, of log: TrustedLog, _ key: PublicKey
    ) throws(VerificationError) -> Checkpoint {
        let checkpoint: Checkpoint
        do throws(SigstoreError) {
            checkpoint = try Checkpoint(note: proof.checkpoint)
        } catch {
            throw .init(.checkpoint, error.observed)
        }
        guard checkpoint.rootHash == proof.rootHash else {
            throw .init(
                .checkpoint,
                "its root \(Hex.encode(checkpoint.rootHash)) is not the proof's \(Hex.encode(proof.rootHash))")
        }
        guard UInt64(exactly: proof.treeSize) == checkpoint.size else {
            throw .init(.checkpoint, "its size \(checkpoint.size) is not the proof's \(proof.treeSize)")
        }
        let candidates = checkpoint.signatures.filter { log.isSigner(of: $0, origin: checkpoint.origin) }
        guard !candidates.isEmpty else {
            throw .init(.checkpoint, "no signature by \(log.baseURL) under \"\(checkpoint.origin)\"")
        }
        for candidate in candidates where (try? key.verify(candidate.signature, of: checkpoint.signedText)) != nil {
            return checkpoint
        }
        throw .init(.checkpoint, "the signature in the name of \(log.baseURL) is not its own")
    }

    func verifyInclusion(
        _ entry: TlogEntry, _ proof: TlogEntry.InclusionProof, _ checkpoint: Checkpoint
    ) throws(VerificationError) {
        guard let index = UInt64(exactly: proof.logIndex) else { throw .init(.inclusionProof, "a negative index") }
        do throws(Merkle.ProofError) {
            try Merkle.verifyInclusion(
                leafHash: Merkle.leafHash(entry.canonicalizedBody), index: index, size: checkpoint.size,
                path: proof.hashes, root: checkpoint.rootHash)
        } catch {
            throw .init(.inclusionProof, "\(error)")
        }
    }
}

extension VerificationError {
    /// A signature that is in no log.
    static var noEntry: Self { .init(.tlogEntry, "Rekor entry not found: the signature brings none") }
}
