package import Curl
import FoundationEssentials
import Logging
import OCI
import Sigstore

/// Proves before the first push that everything a signature needs is there: one finding a part, each with its fix.
///
/// It needs no running daemon. It writes nothing: an upload session is opened and cancelled where push is tried, one timestamp
/// is taken, a daemon that listens gets a delivery without events; a certificate (which a public CT log shows for ever) is
/// taken, and a scratch tag written, only if that is asked for.
package struct Doctor: Sendable {
    /// What may be tried beyond looking.
    package struct Options: Sendable {
        /// Take one certificate for each identity that has tokens.
        package var issuesCertificate = false
        /// Put a scratch tag in each repository that push is tried in, and replace it.
        package var writes = false
        /// Repositories to try a push in, `registry/repository`; besides those that the configuration names without a glob.
        package var repositories: [String] = []
        /// Folder of the migrations.
        package var migrations: String

        package init(migrations: String) { self.migrations = migrations }
    }

    let configuration: Configuration
    let options: Options
    let http: HTTPClient

    package init(_ configuration: Configuration, _ options: Options, http: HTTPClient) {
        self.configuration = configuration
        self.options = options
        self.http = http
    }

    /// Every check, each made whatever the others found.
    package func findings() async -> [DoctorFinding] {
        let trust: Result<TrustKeeper, any Error>
        do {
            trust = .success(
                try await TrustKeeper(
                    configuration, http: http, pool: nil, checksPolicy: false, logger: Logger(label: "doctor")))
        } catch {
            trust = .failure(error)
        }
        var findings = await trustFindings(trust)
        let services = Result { try trust.get().services() }
        findings += await identityFindings(services, trust)
        findings += await serviceFindings(services, trust)
        findings += await policyFindings(services, trust)
        findings += await clockFindings(services)
        for registry in configuration.registries { findings += await registryFindings(registry) }
        findings += await databaseFindings()
        findings += await intakeFindings()
        return findings
    }

    /// One check: what it saw, or its failure as the fact and the fix that every other part of the program would tell.
    func look(
        _ check: String, fix: String, _ see: () async throws -> DoctorFinding.Seen
    ) async -> DoctorFinding {
        do {
            return DoctorFinding(check, try await see())
        } catch let error as HTTPError {
            // the check knows what it asked
            return DoctorFinding(check, failed: "\(error)", code: error.code, fix: fix)
        } catch {
            let failed = AttemptFailure(error).failure
            guard failed.code != "attempt.unexpected" else {
                return DoctorFinding(check, failed: "\(error)", code: nil, fix: fix)
            }
            return DoctorFinding(check, failed: failed.observed, code: failed.code, fix: failed.fix)
        }
    }
}

/// One thing that was looked at.
package struct DoctorFinding: Sendable, Encodable {
    package enum Verdict: String, Sendable, Encodable {
        case ok
        /// It works, and somebody should know.
        case warning
        case failed
    }

    package let check: String
    package let verdict: Verdict
    /// What was seen.
    package let observed: String
    /// The stable name of a failure.
    package let code: String?
    /// What to do; nil if all is well.
    package let fix: String?
    /// What a script may want of it, by stable names.
    package let facts: [String: String]

    /// What a check saw when it could look.
    enum Seen {
        case good(String, facts: [String: String] = [:])
        case doubtful(String, fix: String, facts: [String: String] = [:])
        case bad(String, code: String, fix: String, facts: [String: String] = [:])
    }

    init(_ check: String, _ seen: Seen) {
        self.check = check
        switch seen {
        case .good(let text, let facts):
            (verdict, observed, code, fix) = (.ok, text, nil, nil)
            self.facts = facts
        case .doubtful(let text, let advice, let facts):
            (verdict, observed, code, fix) = (.warning, text, nil, advice)
            self.facts = facts
        case .bad(let text, let name, let advice, let facts):
            (verdict, observed, code, fix) = (.failed, text, name, advice)
            self.facts = facts
        }
    }

    init(_ check: String, failed observed: String, code: String?, fix: String) {
        self.check = check
        (verdict, self.observed, self.code, self.fix, facts) = (.failed, observed, code, fix, [:])
    }
}
