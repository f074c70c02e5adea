import CSpawn
import Dispatch
import FoundationEssentials
import Glibc
import Synchronization

/// One run of a program: its output collected within bounds of time and size, and nothing of it left behind.
///
/// It leads a process group of its own, so that killing it also ends what it started. Waiting is done on a thread of its own.
final class ChildProgram: Sendable {
    enum Failure: Error, CustomStringConvertible {
        case notStarted(String)
        case timedOut(Duration)
        case tooMuchOutput(Int)
        case cancelled

        var description: String {
            switch self {
            case .notStarted(let reason): "it cannot be started: \(reason)"
            case .timedOut(let limit): "it did not end within \(limit) and was killed"
            case .tooMuchOutput(let limit): "it printed more than \(limit) bytes and was killed"
            case .cancelled: "it was not needed any more"
            }
        }
    }

    enum Status: Equatable, CustomStringConvertible {
        case exited(Int32)
        case signalled(Int32)

        var description: String {
            switch self {
            case .exited(let code): "ended with status \(code)"
            case .signalled(let signal): "was ended by signal \(signal)"
            }
        }
    }

    struct Ending: Sendable {
        let status: Status
        let output: [UInt8]
        let errors: [UInt8]
    }

    /// Bytes of standard error that are kept; the rest is read and dropped.
    static let maxErrorBytes = 4 << 10

    private let arguments: [String]
    private let environment: [String]
    private let timeout: Duration
    private let maxOutputBytes: Int
    /// The process while it may be signalled: once it is reaped its number may belong to another.
    private let running = Mutex<(pid: pid_t?, isCancelled: Bool)>((nil, false))

    init(arguments: [String], environment: [String], timeout: Duration, maxOutputBytes: Int) {
        self.arguments = arguments
        self.environment = environment
        self.timeout = timeout
        self.maxOutputBytes = maxOutputBytes
    }

    /// Starts the program and waits for its end; once.
    func run() async throws(Failure) -> Ending {
        let result: Result<Ending, Failure> = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                DispatchQueue(label: "token program").async {
                    continuation.resume(returning: Result { () throws(Failure) in try self.runBlocking() })
                }
            }
        } onCancel: {
            running.withLock { state in
                state.isCancelled = true
                if let pid = state.pid { kill(-pid, SIGKILL) }
            }
        }
        return try result.get()
    }
}

// MARK: - On the waiting thread

extension ChildProgram {
    private func runBlocking() throws(Failure) -> Ending {
        var output = try Pipe()
        var errors = try Pipe()
        let pid = try start(output: output, errors: errors)
        output.closeWritingEnd()
        errors.closeWritingEnd()
        let wasCancelled = running.withLock { state in
            state.pid = pid
            return state.isCancelled
        }
        if wasCancelled { kill(-pid, SIGKILL) }
        var collected = (output: [UInt8](), errors: [UInt8]())
        let failure: Failure?
        do throws(Failure) {
            collected = try collect(output, errors, until: pid)
            failure = nil
        } catch {
            failure = error
        }
        // what the program started, and the program itself unless it has ended
        kill(-pid, SIGKILL)
        let status = reap(pid)
        if running.withLock({ $0.isCancelled }) { throw .cancelled }
        if let failure { throw failure }
        return Ending(status: status, output: collected.output, errors: collected.errors)
    }

    private func start(output: borrowing Pipe, errors: borrowing Pipe) throws(Failure) -> pid_t {
        guard let name = arguments.first, !arguments.contains(where: { $0.utf8.contains(0) }) else {
            throw .notStarted("no command, or one with a NUL in it")
        }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, output.writing, STDOUT_FILENO)
        posix_spawn_file_actions_adddup2(&actions, errors.writing, STDERR_FILENO)
        // our sockets and files are none of its business, whatever their flags and however lately another thread opened them
        guard cspawn_close_from(&actions, STDERR_FILENO + 1) == 0 else { throw .notStarted("out of memory") }

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

        let argv = arguments.map { strdup($0) }
        let envp = environment.map { strdup($0) }
        defer { (argv + envp).forEach { free($0) } }
        var pid = pid_t()
        let failure = posix_spawnp(&pid, name, &actions, &attributes, argv + [nil], envp + [nil])
        guard failure == 0 else { throw .notStarted(String(cString: strerror(failure))) }
        return pid
    }

    /// Reads both pipes until they end, or until the program has ended and nothing is left in them: a grandchild that keeps
    /// them open must not hold us up.
    private func collect(
        _ output: borrowing Pipe, _ errors: borrowing Pipe, until pid: pid_t
    ) throws(Failure) -> (output: [UInt8], errors: [UInt8]) {
        let deadline = ContinuousClock.now + timeout
        var collected = (output: [UInt8](), errors: [UInt8]())
        var polled = [output.reading, errors.reading].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        while polled.contains(where: { $0.fd >= 0 }) {
            let left = deadline - ContinuousClock.now
            guard left > .zero else { throw .timedOut(timeout) }
            let hasEnded = Self.hasEnded(pid)
            let milliseconds: Int32 = hasEnded ? 0 : Int32(min(50, left / .milliseconds(1) + 1))
            let ready = poll(&polled, nfds_t(polled.count), milliseconds)
            if hasEnded && ready == 0 { break }
            for index in polled.indices where polled[index].fd >= 0 && polled[index].revents != 0 {
                let part = Self.read(polled[index].fd)
                if part.isEmpty { polled[index].fd = -1 }
                if index == 0 {
                    collected.output += part
                } else {
                    collected.errors += part.prefix(Self.maxErrorBytes - collected.errors.count)
                }
            }
            guard collected.output.count <= maxOutputBytes else { throw .tooMuchOutput(maxOutputBytes) }
        }
        // it may have closed its output and live on
        while !Self.hasEnded(pid) {
            guard ContinuousClock.now < deadline else { throw .timedOut(timeout) }
            usleep(2000)
        }
        return collected
    }

    /// Whether the process has ended; it stays to be reaped, so that its number is still its own.
    private static func hasEnded(_ pid: pid_t) -> Bool {
        var information = siginfo_t()
        return waitid(P_PID, id_t(pid), &information, WEXITED | WNOHANG | WNOWAIT) == 0
            && information.si_signo == SIGCHLD
    }

    private func reap(_ pid: pid_t) -> Status {
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        running.withLock { $0.pid = nil }
        // WIFEXITED, WEXITSTATUS and WTERMSIG are macros
        return status & 0x7F == 0 ? .exited(status >> 8 & 0xFF) : .signalled(status & 0x7F)
    }

    private static func read(_ descriptor: Int32) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 16 << 10) { buffer, count in
            var received = -1
            repeat {
                received = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
            } while received < 0 && errno == EINTR
            count = max(0, received)
        }
    }
}

/// Two ends of a pipe that no other child inherits; closed with their owner.
private struct Pipe: ~Copyable {
    let reading: Int32
    private(set) var writing: Int32

    init() throws(ChildProgram.Failure) {
        var ends: [Int32] = [-1, -1]
        guard cspawn_pipe(&ends, O_CLOEXEC) == 0 else { throw .notStarted(String(cString: strerror(errno))) }
        (reading, writing) = (ends[0], ends[1])
    }

    mutating func closeWritingEnd() {
        close(writing)
        writing = -1
    }

    deinit {
        close(reading)
        if writing >= 0 { close(writing) }
    }
}
