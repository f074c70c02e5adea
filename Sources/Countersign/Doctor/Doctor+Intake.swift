import Curl
import FoundationEssentials
import StrictJSON

extension Doctor {
    /// Each webhook's secret: there, long enough, its own; a rotation that is still open; and whether the daemon that listens,
    /// if one does, takes it.
    func intakeFindings() async -> [DoctorFinding] {
        var findings: [DoctorFinding] = []
        for endpoint in configuration.endpoints {
            findings.append(DoctorFinding("webhook \(endpoint.name)", secretSeen(endpoint)))
            findings.append(await deliveryFinding(endpoint))
        }
        return findings
    }

    /// A delivery without events, as the sender would make it: nothing is stored of it.
    ///
    /// A wrong secret is not tried. A refused delivery is counted as one (`intake.unauthorized`), which is what the alert for
    /// a registry that is stuck looks at; and a way to refuse one uncounted would be a way to guess unseen.
    private func deliveryFinding(_ endpoint: EndpointConfiguration) async -> DoctorFinding {
        await look("delivery \(endpoint.name)", fix: "see what listens at listeners.webhooks") {
            let address = configuration.listeners.webhooks
            guard let secret = endpoint.secrets.first, address.port != 0 else {
                return .good("not tried: the port is chosen when the daemon starts, or there is no secret")
            }
            var route = HTTPRoute()
            (route.addresses, route.allowPlainHTTP, route.proxy) = (.privateAllowed, true, .none)
            (route.connectTimeout, route.totalTimeout) = (.seconds(2), .seconds(5))
            let delivery = endpoint.kind.proof.proving(endpoint.kind.emptyDelivery, with: secret)
            var request = HTTPRequest(
                .post, "http://\(address.reachable)/webhooks/\(endpoint.name)", headers: delivery.head,
                body: delivery.body, route: route)
            request.secrets = delivery.head.values(of: endpoint.kind.proof.field)
            let answer: HTTPResponse
            do throws(HTTPError) { answer = try await http.send(request) } catch .unreachable {
                return .good("not tried: nothing listens at \(address)")
            }
            return delivered(answer, address)
        }
    }

    private func delivered(_ answer: HTTPResponse, _ address: ListenAddress) -> DoctorFinding.Seen {
        let restart = "restart the daemon, so that it has this configuration; then give the registry the same secret"
        switch answer.status {
        case 202 where (try? JSONValue(parsing: answer.body))?["accepted"] != nil:
            return .good(
                "the daemon at \(address) took a delivery without events; a wrong secret is not tried, it would count as a "
                    + "registry that is stuck")
        case 401:
            return .bad(
                "the daemon at \(address) does not take this secret", code: "intake.unauthorized", fix: restart)
        case 404:
            return .bad(
                "the daemon at \(address) does not know the endpoint", code: IntakeError.unknownEndpoint.code,
                fix: restart)
        case 503:
            return .bad(
                "the daemon at \(address) cannot store deliveries now", code: "intake.unavailable",
                fix: "see its log and its database")
        default:
            return .bad(
                "\(address) answers \(answer.status) to a delivery without events, which no daemon does",
                code: "intake.not_a_daemon", fix: "see what listens there, or correct listeners.webhooks")
        }
    }

    private func secretSeen(_ endpoint: EndpointConfiguration) -> DoctorFinding.Seen {
        guard let secret = endpoint.secrets.first else {
            return .bad("no secret", code: "intake.secret", fix: "give the endpoint a secret")
        }
        let length = secret.exposed.utf8.count
        let proof = endpoint.kind.proof
        let text = "for \(endpoint.registry), \(proof.secretName) of \(length) bytes"
        if proof.lacksScheme(secret) {
            return .doubtful(
                text + ", without a scheme: a registry that sends \"Bearer …\" is answered 401",
                fix: "let the secret be the whole header, \"Bearer \" included, if that is what the registry sends")
        }
        let others = configuration.endpoints.filter { $0.name != endpoint.name }
        if others.contains(where: { $0.secrets.contains(secret) }) {
            return .doubtful(
                text + ", shared with another endpoint: each sender can speak for both",
                fix: "give each endpoint a secret of its own")
        }
        if length < proof.shortestSecret {
            return .doubtful(text + ", which can be guessed sooner than it should", fix: "use 16 random bytes or more")
        }
        if endpoint.secrets.count > 1 {
            return .doubtful(
                text + "; the previous secret is accepted too",
                fix: "remove previous_secret once the sender has the new one")
        }
        if !endpoint.trustHost {
            return .doubtful(
                text + "; trust_host is false: its events speak for \(endpoint.registry) whatever host they name",
                fix: "set trust_host: true unless a proxy rewrites the host")
        }
        return .good(text)
    }
}

extension DeliveryProof {
    fileprivate var secretName: String {
        switch self {
        case .secret(let field): field
        case .code: "key"
        }
    }

    /// Whether the field would be a token without its scheme (RFC 9110, 11.6.2), as somebody writes it who takes the secret for
    /// the token alone.
    fileprivate func lacksScheme(_ secret: Secret) -> Bool {
        guard case .secret(in: "Authorization") = self else { return false }
        return !secret.exposed.contains(" ")
    }

    /// 128 bits in base64; as a whole field, with "Bearer " before them.
    fileprivate var shortestSecret: Int {
        switch self {
        case .secret: 29
        case .code: 22
        }
    }
}

extension ListenAddress {
    /// Where one dials what listens here: a listener on every address is also on loopback.
    fileprivate var reachable: ListenAddress {
        switch host {
        case "0.0.0.0": ListenAddress(host: "127.0.0.1", port: port)
        case "::": ListenAddress(host: "::1", port: port)
        default: self
        }
    }
}
