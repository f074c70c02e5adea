import Curl
import FoundationEssentials
import OpenSSL
import Sigstore

extension Doctor {
    /// The services behind every signature: authorities that timestamp, logs, and who can read the logs.
    func serviceFindings(
        _ result: Result<InstanceServices, any Error>, _ trust: Result<TrustKeeper, any Error>
    ) async -> [DoctorFinding] {
        let services: InstanceServices
        do { services = try result.get() } catch {
            return [await look("services", fix: "name the services, or give a signing configuration") { throw error }]
        }
        var findings: [DoctorFinding] = []
        for authority in services.timestampAuthorities { findings.append(await timestampFinding(authority, trust)) }
        for log in services.logs { findings.append(await logFinding(log, trust)) }
        findings.append(publicityFinding(services))
        if let finding = transparencyFinding() { findings.append(finding) }
        return findings
    }

    private func timestampFinding(
        _ upstream: UpstreamConfiguration, _ trust: Result<TrustKeeper, any Error>
    ) async -> DoctorFinding {
        await look("timestamp authority \(upstream.shortName)", fix: "see that its url is the full timestamp URL") {
            let message = SecureRandom.bytes(32)
            let sent = Date()
            let answer = try await TimestampClient(url: upstream.url, http: http, route: upstream.route).timestamp(
                message)
            let response = try TimestampResponse(der: answer)
            let authorities = try trust.get().current.trustedRoot.timestampAuthorities
            let signed = authorities.compactMap { authority in
                (try? response.verify(
                    imprintOf: message, chain: authority.intermediates + [authority.root], roots: [authority.root]))
                    .map { (time: $0, authority: authority) }
            }
            guard let first = signed.first else {
                return .bad(
                    "answers, but none of the \(authorities.count) authorities of the trust material signed its timestamp",
                    code: "verify.timestamp", fix: "see that trust material and timestamp authority belong together")
            }
            // as every verifier demands it
            guard let time = signed.first(where: { $0.authority.validity.contains($0.time) })?.time else {
                return .bad(
                    "its timestamp of \(first.time.formatted(.iso8601)) is outside the trust material's validity of "
                        + "\(first.authority.uri)", code: "verify.timestamp",
                    fix: "use the authority's successor, or newer trust material; and see this machine's clock")
            }
            let skew = ClockReading(name: upstream.shortName, time: time, from: sent, to: Date(), resolution: 1)
            return skew.seen(prefix: "a timestamp was taken and verified; ")
        }
    }

    private func logFinding(
        _ log: InstanceServices.Log, _ trust: Result<TrustKeeper, any Error>
    ) async -> DoctorFinding {
        let kind = "a \(log.api) log"
        return await look("log \(log.name)", fix: "see that the log's url is that of \(kind)") {
            // as it is demanded of every entry: signed under the log's own name, and by enough witnesses
            let verifier = log.checkpointVerifier(try trust.get())
            let checkpoint = try await checkpoint(of: log, verifier)
            let verified: VerifiedCheckpoint
            do throws(SigstoreError) { verified = try verifier.verify(checkpoint) } catch {
                guard case .malformed(_, let why) = error else { throw error }
                return .bad(
                    "\(log.upstream.url) answers with \(checkpoint.size) entries, and its checkpoint does not verify: \(why)",
                    code: "verify.checkpoint", fix: "see that trust material and log belong to one instance")
            }
            guard verified.log.validity.contains(Date()) else {
                return .bad(
                    "\(log.upstream.url) signs with a key that the trust material has retired",
                    code: "verify.checkpoint",
                    fix: "use the log's successor, or newer trust material")
            }
            let witnesses = verified.cosignatures.map(\.witness).sorted().joined(separator: ", ")
            var facts = ["origin": checkpoint.origin, "size": "\(checkpoint.size)"]
            if !witnesses.isEmpty { facts["witnesses"] = witnesses }
            return .good(
                "\(kind), \(checkpoint.size) entries, its checkpoint verified"
                    + (log.witnesses.isEmpty ? "" : ", cosigned by \(witnesses.isEmpty ? "nobody" : witnesses)"),
                facts: facts)
        }
    }

    /// What the log serves as its newest, whoever signed it.
    private func checkpoint(
        of log: InstanceServices.Log, _ verifier: CheckpointVerifier
    ) async throws(SigstoreError) -> Checkpoint {
        do throws(SigstoreError) {
            if let newest = try await log.client(verifier, http: http).checkpoints().first { return newest }
            throw .badAnswer(.rekor, detail: "no checkpoint", answerMayBeLost: false)
        } catch {
            guard case .refused = error, log.api.isTiled else { throw error }
            throw .badAnswer(
                .rekor, detail: "\(error.observed): tiles_url must be where the log's tiles are", answerMayBeLost: false
            )
        }
    }

