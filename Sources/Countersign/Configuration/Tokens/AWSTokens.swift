import Curl
import Sigstore

/// `aws: {…}`: STS `GetWebIdentityToken`.
struct AWSTokens: TokenSourceKind {
    static let key = "aws"
    let request: AWSTokenSource.Request
    let service: UpstreamConfiguration

    static func read(from token: ConfigurationSection, _ reading: ConfigurationReading) -> AWSTokens? {
        token.sectionIfPresent(key) { section in
            var request = AWSTokenSource.Request()
            request.region = section.string("region")
            section.read("algorithm", into: &request.algorithm, "RS256 or ES384") {
                ["RS256", "ES384"].contains($0) ? $0 : nil
            }
            section.read("life", into: &request.life)
            request.endpoint = section.string("url")
            return AWSTokens(request: request, service: reading.service(section))
        }
    }

    func problems(at path: String) -> [ConfigurationProblem] {
        var problems = Problems()
        problems.service(path, service)
        problems.check(
            (Duration.seconds(60)...Duration.seconds(3600)).contains(request.life), "\(path).life",
            "must be between 1m and 1h")
        return problems.found
    }

    func source(audience: String, http: HTTPClient) -> any IdentityTokenSource {
        AWSTokenSource(request, audience: audience, http: http, route: service.route)
    }
}

/// `aws_irsa: {}`: the rotating file that EKS names in a variable.
struct IRSATokens: TokenSourceKind {
    static let key = "aws_irsa"

    static func read(from token: ConfigurationSection, _ reading: ConfigurationReading) -> IRSATokens? {
        token.sectionIfPresent(key) { _ in IRSATokens() }
    }

    func source(audience: String, http: HTTPClient) -> any IdentityTokenSource {
        NamedFileTokenSource(variable: "AWS_WEB_IDENTITY_TOKEN_FILE")
    }
}
