import OpenSSL

/// What a token of GitHub Actions says of the run, and what Fulcio writes of it into a certificate.
///
/// The mapping is that of Fulcio's own configuration (`ci-issuer-metadata`, type `github-workflow`).
struct WorkflowClaims: Codable, Sendable, Equatable {
    /// Claims that Fulcio demands.
    static let required = [
        "job_workflow_ref", "sha", "event_name", "repository", "workflow", "ref", "job_workflow_sha",
        "runner_environment", "repository_id", "repository_owner", "repository_owner_id", "repository_visibility",
        "workflow_ref", "workflow_sha", "run_id", "run_attempt",
    ]
    private static let optional = ["environment"]
    private static let server = "https://github.com"

    /// By name, as in the token.
    let values: [String: String]

    /// Claims of a run in the repository and on the ref of a subject `repo:OWNER/NAME:ref:REF`.
    ///
    /// - Parameter given: claims that replace the made-up ones.
    /// - Throws: `LabError.token` for a subject of another form and for a claim that GitHub does not have.
    init(subject: String, given: [String: String]) throws(LabError) {
        let parts = subject.split(separator: ":", maxSplits: 3, omittingEmptySubsequences: false).map(String.init)
        guard parts.count >= 3, parts[0] == "repo", let owner = parts[1].split(separator: "/").first,
            parts[1].split(separator: "/").count == 2
        else { throw .token("a GitHub subject is repo:OWNER/NAME:ref:REF, not \"\(subject)\"") }
        if let unknown = given.keys.first(where: { !(Self.required + Self.optional).contains($0) }) {
            throw .token("GitHub tokens have no claim \"\(unknown)\"")
        }
        let repository = given["repository"] ?? parts[1]
        let ref = given["ref"] ?? (parts.count == 4 && parts[2] == "ref" ? parts[3] : "refs/heads/main")
        let commit = Hash.sha1(Array("\(repository)@\(ref)".utf8)).hex
        let workflow = "\(repository)/.github/workflows/release.yml@\(ref)"
        var values = [
            "repository": repository, "repository_owner": String(owner), "repository_id": "710000001",
            "repository_owner_id": "42000001", "repository_visibility": "private", "ref": ref, "sha": commit,
            "event_name": "push", "workflow": "release", "workflow_ref": workflow, "workflow_sha": commit,
            "job_workflow_ref": workflow, "job_workflow_sha": commit, "runner_environment": "github-hosted",
            "run_id": "8000000001", "run_attempt": "1",
        ]
        if parts.count == 4, parts[2] == "environment" { values["environment"] = parts[3] }
        self.values = values.merging(given) { _, given in given }
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: FieldName.self)
        var values: [String: String] = [:]
        for name in Self.required + Self.optional {
            values[name] = try container.decodeIfPresent(String.self, forKey: FieldName(name))
        }
        self.values = values
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: FieldName.self)
        for (name, value) in values { try container.encode(value, forKey: FieldName(name)) }
    }

    /// Whether Fulcio can write a certificate from them.
    var isComplete: Bool { Self.required.allSatisfy { values[$0]?.isEmpty == false } }

    /// The certificate's name: the workflow that holds the signing step.
    var name: GeneralName { .uri("\(Self.server)/\(value("job_workflow_ref"))") }

    /// Extensions by their last number under 1.3.6.1.4.1.57264.1, beside issuer and subject, in Fulcio's order.
    var extensions: [FulcioExtension] {
        let repository = "\(Self.server)/\(value("repository"))"
        var list: [FulcioExtension] = [
            .init(number: 2, text: value("event_name")), .init(number: 3, text: value("sha")),
            .init(number: 4, text: value("workflow")), .init(number: 5, text: value("repository")),
            .init(number: 6, text: value("ref")),
            .init(number: 9, text: "\(Self.server)/\(value("job_workflow_ref"))"),
            .init(number: 10, text: value("job_workflow_sha")), .init(number: 11, text: value("runner_environment")),
            .init(number: 12, text: repository), .init(number: 13, text: value("sha")),
            .init(number: 14, text: value("ref")), .init(number: 15, text: value("repository_id")),
            .init(number: 16, text: "\(Self.server)/\(value("repository_owner"))"),
            .init(number: 17, text: value("repository_owner_id")),
            .init(number: 18, text: "\(Self.server)/\(value("workflow_ref"))"),
            .init(number: 19, text: value("workflow_sha")), .init(number: 20, text: value("event_name")),
            .init(number: 21, text: "\(repository)/actions/runs/\(value("run_id"))/attempts/\(value("run_attempt"))"),
            .init(number: 22, text: value("repository_visibility")),
        ]
        if let environment = values["environment"] { list.append(.init(number: 23, text: environment)) }
        return list
    }

    private func value(_ name: String) -> String { values[name] ?? "" }
}

/// One of Fulcio's certificate extensions.
struct FulcioExtension: Sendable, Equatable {
    /// 1.3.6.1.4.1.57264.1, under which they are numbered (oid-info.md of Fulcio).
    private static let arc = "1.3.6.1.4.1.57264.1"

    let number: Int
    let text: String

    /// Numbers 1 to 6 hold the bare text, from 8 on a DER UTF8String.
    var encoded: CertificateTemplate.Extension {
        .init(oid: "\(Self.arc).\(number)", value: number < 7 ? Array(text.utf8) : DER.utf8String(text))
    }
}
