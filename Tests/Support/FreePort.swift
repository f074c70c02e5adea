import Glibc

/// A TCP port of 127.0.0.1 that nobody listens on now. Only for programs that cannot bind port 0 themselves.
public func freePort() throws -> Int {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { throw SupportError("no socket: errno \(errno)") }
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let failed = withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
            bind(descriptor, generic, length) != 0 || getsockname(descriptor, generic, &length) != 0
        }
    }
    guard !failed else { throw SupportError("no free port: errno \(errno)") }
    return Int(UInt16(bigEndian: address.sin_port))
}

/// Something the tests themselves need is not there.
public struct SupportError: Error, CustomStringConvertible {
    public let description: String
    public init(_ description: String) { self.description = description }
}
