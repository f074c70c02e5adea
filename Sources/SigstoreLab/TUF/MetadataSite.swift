import HTTPTypes

/// The repository's files over HTTP, as a content delivery network would serve them.
struct MetadataSite: LabSite {
    let service = LabService.tuf
    let repository: MetadataRepository

    func isSigningCall(_ path: String) -> Bool { false }

    func answer(_ request: LabRequest) async throws -> Answer {
        guard request.method == .get || request.method == .head,
            let bytes = try await repository.file(String(request.path.dropFirst()))
        else { return Answer(.notFound) }
        var answer = Answer(.ok, headers: [.contentType: "application/json"], body: bytes)
        // a timestamp changes under its name, all else has its version or hash in it
        answer.headers[.cacheControl] = request.path == "/timestamp.json" ? "no-cache" : "max-age=3600"
        return answer
    }
}
