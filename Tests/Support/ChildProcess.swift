import Dispatch
import FoundationEssentials
public import Glibc

/// A program started by a test. Its standard input is a pipe that closes with this process, however that ends.
public struct ChildProcess: Sendable {
    public let pid: pid_t
    private let input: Int32
    private let output: Int32

    public init(_ arguments: [String]) throws {
        let (inputRead, inputWrite) = try Self.pipe()
        let (outputRead, outputWrite) = try Self.pipe()
        (input, output) = (inputWrite, outputRead)

        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, inputRead, 0)
        posix_spawn_file_actions_adddup2(&actions, outputWrite, 1)
        posix_spawn_file_actions_adddup2(&actions, outputWrite, 2)
        // Hundreds are open while the whole suite runs. A child that keeps the end of another child's input keeps that one
        // alive, and a server that outlives a crashed test run must not hold on to what the runner waits for.
        for descriptor in Int32(3)..<4096 { posix_spawn_file_actions_addclose(&actions, descriptor) }

        let copies = arguments.map { strdup($0) }
        defer { copies.forEach { free($0) } }
        var child = pid_t()
        let failure = posix_spawnp(&child, arguments[0], &actions, nil, copies + [nil], environ)
        close(inputRead)
        close(outputWrite)
        guard failure == 0 else { throw SupportError("cannot start \(arguments[0]): errno \(failure)") }
        pid = child
    }

    /// Reads until the text appears; throws with what came instead when the program ends first.
    public func waitForOutput(_ expected: String) async throws {
        try await blocking {
            var seen = ""
            while let chunk = read() {
                seen += chunk
                if seen.contains(expected) { return }
            }
            throw SupportError("the program ended: \(seen)")
        }
    }

    /// Waits for the end and returns what was printed; throws unless the exit code is 0.
    public func finish() async throws -> String {
        close(input)
        return try await blocking {
            var seen = ""
            while let chunk = read() { seen += chunk }
            var status: Int32 = 0
            waitpid(pid, &status, 0)
            close(output)
            guard status == 0 else { throw SupportError("the program failed (\(status)): \(seen)") }
            return seen
        }
    }

    private func read() -> String? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = Glibc.read(output, &buffer, buffer.count)
        return count > 0 ? String(decoding: buffer.prefix(count), as: UTF8.self) : nil
    }

    /// Both ends close on exec, so that no other child keeps the pipe open.
    private static func pipe() throws -> (read: Int32, write: Int32) {
        var ends: [Int32] = [0, 0]
        guard Glibc.pipe(&ends) == 0 else { throw SupportError("no pipe: errno \(errno)") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return (ends[0], ends[1])
    }
}

/// Runs blocking code away from the threads of Swift's tasks.
public func blocking<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
    try await withCheckedThrowingContinuation { continuation in
        DispatchQueue.global().async { continuation.resume(with: Result(catching: body)) }
    }
}
