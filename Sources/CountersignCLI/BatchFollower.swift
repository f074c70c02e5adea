import ArgumentParser
import Countersign
import FoundationEssentials
import Glibc

/// Asks for a batch and follows it to its end: a bar that is drawn again on a terminal, a line now and then elsewhere.
struct BatchFollower {
    let client: APIClient
    let output: OutputFormat

    private struct Request: Encodable {
        let references: [String]?
        let selector: RequestedSelector?
        let dryRun: Bool?
        let formats: [String]?
        let reason: String?
        let old: String?
        let grouping: BatchAnswer.Grouping?
        let rate: Int?

        enum CodingKeys: String, CodingKey {
            case references, selector, formats, reason, old, grouping, rate
            case dryRun = "dry_run"
        }
    }

    /// Sends the request and does what the options say.
    /// - Parameter old: for `/v1/resign` only.
    /// - Throws: `ExitCode(1)` unless everything is signed in the end; status 4 if the time was up before that.
    func run(
        _ path: String, _ subjects: BatchSubjectOptions, _ options: BatchRunOptions, old: Batch.OldSignatures? = nil
    )
        async throws
    {
        let (references, selector) = try subjects.resolved()
        let request = Request(
            references: references, selector: selector, dryRun: options.dryRun ? true : nil,
            formats: options.format.isEmpty ? nil : options.format, reason: options.reason, old: old?.rawValue,
            grouping: options.grouping, rate: options.rate)
        if options.dryRun {
            let plan: Received<DryRunAnswer> = try await client.post(path, request)
            if output == .json { try Console.json(plan) } else { plan.answer.tell() }
            return
        }
        let key = options.idempotencyKey ?? "cli-\(UUID())"
        let batch: Received<BatchAnswer> = try await client.post(path, request, headers: [("Idempotency-Key", key)])
        if batch.state == Batch.State.proposed.rawValue {
            Console.error(
                "batch \(batch.id) waits until an admin other than who asked approves: countersign batch approve \(batch.id)"
            )
        }
        if options.noWait {
            if output == .json {
                try Console.json(batch)
            } else {
                print("batch \(batch.id): \(batch.members) references")
            }
            return
        }
        try await follow(batch.id, within: options.timeout.duration)
    }

    /// Waits for the end of a batch, through restarts of the daemon, and tells it.
    func follow(_ id: Int64, within limit: Duration) async throws {
        var patience = Patience(for: limit)
        var line = ProgressLine(isTerminal: isatty(STDERR_FILENO) == 1, isSilent: output == .json)
        var batch = try await patience.ask { try await page(id, limit: 1).batch }
        while !batch.hasEnded, !patience.isOver {
            line.show(batch.answer)
            try await patience.pause(.milliseconds(line.isTerminal ? 500 : 1_000))
            batch = try await patience.ask { try await page(id, limit: 1).batch }
        }
        line.end()
        try await tell(batch, &patience)
        guard batch.hasEnded else {
            throw Patience.timeIsUp(
                "\(batch.progress?.ended ?? 0) of \(batch.members) have ended",
                fix: "The batch goes on: countersign batch status \(id) --wait")
        }
        if !batch.isAllSigned { throw ExitCode(1) }
    }

    /// What became of it; what is not signed by name.
    func tell(_ batch: Received<BatchAnswer>, _ patience: inout Patience) async throws {
        var others: [Received<BatchItemAnswer>] = []
        for state in BatchMember.State.allCases
        where state.isFinal && state != .signed && batch.answer.count(state) != nil {
            var after: Int32?
            repeat {
                let begin = after
                let page = try await patience.ask {
                    try await self.page(batch.id, state: state, after: begin, limit: 1_000)
                }
                others += page.items
                // a daemon that does not go on has said what it has to say
                after = page.next.flatMap { next in begin.map { next > $0 } ?? true ? next : nil }
            } while after != nil
        }
        if output == .json { return try Console.json(BatchPage(batch: batch, items: others, next: nil)) }
        for item in others.sorted(by: { $0.ordinal < $1.ordinal }) {
            print("\(item.state)\t\(item.reference)" + (item.error.map { "\t\($0.observed) [\($0.code)]" } ?? ""))
        }
        Console.table(batch.circumstances)
        print(batch.line)
    }

    func page(_ id: Int64, state: BatchMember.State? = nil, after: Int32? = nil, limit: Int) async throws -> BatchPage {
        var query = [("limit", "\(limit)")]
        if let state { query.append(("state", state.rawValue)) }
        if let after { query.append(("after", "\(after)")) }
        return try await client.get("/v1/batches/\(id)", query: query)
    }
}

/// The progress of a batch on standard error: one line that is drawn over on a terminal, else a line when a tenth more is
/// done or a minute has passed.
struct ProgressLine {
    let isTerminal: Bool
    let isSilent: Bool
    private var toldTenth = -1
    private var toldAt: ContinuousClock.Instant?

    init(isTerminal: Bool, isSilent: Bool) {
        self.isTerminal = isTerminal
        self.isSilent = isSilent
    }

    mutating func show(_ batch: BatchAnswer) {
        guard !isSilent else { return }
        if isTerminal {
            FileHandleWriter.write("\r\u{1b}[K" + Self.bar(batch), to: STDERR_FILENO)
            return
        }
        let tenth = batch.members > 0 ? Self.ended(batch) * 10 / batch.members : 10
        guard tenth != toldTenth || toldAt.map({ ContinuousClock.now - $0 > .seconds(60) }) ?? true else { return }
        (toldTenth, toldAt) = (tenth, .now)
        Console.error("batch \(batch.id): \(batch.progress?.ended ?? 0) of \(batch.members) ended: \(batch.summary)")
    }

    func end() {
        if isTerminal && !isSilent { FileHandleWriter.write("\r\u{1b}[K", to: STDERR_FILENO) }
    }

    private static func ended(_ batch: BatchAnswer) -> Int {
        min(max(0, batch.progress?.ended ?? 0), max(0, batch.members))
    }

    /// `[########------------]  40%  400/1000  12.5/s  48 s left  waiting 3, failed 1`
    static func bar(_ batch: BatchAnswer, width: Int = 24) -> String {
        let ended = Self.ended(batch)
        let share = batch.members > 0 ? Double(ended) / Double(batch.members) : 1
        let filled = min(width, Int(share * Double(width)))
        var words = [
            "[" + String(repeating: "#", count: filled) + String(repeating: "-", count: width - filled) + "]",
            "\(Int(share * 100))%", "\(ended)/\(batch.members)",
        ]
        if let rate = batch.progress?.rate { words.append("\(rate)/s") }
        if let eta = batch.progress?.etaSeconds { words.append("\(eta) s left") }
        let troubles = [BatchMember.State.waiting, .failed, .refused, .gone].compactMap { state in
            batch.count(state).map { "\(state.rawValue) \($0)" }
        }
        if !troubles.isEmpty { words.append(troubles.joined(separator: ", ")) }
        return words.joined(separator: "  ")
    }
}
