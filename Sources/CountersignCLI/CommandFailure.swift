import Countersign
import FoundationEssentials
import Glibc
import OCI

/// Why a command could not do what it was asked: what was seen and what to do, never a stack trace.
struct CommandFailure: Error {
    /// Stable, as in the API's `last_error.code`.
    let code: String
    let observed: String
    /// What else was observed, a line each.
    let further: [String]
    let fix: String?
    /// Exit status.
    let status: Int32
    /// Whether the same may succeed later, with nothing changed: the daemon restarts, or is busy.
    let isPassing: Bool

    init(
        code: String, observed: String, further: [String] = [], fix: String? = nil, status: Int32 = 3,
        isPassing: Bool = false
    ) {
        self.isPassing = isPassing
        self.code = code
        self.observed = observed
        self.further = further
        self.fix = fix
        self.status = status
    }

    /// The facts of an error of one of our modules.
    init(describing error: any Error) {
        switch error {
        case let error as CommandFailure: self = error
        case let error as any Explained:
            self.init(code: error.code, observed: error.observed, fix: error.fix, status: Self.status(of: error))
        default: self.init(code: "cli.failed", observed: "\(error)")
        }
    }

    /// Whether it is an answer, or misuse; all else leaves the question open.
    private static func status(of error: any Explained) -> Int32 {
        switch error {
        case let error as OCIError: error.exitStatus
        case let error as TransparencyError: error.exitStatus
        case is BundleFileError, is GlobError: 2
        default: 3
        }
    }

    /// What others said, a registry or a log, begins no line of its own.
    func tell() {
        let lines = ([observed] + further).map(\.printable).joined(separator: "\n")
        Console.error("error: \(lines) [\(code.printable)]")
        if let fix { Console.error("  fix: \(fix.printable)") }
    }
}

extension OCIError {
    /// A registry's own word that there is no such image stays the same however often it is asked: it is an answer. A proxy's
    /// 404 is an outage, and so is that of a registry that says something else with it.
    fileprivate var exitStatus: Int32 {
        if case .notFound(let answer) = self, answer.saysThereIsNone { 1 } else { 3 }
    }
}

extension TransparencyError {
    /// "No such entry" and "another entry" are answers; the rest is a question that cannot be put so.
    fileprivate var exitStatus: Int32 { saysNo ? 1 : 2 }
}

/// What a person or a script reads.
enum Console {
    static func error(_ text: String) {
        FileHandleWriter.write(text + "\n", to: STDERR_FILENO)
    }

    /// Bytes on standard output, as they are.
    static func write(_ bytes: [UInt8]) {
        FileHandleWriter.write(String(decoding: bytes, as: UTF8.self), to: STDOUT_FILENO)
    }

    /// Names and values in two columns.
    static func table(_ lines: [(String, String)], indent: String = "") {
        let width = lines.map(\.0.count).max() ?? 0
        for (name, value) in lines {
            print(indent + name + String(repeating: " ", count: width - name.count), value.printable, separator: "  ")
        }
    }

    /// One JSON document on standard output, keys sorted.
    static func json(_ value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.dateEncodingStrategy = .iso8601
        print(String(decoding: try encoder.encode(value), as: UTF8.self))
    }
}

enum FileHandleWriter {
    static func write(_ text: String, to descriptor: Int32) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let written = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard written > 0 else { return }
            bytes = bytes.dropFirst(written)
        }
    }
}
