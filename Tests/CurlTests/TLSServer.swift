import Glibc
import Support
import Synchronization

/// Real TLS servers for the tests: a certificate authority made by the `openssl` tool in a temporary folder, and
/// processes started with it. Everything ends and goes away with `stop()`.
final class TLSServer: Sendable {
    let port: Int
    let authority: TLSAuthority
    private let process: ChildProcess

    /// `openssl s_server -www`, presenting a certificate for `localhost` and 127.0.0.1; it names its own free port.
    init(authority: TLSAuthority) throws {
        self.authority = authority
        process = try ChildProcess(
            "openssl",
            [
                "s_server", "-accept", "127.0.0.1:0", "-www", "-cert", authority.folder + "/server.pem",
                "-key", authority.folder + "/server.key",
            ])
        // "ACCEPT 127.0.0.1:43211 PID=…"
        guard let line = process.firstLine(startingWith: "ACCEPT "),
            let digits = line.split(separator: ":").last?.prefix(while: \.isNumber), let port = Int(digits)
        else { throw LoopbackServer.Failure(call: "openssl s_server", number: errno) }
        self.port = port
    }

    /// nginx with HTTP/2, which answers every path with the protocol and its number of the connection. It cannot name a
    /// port of its own, so it gets one that was free a moment ago.
    init(nginxWith authority: TLSAuthority) throws {
        self.authority = authority
        let lender = try LoopbackServer { _ in .drop }
        port = lender.port
        lender.stop()
        let configuration = """
            daemon off; master_process off; pid \(authority.folder)/nginx.pid; error_log stderr;
            events {}
            http {
              access_log off;
              server {
                listen 127.0.0.1:\(port) ssl http2;
                ssl_certificate \(authority.folder)/server.pem; ssl_certificate_key \(authority.folder)/server.key;
                location / { return 200 "$server_protocol $connection"; }
              }
            }
            """
        let file = open(authority.folder + "/nginx.conf", O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        _ = Array(configuration.utf8).withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
        close(file)
        process = try ChildProcess(
            "nginx", ["-p", authority.folder, "-e", "stderr", "-c", authority.folder + "/nginx.conf"])
    }

    static var isNginxInstalled: Bool {
        let places: [String] = ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx"]
        return places.contains { access($0, X_OK) == 0 }
    }

    func stop() { process.end() }
}

/// A throw-away certificate authority and one server key, as PEM files.
struct TLSAuthority: Sendable {
    let folder: String
    var caFile: String { folder + "/ca.pem" }

    /// `names` are the server certificate's, as OpenSSL writes them.
    init(names: String = "DNS:localhost,IP:127.0.0.1") throws {
        var template = Array("/tmp/countersign-tls-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { throw LoopbackServer.Failure(call: "mkdtemp", number: errno) }
        folder = String(cString: made)
        try Self.openssl([
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=Test Authority", "-keyout", folder + "/ca.key", "-out", folder + "/ca.pem",
        ])
        try Self.openssl([
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=" + names,
            "-addext", "basicConstraints=critical,CA:FALSE", "-CA", folder + "/ca.pem", "-CAkey", folder + "/ca.key",
            "-keyout", folder + "/server.key", "-out", folder + "/server.pem",
        ])
    }

    func remove() {
        for name in ["ca.key", "ca.pem", "server.key", "server.pem", "nginx.conf", "nginx.pid"] {
            unlink(folder + "/" + name)
        }
        for name in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] { rmdir(folder + "/\(name)_temp") }
        rmdir(folder)
    }

    private static func openssl(_ arguments: [String]) throws {
        let status = try ChildProcess("openssl", arguments).wait()
        guard status == 0 else { throw LoopbackServer.Failure(call: "openssl \(arguments[0])", number: status) }
    }
}

/// A process of the tests, its standard output readable by line.
final class ChildProcess: Sendable {
    private let pid: pid_t
    private let output: Int32

    init(_ program: String, _ arguments: [String]) throws {
        var pipe: [Int32] = [0, 0]
        guard Glibc.pipe(&pipe) == 0 else { throw LoopbackServer.Failure(call: "pipe", number: errno) }
        for end in pipe { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, pipe[1], 1)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        for descriptor in Int32(3)..<4096 { posix_spawn_file_actions_addclose(&actions, descriptor) }
        var words = ([program] + arguments).map { strdup($0) } + [nil]
        defer { words.forEach { free($0) } }
        var pid = pid_t()
        let code = posix_spawnp(&pid, program, &actions, nil, &words, environ)
        close(pipe[1])
        guard code == 0 else {
            close(pipe[0])
            throw LoopbackServer.Failure(call: "posix_spawnp", number: code)
        }
        (self.pid, output) = (pid, pipe[0])
    }

    /// Reads standard output up to a line with this beginning; nil when the process ends without one.
    func firstLine(startingWith beginning: String) -> String? {
        var line: [UInt8] = []
        var byte: UInt8 = 0
        while read(output, &byte, 1) == 1 {
            guard byte == UInt8(ascii: "\n") else {
                line.append(byte)
                continue
            }
            let text = String(decoding: line, as: UTF8.self)
            if text.hasPrefix(beginning) { return text }
            line = []
        }
        return nil
    }

    /// Waits for the end of the process; its exit status.
    func wait() -> Int32 {
        var status: Int32 = 0
        waitpid(pid, &status, 0)
        close(output)
        return status
    }

    func end() {
        // the threads of a test block the milder signals, and a child inherits that
        kill(pid, SIGKILL)
        _ = wait()
    }
}
