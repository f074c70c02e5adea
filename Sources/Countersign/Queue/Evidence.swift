package import FoundationEssentials
package import OCI
import Sigstore

/// One signed envelope as it is stored, and how far it got.
package struct Evidence: Sendable {
    package let id: Int64
    package internal(set) var prepared: Prepared
    /// `nil`: the log's answer is not known. Send `prepared.logRequest` again, byte for byte.
    package let logged: Logged?
    /// Rendered with the log entry; `nil` until then.
    package let attachment: Attachment?
    /// When the log, asked, first did not have it; by the database's clock.
    package let firstMissedAt: Date?
    /// Whether this attempt made it, and asked for its place in the log before. Not stored.
    private(set) var isAdmitted = false

    var admitted: Evidence {
        var admitted = self
        admitted.isAdmitted = true
        return admitted
    }

    /// The same once a further log has it.
    func logged(_ entry: TlogEntry, inFurther log: String) -> Evidence {
        var logged = self
        for position in prepared.further.indices where prepared.further[position].log == log {
            logged.prepared.further[position].entry = entry.encoded()
        }
        return logged
    }

    /// Whether another attempt made it, and no log is known to have it.
    var isFoundUnlogged: Bool { logged == nil && !isAdmitted }

    package var format: Format { prepared.format }

    package typealias Format = SignatureFormat

    /// Commit point 1: everything that is about to become public, before it does.
    package struct Prepared: Sendable, Equatable {
        package var format: Format
        /// What was signed: the statement (DSSE payload), or a legacy signature's simple-signing document.
        package var payload: [UInt8]
        package var signature: [UInt8]
        /// DER, leaf first; empty for a managed key.
        package var certificateChain: [[UInt8]]
        package var certificateNotAfter: Date?
        /// RFC 3161 `TimeStampResp`s, as received: one of each authority; the legacy format has room for one.
        package var timestamps: [[UInt8]]
        /// Which log it goes to: its URL.
        package var log: String
        /// The exact request body for that log. Empty only where an entry was found, not made (``Journal/adopt(_:_:attachment:for:)``).
        package var logRequest: [UInt8]
        /// Where the instance wants several entries: the other logs that get one.
        package var further: [FurtherEntry]
        /// How many targets the statement is about; more than 1: a group's.
        package var subjects: Int

        package init(
            format: Format = .bundle, payload: [UInt8], signature: [UInt8], certificateChain: [[UInt8]],
            certificateNotAfter: Date?, timestamps: [[UInt8]], log: String, logRequest: [UInt8],
            further: [FurtherEntry] = [], subjects: Int = 1
        ) {
            self.format = format
            self.payload = payload
            self.signature = signature
            self.certificateChain = certificateChain
            self.certificateNotAfter = certificateNotAfter
            self.timestamps = timestamps
            self.log = log
            self.logRequest = logRequest
            self.further = further
            self.subjects = subjects
        }
    }

    /// Commit point 2: the log's answer.
    package struct Logged: Sendable, Equatable {
        /// The entry in the form that the `Sigstore` module encodes and decodes.
        package var entry: [UInt8]
        /// 64 hex digits.
        package var logID: String
        package var logIndex: Int64
        package var logUUID: String?
        package var integratedAt: Date?
        /// The whole bundle (bundle format), as it will be published.
        package var bundle: [UInt8]?

        package init(
            entry: [UInt8], logID: String, logIndex: Int64, logUUID: String?, integratedAt: Date?, bundle: [UInt8]?
        ) {
            self.entry = entry
            self.logID = logID
            self.logIndex = logIndex
            self.logUUID = logUUID
            self.integratedAt = integratedAt
            self.bundle = bundle
        }
    }

    /// What carries the evidence in the registry, rendered once: pushing it again is the same bytes under the same digest. A
    /// bundle's is its referrer manifest. A legacy signature's is its layer's descriptor with all annotations, under the
    /// digest of its blob: the manifest around it is everybody's.
    package struct Attachment: Sendable, Equatable {
        package var manifest: [UInt8]
        package var mediaType: String
        package var digest: Digest
        /// When the registry last accepted it.
        package var pushedAt: Date?
        /// When the registry's copy last passed our verifier.
        package var verifiedAt: Date?

        package init(
            manifest: [UInt8], mediaType: String, digest: Digest, pushedAt: Date? = nil, verifiedAt: Date? = nil
        ) {
            self.manifest = manifest
            self.mediaType = mediaType
            self.digest = digest
            self.pushedAt = pushedAt
            self.verifiedAt = verifiedAt
        }
    }
}
