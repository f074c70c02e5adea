import Glibc

/// A TCP port of 127.0.0.1 that nobody listens on now. Only for programs that cannot bind port 0 themselves.
public func freePort() throws -> Int {
    let (socket, port) = try LoopbackSocket.listen()
    close(socket)
    return port
}

/// Something the tests themselves need is not there.
public struct SupportError: Error, CustomStringConvertible {
    public let description: String
    public init(_ description: String) { self.description = description }
}
