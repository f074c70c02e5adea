import FoundationEssentials
import OpenSSL
import Sigstore

extension Doctor {
    /// For each identity: the token and its claims, what Fulcio will make of it, and whom verifiers have to pin. At last,
    /// whether anybody would notice that somebody else signs as one of them.
    func identityFindings(
        _ services: Result<InstanceServices, any Error>, _ trust: Result<TrustKeeper, any Error>
    ) async -> [DoctorFinding] {
        var findings: [DoctorFinding] = []
        for (position, named) in configuration.sigstore.allIdentities.enumerated() {
            // rules call the others by name
            let (suffix, identity) = (position == 0 ? "" : " \(named.name)", named.identity)
            switch identity.proof {
            case .key(let key): findings.append(await keyFinding("key" + suffix, key))
            case .token(let source):
                let (finding, token) = await tokenFinding("identity token" + suffix, identity, source)
                findings.append(finding)
                guard let token else { continue }
                let fulcio = services.map(\.fulcio)
                findings.append(await nameFinding("identity name" + suffix, identity, token, fulcio))
                if options.issuesCertificate {
                    findings.append(await certificateFinding("certificate" + suffix, identity, token, fulcio, trust))
                }
            }
        }
        return findings + [DoctorFinding("identity monitor", monitorSeen)]
    }

    private var monitorSeen: DoctorFinding.Seen {
        guard configuration.reconcile.identityMonitor.isEnabled else {
            return .doubtful(
                "off: nobody looks for what others enter in the logs as us",
                fix:
                    "reconcile.identity_monitor.enabled: true; it reads every entry of the logs, and a public one has many"
            )
        }
        return .good("entries in the logs that are as us and not ours are an alert (identity.unknown_entry)")
    }

    private func keyFinding(_ check: String, _ configured: ManagedKeyConfiguration) async -> DoctorFinding {
        await look(check, fix: "see key.file and key.password of the identity") {
            let key = try ManagedKey(configured)
            let facts = ["hint": key.hint, "public_key": key.publicKey.pem]
            let text = "\(configured.file): \(key); verifiers need its public key"
            guard let caveat = key.caveat else { return .good(text, facts: facts) }
            return .doubtful("\(text); \(caveat)", fix: "use a P-256 key if stock clients shall verify", facts: facts)
        }
    }

    private func tokenFinding(
        _ check: String, _ identity: IdentityConfiguration, _ source: IdentityConfiguration.TokenSource
    ) async -> (DoctorFinding, IdentityToken?) {
        let tokens = source.source(audience: identity.audience, http: http)
        var usable: IdentityToken?
        let finding = await look(check, fix: "see token of the identity") {
            let token = try await tokens.token()
            try token.checkUsable(at: Date(), audience: identity.audience, issuer: identity.issuer)
            usable = token
            let claims = token.claims
            let facts = Self.facts(claims)
            let text =
                "from \(tokens.description): issuer \(claims.issuer), subject \(claims.subject), audience "
                + "\(claims.audience.joined(separator: ", ")), expires \(claims.expires.formatted(.iso8601))"
            if let file = tokens as? FileTokenSource, file.isReadableByEveryone {
                return .doubtful(
                    text + "; everybody on this machine may read the file",
                    fix: "take the right to read it from others: whoever has the token can sign as you", facts: facts)
            }
            guard claims.expires.timeIntervalSinceNow > 60 else {
                return .doubtful(
                    text + "; that is less than a minute from now", fix: "see that its life is five minutes or more",
                    facts: facts)
            }
            return .good(text, facts: facts)
        }
        return (finding, usable)
    }

    /// The claims that everybody knows; a token may carry others, which are nobody's business.
    private static func facts(_ claims: IdentityToken.Claims) -> [String: String] {
        var facts = [
            "issuer": claims.issuer, "subject": claims.subject, "audience": claims.audience.joined(separator: ", "),
            "expires": claims.expires.formatted(.iso8601),
        ]
        facts["email"] = claims.email
        if let account = claims.kubernetes {
            facts["kubernetes"] = "\(account.namespace)/\(account.serviceAccount)"
        }
        return facts
    }

