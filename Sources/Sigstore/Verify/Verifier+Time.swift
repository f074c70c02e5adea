import FoundationEssentials
import OpenSSL
import StrictJSON

extension Verifier {
    /// (4.2) The times at which a timestamp authority or a log of the trusted root saw the signature.
    func observerTimes(
        of presented: PresentedSignature, _ material: VerificationMaterial, _ demands: Demands,
        _ steps: inout [VerificationStep]
    ) throws(VerificationError) -> [VerifiedSignature.ObservedTime] {
        var times = try timestampTimes(of: presented, &steps)
        if demands.needsTimestamp, times.isEmpty { throw .init(.timestamp, "no timestamp, one is demanded") }
        for entry in presented.entries {
            guard let time = try integratedTime(of: entry) else { continue }
            times.append(time)
            steps.append(
                .init(.signedEntryTimestamp, "logged at \(time.time.rfc3339)", against: "the key of \(time.observer)"))
        }
        if times.isEmpty {
            guard case .publicKey = material, demands.acceptsUnloggedKeySignatures else {
                guard !presented.entries.isEmpty else { throw .noEntry }
                throw .init(.time, "neither a timestamp nor a signed integrated time")
            }
            steps.append(.init(.time, "none is known, and none is needed for a key"))
        }
        return times
    }

    /// (4.2.1) Timestamping service.
    func timestampTimes(
        of presented: PresentedSignature, _ steps: inout [VerificationStep]
    ) throws(VerificationError) -> [VerifiedSignature.ObservedTime] {
        var times: [VerifiedSignature.ObservedTime] = []
        for timestamp in presented.timestamps {
            let time = try timestampTime(timestamp, over: presented.stamped)
            times.append(time)
            steps.append(
                .init(.timestamp, "timestamp of \(time.time.rfc3339)", against: "timestamp authority \(time.observer)"))
        }
        return times
    }

    /// RFC 3161: over what the format has stamped (the raw signature, in bundles), by an authority of the trusted root whose
    /// chain was valid at that moment.
    private func timestampTime(
        _ der: [UInt8], over stamped: [UInt8]
    ) throws(VerificationError) -> VerifiedSignature.ObservedTime {
        let response: TimestampResponse
        do throws(CryptoError) { response = try TimestampResponse(der: der) } catch {
            throw .init(.timestamp, "\(error)")
        }
        var reason = "no timestamp authority in the trusted root"
        for (authority, signers) in zip(root.timestampAuthorities, timestampSigners) {
            do throws(CryptoError) {
                let time = try response.verify(imprintOf: stamped, by: signers)
                guard authority.validity.contains(time) else {
                    reason = "\(time.rfc3339) is outside the trusted root's validity of \(authority.uri)"
                    continue
                }
                return .init(time: time, observer: authority.uri, isTimestamp: true)
            } catch {
                reason = "\(error)"
            }
        }
        throw .init(.timestamp, reason)
    }

    /// (4.2.2) Rekor v1's promise authenticates its integrated time. Without one the time is merely claimed, and Rekor v2
    /// has none. A promise is held against the log's key whatever it says: the entry may rest on nothing else.
    func integratedTime(of entry: TlogEntry) throws(VerificationError) -> VerifiedSignature.ObservedTime? {
        guard let promise = entry.inclusionPromise else { return nil }
        let (log, key) = try self.log(of: entry)
        let signed = Self.signedEntryTimestampPayload(entry)
        do throws(CryptoError) {
            try key.verify(promise, of: signed)
        } catch {
            throw .init(.signedEntryTimestamp, "not a signature of \(log.baseURL): \(error)")
        }
        // no log took anything in 1970: such a time dates nothing
        return entry.provenTime.map { .init(time: $0, observer: log.baseURL, isTimestamp: false) }
    }

    /// The RFC 8785 form of `{body, integratedTime, logID, logIndex}`, which is what Rekor v1 signs.
    static func signedEntryTimestampPayload(_ entry: TlogEntry) -> [UInt8] {
        JSONValue.object([
            "body": .string(Base64.encode(entry.canonicalizedBody)),
            "integratedTime": .integer(entry.integratedTime),
            "logID": .string(Hex.encode(entry.logID)), "logIndex": .integer(entry.logIndex),
        ]).encoded()
    }

    /// The log that an entry names, if the trusted root trusts it at all of these times, and there are any.
    func trustedLog(of entry: TlogEntry, at times: [Date]) throws(VerificationError) -> (TrustedLog, PublicKey) {
        let logs = root.tlogs(withID: entry.logID)
        guard !logs.isEmpty else { throw .init(.log, "no log with id \(Hex.encode(entry.logID)) in the trusted root") }
        guard !times.isEmpty, let log = logs.first(where: { log in times.allSatisfy { log.validity.contains($0) } })
        else {
            throw .init(.log, "\(logs[0].baseURL) is not trusted at \(times.map(\.rfc3339).joined(separator: ", "))")
        }
        guard let key = log.key else { throw .init(.log, "\(log.baseURL) has a key of kind \(log.keyDetails)") }
        return (log, key)
    }
}
