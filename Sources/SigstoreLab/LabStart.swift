import Synchronization

/// Where the services of a running lab answer. Base URLs without a slash at the end, except `tsa`.
package struct LabEndpoints: Sendable, Equatable {
    /// Issuer server; the issuers are below it.
    package let oidc: String
    /// Fulcio.
    package let fulcio: String
    /// Rekor v1.
    package let rekor: String
    /// Rekor v2: its first shard.
    package let rekor2: String
    /// The timestamp call itself, `…/api/v1/timestamp`, as signing configs name it.
    package let tsa: String
    /// The TUF repository.
    package let tuf: String
    /// Base of the CT log, `…/ct`.
    package let ctLog: String

    init(host: String, ports: [LabService: Int]) {
        func url(_ service: LabService) -> String {
            "http://\(host.contains(":") ? "[\(host)]" : host):\(ports[service] ?? 0)"
        }
        oidc = url(.oidc)
        fulcio = url(.fulcio)
        rekor = url(.rekor)
        rekor2 = url(.rekor2)
        tsa = "\(url(.tsa))/api/v1/timestamp"
        tuf = url(.tuf)
        ctLog = "\(url(.fulcio))/ct"
    }

    /// `iss` of the Kubernetes issuer, which the token file's tokens are from.
    package var issuer: String { issuer(.kubernetes) }

    /// URL of a shard of Rekor v2, counted from 1.
    package func rekor2(shard number: Int) -> String { rekor2 + RekorTilesSite.path(ofShard: number) }

    /// `iss` of an issuer.
    package func issuer(_ kind: IssuerKind) -> String { "\(oidc)/\(kind.pathComponent)" }
}

/// Turns listening ports into endpoints. Requests that come before all are known wait here.
final class LabStart: Sendable {
    private let host: String
    private let ports = Mutex<[LabService: Int]>([:])
    private let bound = Gate<LabEndpoints>()

    init(host: String) { self.host = host }

    func listening(_ service: LabService, port: Int) {
        let endpoints = ports.withLock { ports in
            ports[service] = port
            return ports.count == LabService.allCases.count ? LabEndpoints(host: host, ports: ports) : nil
        }
        if let endpoints { bound.open(.success(endpoints)) }
    }

    func fail(_ error: any Error) { bound.open(.failure(error)) }

    var endpoints: LabEndpoints {
        get async throws { try await bound.value }
    }

    /// The issuers that Fulcio trusts, in the order of `/api/v2/configuration`.
    var issuers: [Issuer] {
        get async throws {
            let endpoints = try await endpoints
            return IssuerKind.allCases.map { kind in
                Issuer(kind: kind, url: endpoints.issuer(kind), origin: endpoints.oidc)
            }
        }
    }
}
