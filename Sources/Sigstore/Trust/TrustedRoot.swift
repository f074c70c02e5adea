public import FoundationEssentials
public import OpenSSL

/// A closed interval in which a key or certificate is trusted; both ends belong to it (TimeRange of sigstore_common.proto).
public struct ValidityWindow: Sendable, Equatable {
    /// The first moment.
    public let start: Date
    /// The last moment; nil for open-ended.
    public let end: Date?

    /// A closed interval.
    public init(start: Date, end: Date?) {
        self.start = start
        self.end = end
    }

    /// Whether `time` lies in the interval, its ends included.
    public func contains(_ time: Date) -> Bool { start <= time && end.map { time <= $0 } ?? true }
}

/// A certificate authority or timestamp authority of the trusted root.
public struct TrustedAuthority: Sendable {
    /// Where it is reached; informative.
    public let uri: String
    /// Who it is, from the document's `subject`.
    public let organization: String
    /// Who it is, from the document's `subject`.
    public let commonName: String
    /// All but the last certificate: intermediates, and for a timestamp authority the signer first.
    public let intermediates: [Certificate]
    /// The last certificate: the trust anchor.
    public let root: Certificate
    /// When its statements count.
    public let validity: ValidityWindow
}

/// A transparency log (Rekor or certificate transparency) of the trusted root.
public struct TrustedLog: Sendable {
    /// Where it is reached; its host names a Rekor v2 log in checkpoints.
    public let baseURL: String
    /// The id that entries and SCTs carry.
    public let logID: [UInt8]
    /// The key's DER as the document holds it.
    public let keyBytes: [UInt8]
    /// The key; nil if its kind is not one we verify with, which matters only to what this log signed.
    public let key: PublicKey?
    /// The document's name for the kind of key.
    public let keyDetails: String
    /// When its signatures count.
    public let validity: ValidityWindow
    /// The id that its checkpoints carry, where the document names another than ``logID`` for them (`checkpointKeyId`).
    public var checkpointKeyID: [UInt8]?
}

/// Sigstore's trust anchors, version 0.1 or 0.2 (sigstore_trustroot.proto), parsed once and shared.
public struct TrustedRoot: Sendable {
    /// Rekor logs.
    public let tlogs: [TrustedLog]
    /// Certificate transparency logs.
    public let ctLogs: [TrustedLog]
    /// Fulcio instances.
    public let certificateAuthorities: [TrustedAuthority]
    /// Timestamp authorities.
    public let timestampAuthorities: [TrustedAuthority]

    /// The organisation by which the lab marks every authority it makes.
    package static let labOrganization = "Countersign Lab"

    /// Whether any authority is one of a lab: such a root is not for production.
    ///
    /// Both the document's words and the certificates are looked at, so that editing one does not hide it.
    package var isLab: Bool {
        (certificateAuthorities + timestampAuthorities).contains { authority in
            authority.organization.contains(Self.labOrganization) || authority.commonName.contains(Self.labOrganization)
                || authority.root.subject.contains(Self.labOrganization)
        }
    }

    /// Logs that signed under this id; several when a key was listed twice with different validity.
    public func tlogs(withID logID: [UInt8]) -> [TrustedLog] { tlogs.filter { $0.logID == logID } }

    /// Certificate transparency logs with this id.
    public func ctLogs(withID logID: [UInt8]) -> [TrustedLog] { ctLogs.filter { $0.logID == logID } }
}
