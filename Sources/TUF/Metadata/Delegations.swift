import OpenSSL

/// To whom a role delegates (4.5 "DELEGATIONS"; TAP 15 for the bins).
public enum Delegations: Sendable {
    case none
    /// Named roles, most trusted first.
    case roles([DelegatedRole])
    /// 2^n bins with equal keys, each for the paths whose digest begins with its number.
    case bins(DelegatedBins)

    init(_ field: MetadataField) throws(TUFError) {
        let keys = try TUFKey.all(field.required("keys"))
        switch (try field.optional("roles"), try field.optional("succinct_roles")) {
        case (let roles?, nil):
            var list: [DelegatedRole] = []
            var names: Set<String> = []
            for element in try roles.elements(atMost: 4096) {
                let role = try DelegatedRole(element, keys: keys)
                guard names.insert(role.name).inserted else {
                    throw element.malformed("a second role of that name")
                }
                list.append(role)
            }
            self = .roles(list)
        case (nil, let bins?): self = .bins(try DelegatedBins(bins, keys: keys))
        default: throw field.malformed("exactly one of roles and succinct_roles must be there")
        }
    }

    /// The role of that name; nil if there is none.
    func role(named name: String) -> RoleKeys? {
        switch self {
        case .none: nil
        case .roles(let roles): roles.first { $0.name == name }?.keys
        case .bins(let bins): bins.contains(name) ? bins.keys : nil
        }
    }

    /// Who may speak about a path, most trusted first, up to and including the first whose word is final.
    func responsible(for path: String) -> (names: [String], isFinal: Bool) {
        switch self {
        case .none: return ([], false)
        case .roles(let roles):
            var names: [String] = []
            for role in roles where role.covers(path) {
                names.append(role.name)
                if role.isTerminating { return (names, true) }
            }
            return (names, false)
        // each path has exactly one bin
        case .bins(let bins): return ([bins.name(for: path)], true)
        }
    }
}

/// One delegated role.
public struct DelegatedRole: Sendable {
    /// Its name: its metadata is `NAME.json`.
    public let name: String
    /// Who signs its metadata.
    public let keys: RoleKeys
    /// Whether roles after it have no say about the paths that it covers.
    public let isTerminating: Bool
    private let paths: Paths

    private enum Paths: Sendable {
        case patterns([String])
        case digestPrefixes([String])
    }

    private static let topLevel = ["root", "timestamp", "snapshot", "targets"]

    init(_ field: MetadataField, keys known: [String: TUFKey]) throws(TUFError) {
        name = try field.required("name").string()
        guard !name.isEmpty, !Self.topLevel.contains(name) else {
            throw field.malformed("a role cannot have that name")
        }
        keys = try RoleKeys(field, keys: known)
        isTerminating = try field.optional("terminating")?.bool() ?? false
        switch (try field.optional("paths"), try field.optional("path_hash_prefixes")) {
        case (let patterns?, nil): paths = .patterns(try Self.texts(patterns))
        case (nil, let prefixes?): paths = .digestPrefixes(try Self.texts(prefixes))
        default: throw field.malformed("exactly one of paths and path_hash_prefixes must be there")
        }
    }

    private static func texts(_ field: MetadataField) throws(TUFError) -> [String] {
        var texts: [String] = []
        for element in try field.elements(atMost: 1 << 16) { texts.append(try element.string()) }
        return texts
    }

    /// Whether it may speak about the path.
    func covers(_ path: String) -> Bool {
        switch paths {
        case .patterns(let patterns): return patterns.contains { PathPattern($0).matches(path) }
        case .digestPrefixes(let prefixes):
            let digest = Hex.encode(Hash.sha256(Array(path.utf8)))
            return prefixes.contains { digest.hasPrefix($0) }
        }
    }
}

/// Bins for very many targets (TAP 15).
public struct DelegatedBins: Sendable {
    /// How many leading bits of a path's SHA-256 number its bin: 1 to 32.
    public let bitLength: Int
    /// What the names of all bins begin with.
    public let namePrefix: String
    /// Who signs all of them.
    public let keys: RoleKeys
    private var digits: Int { (bitLength + 3) / 4 }

    init(_ field: MetadataField, keys known: [String: TUFKey]) throws(TUFError) {
        bitLength = Int(try field.required("bit_length").integer(atLeast: 1))
        guard bitLength <= 32 else { throw field.malformed("bit_length above 32") }
        namePrefix = try field.required("name_prefix").string()
        keys = try RoleKeys(field, keys: known)
    }

    /// The one bin that may speak about the path.
    func name(for path: String) -> String {
        let head = Hash.sha256(Array(path.utf8)).prefix(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        return name(head >> UInt32(32 - bitLength))
    }

    private func name(_ bin: UInt32) -> String {
        let number = String(bin, radix: 16)
        return "\(namePrefix)-\(String(repeating: "0", count: digits - number.count))\(number)"
    }

    func contains(_ name: String) -> Bool {
        guard name.hasPrefix("\(namePrefix)-"), let bin = UInt32(name.dropFirst(namePrefix.count + 1), radix: 16),
            bitLength == 32 || bin < 1 << UInt32(bitLength)
        else { return false }
        return self.name(bin) == name
    }
}
