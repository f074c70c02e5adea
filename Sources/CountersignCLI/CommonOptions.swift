import ArgumentParser
import Countersign
import FoundationEssentials
import Glibc

/// How an answer is printed.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case text, json
}

struct OutputOption: ParsableArguments {
    @Option(name: .shortAndLong, help: "How the answer is printed: text or json.") var output: OutputFormat = .text
}

/// `--config`: the daemon's own configuration file.
struct ConfigurationOption: ParsableArguments {
    @Option(name: .shortAndLong, help: "Configuration file (or COUNTERSIGN_CONFIG).") var config: String?

    var path: String {
        get throws {
            guard let path = config ?? ProcessInfo.processInfo.environment["COUNTERSIGN_CONFIG"] else {
                throw ValidationError("Say which configuration: --config FILE, or COUNTERSIGN_CONFIG.")
            }
            return path
        }
    }

    func load() throws -> Configuration { try Self.load(try path) }

    static func load(_ path: String) throws -> Configuration {
        do {
            return try Configuration.read(path: path)
        } catch {
            throw CommandFailure(
                code: "config.invalid", observed: "\(path): \(error)",
                fix:
                    "config/countersign.example.yaml explains every key; `countersign config check` lists all problems.",
                status: 2)
        }
    }
}

/// Where the daemon's API is, and the token for it.
struct APIOptions: ParsableArguments {
    @Option(help: "The daemon's API, such as https://countersign.example:8080 (or COUNTERSIGN_API).") var api: String?
    @Option(help: "File with an API token (or COUNTERSIGN_TOKEN_FILE; the token itself only as COUNTERSIGN_TOKEN).")
    var tokenFile: String?
    @Option(help: "PEM certificates that the API's certificate must chain to.") var caFile: String?

    var client: APIClient {
        get throws { try Self.client(api: api, tokenFile: tokenFile, caFile: caFile) }
    }

    /// A client of the API that is named here or in the environment.
    static func client(api: String?, tokenFile: String?, caFile: String?) throws -> APIClient {
        let environment = ProcessInfo.processInfo.environment
        guard let base = api ?? environment["COUNTERSIGN_API"] else {
            throw ValidationError("Say where the daemon is: --api URL, or COUNTERSIGN_API.")
        }
        return APIClient(base: base, token: try token(tokenFile, environment), caFile: caFile)
    }

    private static func token(_ file: String?, _ environment: [String: String]) throws -> String? {
        guard let path = file ?? environment["COUNTERSIGN_TOKEN_FILE"] else { return environment["COUNTERSIGN_TOKEN"] }
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
            throw CommandFailure(
                code: "cli.token_file", observed: "cannot read the token file \(path)",
                fix: "`countersign token create --role viewer` makes a token; put it into a file only you can read.",
                status: 2)
        }
        return text.split(whereSeparator: \.isWhitespace).first.map(String.init)
    }
}

/// Who is at the command line, for the audit log.
var unixUser: String {
    let environment = ProcessInfo.processInfo.environment
    return environment["SUDO_USER"] ?? environment["USER"] ?? "uid \(getuid())"
}

/// `30s`, `5m`, `250ms`.
struct DurationArgument: ExpressibleByArgument {
    let duration: Duration

    init(_ duration: Duration) { self.duration = duration }

    init?(argument: String) {
        let units: [(String, Double)] = [("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600)]
        for (suffix, seconds) in units where argument.hasSuffix(suffix) {
            guard let number = Double(argument.dropLast(suffix.count)), number >= 0,
                number * seconds <= 10_000 * 86_400
            else { return nil }
            duration = .milliseconds(Int64(number * seconds * 1000))
            return
        }
        return nil
    }

    var defaultValueDescription: String { "\(duration.components.seconds)s" }
}
