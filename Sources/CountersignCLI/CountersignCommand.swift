import ArgumentParser
import Glibc

/// `countersign`: the daemon and everything a person does with it. Commands only wire and print.
///
/// Exit status: 0 yes · 1 no (not signed, not verified, a check failed) · 2 misuse · 3 could not be found out ·
/// 4 the time was up while something goes on (batches, signing anew, withdrawing, sweeps).
@main
struct CountersignCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "countersign",
        abstract: "Signs what is pushed to a registry, with Sigstore, before anyone asks.",
        discussion: """
            Exit status: 0 yes; 1 no (not signed, not verified, a check failed); 2 misuse; 3 could not be found out;
            4 the time was up before it was done, and it goes on (batch, resign, revoke, reconcile).
            """,
        version: BuildVersion.current,
        subcommands: [
            ServeCommand.self, MigrateCommand.self, MaintainCommand.self, SeedCommand.self, LabCommand.self,
            SignCommand.self, BatchCommand.self, ResignCommand.self, RevokeCommand.self, ReleaseCommand.self,
            ReconcileCommand.self, AlertsCommand.self,
            VerifyCommand.self, VerifyAttestationCommand.self, BundleCommand.self, DescribeCommand.self,
            TreeCommand.self, TriangulateCommand.self, AttachCommand.self, StatusCommand.self, WaitCommand.self,
            AttestCommand.self, LogCommand.self, TokenCommand.self, AuditCommand.self, ConfigCommand.self,
            DoctorCommand.self, TrustCommand.self, TUFCommand.self, ConformanceCommand.self,
        ])

    /// As the library's, but misuse exits with 2 (the library's own is 64) and a failure is told in its own words.
    static func main() async {
        do {
            var command = try parseAsRoot()
            do {
                if var asynchronous = command as? any AsyncParsableCommand {
                    try await asynchronous.run()
                } else {
                    try command.run()
                }
            } catch let misuse as ValidationError {
                // the library knows which command it was only while it parses, and would tell the usage of the whole program
                Console.error("Error: \(misuse.message)\nUsage: \(usageString(for: type(of: command)))")
                Glibc.exit(2)
            }
        } catch let failure as CommandFailure {
            failure.tell()
            Glibc.exit(failure.status)
        } catch let code as ExitCode {
            Glibc.exit(code.rawValue)
        } catch {
            switch exitCode(for: error) {
            case .success: exit(withError: error)  // help and version
            case .validationFailure:
                Console.error(fullMessage(for: error))
                Glibc.exit(2)
            default:
                // the library would call everything it does not know "1", which here means "no"
                let failure = CommandFailure(describing: error)
                failure.tell()
                Glibc.exit(failure.status)
            }
        }
    }
}

/// Which build this is.
enum BuildVersion {
    static let current = "0.1.0"
}