    /// Fulcio's own word on the issuer, and the name that its rules make of the claims, without taking a certificate.
    private func nameFinding(
        _ check: String, _ identity: IdentityConfiguration, _ token: IdentityToken,
        _ fulcio: Result<UpstreamConfiguration?, any Error>
    ) async -> DoctorFinding {
        await look(check, fix: "compare the token's issuer with Fulcio's /api/v2/configuration") {
            guard let upstream = try fulcio.get() else {
                throw TrustError.noService("no certificate authority is named")
            }
            let client = FulcioClient(
                url: upstream.url, http: http, route: upstream.route, audience: identity.audience)
            let issuers = try await client.issuers()
            let claims = token.claims
            guard let issuer = FulcioIssuer.accepting(claims.issuer, among: issuers) else {
                return .bad(
                    "\(upstream.url) accepts \(issuers.count) issuers, \(claims.issuer) is none of them",
                    code: "fulcio.issuer_unknown",
                    fix: "add the issuer to Fulcio's configuration, or use tokens of one that it knows")
            }
            guard issuer.audience.isEmpty || claims.audience.contains(issuer.audience) else {
                return .bad(
                    "\(upstream.url) wants audience \"\(issuer.audience)\" of \(issuer.url)", code: "identity.audience",
                    fix: "set the identity's audience to \(issuer.audience), and ask for such tokens")
            }
            guard issuer.challenge(of: claims) != nil else {
                return .bad(
                    "\(upstream.url) challenges the claim \"\(issuer.challengeClaim)\", which the token lacks",
                    code: "fulcio.challenge", fix: "have the issuer add the claim, or correct Fulcio's configuration")
            }
            return Self.compare(issuer, claims, identity)
        }
    }

    private static func compare(
        _ issuer: FulcioIssuer, _ claims: IdentityToken.Claims, _ identity: IdentityConfiguration
    ) -> DoctorFinding.Seen {
        let facts = [
            "issuer_type": issuer.kind, "challenge_claim": issuer.challengeClaim, "issuer": identity.issuer,
            "subject_alternative_name": identity.subjectAlternativeName,
        ]
        switch issuer.name(for: claims) {
        case .known(let name) where name == identity.subjectAlternativeName:
            return .good(
                "Fulcio knows the issuer (\(issuer.kind)); verifiers pin identity \(name), issuer \(identity.issuer)",
                facts: facts)
        case .known(let name):
            return .bad(
                "certificates will name \(name), the configuration expects \(identity.subjectAlternativeName)",
                code: "identity.mismatch",
                fix: "if the token is the right one, set subject_alternative_name to \(name)",
                facts: facts.merging(["certificate_name": name]) { $1 })
        case .refused(let reason):
            return .bad(
                "Fulcio takes tokens of this issuer as \(issuer.kind), and will refuse this one: \(reason)",
                code: "fulcio.refused", fix: "have the issuer make tokens as Fulcio wants them", facts: facts)
        case .unknown(let kind):
            return .doubtful(
                "Fulcio knows the issuer (\(kind)), and how it names such tokens only it knows",
                fix: "take one certificate and see: `doctor --issue`", facts: facts)
        }
    }

    /// A real certificate: that its chain ends in the trust material, and whom it names.
    private func certificateFinding(
        _ check: String, _ identity: IdentityConfiguration, _ token: IdentityToken,
        _ fulcio: Result<UpstreamConfiguration?, any Error>, _ trust: Result<TrustKeeper, any Error>
    ) async -> DoctorFinding {
        await look(check, fix: "compare the token's issuer with Fulcio's /api/v2/configuration") {
            guard let upstream = try fulcio.get() else {
                throw TrustError.noService("no certificate authority is named")
            }
            let client = FulcioClient(
                url: upstream.url, http: http, route: upstream.route, audience: identity.audience)
            let certificate = try await client.issue(key: try PrivateKey.generate(.ecdsaP256), token: token)
            let facts = ["certificate_name": certificate.identity, "certificate_issuer": certificate.issuer]
            guard
                certificate.identity == identity.subjectAlternativeName, certificate.issuer == identity.issuer
            else {
                return .bad(
                    "a certificate names \(certificate.identity) of \(certificate.issuer)", code: "identity.mismatch",
                    fix: "if the token is the right one, set subject_alternative_name and issuer to these", facts: facts
                )
            }
            let authorities = try trust.get().current.trustedRoot.certificateAuthorities
            guard authorities.contains(where: { $0.vouches(for: certificate.leaf) }) else {
                return .bad(
                    "no certificate authority of the trust material vouches for what \(upstream.url) issued",
                    code: "verify.chain", fix: "see that trust material and Fulcio belong to one instance", facts: facts
                )
            }
            let stamps = try certificate.leaf.signedCertificateTimestamps().count
            guard stamps > 0 || configuration.sigstore.certificateTransparency == .none else {
                return .bad(
                    "\(upstream.url) issues certificates without the promise of a CT log, and nothing verifies with them",
                    code: "verify.sct",
                    fix: "give Fulcio a CT log; or, if it shall have none, set sigstore.certificate_transparency: none",
                    facts: facts)
            }
            return .good(
                "verifiers pin identity \(certificate.identity), issuer \(certificate.issuer); valid until "
                    + "\(certificate.notAfter.formatted(.iso8601)), \(stamps) SCTs, chain in the trust material",
                facts: facts)
        }
    }
}

extension TrustedAuthority {
    fileprivate func vouches(for leaf: Certificate) -> Bool {
        let now = Date()
        guard validity.contains(now) else { return false }
        let path = try? CertificateChain.verify(
            leaf, intermediates: intermediates, roots: [root], at: now, purpose: .codeSigning)
        return path != nil
    }
}
