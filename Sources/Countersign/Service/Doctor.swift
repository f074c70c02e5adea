package import Curl
import FoundationEssentials
import Logging
import OCI
import OpenSSL
import Postgres
import Sigstore

/// Proves before the first push that everything a signature needs is there: one finding a part, each with its fix.
package struct Doctor: Sendable {
    /// One thing that was looked at.
    package struct Finding: Sendable, Encodable {
        package let check: String
        package let ok: Bool
        /// What was seen.
        package let observed: String
        /// What to do; nil if all is well.
        package let fix: String?
    }

    private let configuration: Configuration
    private let migrations: String
    private let http: HTTPClient

    package init(_ configuration: Configuration, migrations: String, http: HTTPClient) {
        self.configuration = configuration
        self.migrations = migrations
        self.http = http
    }

    /// Every check, each run whatever the others found.
    package func findings() async -> [Finding] {
        var findings = [
            await trustRoot(), await database(), await token(), await certificate(), await timestamp(), await log(),
        ]
        for registry in configuration.registries { findings.append(await reach(registry)) }
        return findings
    }

    private func trustRoot() async -> Finding {
        await look("trust root", fix: "set sigstore.trusted_root to the trusted_root.json of your Sigstore instance") {
            let trust = try await trust().current
            let root = trust.trustedRoot
            return
                "\(trust.origin): \(root.certificateAuthorities.count) certificate authorities, "
                + "\(root.tlogs.count) logs, \(root.timestampAuthorities.count) timestamp authorities"
                + (root.isLab ? " (a lab's)" : "")
        }
    }

    private func trust() async throws -> TrustKeeper {
        try await TrustKeeper(configuration, http: http, pool: nil, logger: Logger(label: "doctor"))
    }

    private func database() async -> Finding {
        await look("database", fix: "see that database.url is right and the database is up") {
            try await Preflight(configuration).database(migrations: migrations)
            return "reachable, durable, migrations current"
        }
    }

    private func token() async -> Finding {
        let identity = configuration.sigstore.identity
        return await look("identity token", fix: "see sigstore.identity.token") {
            guard let source = identity.token else { return "none: a key proves who we are" }
            let token = try await source.source(audience: identity.audience, http: http).token()
            try token.checkUsable(at: Date(), audience: identity.audience)
            let claims = token.claims
            return
                "issuer \(claims.issuer), subject \(claims.subject), audience \(claims.audience.joined(separator: ", ")), "
                + "expires \(claims.expires.formatted(.iso8601))"
        }
    }

    /// Asks for a real certificate: that Fulcio accepts the token, and whom verifiers have to pin.
    private func certificate() async -> Finding {
        await look("certificate", fix: "compare the token's issuer with Fulcio's /api/v2/configuration") {
            let signer = try KeylessSigner(
                configuration.sigstore, trust: try await trust(), http: http)
            let certificate = try await signer.credential().certificate
            return "verifiers pin identity \(certificate.identity), issuer \(certificate.issuer)"
        }
    }

    private func timestamp() async -> Finding {
        await look("timestamp authority", fix: "see that sigstore.timestamp_authority.url is the full timestamp URL") {
            guard let upstream = try await trust().services().timestampAuthorities.first else { return "none is used" }
            let answer = try await TimestampClient(url: upstream.url, http: http, route: upstream.route).timestamp([0])
            let skew = (try TimestampResponse(der: answer).token?.time ?? .distantPast).timeIntervalSinceNow
            guard abs(skew) < 60 else {
                throw SigningError.clockSkew(
                    authority: Date().addingTimeInterval(skew), notBefore: Date(), notAfter: Date())
            }
            return "answers; its clock and ours differ by less than \(Int(abs(skew)) + 1) s"
        }
    }

    private func log() async -> Finding {
        await look("transparency log", fix: "see that sigstore.rekor.url is a Rekor v1 log") {
            guard let upstream = try await trust().services().logs.first?.upstream else { return "none is used" }
            let info = try await RekorV1(url: upstream.url, http: http, route: upstream.route).logInfo()
            return "answers with \(info.treeSize) entries"
        }
    }

    private func reach(_ registry: RegistryConfiguration) async -> Finding {
        await look("registry \(registry.name)", fix: "see url, credentials and TLS of the registry") {
            try await RegistryClient(try registry.endpoint, http: http).ping()
            return "answers at \(registry.upstream.url)"
        }
    }

    private func look(_ check: String, fix: String, _ see: () async throws -> String) async -> Finding {
        do {
            return Finding(check: check, ok: true, observed: try await see(), fix: nil)
        } catch let error as PreflightError {
            return Finding(check: check, ok: false, observed: error.observed, fix: error.fix)
        } catch let error as TrustError {
            return Finding(check: check, ok: false, observed: error.observed, fix: error.fix)
        } catch {
            let failed = AttemptFailure(error).failure
            let known = failed.code != "attempt.unexpected"
            return Finding(
                check: check, ok: false, observed: known ? "\(failed.observed) [\(failed.code)]" : "\(error)",
                fix: known ? failed.fix : fix)
        }
    }
}
