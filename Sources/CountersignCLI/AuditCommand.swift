import ArgumentParser
import Countersign
import Curl
import FoundationEssentials
import Logging
import OpenSSL
import Postgres

struct AuditCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit", abstract: "The audit log: whether it is whole.", subcommands: [Verify.self])

    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "verify", abstract: "Check the chain of hashes from its first row, and every signed head.",
            discussion: """
                Reads the database and the trust material of the configuration; needs no daemon. Exit status 0 if all of it \
                holds, 1 if something does not or daemons were at work for two days without a signed head for a row, 3 if it \
                could not be found out.
                """)

        @OptionGroup var configuration: ConfigurationOption
        @OptionGroup var output: OutputOption

        private struct Answer: Encodable {
            struct Fault: Encodable {
                let position: Int64
                let observed: String
            }
            let entries: Int64
            let head: String
            let anchors: Int
            let anchoredPosition: Int64
            let faults: [Fault]
        }

        func run() async throws {
            let configuration = try configuration.load()
            let http = HTTPClient(userAgent: "countersign/\(BuildVersion.current)")
            defer { http.shutdown() }
            let pool = ConnectionPool(
                try configuration.database.connection(applicationName: "countersign audit"), size: 1)
            let report: AuditVerification.Report
            do {
                report = try await AuditVerification(pool: pool).report(
                    configuration, http: http, logger: Logger(label: "countersign") { _ in SwiftLogNoOpLogHandler() })
            } catch {
                await pool.close()
                throw error
            }
            await pool.close()
            try tell(report)
        }

        private func tell(_ report: AuditVerification.Report) throws {
            let head = Hex.encode(report.head)
            switch output.output {
            case .json:
                try Console.json(
                    Answer(
                        entries: report.entries, head: head, anchors: report.anchors,
                        anchoredPosition: report.anchoredPosition,
                        faults: report.faults.map { .init(position: $0.position, observed: $0.observed) }))
            case .text:
                print("\(report.entries) rows hold together; the head is \(head)")
                print("\(report.anchors) signed heads agree, the last at row \(report.anchoredPosition)")
                for fault in report.faults { print("WRONG  row \(fault.position): \(fault.observed)") }
            }
            if !report.faults.isEmpty { throw ExitCode(1) }
        }
    }
}
