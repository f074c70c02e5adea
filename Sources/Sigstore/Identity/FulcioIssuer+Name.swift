import StrictJSON

extension FulcioIssuer {
    /// What the subject alternative name of a certificate for a token will be, before one is asked for.
    public enum Name: Sendable, Equatable {
        /// The name that verifiers have to pin.
        case known(String)
        /// Fulcio will refuse such a token; why.
        case refused(String)
        /// This issuer's names are made by rules that only its Fulcio knows.
        case unknown(kind: String)
    }

    /// The name for a token with these claims, by the rules of Fulcio 1.8 (`pkg/identity/*/principal.go`).
    public func name(for claims: IdentityToken.Claims) -> Name {
        switch kind {
        case "email": emailName(claims)
        case "kubernetes": kubernetesName(claims)
        case "spiffe": spiffeName(claims.subject)
        case "uri": uriName(claims.subject)
        case "username":
            claims.subject.contains("!")
                ? .refused("its subject has a \"!\"") : .known("\(claims.subject)!\(subjectDomain)")
        case "github-workflow": join("https://github.com", claims, "job_workflow_ref")
        case "gitlab-pipeline": join("https:/", claims, "ci_config_ref_uri")
        case "buildkite-job": join("https://buildkite.com", claims, "organization_slug", "pipeline_slug")
        case "chainguard-identity": .known("\(claims.issuer)/\(claims.subject)")
        case "codefresh-workflow": codefreshName(claims)
        case "ci-provider": providerName(claims)
        default: .unknown(kind: kind)
        }
    }

    private func emailName(_ claims: IdentityToken.Claims) -> Name {
        guard let email = claims.email else { return .refused("it has no claim email") }
        guard claims.emailVerified || skipsEmailVerification else { return .refused("its email is not verified") }
        return .known(email)
    }

    private func kubernetesName(_ claims: IdentityToken.Claims) -> Name {
        guard let account = claims.kubernetes else { return .refused("it has no claim kubernetes.io with an account") }
        return .known(
            "https://kubernetes.io/namespaces/\(account.namespace)/serviceaccounts/\(account.serviceAccount)")
    }

    private func spiffeName(_ subject: String) -> Name {
        let prefix = "spiffe://\(trustDomain)"
        guard subject == prefix || subject.hasPrefix(prefix + "/") else {
            return .refused("its subject is not of the trust domain \(trustDomain)")
        }
        return .known(subject)
    }

    /// Scheme and host must be those of the subject domain; the port does not count.
    private func uriName(_ subject: String) -> Name {
        func origin(_ url: String) -> [Substring] {
            guard let end = url.firstRange(of: "://") else { return [] }
            return [url[..<end.lowerBound], url[end.upperBound...].prefix { !"/:?#".contains($0) }]
        }
        guard !origin(subject).isEmpty, origin(subject) == origin(subjectDomain) else {
            return .refused("its subject is not below \(subjectDomain)")
        }
        return .known(subject)
    }

    private func codefreshName(_ claims: IdentityToken.Claims) -> Name {
        let platform = claims.all["platform_url"]?.text ?? "https://g.codefresh.io"
        guard let account = claims.all["account_name"]?.text, let pipeline = claims.all["pipeline_name"]?.text,
            let accountID = claims.all["account_id"]?.text, let pipelineID = claims.all["pipeline_id"]?.text
        else { return .refused("it has no account and pipeline") }
        return .known("\(platform)/\(account)/\(pipeline):\(accountID)/\(pipelineID)")
    }

    /// The templates that the public instance has for the providers it knows (`config/identity/config.yaml`). The API does not
    /// tell them, so another Fulcio may have others.
    private func providerName(_ claims: IdentityToken.Claims) -> Name {
        if claims.all["job_workflow_ref"] != nil { return join("https://github.com", claims, "job_workflow_ref") }
        if claims.all["ci_config_ref_uri"] != nil { return join("https:/", claims, "ci_config_ref_uri") }
        if claims.all["organization_slug"] != nil {
            return join("https://buildkite.com", claims, "organization_slug", "pipeline_slug")
        }
        if claims.all["workflow_id"] != nil { return codefreshName(claims) }
        return .unknown(kind: kind)
    }

    private func join(_ base: String, _ claims: IdentityToken.Claims, _ names: String...) -> Name {
        var name = base
        for claim in names {
            guard let text = claims.all[claim]?.text, !text.isEmpty else { return .refused("it has no claim \(claim)") }
            name += "/" + text
        }
        return .known(name)
    }
}
