import FoundationEssentials
import Glibc
package import Logging

/// One line an event, on standard error: JSON for machines, text for a person at a terminal.
///
/// The keys are stable and listed in docs/operations.md; a push is followed by `job.id`, `artifact.digest` or `tlog.index`.
package struct StructuredLogHandler: LogHandler {
    package enum Form: Sendable { case json, text }

    package var metadata: Logger.Metadata = [:]
    package var logLevel: Logger.Level
    private let label: String
    private let form: Form

    package init(label: String, form: Form, level: Logger.Level) {
        self.label = label
        self.form = form
        logLevel = level
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    /// The form that the configuration asks for; `auto` looks whether standard error is a terminal.
    package static func form(_ format: LogConfiguration.Format) -> Form {
        switch format {
        case .json: .json
        case .text: .text
        case .auto: isatty(STDERR_FILENO) == 1 ? .text : .json
        }
    }

    package func log(event: LogEvent) {
        let merged = event.metadata.map { metadata.merging($0) { $1 } } ?? metadata
        let fields = merged.sorted { $0.key < $1.key }
        let time = Date().formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
        var line: String
        switch form {
        case .json:
            line = #"{"time":"\#(time)","level":"\#(event.level)","message":\#(Self.quoted("\(event.message)"))"#
            for (key, value) in fields { line += ",\(Self.quoted(key)):\(Self.json(value))" }
            line += "}\n"
        case .text:
            line = "\(time) \(event.level) \(event.message)"
            for (key, value) in fields { line += " \(key)=\(value)" }
            // remote text must not move a terminal's cursor
            line = line.printable + "\n"
        }
        Self.write(line)
    }

    /// A line is one write, so that lines of several threads do not mix.
    private static func write(_ line: String) {
        var bytes = Array(line.utf8)[...]
        while !bytes.isEmpty {
            let written = bytes.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
            if written < 0, errno == EINTR { continue }
            guard written > 0 else { return }
            bytes = bytes.dropFirst(written)
        }
    }

    private static func json(_ value: Logger.MetadataValue) -> String {
        switch value {
        case .string(let text): quoted(text)
        case .stringConvertible(let value): quoted("\(value)")
        case .array(let values): "[" + values.map(json).joined(separator: ",") + "]"
        case .dictionary(let members):
            "{"
                + members.sorted { $0.key < $1.key }.map { "\(quoted($0.key)):\(json($0.value))" }.joined(
                    separator: ",") + "}"
        }
    }

    /// A JSON string (RFC 8259 §7); remote text may be in it, so every control character is escaped.
    private static func quoted(_ text: String) -> String {
        var out = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            case "\t": out += "\\t"
            case _ where scalar.value < 0x20 || scalar.value == 0x7F:
                let hex = String(scalar.value, radix: 16)
                out += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out + "\""
    }
}
