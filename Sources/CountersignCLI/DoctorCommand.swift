import ArgumentParser
import Countersign
import Curl

struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Prove before the first push that everything a signature needs is there.",
        discussion: """
            Reads the token (and never prints it), asks Fulcio for one certificate and the timestamp authority for one
            timestamp, and looks at log, registries and database. Exit status 0 if all is well, 1 if not.
            """)

    @OptionGroup var configuration: ConfigurationOption
    @OptionGroup var migrations: MigrationsOption
    @OptionGroup var output: OutputOption

    func run() async throws {
        let http = HTTPClient(userAgent: "countersign/\(BuildVersion.current)")
        defer { http.shutdown() }
        let findings = await Doctor(
            try configuration.load(), migrations: try migrations.directory, http: http
        ).findings()
        switch output.output {
        case .json: try Console.json(findings)
        case .text:
            let width = findings.map(\.check.count).max() ?? 0
            for finding in findings {
                let name = finding.check + String(repeating: " ", count: width - finding.check.count)
                print(finding.ok ? "ok    " : "FAIL  ", name, "  ", finding.observed, separator: "")
                if let fix = finding.fix {
                    print("      ", String(repeating: " ", count: width), "  fix: ", fix, separator: "")
                }
            }
        }
        if findings.contains(where: { !$0.ok }) { throw ExitCode(1) }
    }
}
