import ArgumentParser
import Countersign
import Curl

struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Prove before the first push that everything a signature needs is there.",
        discussion: """
            Needs no running daemon and, without --issue and --write, leaves nothing behind. Looks at trust material, token (and never prints it), Fulcio's \
            rules for it, timestamp authority, logs, clocks, registries, database and webhook secrets. Exit status 0 if all is \
            well or only worth a warning, 1 if something failed.
            """)

    @OptionGroup var configuration: ConfigurationOption
    @OptionGroup var migrations: MigrationsOption
    @OptionGroup var output: OutputOption
    @Flag(help: "Also take one certificate; a public instance shows it for ever.") var issue = false
    @Flag(help: "Also put a scratch tag in each repository that push is tried in, and replace it; says what stays.")
    var write = false
    @Option(help: "Also try push in this repository, as registry/repository; may be repeated.")
    var repository: [String] = []

    func run() async throws {
        let http = HTTPClient(userAgent: "countersign/\(BuildVersion.current)")
        defer { http.shutdown() }
        var options = Doctor.Options(migrations: try migrations.directory)
        options.issuesCertificate = issue
        options.writes = write
        options.repositories = repository
        let findings = await Doctor(try configuration.load(), options, http: http).findings()
        switch output.output {
        case .json: try Console.json(findings)
        case .text: tell(findings)
        }
        if findings.contains(where: { $0.verdict == .failed }) { throw ExitCode(1) }
    }

    private func tell(_ findings: [DoctorFinding]) {
        let width = findings.map(\.check.count).max() ?? 0
        for finding in findings {
            let word =
                switch finding.verdict {
                case .ok: "ok    "
                case .warning: "warn  "
                case .failed: "FAIL  "
                }
            let name = finding.check + String(repeating: " ", count: width - finding.check.count)
            let code = finding.code.map { " [\($0)]" } ?? ""
            print(word, name, "  ", finding.observed, code, separator: "")
            if let fix = finding.fix {
                print("      ", String(repeating: " ", count: width), "  fix: ", fix, separator: "")
            }
        }
    }
}
