package import OCI
import OpenSSL
import Sigstore

/// Entries that are looked for by reading them: the only way in a log without an index.
package struct EntryScan: Sendable {
    /// Which entries are read.
    package enum Stretch: Sendable, Equatable {
        /// The last so many.
        case newest(Int64)
        /// From an index on, and before another one.
        case indexes(from: Int64, to: Int64)
    }

    /// What an entry must have; all that is given.
    package struct Wanted: Sendable {
        /// The certificate's subject alternative name, exactly.
        package var identity: String?
        /// One of these digests of what was signed, `sha256:…`, or one of ``signatures``.
        package var digests: Set<String> = []
        package var signatures: Set<[UInt8]> = []

        package init() {}
    }

    /// How far it has come.
    package struct Progress: Encodable, Sendable, Equatable {
        /// The first index that is read, and one more than the last.
        package let from: Int64
        package let to: Int64
        /// Entries that were read.
        package internal(set) var read: Int64 = 0
        /// Those of them that nobody can tell anything of: other kinds than of signatures, and bodies that cannot be read.
        package internal(set) var untold: Int64 = 0
        package internal(set) var found = 0

        init(from: Int64, to: Int64) { (self.from, self.to) = (from, to) }
    }
}

extension LogSite {
    /// Reads a stretch of the log and keeps what is wanted.
    /// - Parameters:
    ///   - limit: the most entries that are returned, the newest; all are counted.
    ///   - tell: called after each request.
    /// - Throws: ``SigstoreError`` if the log cannot be read to the end of the stretch: nothing is found in a part of it.
    package func scan(
        _ stretch: EntryScan.Stretch, for wanted: EntryScan.Wanted, limit: Int,
        telling tell: (EntryScan.Progress) -> Void = { _ in }
    ) async throws -> (found: FoundEntries, read: EntryScan.Progress) {
        if api.isTiled, !isTrusted { throw TransparencyError.needsTrust(log: url) }
        let size = try await follower.size()
        var progress =
            switch stretch {
            case .newest(let count): EntryScan.Progress(from: max(0, size - count), to: size)
            case .indexes(let from, let to): EntryScan.Progress(from: min(from, size), to: min(to, size))
            }
        var newest: [Int64] = []
        var next = progress.from
        while next < progress.to {
            try Task.checkCancellation()
            let entries = try await follower.entries(from: next, limit: Int(clamping: progress.to - next))
            guard !entries.isEmpty else {
                throw SigstoreError.badAnswer(
                    .rekor, detail: "no entry \(next) in a log of \(size)", answerMayBeLost: false)
            }
            for entry in entries {
                guard let body = try? LoggedSignature(entry) else {
                    progress.untold += 1
                    continue
                }
                guard wanted.isMet(by: body) else { continue }
                progress.found += 1
                newest = newest.suffix(limit - 1) + [entry.logIndex]
            }
            next += Int64(entries.count)
            progress.read += Int64(entries.count)
            tell(progress)
        }
        // as they are shown they bring their proofs
        var shown: [TlogEntry] = []
        for index in newest.reversed() { shown.append(try await entry(index: index)) }
        return (FoundEntries(count: progress.found, entries: shown, unread: []), progress)
    }
}

extension EntryScan.Wanted {
    fileprivate func isMet(by body: LoggedSignature) -> Bool {
        if let identity {
            let names = body.signers.map { (signer) -> String? in
                if case .certificate(let certificate) = signer { try? certificate.signerIdentity() } else { nil }
            }
            guard names.contains(identity) else { return false }
        }
        guard !digests.isEmpty || !signatures.isEmpty else { return true }
        return body.signatures.contains { signatures.contains($0) }
            || body.contents.contains { digests.contains("\($0.algorithm):\(Hex.encode($0.digest))") }
    }
}

extension SignaturePlace {
    /// What the entries of an image's signatures and attestations have: the signatures themselves, and the digests of what
    /// is signed under the older tags.
    /// - Returns: what to look for; and signatures that could not be read, so that theirs are not known.
    /// - Throws: ``OCIError`` when the registry does not say.
    package func wanted(
        for digest: Digest
    ) async throws(OCIError) -> (wanted: EntryScan.Wanted, unread: [FoundEntries.Unread]) {
        let attached = try await attached(to: digest)
        var wanted = EntryScan.Wanted()
        wanted.digests = ["\(digest)"]
        var rejected = attached.unreadable
        var reading = SignatureReading(self, limit: AttachedSignatures.attestationLimit)
        for index in attached.signatures.readingOrder {
            let one = attached.signatures[index]
            switch try await reading.fetch(one) {
            case .failure(let rejection): rejected.append(rejection)
            case .success(let fetched):
                // here anybody may put what is of another artifact
                guard fetched.form.isAbout(digest) else { continue }
                wanted.signatures.insert(fetched.form.signature)
                if one.location.tag != nil { wanted.digests.insert("\(one.layer.digest)") }
            }
        }
        return (wanted, rejected.map { FoundEntries.Unread($0) })
    }
}

extension PresentedForm {
    fileprivate var signature: [UInt8] {
        switch self {
        case .bundle(let bundle): bundle.content.signature
        case .legacy(let legacy): legacy.signature
        }
    }

    /// Whether it says that it is of that artifact.
    fileprivate func isAbout(_ digest: Digest) -> Bool {
        if case .legacy(let legacy) = self, case .payload(let bytes, _) = legacy.content {
            return (try? SimpleSigningPayload(json: bytes)).map { "\($0.manifestDigest)" == "\(digest)" } ?? false
        }
        if case .bundle(let bundle) = self, case .messageSignature(_, let signed, _) = bundle.content {
            return signed.map { Hex.encode($0) == digest.hex } ?? false
        }
        guard let payload, let statement = try? Statement(json: payload) else { return false }
        return statement.subjects.contains { $0.digest[digest.algorithm.rawValue] == digest.hex }
    }
}
