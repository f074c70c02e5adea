import FoundationEssentials
import OCI
import Sigstore
import SigstoreLab
import Support

@testable import Countersign

/// What commands are tried on: an image that is signed in both formats, where it is, and a Sigstore with its trust material.
struct CommandStage {
    let line: SigningLine
    let image: Manifest
    let folder: TemporaryDirectory
    /// Where the image's bundle has its entry.
    let entry: TlogEntry
    let values: [String: String]

    init(_ setup: SigningLine.Setup = .formats([.bundle, .legacy])) async throws {
        line = try await SigningLine()
        folder = try TemporaryDirectory()
        image = try await line.image()
        let (digest, name) = (image.descriptor.digest, line.repository.name)
        try await line.push(digest)
        try await line.daemon(setup).workOff()
        guard let bundle = try await line.referrers(of: digest).first else { throw SupportError("it is not signed") }
        let read = try UnverifiedBundle(json: bundle.bytes)
        guard let entry = read.tlogEntries.first else { throw SupportError("it has no entry") }
        self.entry = entry
        func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
        let endpoints = try await line.lab.endpoints
        let host = line.registry.url.dropFirst("http://".count)
        let unsigned = try await line.image(tag: "unsigned").descriptor.digest
        values = [
            "app": name, "repository": "\(host)/\(name)", "image": "\(host)/\(name)@\(digest)",
            "unsigned": "\(host)/\(name)@\(unsigned)", "digest": "\(digest)", "rekor": line.rekor.url,
            "rekor2": endpoints.rekor2, "index": "\(entry.logIndex)", "issuer": endpoints.issuer(.kubernetes),
            "root": try folder.write(text(try await line.lab.trustedRootJSON), to: "trusted_root.json"),
            "config": try folder.write(text(try await line.lab.signingConfigJSON), to: "signing_config.json"),
            "bundle": try folder.write(text(bundle.bytes), to: "bundle.json"),
            "sbom": try folder.write(#"{"spdxVersion":"SPDX-2.3"}"#, to: "sbom.json"),
        ]
    }

    func transcript(_ more: [String: String] = [:]) throws -> Transcript {
        try Transcript(values.merging(more) { $1 }, on: self)
    }
}

extension SigningLine {
    /// The file of a daemon on this line.
    /// - Parameter witnesses: of its logs, as the configuration has them.
    func configuration(
        database: String, aliases: [String] = [], witnesses: String = "[]"
    ) async throws -> String {
        let upstream = "private_network: true, plain_http: true, proxy: none"
        let issuer = try await lab.endpoints.issuer(.kubernetes)
        try folder.write(String(decoding: try await lab.trustedRootJSON, as: UTF8.self), to: "root.json")
        try folder.write(database, to: "database_url")
        return try folder.write(
            """
            environment: development
            database:
              url: {file: "\(folder.path)/database_url"}
            sigstore:
              trusted_root: "\(folder.path)/root.json"
              fulcio: {url: "\(fulcio.url)", \(upstream)}
              timestamp_authority: {url: "\(tsa.url)/api/v1/timestamp", \(upstream)}
              rekor: {url: "\(rekor.url)", \(upstream)}
              witnesses: \(witnesses)
              identity:
                token: {file: "\(tokenFile)"}
                subject_alternative_name: \(SigningLine.Setup().subject)
                issuer: \(issuer)
            registries:
              - {name: \(SigningLine.registryName), url: "\(registry.url)", \(upstream), aliases: \(aliases)}
            """, to: "countersign.yaml")
    }
}
