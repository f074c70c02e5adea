import ArgumentParser
import Countersign
import Glibc

/// Which entries of a log are read for `log search --scan`.
struct LogScanOptions: ParsableArguments {
    @Flag(help: "Read entries and look into each: for a log without an index, and for identities that an index lacks.")
    var scan = false
    @Option(help: "With --scan: the last N entries. Default: 10000.") var newest: Int64?
    @Option(help: "With --scan: from that index on.") var fromIndex: Int64?
    @Option(help: "With --from-index: before that index. Default: 10000 entries on.") var toIndex: Int64?

    var isMeant: Bool { scan }

    /// What is read unless something else is said.
    private static let usual: Int64 = 10_000

    func validate() throws {
        guard scan || (newest == nil && fromIndex == nil && toIndex == nil) else {
            throw ValidationError("--newest, --from-index and --to-index go with --scan.")
        }
        guard newest == nil || fromIndex == nil else { throw ValidationError("Give --newest or --from-index.") }
        guard toIndex == nil || fromIndex != nil else { throw ValidationError("--to-index goes with --from-index.") }
        guard newest ?? 1 >= 1, fromIndex ?? 0 >= 0, (fromIndex ?? -1) < (toIndex ?? .max) else {
            throw ValidationError("--newest counts from 1, indexes from 0, and --to-index is beyond --from-index.")
        }
    }

    var stretch: EntryScan.Stretch {
        guard let fromIndex else { return .newest(newest ?? Self.usual) }
        return .indexes(from: fromIndex, to: toIndex ?? min(fromIndex, .max - Self.usual) + Self.usual)
    }
}

/// How far a scan has come: on a terminal one line that is written over, elsewhere a line every few seconds.
struct ScanProgressLine {
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private var told = ContinuousClock.now

    mutating func tell(_ progress: EntryScan.Progress) {
        let isEnd = progress.from + progress.read == progress.to
        guard isEnd || ContinuousClock.now - told > (isTerminal ? .milliseconds(200) : .seconds(5)) else { return }
        told = .now
        let text = "read \(progress.read) of \(progress.to - progress.from) entries, found \(progress.found)"
        FileHandleWriter.write(isTerminal ? "\r\(text)" + (isEnd ? "\n" : "") : text + "\n", to: STDERR_FILENO)
    }
}
