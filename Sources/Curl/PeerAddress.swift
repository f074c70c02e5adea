internal import Glibc

/// An IP address as it is about to be dialled, and the ranges it may belong to
/// (IANA special-purpose registries, RFC 6890, and the cloud metadata addresses outside them).
enum PeerAddress: Equatable {
    case v4(UInt32)
    /// Sixteen bytes, network order.
    case v6([UInt8])

    /// Reads the address out of a socket address of `family`; nil for any other family.
    init?(family: Int32, at address: UnsafeRawPointer) {
        switch family {
        case AF_INET:
            self = .v4(UInt32(bigEndian: address.loadUnaligned(as: sockaddr_in.self).sin_addr.s_addr))
        case AF_INET6:
            let offset = MemoryLayout<sockaddr_in6>.offset(of: \.sin6_addr) ?? 8
            self = .v6([UInt8](UnsafeRawBufferPointer(start: address + offset, count: 16)))
        default:
            return nil
        }
    }

    /// The port of a socket address of `family`; 0 for any other family.
    static func port(family: Int32, at address: UnsafeRawPointer) -> Int {
        switch family {
        case AF_INET: Int(UInt16(bigEndian: address.loadUnaligned(as: sockaddr_in.self).sin_port))
        case AF_INET6: Int(UInt16(bigEndian: address.loadUnaligned(as: sockaddr_in6.self).sin6_port))
        default: 0
        }
    }

    /// Reads dotted or colon notation, as libcurl reports the peer of a connection.
    init?(_ text: String) {
        var v4 = in_addr()
        if inet_pton(AF_INET, text, &v4) == 1 {
            self = .v4(UInt32(bigEndian: v4.s_addr))
            return
        }
        var v6 = [UInt8](repeating: 0, count: 16)
        guard inet_pton(AF_INET6, text, &v6) == 1 else { return nil }
        self = .v6(v6)
    }

    /// The range that keeps this address out, or nil when a route of that reach may dial it.
    func denial(under reach: Reach) -> String? {
        switch (reach, specialRange) {
        case (_, nil), (.anywhere, _): nil
        case (.publicOnly, let range?): range.name
        case (.privateNetwork, let range?): range.isNeverAService || range.isLoopback ? range.name : nil
        case (.privateNetworkAndLoopback, let range?): range.isNeverAService ? range.name : nil
        }
    }

    /// Whether it is this host itself.
    var isLoopback: Bool { specialRange?.isLoopback == true }

    /// How far a hop may reach.
    enum Reach: Sendable {
        case publicOnly
        /// A redirect of a declared private upstream: its private network, but not our host, where what is bound to
        /// loopback counts on being asked from there only, nor the host's own link.
        case privateNetwork
        /// The same where the upstream is on our host itself, as in tests and labs.
        case privateNetworkAndLoopback
        case anywhere
    }

    private struct Range {
        let name: String
        /// Link-local, metadata, unspecified, multicast: nothing that a registry would redirect to.
        var isNeverAService = false
        var isLoopback = false
    }

    private var specialRange: Range? {
        switch self {
        case .v4(let bits): Self.specialRange(v4: bits)
        case .v6(let bytes): Self.specialRange(v6: bytes)
        }
    }

    private static func specialRange(v4 bits: UInt32) -> Range? {
        func within(_ a: UInt32, _ b: UInt32, _ c: UInt32, _ d: UInt32, _ length: UInt32) -> Bool {
            let prefix = a << 24 | b << 16 | c << 8 | d
            return (bits ^ prefix) >> (32 - length) == 0
        }
        if within(0, 0, 0, 0, 8) { return Range(name: "unspecified", isNeverAService: true) }
        if within(127, 0, 0, 0, 8) { return Range(name: "loopback", isLoopback: true) }
        if within(169, 254, 0, 0, 16) { return Range(name: "link-local", isNeverAService: true) }
        if within(168, 63, 129, 16, 32) || within(100, 100, 100, 200, 32) || within(192, 0, 0, 192, 32) {
            return Range(name: "cloud metadata", isNeverAService: true)
        }
        if within(10, 0, 0, 0, 8) || within(172, 16, 0, 0, 12) || within(192, 168, 0, 0, 16) {
            return Range(name: "private")
        }
        if within(100, 64, 0, 0, 10) { return Range(name: "shared (RFC 6598)") }
        if within(192, 0, 0, 0, 24) || within(198, 18, 0, 0, 15) || within(192, 88, 99, 0, 24) {
            return Range(name: "special-purpose")
        }
        if within(192, 0, 2, 0, 24) || within(198, 51, 100, 0, 24) || within(203, 0, 113, 0, 24) {
            return Range(name: "documentation")
        }
        if within(224, 0, 0, 0, 4) { return Range(name: "multicast", isNeverAService: true) }
        if within(240, 0, 0, 0, 4) { return Range(name: "reserved", isNeverAService: true) }
        return nil
    }

    private static func specialRange(v6 bytes: [UInt8]) -> Range? {
        func embedded(at offset: Int) -> UInt32 {
            bytes[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) }
        }
        if bytes.allSatisfy({ $0 == 0 }) { return Range(name: "unspecified", isNeverAService: true) }
        if bytes.dropLast().allSatisfy({ $0 == 0 }) && bytes[15] == 1 {
            return Range(name: "loopback", isLoopback: true)
        }
        if bytes.starts(with: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]) {
            // the kernel would dial the IPv4 address inside; no public name needs this form
            let inner = specialRange(v4: embedded(at: 12))
            return Range(
                name: "IPv4-mapped", isNeverAService: inner?.isNeverAService ?? false,
                isLoopback: inner?.isLoopback ?? false)
        }
        // NAT64 (RFC 6052) and 6to4 (RFC 3056) carry an IPv4 address to its network: judge that one
        if bytes.starts(with: [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0]) {
            return specialRange(v4: embedded(at: 12))
        }
        if bytes.starts(with: [0x20, 0x02]) { return specialRange(v4: embedded(at: 2)) }
        if bytes[0] == 0xfe && bytes[1] & 0xc0 == 0x80 { return Range(name: "link-local", isNeverAService: true) }
        if bytes.starts(with: [0xfd, 0, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54]) {
            return Range(name: "cloud metadata", isNeverAService: true)
        }
        if bytes[0] & 0xfe == 0xfc { return Range(name: "unique local") }
        if bytes[0] == 0xff { return Range(name: "multicast", isNeverAService: true) }
        if bytes.starts(with: [0x20, 0x01, 0x0d, 0xb8]) || (bytes.starts(with: [0x3f, 0xff]) && bytes[2] & 0xf0 == 0) {
            return Range(name: "documentation")
        }
        if bytes.starts(with: [0x20, 0x01]) && bytes[2] & 0xfe == 0 { return Range(name: "special-purpose") }
        // global unicast is 2000::/3 (RFC 4291 §2.4); what lies outside is not assigned for it
        return bytes[0] & 0xe0 == 0x20 ? nil : Range(name: "reserved")
    }
}

extension PeerAddress: CustomStringConvertible {
    var description: String {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        switch self {
        case .v4(let bits):
            var address = in_addr(s_addr: bits.bigEndian)
            inet_ntop(AF_INET, &address, &text, socklen_t(text.count))
        case .v6(let bytes):
            inet_ntop(AF_INET6, bytes, &text, socklen_t(text.count))
        }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
