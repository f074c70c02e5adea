import ArgumentParser
import Countersign
import FoundationEssentials
import Glibc
import Synchronization

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

    /// What was read. A pipe can be read once only, and several parts of a command ask for the same.
    private static let known = Mutex<[String: Configuration]>([:])

    static func load(_ path: String) throws -> Configuration {
        if let read = known.withLock({ $0[path] }) { return read }
        do throws(ConfigurationError) {
            let read = try Configuration.read(path: path)
            known.withLock { $0[path] = read }
            return read
        } catch {
            let problems = error.problems.map(\.description)
            throw CommandFailure(
                code: "config.invalid", observed: "\(path): \(problems.first ?? "")",
                further: Array(problems.dropFirst()),
                fix:
                    "config/countersign.example.yaml explains every key; `countersign config check` lists all problems.",
                status: 2)
        }
    }
}

/// Where the daemon's API is, and the token for it.
struct APIOptions: ParsableArguments {
    @Option(help: "The daemon's API, such as https://countersign.example.com (or COUNTERSIGN_API).") var api: String?
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
        let bytes = try? NamedFile(path: path).contents(atMost: 64 << 10)
        // nobody is asked without a token where one was meant
        guard let bytes, let token = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace).first
        else {
            throw CommandFailure(
                code: "cli.token_file",
                observed: bytes == nil ? "cannot read the token file \(path)" : "the token file \(path) is empty",
                fix: "`countersign token create --role viewer` makes a token; put it into a file only you can read.",
                status: 2)
        }
        return String(token)
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
