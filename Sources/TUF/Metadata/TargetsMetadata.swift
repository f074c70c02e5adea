public import FoundationEssentials
public import OpenSSL

/// The files a role vouches for, and to whom it delegates (4.5).
public struct TargetsMetadata: Sendable {
    /// The version; it only grows.
    public let version: Int64
    /// After this moment it says nothing any more.
    public let expires: Date
    /// The files, by their paths.
    public let targets: [String: TargetFile]
    /// To whom the role passes on parts of what it may speak about, most trusted first.
    public let delegations: Delegations

    init(_ file: MetadataFile) throws(TUFError) {
        version = file.version
        expires = file.expires
        var targets: [String: TargetFile] = [:]
        for (path, field) in try file.signed.required("targets").members(atMost: 1 << 17) {
            targets[path] = try TargetFile(path: path, field)
        }
        self.targets = targets
        delegations = try file.signed.optional("delegations").map(Delegations.init) ?? .none
    }
}

/// One file as its role describes it.
public struct TargetFile: Sendable, Equatable {
    /// Its path in the repository.
    public let path: String
    /// Its exact length in bytes.
    public let length: Int
    /// Its digests; empty if all are of algorithms that we do not know, and then it cannot be had.
    public let digests: [DigestAlgorithm: [UInt8]]

    init(path: String, _ field: MetadataField) throws(TUFError) {
        self.path = path
        length = Int(try field.required("length").integer(atLeast: 0))
        digests = try field.required("hashes").digests()
    }

    /// Whether these bytes are the file (5.7.3).
    public func check(_ bytes: [UInt8]) throws(TUFError) {
        guard bytes.count == length else {
            throw .wrongTarget(path: path, "\(bytes.count) bytes instead of \(length)")
        }
        if let fault = digests.fault(in: bytes) { throw .wrongTarget(path: path, fault) }
    }

    /// The digest that stands in file names of consistent snapshots: any would do (5.7.3), we take the commonest.
    var nameDigest: [UInt8]? { digests[.sha256] ?? digests[.sha512] ?? digests.values.first }
}
