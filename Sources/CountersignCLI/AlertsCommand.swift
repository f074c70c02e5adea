import ArgumentParser
import Countersign
import Curl
import FoundationEssentials

/// A page of alerts; all of them, once their pages are read.
private struct AlertPage: Codable {
    var alerts: [Received<AlertAnswer>]
    var next: Int64?
}

extension AlertAnswer {
    fileprivate func tell() {
        print("\(id)\t\(state)\t\(code)\t\(raisedAt.apiText)\t\(repository.map { "\($0)@\(digest ?? "")" } ?? "-")")
        print("  \(observed.printable)\n  fix: \(fix.printable)")
        print("  seen \(times) \(times == 1 ? "time" : "times"), last at \(seenAt.apiText)")
        for (name, value) in facts.sorted(by: { $0.key < $1.key }) { print("  \(name): \(value.printable)") }
        if let acknowledgedBy {
            print("  acknowledged by \(acknowledgedBy)\(note.map { ": \($0.printable)" } ?? "")")
        }
    }
}

struct AlertsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "alerts", abstract: "What somebody has to look at: broken signatures, entries that are not ours.",
        subcommands: [AlertsListCommand.self, AlertsAcknowledgeCommand.self], defaultSubcommand: AlertsListCommand.self)
}

struct AlertsListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Print alerts, the latest first (the default).",
        discussion: "Exit status 0 if there is none of that state, 1 if there is.")

    @OptionGroup var api: APIOptions
    @OptionGroup var output: OutputOption
    @Option(help: "open, acknowledged, ended or all.") var state = "open"

    func run() async throws {
        let filter = state == "all" ? [] : [("state", state)]
        let client = try api.client
        var page: AlertPage = try await client.get("/v1/alerts", query: filter + [("limit", "500")])
        while let next = page.next {
            let more: AlertPage = try await client.get(
                "/v1/alerts", query: filter + [("limit", "500"), ("before", "\(next)")])
            page.alerts += more.alerts
            page.next = more.next
        }
        if output.output == .json { try Console.json(page) } else { for alert in page.alerts { alert.answer.tell() } }
        if !page.alerts.isEmpty { throw ExitCode(1) }
    }
}

struct AlertsAcknowledgeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "acknowledge", abstract: "Say that you have seen one; it counts as open no more.")

    @OptionGroup var api: APIOptions
    @OptionGroup var output: OutputOption
    @Option(help: "What was found out; kept for the record.") var note: String?
    @Argument(help: "The alert's number.") var id: Int64

    func run() async throws {
        let query = note.map { "?note=\(percentEncoded($0))" } ?? ""
        let alert: Received<AlertAnswer> = try await api.client.post(
            "/v1/alerts/\(id)/acknowledge\(query)", [String: String]())
        if output.output == .json { try Console.json(alert) } else { alert.answer.tell() }
    }
}