    /// Nothing, unless less is demanded of certificates than stock clients do.
    private func transparencyFinding() -> DoctorFinding? {
        guard configuration.sigstore.certificateTransparency == .none,
            configuration.sigstore.allIdentities.contains(where: { $0.identity.token != nil })
        else { return nil }
        return DoctorFinding(
            "certificate transparency",
            .doubtful(
                "not demanded: stock clients refuse what is signed with a certificate that no CT log promises to know, "
                    + "unless they are told (--insecure-ignore-sct)",
                fix:
                    "give Fulcio a CT log, put the log into the trusted root, and set certificate_transparency: required"
            ))
    }

    private func publicityFinding(_ services: InstanceServices) -> DoctorFinding {
        let upstreams = [services.fulcio].compactMap(\.self) + services.logs.map(\.upstream)
        let hosts = Set(upstreams.filter(\.isPublicInstance).compactMap(\.host)).sorted()
        guard !hosts.isEmpty else {
            return DoctorFinding(
                "publicity", .good("no service is of the public instance; who reads yours is up to you"))
        }
        let text = "\(hosts.joined(separator: ", ")): what is signed, where and by whom becomes public for ever"
        return DoctorFinding(
            "publicity",
            configuration.sigstore.publicLog == .acknowledged
                ? .good(text + "; acknowledged")
                : .bad(text, code: "trust.public_log", fix: "set sigstore.public_log: acknowledged if that is meant"))
    }

    // MARK: Clocks

    /// Our clock against those of the services whose statements have to agree with it, and the database's.
    func clockFindings(_ services: Result<InstanceServices, any Error>) async -> [DoctorFinding] {
        guard let services = try? services.get() else { return [] }
        var findings: [DoctorFinding] = []
        let upstreams =
            [services.fulcio].compactMap(\.self).map { ("fulcio", $0) } + services.logs.map { ($0.name, $0.upstream) }
        for (name, upstream) in upstreams {
            let sent = Date()
            // whatever it answers, it says when
            let answer: HTTPResponse
            do { answer = try await http.send(HTTPRequest(.get, upstream.url, route: upstream.route)) } catch {
                findings.append(Self.clockFinding(name, untold: "cannot be reached: \(error)"))
                continue
            }
            guard let date = answer.date else {
                findings.append(Self.clockFinding(name, untold: "answers \(answer.status) without a Date"))
                continue
            }
            // cut to the second, and many servers make the text once a second
            let reading = ClockReading(name: upstream.shortName, time: date, from: sent, to: Date(), resolution: 2)
            findings.append(DoctorFinding("clock \(name)", reading.seen(prefix: "")))
        }
        return findings
    }

    /// A clock that could not be compared is no clock that agrees.
    private static func clockFinding(_ name: String, untold why: String) -> DoctorFinding {
        DoctorFinding(
            "clock \(name)",
            .doubtful(
                "its clock was not compared with ours: it \(why)",
                fix: "mend what keeps its answer, or its Date header, from us; and see that both clocks follow NTP"))
    }
}

/// Another clock, read between two readings of ours.
struct ClockReading {
    let name: String
    /// Seconds that it is ahead of ours at least; negative if behind, 0 if the readings do not tell.
    let skew: TimeInterval

    /// - Parameter resolution: seconds that the other clock's reading may have been rounded down by.
    init(name: String, time: Date, from: Date, to: Date, resolution: TimeInterval) {
        self.name = name
        let ahead = time.timeIntervalSince(to)
        let behind = time.addingTimeInterval(resolution).timeIntervalSince(from)
        skew = ahead > 0 ? ahead : behind < 0 ? behind : 0
    }

    /// Up to 5 s do no harm, from 60 s on tokens and certificates are refused.
    func seen(prefix: String) -> DoctorFinding.Seen {
        let seconds = skew.magnitude.rounded(.up)
        let text =
            prefix
            + (skew == 0
                ? "its clock and ours agree to the second"
                : "its clock is \(Int(seconds)) s \(skew > 0 ? "ahead of" : "behind") ours")
        let facts = ["skew_seconds": "\(Int(skew.rounded(.awayFromZero)))"]
        let fix = "synchronise this machine's clock (NTP), or have \(name) do so"
        return switch skew.magnitude {
        case ...5: .good(text, facts: facts)
        case ...60: .doubtful(text, fix: fix, facts: facts)
        default: .bad(text, code: "identity.clock", fix: fix, facts: facts)
        }
    }
}

extension UpstreamConfiguration {
    /// The host, which tells it from others.
    fileprivate var shortName: String { host ?? url }
}
